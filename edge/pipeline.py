# SPDX-License-Identifier: Apache-2.0
"""Turn each frame into one sealed vector, and leave nothing behind.

Order: charge the budget, process (keep motion and shape, wipe the frame, encode, wipe the planes,
release with noise, wipe the embedding), seal, queue. One message leaves per tick, whether the room
is empty or full: without a frame, or without budget, the last vector is sent again unchanged.
Before the first release there is nothing to send.

No hardware is imported here; the stages arrive as arguments.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edge.frame import Frame
from edge.ledger import Ledger
from edge.outbox import Outbox
from edge.processors import FrameProcessor
from edge.sequence import Sequence
from edge.ticks import Ticks
from edge.timings import Timings
from wire.message import Signer, VectorMessage
from wire.topics import SensorTopics

if TYPE_CHECKING:
    from edge.camera import Camera  # at run time this would import GStreamer


@dataclass(slots=True)
class Pipeline:
    """One sensor, from its frames to its outbox."""

    camera: Camera
    ledger: Ledger
    processor: FrameProcessor
    signer: Signer
    outbox: Outbox
    sequence: Sequence
    topics: SensorTopics
    profile_id: bytes
    ticks: Ticks
    vector: npt.NDArray[np.int16]  # (K,), the newest release: public
    timings: Timings = field(init=False)
    releases: int = 0
    repeated: int = 0
    signed_bytes: int = 0
    queued_ns: int = 0  # monotonic time of the newest message
    level: int | None = None  # noise level of the newest release; None before the first

    def __post_init__(self) -> None:
        self.timings = self.new_timings()

    def new_timings(self) -> Timings:
        """Empty figures for the stages of this pipeline."""
        return Timings(("capture", "ledger", *self.processor.stages, "seal", "queue"))

    def run(self, stopped: Callable[[], bool], each_turn: Callable[[], None]) -> None:
        """Until `stopped`; `each_turn` is called at least once a tick, after its message."""
        while not stopped():
            frame = self.camera.next(self.ticks.patience_s(time.monotonic_ns()))
            if frame is not None:
                with frame:
                    self.on_frame(frame)
            self.fill_tick()
            each_turn()

    def on_frame(self, frame: Frame) -> None:
        """One frame, at most one message."""
        tick = self.ticks.take(frame.time_ns)
        if tick is None:
            return
        timings = self.timings
        timings.start(frame.time_ns)
        timings.lap()
        level = self.ledger.charge(self.ticks.time_s(tick))
        timings.lap()
        self.processor.process(frame, level, self.vector, timings.lap)
        if level is not None:
            self.level = level
        if self.level is not None:
            message = self._message(tick, self.level, repeated=level is None)
            sealed = self.signer.seal(message, self.topics.vectors)
            timings.lap()
            self._queue(message, sealed)
            timings.lap()
            timings.stop()

    def fill_tick(self) -> None:
        """Send the last vector again if a tick has gone by without a frame."""
        tick = self.ticks.fill(time.monotonic_ns())
        if tick is not None and self.level is not None:
            message = self._message(tick, self.level, repeated=True)
            self._queue(message, self.signer.seal(message, self.topics.vectors))

    def _message(self, tick: int, level: int, *, repeated: bool) -> VectorMessage:
        return VectorMessage(
            profile_id=self.profile_id,
            device=self.topics.device,
            sensor=self.topics.sensor,
            epoch=self.sequence.epoch,
            sequence=self.sequence.take(),
            capture_time_us=self.ticks.wall_us(tick, _wall_offset_us()),
            noise_level=level,
            repeated=repeated,
            vector=self.vector,
        )

    def _queue(self, message: VectorMessage, sealed: bytes) -> None:
        self.outbox.put(self.topics.vectors, sealed, message.capture_time_us)
        self.queued_ns = time.monotonic_ns()
        self.signed_bytes += len(sealed)
        self.repeated += message.repeated
        self.releases += not message.repeated


def _wall_offset_us() -> int:
    return (time.time_ns() - time.monotonic_ns()) // 1000
