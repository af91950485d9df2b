# SPDX-License-Identifier: Apache-2.0
"""How long each stage of a frame took, in constant memory: a ring of the newest frames.

Only time is kept, nothing of what a frame shows. The figures leave the device in its last line.
"""

from __future__ import annotations

import time

import numpy as np

FRAMES_KEPT = 16384


class Timings:
    """Call `start` with the time a frame arrived, `lap` after every stage, `stop` at the end."""

    def __init__(self, stages: tuple[str, ...], kept: int = FRAMES_KEPT) -> None:
        self._stages = stages
        self._laps = np.zeros((kept, len(stages)), np.int64)  # nanoseconds
        self._totals = np.zeros(kept, np.int64)
        self._frames = 0
        self._stage = 0
        self._arrived = self._previous = 0

    def start(self, arrived_ns: int) -> None:
        """A frame begins; it arrived at this monotonic time."""
        self._arrived = self._previous = arrived_ns
        self._stage = 0

    def lap(self) -> None:
        """The next stage, in the order of `stages`, has ended."""
        now = time.monotonic_ns()
        self._laps[self._frames % len(self._totals), self._stage] = now - self._previous
        self._previous = now
        self._stage += 1

    def stop(self) -> None:
        """The frame is done: it counts from now on."""
        self._totals[self._frames % len(self._totals)] = self._previous - self._arrived
        self._frames += 1

    def latency_ms(self, percentile: float) -> float | None:
        """From arrival to the end of the last stage; None before the first frame."""
        totals = self._totals[: self._frames]
        return round(float(np.percentile(totals, percentile)) / 1e6, 3) if len(totals) else None

    def stages_us(self) -> dict[str, float]:
        """Median of each stage in microseconds; empty before the first frame."""
        laps = self._laps[: self._frames]
        medians = np.median(laps, axis=0) / 1e3 if len(laps) else ()
        return {
            stage: round(float(us), 1) for stage, us in zip(self._stages, medians, strict=False)
        }
