# SPDX-License-Identifier: Apache-2.0
"""Triangles: what moves is a Mesh with bones, what stands still is a Surface with materials.

V vertices, F faces. Faces are counter-clockwise seen from outside and drawn from both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


def transform(surface: Surface, matrix: ArrayLike) -> Surface:
    """Moved by matrix (3, 4): a rotation, without scale, and a shift."""
    moving = np.asarray(matrix, np.float64)
    turn, shift = moving[:, :3], moving[:, 3]
    return Surface(
        np.ascontiguousarray(_turned(turn, surface.vertices) + shift, np.float32),
        np.ascontiguousarray(_turned(turn, surface.normals), np.float32),
        surface.faces,
        surface.material,
    )


def _turned(turn: F8, vectors: F4) -> F8:
    moved: F8 = np.einsum("ij,vj->vi", turn, vectors.astype(np.float64))
    return moved


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


def join_meshes(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of many that share a skeleton, at least one."""
    before = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.albedo for mesh in meshes]),
        np.concatenate([mesh.infrared for mesh in meshes]),
        np.concatenate([m.faces + int(b) for m, b in zip(meshes, before, strict=False)]).astype(
            np.int32
        ),
        np.concatenate([mesh.bones for mesh in meshes]),
        np.concatenate([mesh.weights for mesh in meshes]),
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


def subdivide(surface: Surface, longest: float) -> Surface:
    """The same surface with no edge longer than `longest` metres, and no cracks.

    Every edge is halved or not by its own length alone, so two faces agree on the edge they share.
    """
    while True:
        halved = _halve(surface, longest)
        if halved is surface:
            return surface
        surface = halved


def _halve(surface: Surface, longest: float) -> Surface:
    faces, vertices = surface.faces, surface.vertices.astype(np.float64)
    edges = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2)  # (F, 3, 2): ab, bc, ca
    ends = np.sort(edges, axis=2)
    length = np.linalg.norm(vertices[ends[..., 0]] - vertices[ends[..., 1]], axis=2)
    long = length > longest
    if not long.any():
        return surface
    split, inverse = np.unique(ends[long], axis=0, return_inverse=True)
    middle = np.full(long.shape, -1, np.int64)
    middle[long] = len(vertices) + inverse.ravel()
    parts = [_pieces(faces, middle, long, pattern) for pattern in range(8)]
    normals = surface.normals[split].mean(axis=1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    return Surface(
        np.concatenate([surface.vertices, vertices[split].mean(axis=1).astype(np.float32)]),
        np.concatenate([surface.normals, normals]),
        np.concatenate([pieces for pieces, _ in parts]).astype(np.int32),
        surface.material[np.concatenate([which for _, which in parts])],
    )


def _pieces(
    faces: I4, middle: NDArray[np.int64], long: NDArray[np.bool_], pattern: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Faces whose long edges are exactly `pattern`'s bits -> their pieces and whose these are."""
    bits = np.array([pattern >> edge & 1 for edge in range(3)], bool)
    which = np.nonzero((long == bits).all(axis=1))[0]
    turn = {0: 0, 7: 0, 1: 0, 2: 1, 4: 2, 3: 0, 6: 1, 5: 2}[pattern]
    a, b, c = np.roll(faces[which], -turn, axis=1).astype(np.int64).T
    ab, bc, ca = np.roll(middle[which], -turn, axis=1).T
    pieces = {
        0: ((a, b, c),),
        1: ((a, ab, c), (ab, b, c)),
        2: ((a, ab, c), (ab, b, bc), (ab, bc, c)),
        3: ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)),
    }[int(bits.sum())]
    return (
        np.concatenate([np.stack(piece, axis=1) for piece in pieces]),
        np.concatenate([which] * len(pieces)),
    )
