# SPDX-License-Identifier: Apache-2.0
"""Small things that stand, hang and lie about; around their middle unless they say otherwise."""

from __future__ import annotations

import math

import numpy as np

from calibration.rooms.paint import Paint
from calibration.rooms.shapes import Builder


def hooks(b: Builder, paint: Paint, width: float) -> None:
    """A rail of hooks at 1.7 with what hangs there; back at the wall."""
    rng = paint.rng
    b.box((0, 1.7, 0.015), (width, 0.09, 0.03), paint.wood())
    count = max(2, int(width / 0.18))
    for k in range(count):
        x = (k + 0.5) * width / count - width / 2
        b.rod((x, 1.68, 0.03), (x, 1.7, 0.09), 0.008, paint.metal)
        if rng.random() < 0.55:
            drape(
                b.at(x, 0.06), paint.cloth(), 0.1 + 0.1 * rng.random(), 1.68, rng.uniform(0.3, 1.0)
            )


def drape(b: Builder, cloth: int, half: float, top: float, length: float) -> None:
    """A coat or a towel hung by one point: wider below, in folds."""
    v, u = np.meshgrid(np.linspace(0, 1, 6), np.linspace(-1, 1, 9), indexing="ij")
    spread = half * (0.35 + 0.65 * np.minimum(1, 2.5 * v))
    z = 0.03 + 0.05 * v * (1 - u * u) + 0.02 * np.where(np.arange(9) % 2, 1.0, -1.0) * v
    b.grid(np.stack([u * spread, top - v * length, z], axis=-1)[::-1], cloth)


def screen(b: Builder, paint: Paint) -> None:
    """A television or notice board on a wall at 1.2."""
    width = float(paint.rng.uniform(0.5, 1.2))
    b.box((0, 1.2, 0.04), (width, width * 0.57, 0.05), paint.dark)


def dispenser(b: Builder, paint: Paint) -> None:
    """For towels, soap or air; on the wall."""
    b.box((0, paint.rng.uniform(1.1, 1.45), 0.07), (0.27, 0.3, 0.13), paint.plain(0.1, 0.85))


def plant(b: Builder, paint: Paint) -> None:
    """A pot with leaves, around its middle."""
    rng = paint.rng
    b.lathe((0, 0, 0), [(0.12, 0), (0.17, 0.28), (0.14, 0.27)], paint.plain(0.05, 0.6))
    leaf, height = paint.plain(0.03, 0.15), rng.uniform(0.4, 1.1)
    for angle in rng.uniform(0, 2 * math.pi, 14):
        x, z, y = math.sin(angle), math.cos(angle), 0.3 + height * rng.random()
        r, w = rng.uniform(0.15, 0.4), 0.07
        left, right = ((r * x / 2 + s * w * z, y + 0.05, r * z / 2 - s * w * x) for s in (1, -1))
        b.panel(((0, y - 0.1, 0), left, (r * x, y - 0.05, r * z), right), leaf)
    b.obstacle((0, 0.2, 0), (0.3, 0.4, 0.3))


def bin_(b: Builder, paint: Paint) -> None:
    """A waste bin around its middle."""
    r, h = paint.rng.uniform(0.11, 0.2), paint.rng.uniform(0.28, 0.7)
    b.lathe(
        (0, 0, 0), [(r * 0.85, 0), (r, h), (r * 0.9, h), (r * 0.8, 0.1)], paint.plain(0.03, 0.7)
    )
    b.obstacle((0, h / 2, 0), (2 * r, h, 2 * r))


def boxes(b: Builder, paint: Paint) -> None:
    """Cartons, bags or cases in a heap around its middle."""
    rng, y = paint.rng, 0.0
    for _ in range(int(rng.integers(1, 4))):
        w, h, d = rng.uniform(0.2, 0.45), rng.uniform(0.12, 0.4), rng.uniform(0.2, 0.4)
        at = (rng.normal(0, 0.03), y + h / 2, rng.normal(0, 0.03))
        b.box(at, (w, h, d), paint.cloth(0.04, 0.6), yaw=rng.normal(0, 0.4))
        y += h
    b.obstacle((0, y / 2, 0), (0.4, y, 0.4))


def heap(b: Builder, paint: Paint) -> None:
    """Clothes or bedding on the floor: no obstacle, one steps over it."""
    rng = paint.rng
    share, angle = np.meshgrid(np.linspace(1, 0, 6), np.linspace(0, 2 * math.pi, 13), indexing="ij")
    reach = rng.uniform(0.5, 1.1, 13)
    reach[-1] = reach[0]
    radius = share * reach * (0.85 + 0.3 * rng.random(share.shape[:1])[:, None])
    height = rng.uniform(0.06, 0.2) * (1 - share**2) * rng.uniform(0.3, 1.2, share.shape)
    height[:, -1] = height[:, 0]
    wide, deep = rng.uniform(0.15, 0.38, 2)
    x, z = wide * radius * np.sin(angle), deep * radius * np.cos(angle)
    b.grid(np.stack([x, height + 0.004, z], axis=-1), paint.cloth(0.03, 0.6))


def rug(b: Builder, paint: Paint, width: float, depth: float) -> None:
    """Flat on the floor around its middle."""
    y = 0.008
    w, d = width / 2, depth / 2
    b.panel(((-w, y, d), (w, y, d), (w, y, -d), (-w, y, -d)), paint.cloth(0.03, 0.7))
    if paint.rng.random() < 0.5:
        w, d, y = w - 0.12, d - 0.12, 0.012
        b.panel(((-w, y, d), (w, y, d), (w, y, -d), (-w, y, -d)), paint.cloth(0.03, 0.7))


def stand(b: Builder, paint: Paint) -> None:
    """A drip or coat stand around its middle."""
    b.rod((0, 0.05, 0), (0, 1.85, 0), 0.015, paint.metal)
    for angle in np.arange(5) * (2 * math.pi / 5):
        b.rod(
            (0, 0.06, 0), (0.28 * math.sin(angle), 0.03, 0.28 * math.cos(angle)), 0.015, paint.metal
        )
    b.box((0.08, 1.65, 0), (0.12, 0.25, 0.04), paint.linen)
    b.obstacle((0, 0.9, 0), (0.3, 1.8, 0.3))


def litter(b: Builder, paint: Paint, width: float, depth: float, y: float, count: int) -> None:
    """Small things on a top at height y around the origin: bottles, cups, books, parcels."""
    rng = paint.rng
    for x, z, kind in rng.uniform(-0.5, 0.5, (count, 3)):
        at = (x * width, y, z * depth)
        if kind < 0:
            r, h = rng.uniform(0.03, 0.07), rng.uniform(0.08, 0.3)
            b.lathe(at, [(r, 0), (r, h * 0.7), (r * 0.4, h)], paint.plain(), sides=6)
        else:
            w, h, d = rng.uniform(0.06, 0.3), rng.uniform(0.02, 0.2), rng.uniform(0.06, 0.2)
            middle = (at[0], y + h / 2, at[2])
            b.box(middle, (w, h, d), paint.picture(), yaw=rng.uniform(-1.5, 1.5))
