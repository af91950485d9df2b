# SPDX-License-Identifier: Apache-2.0
"""One sensor's last T time steps, on a grid of 1/rate seconds, with every gap visible.

A step that brought no vector, or only a repeated one, is a row of zeros of weight 0: a gap
is never filled with a guess. Time is the vectors' own capture time; no clock is read here.
Memory is fixed at construction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class Placed(Enum):
    """What became of a vector handed to `Window.append`."""

    NEW_STEP = "new step"
    REPLACED = "replaced"  # a second vector within one step: the newer one stays
    LATE = "late"  # not after the newest one: ignored
    RESTARTED = "restarted"  # the device's clock went back: the window begins anew


@dataclass(frozen=True, slots=True)
class Span:
    """What a window, of one sensor or of several, rests on."""

    start: float  # capture times, unix s
    end: float
    vectors: int  # steps with a new vector, of whichever sensor
    gaps: int  # steps without
    sensors: tuple[str, ...]  # device/sensor of those with a new vector in it


class Window:
    """The last T steps of one sensor; K released values and one weight per step."""

    def __init__(self, steps: int, dim: int, rate_hz: int, sigmas: Sequence[int]) -> None:
        """steps T, released dimension K, steps per second, noise levels finest first."""
        self._rate = rate_hz
        # A vector of noise level i counts in inverse proportion to its variance; the scale
        # keeps level 0 at unit noise.
        self._scales = np.array([sigmas[0] / sigma**2 for sigma in sigmas], np.float32)
        self._weights = np.array([(sigmas[0] / sigma) ** 2 for sigma in sigmas], np.float32)
        self._rows = np.zeros((steps, dim + 1), np.float32)
        self._newest_step = -1
        self._newest_us = -1
        self._first_us = -1

    @property
    def newest_us(self) -> int:
        """Capture time of the newest vector, unix us; -1 before the first."""
        return self._newest_us

    @property
    def newest_step(self) -> int:
        """The newest vector's step since 1970 on the grid that all windows share."""
        return self._newest_step

    @property
    def first_us(self) -> int:
        """Capture time of the first vector since the window began, unix us."""
        return self._first_us

    def append(
        self, capture_time_us: int, vector: NDArray[np.int16], noise_level: int, *, repeated: bool
    ) -> Placed:
        """Take one vector (K,) int16 whose trust and shape have been decided elsewhere."""
        placed = self._place(capture_time_us)
        if placed is Placed.LATE:
            return placed
        row = self._rows[self._newest_step % len(self._rows)]
        if repeated:
            # A repetition carries no information, and must not displace a vector that does.
            if placed is not Placed.REPLACED:
                row[:] = 0
            return placed
        np.multiply(vector, self._scales[noise_level], out=row[:-1], casting="unsafe")
        row[-1] = self._weights[noise_level]
        return placed

    def tensor(self, end_step: int) -> NDArray[np.float32]:
        """The T steps up to end_step, oldest first: (T, K+1) float32.

        Steps that this window does not hold, because they are too old or still to come, are rows
        of zeros: so the windows of a room are cut out of one grid of time.
        """
        steps = len(self._rows)
        found = np.zeros_like(self._rows)
        first = end_step - steps + 1
        held = np.arange(
            max(first, self._newest_step - steps + 1), min(end_step, self._newest_step) + 1
        )
        found[held - first] = self._rows[held % steps]
        return found

    def _place(self, time_us: int) -> Placed:
        steps = len(self._rows)
        if self._newest_us < 0:
            return self._restart(time_us)
        if time_us <= self._newest_us:
            behind = (self._newest_us - time_us) * self._rate / 1e6
            return self._restart(time_us) if behind > steps else Placed.LATE
        exact = time_us * self._rate / 1e6
        step = max(self._newest_step + 1, round(exact))
        self._newest_us = time_us
        if step - exact > 1:  # faster than the grid: no step is free for this one
            return Placed.REPLACED
        for missed in range(max(self._newest_step + 1, step - steps), step):
            self._rows[missed % steps] = 0
        self._newest_step = step
        return Placed.NEW_STEP

    def _restart(self, time_us: int) -> Placed:
        first = self._newest_us < 0
        self._rows[:] = 0
        self._newest_us = self._first_us = time_us
        self._newest_step = round(time_us * self._rate / 1e6)
        return Placed.NEW_STEP if first else Placed.RESTARTED
