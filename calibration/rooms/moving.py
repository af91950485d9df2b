# SPDX-License-Identifier: Apache-2.0
"""Things that move without being people: doors that are gone through, curtains in a draught."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from calibration.rooms.fittings import Room, curtain_matrix, door_matrix
from calibration.rooms.setting import Passage, Ride
from calibration.rooms.track import RATE_HZ, STEP_S

Array = npt.NDArray[np.float64]
Generator = np.random.Generator

OPEN_RAD = 1.35
BEFORE_S, AFTER_S = 1.1, 1.4  # a door begins to open and is shut again
CURTAINS_STIR = 0.12  # of moments
DOOR_STIRS = 0.1


def moved(
    rng: Generator, room: Room, steps: int, passages: Sequence[Passage], rides: Sequence[Ride]
) -> dict[int, npt.NDArray[np.float32]]:
    """Prop index -> (N, 3, 4) for every prop that moves during the moment."""
    out = {}
    for number, door in enumerate(room.doors):
        times = [passage.step for passage in passages if passage.door == number]
        stands_open = float(rng.uniform(0.3, OPEN_RAD)) if rng.random() < 0.15 else 0.0
        angle = _door(rng, steps, times, stands_open)
        if angle.any():
            out[door.prop] = np.stack([door_matrix(door, float(a)) for a in angle])
    for number, prop in enumerate(room.props):
        if prop.kind == "curtain" and rng.random() < CURTAINS_STIR:
            out[number] = np.stack([curtain_matrix(prop, float(d)) for d in _drawn(rng, steps)])
    for number in sorted({ride.prop for ride in rides}):
        own = sorted((ride for ride in rides if ride.prop == number), key=lambda ride: ride.start)
        out[number] = _ridden(room.props[number].home, own, steps)
    return {number: matrices.astype(np.float32) for number, matrices in out.items()}


def _ridden(home: Array, rides: Sequence[Ride], steps: int) -> Array:
    """At home, then wherever the rides take it; between them it stays where it was left."""
    places = np.repeat(home[None], steps, axis=0)
    for ride in rides:
        places[ride.start : ride.start + len(ride.matrices)] = ride.matrices[: steps - ride.start]
        places[ride.start + len(ride.matrices) :] = ride.matrices[-1]
    return places


def _door(rng: Generator, steps: int, times: Sequence[int], stands_open: float) -> Array:
    """Its angle (N,), radians; it may also swing by itself."""
    t = np.arange(steps, dtype=np.float64)
    angle = np.full(steps, stands_open)
    stirs = list(times)
    if rng.random() < DOOR_STIRS:
        stirs.append(int(rng.integers(steps)))
    for step in stirs:
        rising = (t - step + BEFORE_S * RATE_HZ) / (0.9 * RATE_HZ)
        falling = (step + AFTER_S * RATE_HZ - t) / (1.0 * RATE_HZ)
        share = np.clip(np.minimum(rising, falling), 0, 1)
        angle = np.maximum(angle, OPEN_RAD * share * share * (3 - 2 * share))
    return angle


def _drawn(rng: Generator, steps: int) -> Array:
    """How far a curtain is drawn (N,): a draught, or once from one side to the other."""
    t = np.arange(steps) * STEP_S
    if rng.random() < 0.5:
        level, size = rng.uniform(0.3, 0.9), rng.uniform(0.02, 0.08)
        wave = np.sin(2 * np.pi * rng.uniform(0.1, 0.5) * t + rng.uniform(0, 6))
        return np.asarray(np.clip(level + size * wave, 0, 1))
    first, last = (0.1, 1.0) if rng.random() < 0.5 else (1.0, 0.1)
    start, lasts = rng.uniform(0, max(0.1, t[-1] - 2)), rng.uniform(1.0, 2.5)
    share = np.clip((t - start) / lasts, 0, 1)
    return np.asarray(first + (last - first) * share * share * (3 - 2 * share))
