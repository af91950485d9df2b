# SPDX-License-Identifier: Apache-2.0
"""How a body moves through one recorded motion, in the canonical form of skeleton.py.

Turns are global and relative to the T-pose; the root is the pelvis, in heights of the pelvis, with
x and z counted from where the motion starts. What repeats stays in place: `speed` says how fast
the ground would pass underneath.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.rooms import rotation

RATE_HZ = 30
F4 = NDArray[np.float32]
F8 = NDArray[np.float64]

# "clip": the lowest point of the whole motion touches the ground; "frame": that of every frame.
Ground = Literal["clip", "frame"]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """N frames at RATE_HZ, at least one; of a motion that loops, the last is the first again."""

    name: str
    role: str
    turns: F4  # (N, 16, 4)
    root: F4  # (N, 3) in heights of the pelvis
    loops: bool
    speed: float  # heights of the pelvis per second, forward
    ground: Ground

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return (len(self.turns) - 1) / RATE_HZ

    def at(self, seconds: ArrayLike, rate: float = 1.0) -> tuple[F8, F8]:
        """Times (M,) -> turns (M, 16, 4), root (M, 3); past its ends a motion loops or waits."""
        frame = np.asarray(seconds, np.float64) * (rate * RATE_HZ)
        last = len(self.turns) - 1
        frame = frame % max(last, 1) if self.loops else np.clip(frame, 0, last)
        before = np.minimum(frame.astype(np.int64), max(last - 1, 0))
        after = np.minimum(before + 1, last)
        share = frame - before
        turns = rotation.slerp(self.turns[before], self.turns[after], share[:, None])
        start, end = (self.root[frames].astype(np.float64) for frames in (before, after))
        return turns, start + (end - start) * share[:, None]
