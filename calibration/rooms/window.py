# SPDX-License-Identifier: Apache-2.0
"""What one camera, or the image of one in a mirror, sees: pixel by pixel, in two layers.

The standing layer is the room and those things that have come to rest; the other is who moves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.rooms import raster
from calibration.rooms.troupe import Troupe
from calibration.rooms.view import HEIGHT, WIDTH, Camera, rays

F4 = NDArray[np.float32]
I4 = NDArray[np.int32]
U1 = NDArray[np.uint8]

PIXELS = HEIGHT * WIDTH


class Pixels:
    """What is seen in each pixel, and the structure that points to it."""

    def __init__(self) -> None:
        self.position, self.normal = (np.zeros((PIXELS, 3), np.float32) for _ in range(2))
        self.albedo, self.who = np.zeros(PIXELS, np.float32), np.zeros(PIXELS, np.uint8)
        self.points = raster.Points(
            *(a.ctypes.data for a in (self.position, self.normal, self.albedo, self.who))
        )

    def copy_from(self, other: Pixels) -> None:
        """The same, in the arrays that C already knows."""
        np.copyto(self.position, other.position)
        np.copyto(self.normal, other.normal)
        np.copyto(self.albedo, other.albedo)
        np.copyto(self.who, other.who)


class Window:
    """One view of the room; `limit` (P,), inverse metres: nothing in front of it is seen."""

    def __init__(
        self, room: raster.Geometry, troupe: Troupe, camera: Camera, limit: F4 | None = None
    ) -> None:
        self.camera, self.limit = camera, limit
        self._room, self._troupe = room, troupe
        self._view = raster.view_of(camera, WIDTH, HEIGHT)
        self._rays = np.ascontiguousarray(rays(camera).reshape(-1, 3), np.float32)
        self.bare = np.zeros(PIXELS, np.float32)  # inverse depth of the room alone
        self.faces = np.full(PIXELS, -1, np.int32)
        troupe.draw_geometry(self._view, room, 0, limit, self.bare, self.faces)
        self._still, self._depth = self.bare.copy(), np.empty_like(self.bare)
        self._ids = np.empty_like(self.faces)

    def bake(self, points: raster.Points) -> None:
        """Position and normal of the room, where this window sees any."""
        self._points(self._room, 0, 0, self.faces, self.bare, points)

    def settle(self, points: raster.Points) -> None:
        """Things at rest, over the room."""
        np.copyto(self._still, self.bare)
        self._ids.fill(-1)
        for mover in self._troupe.at_rest():
            self._troupe.draw(self._view, mover, self.limit, self._still, self._ids)
        for mover in self._troupe.at_rest():
            self._points(mover.geometry, mover.first, mover.name, self._ids, self._still, points)

    def draw(self, points: raster.Points, taken: U1) -> None:
        """Those who move, except where `taken` (P,) is not 0."""
        np.copyto(self._depth, self._still)
        self._ids.fill(-1)
        for mover in self._troupe.moving():
            self._troupe.draw(self._view, mover, self.limit, self._depth, self._ids)
        self._ids[taken != 0] = -1
        for mover in self._troupe.moving():
            self._points(mover.geometry, mover.first, mover.name, self._ids, self._depth, points)

    def _points(
        self,
        mesh: raster.Geometry,
        first: int,
        name: int,
        ids: I4,
        depth: F4,
        points: raster.Points,
    ) -> None:
        raster.library().rooms_points(
            self._view,
            mesh,
            first,
            name,
            ids.ctypes.data,
            depth.ctypes.data,
            self._rays.ctypes.data,
            points,
        )
