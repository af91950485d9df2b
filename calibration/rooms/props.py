# SPDX-License-Identifier: Apache-2.0
"""Things that move: doors, curtains, chairs on wheels, what hands carry.

Each has one bone. Its own origin is where it turns or stands: a door's hinge, a curtain's fixed
end, the floor under the middle of everything else. Patterns become the colours of its vertices.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np

from calibration.rooms.fittings import Matrix, Prop, drawn_matrix, placed
from calibration.rooms.furniture import chair as standing_chair
from calibration.rooms.materials import Reflectance
from calibration.rooms.mesh import Surface, rigid
from calibration.rooms.oddments import heap
from calibration.rooms.paint import Paint
from calibration.rooms.shapes import Builder

WHEEL_M = 0.3
WHEELCHAIR_SEAT = 0.5
DOOR_M = 0.035


def door(paint: Paint, width: float, height: float, home: Matrix, low: float = 0.0) -> Prop:
    """A leaf from its hinge along +X; a cubicle's ends `low` above the floor."""
    b, leaf = Builder(), paint.wood() if paint.rng.random() < 0.4 else paint.plain(0.04, 0.8)
    b.box((width / 2, low + (height - low) / 2, 0), (width, height - low, DOOR_M), leaf)
    for z in (-0.04, 0.04):
        b.box((width - 0.08, 1.02, z), (0.12, 0.025, 0.03), paint.metal)
    if low == 0 and paint.rng.random() < 0.25:
        z = DOOR_M / 2 + 0.003
        for side in (-z, z):
            b.box((width / 2, 1.5, side), (width * 0.4, 0.6, 0.002), paint.plain(0.3, 0.9))
    return _prop("door", b, paint, home)


def curtain(paint: Paint, width: float, height: float, rail: Matrix, closed: float) -> Prop:
    """Cloth in folds from its fixed end along +X, from the floor of `rail` to `height`.

    At home it is drawn across with the chance `closed`, else more or less aside.
    """
    b, folds = Builder(), float(paint.rng.uniform(7, 14))
    drawn = 1.0 if paint.rng.random() < closed else float(paint.rng.uniform(0, 0.6))
    phase, depth = paint.rng.uniform(0, 6.28), paint.rng.uniform(0.02, 0.05)
    v, u = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 33), indexing="ij")
    wave = np.sin(phase + folds * width * u * (1 + 0.1 * np.sin(7 * u)))
    z = depth * wave * (1.2 - 0.5 * v)
    b.grid(np.stack([u * width, v * height, z], axis=-1), paint.cloth(0.04, 0.85))
    return _prop("curtain", b, paint, drawn_matrix(rail, drawn))


def wheelchair(paint: Paint, home: Matrix) -> Prop:
    """Two large wheels, two small ones, faces +Z; one sits on it at WHEELCHAIR_SEAT."""
    b, cloth = Builder(), paint.plain(0.02, 0.2)
    for x in (-0.28, 0.28):
        _wheel(b, paint.dark, (x, WHEEL_M, -0.12), WHEEL_M)
        _wheel(b, paint.dark, (x * 0.8, 0.09, 0.36), 0.09)
        b.rod((x * 0.85, 0.12, 0.36), (x * 0.85, 0.5, 0.22), 0.014, paint.metal)
        b.rod((x * 0.85, 0.3, -0.2), (x * 0.85, 0.95, -0.24), 0.014, paint.metal)
        b.rod((x * 0.85, 0.95, -0.24), (x * 0.85, 0.95, -0.36), 0.016, paint.dark)
        b.box((x * 0.9, 0.7, 0), (0.05, 0.03, 0.35), paint.dark)
        b.box((x * 0.4, 0.1, 0.5), (0.14, 0.02, 0.16), paint.dark)
        b.rod((x * 0.6, 0.48, 0.24), (x * 0.45, 0.1, 0.46), 0.012, paint.metal)
    b.box((0, WHEELCHAIR_SEAT - 0.03, 0.02), (0.44, 0.05, 0.44), cloth)
    b.box((0, 0.7, -0.22), (0.42, 0.42, 0.03), cloth)
    return _prop("wheelchair", b, paint, home)


def walker(paint: Paint, home: Matrix) -> Prop:
    """A walking frame, open to the one who stands behind it (at -Z)."""
    b = Builder()
    for x in (-0.27, 0.27):
        b.rod((x, 0, 0.2), (x, 0.86, 0.02), 0.015, paint.metal)
        b.rod((x, 0, -0.28), (x, 0.86, -0.1), 0.015, paint.metal)
        b.rod((x, 0.86, 0.04), (x, 0.86, -0.16), 0.018, paint.dark)
    for y, z in ((0.8, 0.03), (0.4, 0.12)):
        b.rod((-0.27, y, z), (0.27, y, z), 0.014, paint.metal)
    return _prop("walker", b, paint, home)


def chair(paint: Paint, home: Matrix) -> Prop:
    """A light chair that slides when it is pushed."""
    b = Builder()
    standing_chair(b, paint, material=paint.plain(0.05, 0.8))
    return _prop("chair", b, paint, home)


def mop(paint: Paint, home: Matrix) -> Prop:
    """A mop or broom upright: 1.4 m of stick."""
    b = Builder()
    b.rod((0, 0.04, 0), (0, 1.4, 0), 0.014, paint.wood())
    b.box((0, 0.04, 0), (0.36, 0.07, 0.1), paint.cloth())
    return _prop("mop", b, paint, home)


def ball(paint: Paint, home: Matrix) -> Prop:
    """A ball of 0.11 m radius; its origin is its middle."""
    b, steps = Builder(), np.linspace(-math.pi / 2, math.pi / 2, 7)
    profile = [(0.11 * math.cos(a), 0.11 * math.sin(a)) for a in steps]
    b.lathe((0, 0, 0), profile, paint.cloth(0.1, 0.85))
    return _prop("ball", b, paint, home)


def towel(paint: Paint, home: Matrix) -> Prop:
    """Cloth hung by its upper edge at the origin: 0.4 wide, 0.7 long."""
    b = Builder()
    v, u = np.meshgrid(np.linspace(-0.7, 0, 6), np.linspace(-0.2, 0.2, 7), indexing="ij")
    z = 0.02 * np.sin(25 * u + paint.rng.uniform(0, 6)) * -v
    b.grid(np.stack([u, v, z], axis=-1), paint.cloth(0.1, 0.85))
    return _prop("towel", b, paint, home)


def clothes(paint: Paint, home: Matrix) -> Prop:
    """A heap of clothes; dropped, carried, picked up."""
    b = Builder()
    heap(b, paint)
    return _prop("clothes", b, paint, home)


def sheet(paint: Paint, home: Matrix, width: float, length: float) -> Prop:
    """A bedsheet, spread and rumpled, around its middle."""
    b = Builder()
    v, u = np.meshgrid(np.linspace(-0.5, 0.5, 12), np.linspace(-0.5, 0.5, 10), indexing="ij")
    y = paint.rng.uniform(0, 0.06, u.shape)
    b.grid(np.stack([u * width, y, -v * length], axis=-1), paint.cloth(0.2, 0.8))
    return _prop("sheet", b, paint, home)


def on_floor(x: float, z: float, yaw: float, y: float = 0.0) -> Matrix:
    """The home of a thing that stands there."""
    return placed(x, y, z, yaw)


def _wheel(b: Builder, material: int, centre: tuple[float, float, float], radius: float) -> None:
    """A tyre in the plane of Y and Z, with four spokes."""
    angle = np.arange(13) * (2 * math.pi / 12)
    y, z = radius * np.cos(angle) + centre[1], radius * np.sin(angle) + centre[2]
    rim = [(centre[0], float(a), float(c)) for a, c in zip(y, z, strict=True)]
    for start, end in itertools.pairwise(rim):
        b.rod(start, end, 0.015, material, sides=3)
    for k in (0, 3):
        b.rod(rim[k], rim[k + 6], 0.006, material, sides=3)


def _prop(kind: str, b: Builder, paint: Paint, home: Matrix) -> Prop:
    surface = b.surface()
    return Prop(kind, replace(rigid(surface, 0, 0), **_colours(surface, paint)), home)


def _colours(surface: Surface, paint: Paint) -> dict[str, np.ndarray]:
    """The materials at each vertex, in visible and in infrared light."""
    material = np.zeros(len(surface.vertices), np.int32)
    material[surface.faces.reshape(-1)] = np.repeat(surface.material, 3)
    near = np.ones(len(material))
    points, normals = surface.vertices.astype(np.float64), surface.normals
    seen = [
        Reflectance(paint.materials, infrared)(points, normals, material, near)[0]
        for infrared in (False, True)
    ]
    return {"albedo": seen[0], "infrared": seen[1]}
