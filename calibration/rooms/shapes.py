# SPDX-License-Identifier: Apache-2.0
"""Boxes, rods, bowls and cloth: what furniture is made of.

A `Builder` collects faces; `at` gives a second hand on the same work whose origin stands elsewhere.
Local axes: +Z to the front, +X to the left, Y up. Faces are counter-clockwise seen from outside.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from calibration.rooms.fittings import Box, Matrix, Point2, Point3, placed
from calibration.rooms.mesh import Surface

Points = npt.NDArray[np.float64]

FACE_M = 0.25  # a longer edge of something flat would not bend with the lens

# Each side of the unit cube: its normal, then two edges whose cross product is the normal.
SIDES = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((-1, 0, 0), (0, 0, 1), (0, 1, 0)),
    ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
    ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
)
ROUND = ((-1, -1), (1, -1), (1, 1), (-1, 1))
SIDE_AXES = np.array(SIDES, dtype=np.float64)  # (6, 3, 3)
CORNERS = np.stack(
    [SIDE_AXES[:, 0] + s * SIDE_AXES[:, 1] + t * SIDE_AXES[:, 2] for s, t in ROUND], axis=1
)  # (6, 4, 3)
NORMALS = SIDE_AXES[:, 0]


@dataclass(slots=True)
class Pile:
    """Everything made so far."""

    vertices: list[Points] = field(default_factory=list)
    normals: list[Points] = field(default_factory=list)
    faces: list[npt.NDArray[np.int32]] = field(default_factory=list)
    material: list[npt.NDArray[np.int32]] = field(default_factory=list)
    obstacles: list[Box] = field(default_factory=list)
    count: int = 0


class Builder:
    """Adds shapes to a pile, in its own place."""

    def __init__(self, pile: Pile | None = None, matrix: Matrix | None = None) -> None:
        self.pile = Pile() if pile is None else pile
        self.matrix = placed(0, 0, 0, 0) if matrix is None else matrix

    def at(self, x: float, z: float, yaw: float = 0.0, y: float = 0.0) -> Builder:
        """A hand on the same pile, with its origin there."""
        turn = self.matrix[:, :3]
        step = placed(x, y, z, yaw)
        moved = np.einsum("ij,jk->ik", turn, step)
        moved[:, 3] += self.matrix[:, 3]
        return Builder(self.pile, moved)

    @property
    def yaw(self) -> float:
        """Which way this hand's front looks."""
        return math.atan2(self.matrix[0, 2], self.matrix[2, 2])

    def world(self, point: Point3) -> Point3:
        """A local point in the room."""
        x, y, z = (float(v) for v in self._moved(np.array([point], np.float64))[0])
        return x, y, z

    def floor(self, x: float, z: float) -> Point2:
        """A local floor point in the room."""
        there = self.world((x, 0.0, z))
        return there[0], there[2]

    # ---- solids --------------------------------------------------------------------------------

    def box(
        self, centre: Point3, size: Point3, material: int, *, solid: bool = False, yaw: float = 0.0
    ) -> None:
        """An upright box; `solid`: bodies cannot pass."""
        half = np.array(size) / 2
        turn = placed(*centre, yaw)
        corners = np.einsum("ij,skj->ski", turn[:, :3], CORNERS * half) + turn[:, 3]
        normals = np.einsum("ij,sj->si", turn[:, :3], NORMALS)
        if max(size) <= FACE_M:
            quads = np.arange(24).reshape(6, 4)
            self._add(corners.reshape(-1, 3), np.repeat(normals, 4, axis=0), quads, material)
        else:
            for side, normal in zip(corners, normals, strict=True):
                self._flat(side, normal, material)
        if solid:
            self.obstacle(centre, size, yaw=yaw)

    def obstacle(
        self, centre: Point3, size: Point3, *, yaw: float = 0.0, walkable_under: bool = False
    ) -> None:
        """Bodies cannot pass here, whatever there is to be seen."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self.pile.obstacles.append(Box(self.world(centre), half, self.yaw + yaw, walkable_under))

    def panel(self, corners: Sequence[Point3], material: int) -> None:
        """One flat quad; its corners counter-clockwise seen from its front."""
        points = np.array(corners, np.float64)
        normal = np.cross(points[1] - points[0], points[3] - points[0])
        normal /= math.sqrt(float((normal * normal).sum()))
        self._flat(points, normal, material)

    def rod(self, start: Point3, end: Point3, radius: float, material: int, sides: int = 5) -> None:
        """A round bar without caps."""
        a, b = np.array(start), np.array(end)
        axis = (b - a) / math.sqrt(float(((b - a) ** 2).sum()))
        first = np.cross(axis, [0.0, 1.0, 0.0] if abs(axis[1]) < 0.9 else [1.0, 0.0, 0.0])
        first /= math.sqrt(float((first * first).sum()))
        second = np.cross(axis, first)
        angle = np.arange(sides + 1) * (2 * math.pi / sides)
        around = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
        self.grid(np.stack([a + radius * around, b + radius * around]), material)

    def lathe(
        self,
        centre: Point3,
        profile: Sequence[Point2],
        material: int,
        *,
        sides: int = 10,
        stretch: Point2 = (1.0, 1.0),
    ) -> None:
        """Turned about the vertical: profile of (radius, height), the outside from below."""
        radius, height = np.array(profile, np.float64).T
        angle = np.arange(sides + 1) * (2 * math.pi / sides)
        points = np.empty((len(radius), sides + 1, 3))
        points[..., 0] = radius[:, None] * np.sin(angle) * stretch[0]
        points[..., 1] = height[:, None]
        points[..., 2] = radius[:, None] * np.cos(angle) * stretch[1]
        self.grid(points + np.array(centre), material)

    def grid(self, points: Points, material: int) -> None:
        """A smooth sheet through points (R, C, 3); its front where rows x columns turn left."""
        rows, columns = points.shape[:2]
        down = np.gradient(points, axis=0)
        over = np.gradient(points, axis=1)
        normals = np.cross(over, down)
        length = np.sqrt((normals * normals).sum(axis=-1, keepdims=True))
        normals = normals / np.maximum(length, 1e-12)
        self._add(points.reshape(-1, 3), normals.reshape(-1, 3), _cells(rows, columns), material)

    # ---- the pile ------------------------------------------------------------------------------

    def surface(self) -> Surface:
        """Everything on the pile."""
        pile = self.pile
        return Surface(
            vertices=np.concatenate(pile.vertices).astype(np.float32),
            normals=np.concatenate(pile.normals).astype(np.float32),
            faces=np.ascontiguousarray(np.concatenate(pile.faces)),
            material=np.concatenate(pile.material),
        )

    def _moved(self, points: Points) -> Points:
        turned = np.einsum("ij,...j->...i", self.matrix[:, :3], points)
        return np.asarray(turned + self.matrix[:, 3])

    def _flat(self, corners: Points, normal: Points, material: int) -> None:
        """A quad (4, 3) in pieces that bend with a lens."""
        a, b, c, d = corners
        columns, rows = (
            1 + math.ceil(math.sqrt(float(((end - a) ** 2).sum())) / FACE_M) for end in (b, d)
        )
        v = (np.arange(rows) / (rows - 1))[:, None, None]
        u = (np.arange(columns) / (columns - 1))[:, None]
        points = (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * d + u * c)
        normals = np.broadcast_to(normal, (rows * columns, 3))
        self._add(points.reshape(-1, 3), normals, _cells(rows, columns), material)

    def _add(
        self, points: Points, normals: Points, quads: npt.NDArray[np.integer], material: int
    ) -> None:
        pile = self.pile
        triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        pile.vertices.append(self._moved(points))
        pile.normals.append(np.einsum("ij,...j->...i", self.matrix[:, :3], normals))
        pile.faces.append((triangles + pile.count).astype(np.int32))
        pile.material.append(np.full(len(triangles), material, np.int32))
        pile.count += len(points)


@functools.cache
def _cells(rows: int, columns: int) -> npt.NDArray[np.int64]:
    """Quads of a grid of points, by number."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
    quads: npt.NDArray[np.int64] = first + np.array([0, 1, columns + 1, columns])
    return quads
