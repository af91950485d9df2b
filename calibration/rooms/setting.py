# SPDX-License-Identifier: Apache-2.0
"""What the people of one moment share: the room, where one can walk in it, and how people move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from calibration.rooms.errors import NoFit
from calibration.rooms.fittings import Box, Prop, Room
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


@dataclass(frozen=True, slots=True)
class Ride:
    """Somebody moves a thing: a prop's number, the first step, its places (K, 3, 4) from there."""

    prop: int
    start: int
    matrices: Array

    def until(self, step: int) -> Ride:
        """What of it lies before `step`."""
        return Ride(self.prop, self.start, self.matrices[: max(0, step - self.start)])


@dataclass(slots=True)
class Setting:
    """room, ground and repertoire; physics is the stream for everything that MuJoCo is given.

    brought: props that came with somebody; parked: what of them stands in the way now.
    """

    room: Room
    ground: Ground
    repertoire: Repertoire
    physics: Generator
    passages: list[Passage] = field(default_factory=list)
    brought: list[int] = field(default_factory=list)
    parked: tuple[Box, ...] = ()

    def bring(self, prop: Prop) -> int:
        """A thing that somebody brings along -> its number among the room's."""
        self.room = replace(self.room, props=(*self.room.props, prop))
        self.brought.append(len(self.room.props) - 1)
        return self.brought[-1]

    def park(self, *boxes: Box) -> None:
        """From now on these, and nothing else that was brought, stand in the way."""
        self.parked = boxes
        self.ground = Ground(self.solid(), frozenset(self.brought))

    def solid(self) -> Room:
        """The room with what is parked in it as obstacles."""
        return replace(self.room, obstacles=(*self.room.obstacles, *self.parked))

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
