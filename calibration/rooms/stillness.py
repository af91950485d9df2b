# SPDX-License-Identifier: Apache-2.0
"""What moves in somebody who holds still: breath, sway, and a hand or a head now and then.

Everything bends turns (N, 16, 4) and root (N, 3) of N steps in place.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration.rooms import rotation
from calibration.rooms.reach import BONE
from calibration.rooms.track import STEP_S
from calibration.rooms.ways import smooth

Array = npt.NDArray[np.float64]
Generator = np.random.Generator

UPPER = slice(BONE["chest"], BONE["hand_r"] + 1)
# What moves when somebody shifts a little: bones that go together.
FIDGETS = (
    (BONE["upper_arm_l"], BONE["forearm_l"], BONE["hand_l"]),
    (BONE["upper_arm_r"], BONE["forearm_r"], BONE["hand_r"]),
    (BONE["forearm_l"], BONE["hand_l"]),
    (BONE["forearm_r"], BONE["hand_r"]),
    (BONE["head"],),
    (BONE["calf_l"], BONE["foot_l"]),
    (BONE["calf_r"], BONE["foot_r"]),
)


def breathe(rng: Generator, turns: Array, root: Array) -> None:
    """12 to 20 breaths a minute move chest, arms and head by about a degree."""
    t = np.arange(len(turns)) * STEP_S
    depth = float(rng.uniform(0.006, 0.02))
    wave = np.sin(2 * np.pi * float(rng.uniform(0.2, 0.33)) * t)
    breath = depth * wave * smooth(np.minimum(1.0, t))
    across = rotation.rotate(turns[0, BONE["chest"]], np.array([1.0, 0.0, 0.0]))
    drift = np.cumsum(rng.normal(0, 0.0012, (len(turns), 3)), axis=0)
    bend = rotation.from_vector(breath[:, None] * across + drift * np.exp(-t / 20)[:, None])
    turns[:, UPPER] = rotation.multiply(bend[:, None], turns[:, UPPER])
    root[:, 1] += 0.12 * np.maximum(breath, 0)


def fidget(rng: Generator, turns: Array) -> None:
    """One limb or the head moves and, mostly, comes back."""
    t = np.arange(len(turns)) * STEP_S
    bones = list(FIDGETS[int(rng.integers(len(FIDGETS)))])
    start, rise = float(rng.uniform(0, t[-1] + STEP_S)), float(rng.uniform(0.2, 0.8))
    gone = smooth(np.clip((t - start) / rise, 0, 1))
    if rng.random() < 0.6:
        later = start + rise + float(rng.uniform(0, 1.5))
        gone = gone - smooth(np.clip((t - later) / rise, 0, 1))
    axis = rng.normal(0, 1, 3)
    axis *= float(rng.uniform(0.08, 0.5)) / float(np.linalg.norm(axis))
    move = rotation.from_vector(gone[:, None] * axis)
    turns[:, bones] = rotation.multiply(move[:, None], turns[:, bones])


def sway(rng: Generator, turns: Array, root: Array, unsteady: float) -> None:
    """The whole body about its feet, a degree or so; unsteady 0..1."""
    t = np.arange(len(turns)) * STEP_S
    size = 0.006 + 0.02 * unsteady
    angle = np.zeros((len(t), 3))
    for axis in (0, 2):
        hertz, phase = rng.uniform(0.05, 0.35), rng.uniform(0, 6.28)
        angle[:, axis] = size * (np.sin(6.28 * hertz * t + phase) - np.sin(phase))
    bend = rotation.from_vector(angle)
    feet = np.array([root[0, 0], 0.0, root[0, 2]])
    root[:] = feet + rotation.rotate(bend, root - feet)
    turns[:] = rotation.multiply(bend[:, None], turns)
