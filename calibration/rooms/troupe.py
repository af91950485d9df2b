# SPDX-License-Identifier: Apache-2.0
"""Those who move on a stage: skinned when they have moved, drawn into whatever view asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.rooms import raster
from calibration.rooms.errors import RoomsError
from calibration.rooms.mesh import Mesh
from calibration.rooms.raster import BLOBS, MOST_PEOPLE

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I4 = NDArray[np.int32]

STILL_M = 0.002  # no part of anything has moved further: nothing has moved
MOST_MOVERS = 255
AROUND_M = 0.5  # beyond its limbs a person darkens nothing
SETTLED = 8  # poses without a move: a thing is at rest
BLOB_M = 0.13  # a limb's radius at most, for ambient light


class Mover:
    """One mesh, and where it is now."""

    def __init__(self, mesh: Mesh, first: int, name: int, *, infrared: bool) -> None:
        self.mesh, self.first, self.name = mesh, first, name
        self.bones = raster.check_mesh(mesh)
        self.here = False
        self.points, self.normals = np.empty_like(mesh.vertices), np.empty_like(mesh.normals)
        self.albedo = mesh.infrared if infrared else mesh.albedo
        self.geometry = raster.geometry(self.points, self.normals, mesh.faces, self.albedo)
        self.boxes, self.centres, self.radii = _extents(mesh, self.bones)
        self.corners = np.full((self.bones, 8, 3), np.inf)
        self.quiet = 0  # poses since it moved
        self._told = b""

    @property
    def is_person(self) -> bool:
        """Only people darken their surroundings: doors and curtains have no limbs."""
        return self.bones == BLOBS

    def pose(self, matrices: F4 | None) -> bool:
        """Whether that changes the picture."""
        if matrices is None:
            left, self.here, self.quiet = self.here, False, 0
            return left
        self.quiet += 1
        told = matrices.tobytes()
        if self.here and told == self._told:
            return False
        self._told = told
        if matrices.ndim != 3 or len(matrices) < self.bones:
            raise RoomsError(f"mover {self.name - 1} has {self.bones} bones")
        corners = _placed(matrices[: self.bones], self.boxes)
        if self.here and float(np.abs(corners - self.corners).max()) < STILL_M:
            return False
        self.here, self.quiet, self.corners = True, 0, corners
        self._skin(matrices)
        return True

    def _skin(self, matrices: F4) -> None:
        mesh = self.mesh
        raster.library().rooms_skin(
            len(mesh.vertices),
            mesh.vertices.ctypes.data,
            mesh.normals.ctypes.data,
            mesh.bones.ctypes.data,
            mesh.weights.ctypes.data,
            raster.address(matrices, np.float32, len(matrices), 3, 4),
            self.points.ctypes.data,
            self.normals.ctypes.data,
        )
        self.blobs = np.empty((self.bones, 4), np.float32)
        self.blobs[:, :3] = _placed(matrices[: self.bones], self.centres[:, None])[:, 0]
        self.blobs[:, 3] = self.radii


class Troupe:
    """All movers of a stage."""

    def __init__(self, meshes: Sequence[Mesh], room_vertices: int, *, infrared: bool) -> None:
        if len(meshes) > MOST_MOVERS:
            raise RoomsError(f"at most {MOST_MOVERS} things can move, not {len(meshes)}")
        before = np.cumsum([0, *(len(mesh.faces) for mesh in meshes)])
        self._movers = [
            Mover(mesh, int(before[k]), k + 1, infrared=infrared) for k, mesh in enumerate(meshes)
        ]
        if sum(mover.is_person for mover in self._movers) > MOST_PEOPLE:
            raise RoomsError(f"at most {MOST_PEOPLE} people fit on a stage")
        most = max([room_vertices, *(len(mesh.vertices) for mesh in meshes)])
        self._seen = np.empty((most, 3), np.float32)
        self._around = np.zeros((MOST_PEOPLE, 6), np.float32)
        self._blobs = np.zeros((MOST_PEOPLE, BLOBS, 4), np.float32)
        self._people = 0
        self._resting: tuple[int, ...] | None = None  # names; None before the first pose

    def moving(self) -> Iterator[Mover]:
        """Those in the room who are not at rest; people never are."""
        resting = self._resting or ()
        return (mover for mover in self._movers if mover.here and mover.name not in resting)

    def everybody(self) -> Iterator[Mover]:
        """Who and what is in the room."""
        return (mover for mover in self._movers if mover.here)

    def at_rest(self) -> Iterator[Mover]:
        """Things that have not been moved for a while, or never."""
        return (self._movers[name - 1] for name in self._resting or ())

    def pose(self, matrices: Sequence[F4 | None]) -> tuple[bool, bool]:
        """Whether anything has moved, and whether what is at rest has changed."""
        if len(matrices) != len(self._movers):
            raise RoomsError(f"{len(self._movers)} movers need as many poses, not {len(matrices)}")
        moved = [mover.pose(pose) for mover, pose in zip(self._movers, matrices, strict=True)]
        if any(moved):
            self._gather()
        before, self._resting = (
            self._resting,
            tuple(
                mover.name
                for mover in self._movers
                if mover.here
                and not mover.is_person
                and (self._resting is None or mover.quiet >= SETTLED)
            ),
        )
        return any(moved), before != self._resting and (before, self._resting) != (None, ())

    def _gather(self) -> None:
        people = [mover for mover in self._movers if mover.here and mover.is_person]
        self._people = len(people)
        for k, person in enumerate(people):
            centres = person.blobs[:, :3]
            self._around[k, :3] = centres.min(axis=0) - AROUND_M
            self._around[k, 3:] = centres.max(axis=0) + AROUND_M
            self._blobs[k] = person.blobs

    def fill_crowd(self, crowd: raster.Crowd) -> None:
        """Who darkens the floor now."""
        crowd.people = self._people
        crowd.around, crowd.blobs = self._around.ctypes.data, self._blobs.ctypes.data

    def draw(
        self, view: raster.View, mover: Mover, limit: F4 | None, depth: F4, ids: I4 | None
    ) -> None:
        """One of them, with the ids of his own faces."""
        self.draw_geometry(view, mover.geometry, mover.first, limit, depth, ids)

    def draw_geometry(
        self,
        view: raster.View,
        mesh: raster.Geometry,
        first: int,
        limit: F4 | None,
        depth: F4,
        ids: I4 | None,
    ) -> None:
        """Anything of no more vertices than the largest here."""
        native, seen = raster.library(), self._seen.ctypes.data
        native.rooms_project(view, mesh.vertices, mesh.points, seen)
        native.rooms_raster(
            view,
            mesh,
            seen,
            first,
            None if limit is None else limit.ctypes.data,
            depth.ctypes.data,
            None if ids is None else ids.ctypes.data,
        )


def _placed(matrices: F4, points: F8) -> F8:
    """matrices (B, 3, 4), points (B, K, 3) -> (B, K, 3)."""
    moved: F8 = np.einsum("bij,bkj->bki", matrices[:, :, :3].astype(np.float64), points)
    return moved + matrices[:, None, :, 3]


def _extents(mesh: Mesh, bones: int) -> tuple[F8, F8, F8]:
    """Of each bone's vertices: corners of their box (B, 8, 3), middle (B, 3), radius (B,)."""
    leading = np.take_along_axis(mesh.bones, mesh.weights.argmax(axis=1)[:, None], axis=1)[:, 0]
    boxes, middles, radii = np.zeros((bones, 8, 3)), np.zeros((bones, 3)), np.zeros(bones)
    for bone in range(bones):
        points = mesh.vertices[leading == bone].astype(np.float64)
        if not len(points):
            continue
        ends = np.stack([points.min(axis=0), points.max(axis=0)])
        boxes[bone] = np.stack(np.meshgrid(*ends.T), axis=-1).reshape(8, 3)
        middles[bone] = points.mean(axis=0)
        distance = np.sqrt(np.sum((points - middles[bone]) ** 2, axis=1))
        radii[bone] = min(BLOB_M, float(np.median(distance)))
    return boxes, middles, radii
