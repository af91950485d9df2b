# SPDX-License-Identifier: Apache-2.0
"""What takes somebody's balance: the kinds of fall, how each is drawn, and its forces.

Forces are in shares of the weight, and last until about the time a person needs to notice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.rooms.dolls import CALVES
from calibration.rooms.ragdoll import CHEST, FEET, PELVIS, Ragdoll

Array = npt.NDArray[np.float64]
Generator = np.random.Generator

KINDS = ("faint", "slip", "trip", "totter", "slump", "slide", "bed", "push")
# Who is awake and surprised puts out his hands; who faints does not.
PROTECTS = {
    "faint": 0.05,
    "slip": 0.75,
    "trip": 0.9,
    "totter": 0.85,
    "slump": 0.2,
    "slide": 0.35,
    "bed": 0.4,
    "push": 0.75,
}
GRIP = (0.5, 1.0)
WET = (0.08, 0.18)


@dataclass(frozen=True, slots=True)
class Manner:
    """One fall, drawn. `way` is the direction (x, z) of the fall; seconds are from the onset.

    strength: how hard balance is taken; react_s: None if nothing is done against it; give: how much
    of the way to the pose that he falls in a person goes in a substep.
    """

    kind: str
    way: tuple[float, float]
    strength: float
    grip: float
    tone: float
    fade_s: float
    rest_tone: float
    react_s: float | None
    brace: float
    brace_s: float
    foot: int
    give: float

    @property
    def how(self) -> str:
        """For the label."""
        return f"{self.kind}, {'limp' if self.react_s is None else 'protective'}"


def draw(rng: Generator, kind: str, facing: Array, way: Array | None = None) -> Manner:
    """A fall of one kind for a person who looks along `facing` (2,); `way` if it is not his own."""
    way = _way(rng, kind, facing) if way is None else way
    limp = kind in {"faint", "slump", "slide"}
    return Manner(
        kind=kind,
        way=(float(way[0]), float(way[1])),
        strength=float(rng.uniform(0.7, 1.35)),
        grip=float(rng.uniform(*(WET if kind == "slip" else GRIP))),
        tone=float(rng.uniform(0.8, 2.2) if limp else rng.uniform(0.7, 1.3)),
        fade_s=float(rng.uniform(0.25, 0.6) if limp else rng.uniform(0.5, 1.2)),
        rest_tone=float(rng.uniform(0.005, 0.03)),
        react_s=float(rng.uniform(0.12, 0.32)) if rng.random() < PROTECTS[kind] else None,
        brace=float(rng.uniform(0.3, 0.7)),
        brace_s=float(rng.uniform(0.15, 1.3)),
        foot=int(rng.integers(2)),
        give=float(rng.uniform(0.05, 0.12)),
    )


def _way(rng: Generator, kind: str, facing: Array) -> Array:
    """Trips go ahead, slips and totters back, the rest anywhere but mostly ahead or aside."""
    middle, spread = {
        "trip": (0.0, 0.35),
        "slip": (np.pi, 0.5),
        "totter": (np.pi, 0.45),
        "slump": (0.0, 0.8),
        "slide": (0.0, 0.5),
    }.get(kind, (0.0, 1.6))
    angle = float(rng.normal(middle, spread))
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(turned @ facing)


# ---- forces in time -----------------------------------------------------------------------------


def _towards(manner: Manner, newton: float, up: float = 0.0) -> Array:
    x, z = manner.way
    return np.array([x * newton, up, z * newton])


def _faint(ragdoll: Ragdoll, person: int, manner: Manner, seconds: float) -> None:
    if seconds < 0.3:
        force = 0.8 * manner.strength * ragdoll.weight(person)
        ragdoll.push(person, CHEST, _towards(manner, force))


def _slip(ragdoll: Ragdoll, person: int, manner: Manner, seconds: float) -> None:
    if seconds < 0.32:
        weight = ragdoll.weight(person)
        for foot in FEET:
            share = 0.5 if foot == FEET[manner.foot] else 0.25
            ragdoll.push(person, foot, _towards(manner, -share * manner.strength * weight))
        ragdoll.push(person, CHEST, _towards(manner, 1.2 * manner.strength * weight))


def _trip(ragdoll: Ragdoll, person: int, manner: Manner, seconds: float) -> None:
    if seconds < 0.22:
        weight = manner.strength * ragdoll.weight(person)
        ragdoll.push(person, CALVES[manner.foot], _towards(manner, -1.6 * weight))
        ragdoll.push(person, CHEST, _towards(manner, 2.2 * weight))


def _totter(ragdoll: Ragdoll, person: int, manner: Manner, seconds: float) -> None:
    if seconds < 0.4:
        weight = manner.strength * ragdoll.weight(person)
        ragdoll.push(person, CHEST, _towards(manner, 1.1 * weight))
        ragdoll.push(person, PELVIS, _towards(manner, 0.5 * weight))


def _slump(ragdoll: Ragdoll, person: int, manner: Manner, seconds: float) -> None:
    if seconds < 0.5:
        weight = manner.strength * ragdoll.weight(person)
        ragdoll.push(person, CHEST, _towards(manner, 1.7 * weight))
        ragdoll.push(person, PELVIS, _towards(manner, 1.3 * weight))


def _slide(ragdoll: Ragdoll, person: int, manner: Manner, seconds: float) -> None:
    """Back against the wall: the feet walk away from it while the knees give way."""
    if seconds < 0.5:
        weight = manner.strength * ragdoll.weight(person)
        ragdoll.push(person, CHEST, _towards(manner, -1.5 * weight))
        for foot in FEET:
            ragdoll.push(person, foot, _towards(manner, 0.35 * weight))


def _bed(ragdoll: Ragdoll, person: int, manner: Manner, seconds: float) -> None:
    if seconds < 0.6:
        weight = manner.strength * ragdoll.weight(person)
        ragdoll.push(person, CHEST, _towards(manner, 2.6 * weight, 0.6 * weight))
        ragdoll.push(person, PELVIS, _towards(manner, 2.6 * weight, 0.6 * weight))


def _push(ragdoll: Ragdoll, person: int, manner: Manner, seconds: float) -> None:
    if seconds < 0.2:
        force = 4.2 * manner.strength * ragdoll.weight(person)
        ragdoll.push(person, CHEST, _towards(manner, force))


PUSHES = {
    "faint": _faint,
    "slip": _slip,
    "trip": _trip,
    "totter": _totter,
    "slump": _slump,
    "slide": _slide,
    "bed": _bed,
    "push": _push,
}
