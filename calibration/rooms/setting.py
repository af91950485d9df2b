# SPDX-License-Identifier: Apache-2.0
"""What the people of one moment share: the room, where one can walk in it, and how people move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from calibration.rooms.errors import NoFit
from calibration.rooms.fittings import Room
from calibration.rooms.ground import Ground
from calibration.rooms.motion import Motion

Array = npt.NDArray[np.float64]
Generator = np.random.Generator


@dataclass(frozen=True, slots=True)
class Repertoire:
    """The recorded motions that this split may use, by role and by name."""

    by_role: Mapping[str, Sequence[Motion]]

    def draw(self, rng: Generator, *roles: str) -> Motion | None:
        """One motion of any of the roles, or None if there is none."""
        found = [motion for role in roles for motion in self.by_role.get(role, ())]
        return found[int(rng.integers(len(found)))] if found else None

    def walk(self, name: str) -> Motion:
        """The walk of that name, else the first there is; raises NoFit if nobody can walk."""
        walks = self.by_role.get("walk", ())
        for motion in walks:
            if motion.name == name:
                return motion
        if not walks:
            raise NoFit("no motion of the role walk")
        return walks[0]


@dataclass(frozen=True, slots=True)
class Passage:
    """Somebody goes through a door: its number and the step at which he stands in it."""

    door: int
    step: int


@dataclass(slots=True)
class Setting:
    """room, ground and repertoire; physics is the stream for everything that MuJoCo is given."""

    room: Room
    ground: Ground
    repertoire: Repertoire
    physics: Generator
    passages: list[Passage] = field(default_factory=list)

    def spot(self, rng: Generator, margin: float) -> Array:
        """A free floor point (2,) with `margin` metres about it; raises NoFit."""
        return np.array(self.ground.spot(rng, margin))

    def path(self, start: Array, end: Array) -> Array:
        """Floor points (K, 2) of a way from one to the other; raises NoFit."""
        return np.asarray(self.ground.path(_point(start), _point(end)), np.float64)

    def free(self, point: Array) -> bool:
        """Whether somebody can stand here."""
        return self.ground.free(_point(point))

    def line_free(self, start: Array, end: Array) -> bool:
        """Whether somebody can go straight from here to there."""
        return self.ground.line_free(_point(start), _point(end))


def _point(at: Array) -> tuple[float, float]:
    return float(at[0]), float(at[1])
