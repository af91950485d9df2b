# SPDX-License-Identifier: Apache-2.0
"""What a room offers to the people in it: where to sit, lie, leave and put one's hands.

World: metres, Y up, the floor at y = 0; floor points are (x, z); yaw 0 faces +Z, with +X to the
left. A matrix (3, 4) takes a thing's own coordinates to the world.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.rooms.materials import Material, Nooks, Reflectance
from calibration.rooms.mesh import Mesh, Surface
from calibration.rooms.stage import Light, Mirror

Point2 = tuple[float, float]
Point3 = tuple[float, float, float]
Matrix = npt.NDArray[np.float64]

HEADS_M = 2.1  # what begins above is walked under
FOOT_M = 0.1  # what begins lower stands on the floor
CURTAIN_BUNCHED = 0.18  # of a drawn curtain's width, when it is pushed aside


@dataclass(frozen=True, slots=True)
class Box:
    """What a body cannot pass; one may walk under it if it begins above the heads."""

    centre: Point3
    half: Point3
    yaw: float
    walkable_under: bool = False


@dataclass(frozen=True, slots=True)
class Seat:
    """kind toilet, chair, bed, sofa or wheelchair.

    front: the middle of the front edge at the height one sits; approach: where one stands before.
    """

    kind: str
    front: Point3
    yaw: float
    height: float
    approach: Point2


@dataclass(frozen=True, slots=True)
class Bed:
    """The head lies towards `head_yaw`; free_sides: floor points beside it where one can stand."""

    centre: Point2
    top_m: float
    length: float
    width: float
    head_yaw: float
    free_sides: tuple[Point2, ...]


@dataclass(frozen=True, slots=True)
class Door:
    """hinge: at the floor; shut, the leaf reaches `width` metres to the left of `yaw`.

    swing: +1 or -1, the sense in which it opens; prop: its leaf among the room's props;
    leads_out: to be entered and left by, else a cubicle's.
    """

    hinge: Point3
    width: float
    yaw: float
    outside: Point2
    inside: Point2
    prop: int
    swing: int
    leads_out: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where hands do something; one stands at `stand`, looks along `yaw` and reaches to `reach`.

    kind basin, hook, shelf, window, table, bin, wall, switch or bedside.
    """

    kind: str
    stand: Point2
    yaw: float
    reach: Point3


@dataclass(frozen=True, slots=True)
class Prop:
    """A thing that can be moved, of one bone; `home` is where it stands."""

    kind: str
    mesh: Mesh
    home: Matrix


@dataclass(frozen=True, slots=True)
class Window:
    """A pane in the wall that faces `yaw` into the room."""

    centre: Point3
    width: float
    height: float
    yaw: float


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """A room with everything in it; `sources` says of each light what it is: lamp, sky or sun."""

    id: int
    kind: str
    size: Point3  # W, D, H
    surface: Surface
    materials: tuple[Material, ...]
    mirrors: tuple[Mirror, ...]
    lights: tuple[Light, ...]
    sources: tuple[str, ...]
    ambient: Point2  # light from above and from below, without a cause
    windows: tuple[Window, ...]
    obstacles: tuple[Box, ...]
    seats: tuple[Seat, ...]
    beds: tuple[Bed, ...]
    doors: tuple[Door, ...]
    places: tuple[Place, ...]
    props: tuple[Prop, ...]

    def reflectance(self, *, infrared: bool) -> Reflectance:
        """What its surfaces send back, by lamps or by an infrared lamp."""
        feet = [
            (
                box.centre[0], box.centre[2], box.half[0], box.half[2],
                math.cos(box.yaw), math.sin(box.yaw), box.centre[1] + box.half[1],
            )
            for box in self.obstacles
            if box.centre[1] - box.half[1] < FOOT_M
        ]  # fmt: skip
        nooks = Nooks(self.size, np.array(feet, np.float64).reshape(-1, 7))
        return Reflectance(self.materials, infrared, nooks)


def placed(x: float, y: float, z: float, yaw: float) -> Matrix:
    """(3, 4): turned by `yaw` about the vertical, then moved."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([[cos, 0, sin, x], [0, 1, 0, y], [-sin, 0, cos, z]])


def door_matrix(door: Door, angle_rad: float) -> Matrix:
    """Where the leaf is at this opening angle; 0 is shut."""
    return placed(*door.hinge, door.yaw + door.swing * angle_rad)


def curtain_matrix(prop: Prop, drawn: float) -> Matrix:
    """A curtain drawn 0 (pushed aside) to 1 (across), wherever its home has it."""
    return drawn_matrix(prop.home, drawn)


def drawn_matrix(rail: Matrix, drawn: float) -> Matrix:
    """`rail` takes a curtain's own +X along its rail; its length there does not matter."""
    matrix: Matrix = rail.copy()
    length = math.sqrt(float((matrix[:, 0] ** 2).sum()))
    matrix[:, 0] *= (CURTAIN_BUNCHED + (1 - CURTAIN_BUNCHED) * drawn) / length
    return matrix
