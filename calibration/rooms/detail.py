# SPDX-License-Identifier: Apache-2.0
"""Fewer triangles, for people who are forty pixels tall.

Vertices of one cell of a grid become one, if they belong to the same part, hang on the same bone
and face the same way: sheets stay sheets, and fingers stay off the hip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.rooms.mesh import WEIGHTS, Mesh, vertex_normals

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

COARSEST_M, FINEST_M = 0.12, 0.004
TRIES = 7


def simplified(mesh: Mesh, part: I8, triangles: int) -> Mesh:
    """At most `triangles` triangles, near to as many; part (V,): what never melts into another."""
    if len(mesh.faces) <= triangles:
        return mesh
    fine, coarse = FINEST_M, COARSEST_M
    best = None
    for _ in range(TRIES):
        cell = float(np.sqrt(fine * coarse))
        group, count = _groups(mesh, part, cell)
        faces = _remaining(group[mesh.faces])
        if len(faces) > triangles:
            fine = cell
        else:
            coarse, best = cell, (group, count, faces)
    if best is None:
        group, count = _groups(mesh, part, COARSEST_M)
        best = group, count, _remaining(group[mesh.faces])
    return _melted(mesh, *best)


def _groups(mesh: Mesh, part: I8, cell: float) -> tuple[I8, int]:
    """(V,) which vertices become one, and how many there are then."""
    bone = np.take_along_axis(mesh.bones, mesh.weights.argmax(axis=1)[:, None], axis=1)[:, 0]
    place = np.floor(mesh.vertices.astype(np.float64) / cell).astype(np.int64) + (1 << 10)
    side = (mesh.normals > 0) @ np.array([1, 2, 4])
    key = ((place[:, 0] << 11 | place[:, 1]) << 11 | place[:, 2]) << 12
    key += part << 8 | bone.astype(np.int64) << 3 | side
    _, group = np.unique(key, return_inverse=True)
    return group.ravel().astype(np.int64), int(group.max()) + 1


def _remaining(faces: I8) -> I8:
    """Those that still have three corners, each once."""
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (a != c)]
    a, b, c = np.sort(faces, axis=1).T
    _, first = np.unique((a << 21 | b) << 21 | c, return_index=True)
    return faces[np.sort(first)]


def _melted(mesh: Mesh, group: I8, count: int, faces: I8) -> Mesh:
    """Each group at its middle; weights are the average's strongest, and so is the colour."""
    size = np.bincount(group, minlength=count)

    def middle(values: NDArray[np.floating]) -> NDArray[np.float32]:
        return (np.bincount(group, values.astype(np.float64), count) / size).astype(np.float32)

    vertices = np.stack([middle(mesh.vertices[:, axis]) for axis in range(3)], axis=1)
    total = np.zeros((count, int(mesh.bones.max()) + 1))
    for k in range(WEIGHTS):
        np.add.at(total, (group, mesh.bones[:, k]), mesh.weights[:, k])
    bones, weights = strongest(total)
    used = np.unique(faces)
    renumbered = np.full(count, -1, np.int64)
    renumbered[used] = np.arange(len(used))
    kept = np.ascontiguousarray(renumbered[faces], np.int32)
    return Mesh(
        np.ascontiguousarray(vertices[used]),
        vertex_normals(vertices[used], kept),
        middle(mesh.albedo)[used],
        middle(mesh.infrared)[used],
        kept,
        bones[used],
        weights[used],
    )


def strongest(weights: F8) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """weights (V, B) -> the four strongest: bones (V, 4) and weights (V, 4) that sum to 1."""
    wide = np.pad(weights, ((0, 0), (0, max(0, WEIGHTS - weights.shape[1]))))
    order = np.argsort(-wide, axis=1, kind="stable")[:, :WEIGHTS]
    kept = np.take_along_axis(wide, order, axis=1)
    kept /= kept.sum(axis=1, keepdims=True)
    order[kept == 0] = 0
    return order.astype(np.uint8), kept.astype(np.float32)
