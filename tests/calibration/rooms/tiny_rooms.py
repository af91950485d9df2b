# SPDX-License-Identifier: Apache-2.0
"""A closed box of a room, bright walls, one lamp in the middle of the ceiling."""

from __future__ import annotations

import numpy as np

from calibration.rooms.mesh import Surface, join, vertex_normals
from calibration.rooms.stage import Light, Stage

FLOOR, CEILING, WALL, GLASS, SHINING = range(5)
ALBEDO = np.array([0.5, 0.8, 0.7, 0.1, 0.0], np.float32)
LAMP = Light((0.0, 2.5, 0.0), (0.0, 0.0, 0.0), 2.4, 1.0, 1.0)


PIECE_M = 0.3  # at most, of a side: wide lenses bend what lies between vertices


def quad(a, b, c, d, material) -> Surface:
    """Four corners, cut into pieces."""
    corners = np.array([a, b, c, d], float)
    rows, columns = (1 + int(np.linalg.norm(corners[k] - corners[0]) / PIECE_M) for k in (3, 1))
    v, u = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    u, v = u.reshape(-1, 1), v.reshape(-1, 1)
    low, high = (
        corners[0] + u * (corners[1] - corners[0]),
        corners[3] + u * (corners[2] - corners[3]),
    )
    vertices = np.ascontiguousarray(low + v * (high - low), np.float32)
    grid = np.arange(len(vertices), dtype=np.int32).reshape(rows + 1, columns + 1)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    faces = np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)
    return Surface(
        vertices, vertex_normals(vertices, faces), faces, np.full(len(faces), material, np.int32)
    )


def box_room(width=4.0, depth=4.0, height=2.6, *extra: Surface) -> Surface:
    """Floor, ceiling, four walls, and whatever else."""
    w, d, h = width / 2, depth / 2, height
    return join(
        [
            quad((-w, 0, d), (w, 0, d), (w, 0, -d), (-w, 0, -d), FLOOR),
            quad((-w, h, -d), (w, h, -d), (w, h, d), (-w, h, d), CEILING),
            quad((-w, 0, -d), (w, 0, -d), (w, h, -d), (-w, h, -d), WALL),
            quad((w, 0, d), (-w, 0, d), (-w, h, d), (w, h, d), WALL),
            quad((-w, 0, d), (-w, 0, -d), (-w, h, -d), (-w, h, d), WALL),
            quad((w, 0, -d), (w, 0, d), (w, h, d), (w, h, -d), WALL),
            *extra,
        ]
    )


def plain(points, normals, material, distance):
    """One albedo per material; SHINING shines."""
    assert len(points) == len(normals) == len(distance)
    return ALBEDO[material], np.where(material == SHINING, np.float32(2), np.float32(0))


def tiny_stage(movers=(), surface=None, **options) -> Stage:
    return Stage(surface or box_room(), plain, [LAMP], (0.3, 0.2), movers, **options)
