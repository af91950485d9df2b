# SPDX-License-Identifier: Apache-2.0
"""Frames from any source, small and grey, each with an owner who wipes it.

Order of `next`: wipe the previous frame, wait for the newest one, copy it into locked memory, let
GStreamer's buffer go (which zeroes it). Only this module imports `gi`.

The camera owns one canvas. A `Frame` is a view of it and ends at its wipe, at the next `next` or
at `close`, whichever comes first. When a recording ends, the whole pipeline is taken down at once,
so that nothing of it stays in memory while the daemon goes on. A live source that breaks or falls
silent is taken down and rebuilt, with growing pauses, until `close`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, final

import gi
import numpy as np
import numpy.typing as npt

from edge import wiping
from edge.arena import Arena
from edge.desensitise import CANVAS_H, CANVAS_W
from edge.errors import CameraError, UseAfterWipe
from edge.sources import PACKAGES, Source, parse_source

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402  only after the version was named

START_TIMEOUT_S = 10.0  # for a recording to show that it is a video
FROZEN_AFTER_S = 5.0  # of identical frames: a real sensor's noise never stands still
MISSING_AFTER_S = 2.0  # without a frame
SILENT_REBUILD_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # between two attempts to rebuild

State = Literal["live", "frozen", "missing", "ended"]
log = logging.getLogger(__name__)


@final
class Frame:
    """One frame. `pixels` is a view of the camera's canvas, not a copy."""

    __slots__ = ("_pixels", "time_ns", "wall_us")

    def __init__(self, pixels: npt.NDArray[np.uint8], time_ns: int) -> None:
        self._pixels: npt.NDArray[np.uint8] | None = pixels
        self.time_ns = time_ns  # time.monotonic_ns() when it arrived
        self.wall_us = (time.time_ns() - (time.monotonic_ns() - time_ns)) // 1000  # the same, unix

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """(64, 80) uint8 grey; raises UseAfterWipe once wiped."""
        if self._pixels is None:
            raise UseAfterWipe("this frame was wiped")
        return self._pixels

    def wipe(self) -> None:
        """Zero the pixels. Idempotent."""
        if self._pixels is not None:
            self._pixels.fill(0)
            self._pixels = None

    def __enter__(self) -> Frame:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wipe()


class _Pipeline:
    """One running GStreamer pipeline. `stop` takes it down; everything it held is wiped then."""

    def __init__(self, source: Source, rate_hz: int, *, realtime: bool) -> None:
        self._source = source
        self._gst = _build(source, rate_hz, realtime=realtime)
        self._sink = self._gst.get_by_name("sink")
        self._bus = self._gst.get_bus()
        wiping.hook(self._gst)
        if realtime:
            wiping.pace(self._gst.get_by_name("scale"), 1_000_000_000 // rate_hz)

    def start(self) -> None:
        """Begin to play. A recording that is no video raises CameraError here."""
        self._gst.set_state(Gst.State.PLAYING)
        if self._source.live:
            return
        wanted = Gst.MessageType.STREAM_START | Gst.MessageType.EOS | Gst.MessageType.ERROR
        message = self._bus.timed_pop_filtered(round(START_TIMEOUT_S * Gst.SECOND), wanted)
        if message is None:
            raise CameraError(f"{self._source.name} shows nothing for {START_TIMEOUT_S:g} s")
        if message.type == Gst.MessageType.ERROR:
            raise CameraError(self._explain(message))

    def pull(
        self, timeout_s: float, canvas: npt.NDArray[np.uint8], about: wiping.Pulled
    ) -> wiping.Pull:
        """Wait for a frame; see `wiping.pull`. Raises CameraError when the pipeline broke."""
        outcome = wiping.pull(self._sink, timeout_s, canvas, about)
        # Taking the errors also drops every other message: they would pile up for weeks.
        message = self._bus.pop_filtered(Gst.MessageType.ERROR)
        if message is not None:
            raise CameraError(self._explain(message))
        if outcome is wiping.Pull.BAD_FRAME:
            raise CameraError(f"{self._source.name}: a frame that is not the canvas")
        return outcome

    def stop(self) -> None:
        """To the state NULL; returns when all of GStreamer's threads of this pipeline are gone."""
        self._gst.set_state(Gst.State.NULL)
        self._gst.get_state(Gst.CLOCK_TIME_NONE)
        self._bus.set_flushing(True)

    def _explain(self, message: Any) -> str:  # noqa: ANN401  `gi` ships no types
        """What went wrong, in one line. The debug text is left out: it may hold the password."""
        error, _debug = message.parse_error()
        reason = error.message.strip().rstrip(".")
        location = self._source.properties.get("location")
        if isinstance(location, str):
            reason = reason.replace(location, self._source.name)
        return f"{self._source.name}: {reason}"


def _build(source: Source, rate_hz: int, *, realtime: bool) -> Any:  # noqa: ANN401
    """The pipeline in the state NULL. Raises CameraError, naming the package that is missing."""
    jetson = Gst.ElementFactory.find("nvvidconv") is not None
    description = source.description(rate_hz, realtime=realtime, jetson=jetson)
    context = Gst.ParseContext()
    try:
        pipeline = Gst.parse_launch_full(description, context, Gst.ParseFlags.FATAL_ERRORS)
    except GLib.Error as error:
        missing = ", ".join(context.get_missing_elements() or [])
        if not missing:
            raise CameraError(f"{source.name}: {error.message}") from error
        package = PACKAGES.get(missing, "the GStreamer package that holds it")
        raise CameraError(f"{source.name} needs {missing}: install {package}") from error
    element = pipeline.get_by_name("source")
    for name, value in source.properties.items():
        Gst.util_set_object_arg(element, name, str(value))
    return pipeline


@dataclass(slots=True)
class _Signs:
    """From which the state of a camera is told; times are monotonic seconds."""

    last_frame_s: float = field(default_factory=time.monotonic)
    changed_s: float = field(default_factory=time.monotonic)
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
    """An open source. For one thread; see the module's head for who owns what."""

    def __init__(self, source: Source, rate_hz: int, *, realtime: bool) -> None:
        self._source, self._rate_hz, self._realtime = source, rate_hz, realtime
        self._arena = Arena(CANVAS_H * CANVAS_W)
        self._canvas = self._arena.array((CANVAS_H, CANVAS_W), np.uint8)
        self._about = wiping.Pulled()
        self._signs = _Signs()
        self._frame: Frame | None = None
        self._before = wiping.stats()
        self._pipeline: _Pipeline | None = None
        self._pause_s, self._retry_s = FIRST_PAUSE_S, 0.0
        self.ended = False  # a recording is over, or `close` was called
        try:
            self._open()
        except CameraError:
            self.close()
            raise

    @property
    def frames(self) -> int:
        """How many frames arrived, also those that a newer one replaced."""
        return wiping.stats().frames - self._before.frames

    @property
    def frames_wiped(self) -> int:
        """How many of these GStreamer's side has zeroed so far; equal to `frames` after the end."""
        return wiping.stats().frames_wiped - self._before.frames_wiped

    @property
    def state(self) -> State:
        """What the source does now."""
        return "ended" if self.ended else self._signs.state(time.monotonic())

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame, or None: after `timeout_s` without one, or at once at the end.

        Wipes the frame before. Raises CameraError when a recording cannot be decoded further.
        """
        self._wipe_frame()
        if self._pipeline is None:
            return self._wait(timeout_s)
        try:
            outcome = self._pipeline.pull(timeout_s, self._canvas, self._about)
        except CameraError as error:
            self._broke(error)
            return None
        if outcome is wiping.Pull.FRAME:
            return self._take()
        if outcome is wiping.Pull.ENDED:
            self._end()
        elif time.monotonic() - self._signs.last_frame_s > SILENT_REBUILD_S and self._source.live:
            self._broke(CameraError(f"{self._source.name} is silent"))
        return None

    def close(self) -> None:
        """Take the pipeline down, wipe and unmap the canvas. Idempotent."""
        self._wipe_frame()
        self._stop()
        self.ended = True
        self._arena.close()

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
        self._signs.see(self._about.digest, time.monotonic())
        self._pause_s = FIRST_PAUSE_S
        self._frame = Frame(self._canvas, self._about.arrival_ns)
        return self._frame

    def _wipe_frame(self) -> None:
        if self._frame is not None:
            self._frame.wipe()
            self._frame = None

    def _wait(self, timeout_s: float) -> None:
        """Nothing is running: sleep, and rebuild a live source when its pause is over."""
        now_s = time.monotonic()
        if self.ended or now_s + timeout_s < self._retry_s:
            time.sleep(timeout_s)
            return
        time.sleep(max(0.0, self._retry_s - now_s))
        try:
            self._open()
        except CameraError as error:
            self._broke(error)

    def _open(self) -> None:
        self._pipeline = _Pipeline(self._source, self._rate_hz, realtime=self._realtime)
        self._pipeline.start()
        self._signs.last_frame_s = time.monotonic()

    def _stop(self) -> None:
        if self._pipeline is not None:
            self._pipeline.stop()
            self._pipeline = None

    def _end(self) -> None:
        if self._source.live:
            self._broke(CameraError(f"{self._source.name} ended"))
            return
        self._stop()
        self.ended = True

    def _broke(self, error: CameraError) -> None:
        """A recording raises; a live source is tried again after a pause."""
        self._stop()
        if not self._source.live:
            self.ended = True
            raise error
        log.warning("%s; next attempt in %g s", error, self._pause_s)
        self._retry_s = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)


def open_camera(source: str, rate_hz: int, realtime: bool = True) -> Camera:
    """Open `source` (see `edge.sources`) for at most `rate_hz` frames per second.

    `realtime=False`, recordings only: every frame at exactly `rate_hz`, in order, as fast as they
    are taken, none dropped; frame i shows the moment i / rate_hz. Raises CameraError.
    """
    Gst.init(None)
    parsed = parse_source(source)
    if parsed.live and not realtime:
        raise CameraError(f"{parsed.name} is live: only a recording can be read at any speed")
    return Camera(parsed, rate_hz, realtime=realtime)
