# SPDX-License-Identifier: Apache-2.0
"""Triangles: what moves is a Mesh with bones, what stands still is a Surface with materials.

V vertices, F faces. Faces are counter-clockwise seen from outside and drawn from both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]
I4 = NDArray[np.int32]
U1 = NDArray[np.uint8]
F8 = NDArray[np.float64]

WEIGHTS = 4  # bones that may move one vertex


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A person, a prop, a sheet: moved by its bones."""

    vertices: F4  # (V, 3) metres, at rest
    normals: F4  # (V, 3)
    albedo: F4  # (V,) linear luminance
    infrared: F4  # (V,) the same under an infrared lamp
    faces: I4  # (F, 3)
    bones: U1  # (V, 4)
    weights: F4  # (V, 4), rows sum to 1


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Walls and furniture."""

    vertices: F4  # (V, 3) metres
    normals: F4  # (V, 3)
    faces: I4  # (F, 3)
    material: I4  # (F,)


def rigid(surface: Surface, albedo: float, infrared: float) -> Mesh:
    """A thing of one colour that moves as a whole: every vertex hangs on bone 0."""
    count = len(surface.vertices)
    weights = np.zeros((count, WEIGHTS), np.float32)
    weights[:, 0] = 1
    return Mesh(
        surface.vertices,
        surface.normals,
        np.full(count, albedo, np.float32),
        np.full(count, infrared, np.float32),
        surface.faces,
        np.zeros((count, WEIGHTS), np.uint8),
        weights,
    )


def join(surfaces: Sequence[Surface]) -> Surface:
    """One surface of many, at least one."""
    before = np.cumsum([0, *(len(surface.vertices) for surface in surfaces)])
    return Surface(
        np.concatenate([surface.vertices for surface in surfaces]),
        np.concatenate([surface.normals for surface in surfaces]),
        np.concatenate(
            [surface.faces + int(b) for surface, b in zip(surfaces, before, strict=False)]
        ).astype(np.int32),
        np.concatenate([surface.material for surface in surfaces]),
    )


def vertex_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> F4:
    """(V, 3) unit normals: of the faces around a vertex, by their area; up where there is none."""
    corners = vertices[faces].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(across[:, axis], 3), len(vertices))
            for axis in range(3)
        ],
        axis=1,
    )
    length = np.linalg.norm(total, axis=1)
    flat = length < 1e-12
    total[flat], length[flat] = (0, 1, 0), 1
    return np.ascontiguousarray(total / length[:, None], np.float32)
