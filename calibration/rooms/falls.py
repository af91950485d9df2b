# SPDX-License-Identifier: Apache-2.0
"""How people fall: what takes their balance, what they do against it, how they come to lie.

A fall has three parts. Onset: a force or failing muscles. Reaction, if he can: arms and knees go
where the floor will be, which is why people land on hands and knees, or sit first and roll back.
Rest: the muscles let go and the body settles. A faint has no reaction; its tone fades away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.rooms.errors import NoFit
from calibration.rooms.figures import Arm, Leg, figure
from calibration.rooms.ragdoll import (
    CHEST,
    PELVIS,
    SUBSTEP_S,
    SUBSTEPS,
    Ragdoll,
)
from calibration.rooms.upsets import PUSHES, Manner

Array = npt.NDArray[np.float64]
Generator = np.random.Generator

LONGEST_S = 4.5
FLOOR_BY_S = 3.0  # from onset; a body that takes longer is propped up by something
QUIET = 0.25  # m/s: nothing moves any more
CHEST_LOW_M = 0.62
PELVIS_LOW_M = 0.48
ARMS, LEGS = slice(4, 10), slice(10, 16)

# Where hands, hips and knees go when the floor comes from ahead, behind or the left side.
AHEAD = figure(
    spine=(8, 0, 0),
    head=(-30, 0, 0),
    arms=((80, 14, 0, 22), (80, 14, 0, 22)),
    legs=((42, 6, 0, 78, 20), (38, 6, 0, 72, 20)),
)
BEHIND = figure(
    spine=(28, 0, 0),
    head=(28, 0, 0),
    arms=((-38, 26, 0, 12), (-38, 26, 0, 12)),
    legs=((88, 10, 5, 78, 0), (82, 10, 5, 70, 0)),
)
LEFT = figure(
    spine=(14, 15, -12),
    head=(10, 0, 15),
    arms=((22, 62, 0, 18), (40, 10, -20, 60)),
    legs=((48, 0, 0, 70, 10), (40, 8, 0, 62, 10)),
)
RIGHT = figure(
    spine=(14, -15, 12),
    head=(10, 0, -15),
    arms=((40, 10, -20, 60), (22, 62, 0, 18)),
    legs=((40, 8, 0, 62, 10), (48, 0, 0, 70, 10)),
)
SINKING = figure(spine=(18, 0, 0), head=(30, 0, 0), legs=((34, 6, 6, 75, 0), (30, 6, 6, 65, 0)))
FADING_S = 0.8  # how long a pose of falling is taken up


@dataclass(frozen=True, slots=True)
class Tumble:
    """turns (N, 16, 4), root (N, 3) of the steps after the onset; impact: index of a step."""

    turns: Array
    root: Array
    impact: int


def tumble(
    ragdoll: Ragdoll,
    person: int,
    manner: Manner,
    beside: Callable[[int], None] | None = None,
) -> Tumble:
    """Let a placed person fall; `beside(substep)` moves the others. NoFit if he does not lie.

    The first step returned is 0.1 s after the onset.
    """
    turns, roots, impact, quiet = [], [], None, 0
    for substep in range(round(LONGEST_S / SUBSTEP_S)):
        seconds = substep * SUBSTEP_S
        _drive(ragdoll, person, manner, seconds, impact)
        if beside is not None:
            beside(substep)
        ragdoll.step()
        if impact is None and seconds > 0.1 and ragdoll.on_floor(person):
            impact = substep // SUBSTEPS
        if (substep + 1) % SUBSTEPS == 0:
            turn, root = ragdoll.pose(person)
            turns.append(turn)
            roots.append(root)
            quiet = quiet + 1 if ragdoll.speed(person) < QUIET else 0
            if impact is None and seconds > FLOOR_BY_S:
                break
            if impact is not None and quiet >= 3 and seconds > _resting_from(manner, impact):
                break
    if impact is None:
        raise NoFit(f"{manner.kind}: did not reach the floor")
    _check_lying(ragdoll, person, manner)
    return Tumble(np.stack(turns), np.stack(roots), impact)


def _resting_from(manner: Manner, impact: int) -> float:
    return impact * SUBSTEPS * SUBSTEP_S + (0.3 if manner.react_s is None else manner.brace_s + 0.6)


def _check_lying(ragdoll: Ragdoll, person: int, manner: Manner) -> None:
    chest, pelvis = (ragdoll.height(person, bone) for bone in (CHEST, PELVIS))
    if chest > CHEST_LOW_M or pelvis > PELVIS_LOW_M:
        raise NoFit(f"{manner.kind}: propped up, chest at {chest:.2f} m")


def _drive(
    ragdoll: Ragdoll, person: int, manner: Manner, seconds: float, impact: int | None
) -> None:
    """Forces, aim and tone of one substep."""
    PUSHES[manner.kind](ragdoll, person, manner, seconds)
    fade = np.exp(-seconds / manner.fade_s)
    tone = np.full(16, manner.rest_tone + (manner.tone - manner.rest_tone) * fade)
    if manner.kind in {"faint", "slide"} and seconds < FADING_S:
        ragdoll.aim(person, SINKING, manner.give)
    if manner.react_s is not None and seconds >= manner.react_s:
        if seconds < manner.react_s + FADING_S:
            ragdoll.aim(person, _brace(ragdoll, person, manner), manner.give)
        landed = manner.react_s + 1.1 if impact is None else impact * SUBSTEPS * SUBSTEP_S
        held = float(np.exp(-max(0.0, seconds - landed - manner.brace_s) / 0.2))
        tone = np.maximum(tone, manner.brace * held)
    ragdoll.tone(person, tone)


def _brace(ragdoll: Ragdoll, person: int, manner: Manner) -> Array:
    """The pose against a fall in this direction, seen from the person's own front."""
    facing = ragdoll.facing(person)
    way = np.array(manner.way)
    ahead = float(facing @ way)
    left = float(facing[1] * way[0] - facing[0] * way[1])
    if abs(ahead) > abs(left):
        return AHEAD if ahead > 0 else BEHIND
    return LEFT if left > 0 else RIGHT


def struggle(
    ragdoll: Ragdoll, person: int, seconds: float, vigour: float, rng: Generator
) -> tuple[Array, Array]:
    """Arms, legs and trunk of somebody who lies there move -> turns (N, 16, 4), root (N, 3).

    vigour 0..1; he tries one thing for about a second, then lets go or tries another.
    """
    turns, roots, until = [], [], 0.0
    tone = np.zeros(16)
    for substep in range(round(seconds / SUBSTEP_S)):
        if substep * SUBSTEP_S >= until:
            until += float(rng.uniform(0.4, 1.4))
            tone = np.full(16, 0.02)
            if rng.random() < 0.8:
                ragdoll.aim(person, _effort(rng, vigour))
                limbs = (ARMS, LEGS, slice(1, 4), slice(1, 16))[int(rng.integers(4))]
                tone[limbs] = vigour * rng.uniform(0.15, 0.5)
        ragdoll.tone(person, tone)
        ragdoll.step()
        if (substep + 1) % SUBSTEPS == 0:
            turn, root = ragdoll.pose(person)
            turns.append(turn)
            roots.append(root)
    return np.stack(turns), np.stack(roots)


def _effort(rng: Generator, vigour: float) -> Array:
    """What he tries: to push himself up, to draw in the knees, or just to move."""
    choice = int(rng.integers(4))
    if choice == 0 and vigour > 0.4:
        return AHEAD
    spread = 28.0 * vigour + 6.0

    def drawn(*angles: float) -> list[float]:
        return [float(a) for a in np.asarray(angles) + rng.normal(0, spread, len(angles))]

    def arm() -> Arm:
        forward, out, twist, elbow = drawn(35, 25, 0, 45)
        return forward, out, twist, elbow

    def leg() -> Leg:
        forward, out, twist, knee, toes = drawn(35, 10, 5, 50, 10)
        return forward, out, twist, knee, toes

    return figure(
        spine=(float(rng.normal(8, 8)), float(rng.normal(0, 10)), 0.0),
        head=(float(rng.normal(5, 12)), float(rng.normal(0, 20)), 0.0),
        arms=(arm(), arm()),
        legs=(leg(), leg()),
    )
