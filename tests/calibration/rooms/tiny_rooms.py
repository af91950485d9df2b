# SPDX-License-Identifier: Apache-2.0
"""A closed box of a room, bright walls, one lamp in the middle of the ceiling."""

from __future__ import annotations

import numpy as np

from calibration.rooms.mesh import Surface, join, subdivide, vertex_normals
from calibration.rooms.stage import Light, Stage

FLOOR, CEILING, WALL, GLASS, SHINING = range(5)
ALBEDO = np.array([0.5, 0.8, 0.7, 0.1, 0.0], np.float32)
LAMP = Light((0.0, 2.5, 0.0), (0.0, 0.0, 0.0), 2.4, 1.0, 1.0)


def quad(a, b, c, d, material) -> Surface:
    vertices = np.array([a, b, c, d], np.float32)
    faces = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
    return Surface(vertices, vertex_normals(vertices, faces), faces, np.full(2, material, np.int32))


def box_room(width=4.0, depth=4.0, height=2.6, *extra: Surface) -> Surface:
    """Floor, ceiling, four walls, and whatever else."""
    w, d, h = width / 2, depth / 2, height
    return subdivide(
        join(
            [
                quad((-w, 0, d), (w, 0, d), (w, 0, -d), (-w, 0, -d), FLOOR),
                quad((-w, h, -d), (w, h, -d), (w, h, d), (-w, h, d), CEILING),
                quad((-w, 0, -d), (w, 0, -d), (w, h, -d), (-w, h, -d), WALL),
                quad((w, 0, d), (-w, 0, d), (-w, h, d), (w, h, d), WALL),
                quad((-w, 0, d), (-w, 0, -d), (-w, h, -d), (-w, h, d), WALL),
                quad((w, 0, -d), (w, 0, d), (w, h, d), (w, h, -d), WALL),
                *extra,
            ]
        ),
        0.5,
    )


def plain(points, normals, material, distance):
    """One albedo per material; SHINING shines."""
    assert len(points) == len(normals) == len(distance)
    return ALBEDO[material], np.where(material == SHINING, np.float32(2), np.float32(0))


def tiny_stage(movers=(), surface=None, **options) -> Stage:
    return Stage(surface or box_room(), plain, [LAMP], (0.3, 0.2), movers, **options)
