# SPDX-License-Identifier: Apache-2.0
"""Frames from any source, in the size and format that are wanted, each with an owner who wipes it.

Order of `next`: wipe the previous frame, wait for the newest one, copy it onto the canvas, let
GStreamer's buffer go (which zeroes it).

The canvas is the caller's, locked in memory. A `Frame` is a view of it and ends at its wipe, at the
next `next` or at `close`, whichever comes first. When a recording ends, the whole pipeline is taken
down at once, so that nothing of it stays in memory while the daemon goes on. A live source that
breaks or falls silent is taken down and rebuilt, with growing pauses, until `close`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, final

import numpy as np
import numpy.typing as npt

from edge import wiping
from edge.errors import CameraError
from edge.frame import Frame
from edge.sources import parse_source
from kernels.frame import FrameFormat

FROZEN_AFTER_S = 5.0  # of identical frames: a real sensor's noise never stands still
MISSING_AFTER_S = 2.0  # without a frame
REBUILD_AFTER_S = 10.0  # without a frame
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # between two attempts to rebuild

State = Literal["live", "frozen", "missing", "ended"]
log = logging.getLogger(__name__)


class Stream(Protocol):
    """What a camera reads from. Every verb may raise CameraError."""

    def start(self) -> None:
        """Begin; a recording that is no video raises."""

    def pull(
        self, timeout_s: float, canvas: npt.NDArray[np.uint8], about: wiping.Pulled
    ) -> wiping.Pull:
        """Wait for the newest frame and copy it into canvas (nbytes,); raises when it broke."""

    def stop(self) -> None:
        """End; whatever was held is wiped."""


@dataclass(slots=True)
class _Signs:
    """From which the state of a source is told; times are monotonic seconds."""

    last_frame_s: float
    changed_s: float
    digest: int = 0

    def see(self, digest: int, now_s: float) -> None:
        """Note one frame by its digest."""
        if digest != self.digest:
            self.digest, self.changed_s = digest, now_s
        self.last_frame_s = now_s

    def state(self, now_s: float) -> State:
        if now_s - self.last_frame_s > MISSING_AFTER_S:
            return "missing"
        if self.last_frame_s - self.changed_s > FROZEN_AFTER_S:
            return "frozen"
        return "live"


@final
class Camera:
    """An open source. For one thread; the module's head says who owns what."""

    def __init__(
        self, open_stream: Callable[[], Stream], canvas: npt.NDArray[np.uint8], *, live: bool
    ) -> None:
        self._open_stream, self._canvas, self._live = open_stream, canvas, live
        self._about = wiping.Pulled()
        self._frame: Frame | None = None
        self._stream: Stream | None = None
        self._pause_s, self._retry_s = FIRST_PAUSE_S, 0.0
        self._signs = _Signs(time.monotonic(), time.monotonic())
        self._quiet_since_s = time.monotonic()
        self.ended = False  # a recording is over, or `close` was called
        try:
            self._before = wiping.stats()
            self._start()
        except CameraError:
            self.close()
            raise

    @property
    def frames(self) -> int:
        """How many frames arrived, also those that a newer one replaced."""
        return wiping.stats().frames - self._before.frames

    @property
    def frames_wiped(self) -> int:
        """How many of these GStreamer's side has zeroed so far; equal to `frames` at the end."""
        return wiping.stats().frames_wiped - self._before.frames_wiped

    @property
    def state(self) -> State:
        """What the source does now."""
        return "ended" if self.ended else self._signs.state(time.monotonic())

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame, or None: after `timeout_s` without one, or at once when it ends.

        Wipes the frame before. Raises CameraError when a recording cannot be decoded further.
        """
        self._wipe_frame()
        if self._stream is None:
            self._wait(timeout_s)
            return None
        try:
            outcome = self._stream.pull(timeout_s, self._canvas, self._about)
        except CameraError as error:
            self._broke(error)
            return None
        if outcome is wiping.Pull.FRAME:
            return self._take()
        self._none_came(outcome)
        return None

    def close(self) -> None:
        """Wipe the canvas and take the stream down. Idempotent."""
        self._wipe_frame()
        self._stop()
        self.ended = True

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self) -> Frame:
        now_s = time.monotonic()
        self._signs.see(self._about.digest, now_s)
        self._quiet_since_s = now_s
        self._pause_s = FIRST_PAUSE_S
        self._frame = Frame(self._canvas, self._about.arrival_ns)
        return self._frame

    def _none_came(self, outcome: wiping.Pull) -> None:
        if outcome is wiping.Pull.ENDED and not self._live:
            self._stop()
            self.ended = True
        elif outcome is wiping.Pull.ENDED:
            self._broke(CameraError("the live source ended"))
        elif self._live and time.monotonic() - self._quiet_since_s > REBUILD_AFTER_S:
            self._broke(CameraError(f"no frame for {REBUILD_AFTER_S:g} s"))

    def _wipe_frame(self) -> None:
        if self._frame is not None:
            self._frame.wipe()
            self._frame = None

    def _wait(self, timeout_s: float) -> None:
        """Nothing is running: sleep, and rebuild a live source when its pause is over."""
        pause_s = max(0.0, self._retry_s - time.monotonic())
        if self.ended or pause_s > timeout_s:
            time.sleep(timeout_s)
            return
        time.sleep(pause_s)
        try:
            self._start()
        except CameraError as error:
            self._broke(error)

    def _start(self) -> None:
        self._stream = self._open_stream()
        self._stream.start()
        self._quiet_since_s = time.monotonic()

    def _stop(self) -> None:
        if self._stream is not None:
            self._stream.stop()
            self._stream = None

    def _broke(self, error: CameraError) -> None:
        """A recording raises; a live source is tried again after a pause."""
        self._stop()
        if not self._live:
            self.ended = True
            raise error
        log.warning("camera: %s; next attempt in %g s", error, self._pause_s)
        self._retry_s = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)


def open_camera(
    source: str,
    rate_hz: int,
    layout: FrameFormat,
    canvas: npt.NDArray[np.uint8],
    *,
    realtime: bool = True,
) -> Camera:
    """Open `source` (see `edge.sources`) for at most `rate_hz` frames per second.

    Every frame is scaled and converted to `layout` and copied into canvas (layout.nbytes,) uint8.
    `realtime=False`, recordings only: every frame at exactly `rate_hz`, in order, as fast as they
    are taken, none dropped; frame i shows the moment i / rate_hz. Raises CameraError.
    """
    parsed = parse_source(source)
    if parsed.live and not realtime:
        raise CameraError(f"{parsed.name} is live: only a recording can be read at any speed")
    from edge.gstreamer import GstPipeline

    def open_stream() -> GstPipeline:
        return GstPipeline(parsed, rate_hz, layout, realtime=realtime)

    return Camera(open_stream, canvas, live=parsed.live)
