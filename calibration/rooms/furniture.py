# SPDX-License-Identifier: Apache-2.0
"""Pieces that stand where they are put.

Each function builds one piece with the hand it is given: the origin is on the floor, at the wall
or at the piece's middle as it says, +Z to the front. Measures in metres are those of common goods.
"""

from __future__ import annotations

import math

import numpy as np

from calibration.rooms import oddments
from calibration.rooms.fittings import Bed, Seat
from calibration.rooms.paint import Paint
from calibration.rooms.shapes import Builder

STAND_OFF = 0.32  # from the front edge of a seat to the middle of one who stands before it


def seat(b: Builder, kind: str, height: float, front: float) -> Seat:
    """Where one sits: the front edge is `front` before the hand's origin."""
    return Seat(
        kind, b.world((0, height, front)), b.yaw, height, b.floor(0, front + STAND_OFF)
    )  # fmt: skip


def fronts(b: Builder, paint: Paint, width: float, low: float, high: float, z: float) -> None:
    """Gaps and handles that tell doors and drawers apart."""
    count = max(1, round(width / 0.5))
    for k in range(count + 1):
        b.box(
            (width * (k / count - 0.5), (low + high) / 2, z), (0.012, high - low, 0.01), paint.dark
        )
    for k in range(count):
        x = width * ((k + 0.85) / count - 0.5)
        b.box((x, high - 0.12, z + 0.01), (0.02, 0.12, 0.02), paint.metal)


def bed(b: Builder, paint: Paint, width: float, *, ward: bool) -> tuple[Bed, list[Seat]]:
    """Head at the wall, 2.05 long; a ward's stands on wheels and has rails at its head."""
    rng = paint.rng
    top = float(rng.uniform(0.48, 0.6) if ward else rng.uniform(0.38, 0.52))
    frame = paint.plain(0.2, 0.8) if ward else paint.wood()
    b.box((0, top - 0.22, 1.03), (width, 0.1, 2.0), frame)
    for x in (-width / 2 + 0.06, width / 2 - 0.06):
        for z in (0.12, 1.95):
            b.box(
                (x, (top - 0.25) / 2, z), (0.06, top - 0.25, 0.06), paint.metal if ward else frame
            )
    sheet = paint.linen if rng.random() < 0.5 else paint.cloth(0.2, 0.8)
    b.box((0, top - 0.09, 1.03), (width - 0.02, 0.17, 1.96), sheet)
    b.box((0, top + 0.14, 0.02), (width, rng.uniform(0.3, 0.75), 0.04), frame)
    if rng.random() < 0.6:
        b.box((0, top, 2.05), (width, rng.uniform(0.1, 0.4), 0.04), frame)
    pillow(b, paint, (rng.normal(0, 0.05), top, 0.26), 0.6 if width < 1.3 else width * 0.75)
    if rng.random() < 0.85:
        blanket(b, paint, width, top, float(rng.uniform(0.5, 1.2)))
    if ward:
        for x in (-width / 2 - 0.02, width / 2 + 0.02):
            for y in (0.12, 0.24):
                b.rod((x, top + y, 0.1), (x, top + y, 0.75), 0.014, paint.metal)
    b.obstacle((0, top / 2, 1.03), (width, top, 2.05))
    sides = (width / 2 + STAND_OFF, -width / 2 - STAND_OFF)
    lying = Bed(
        b.floor(0, 1.05), top, 2.0, width, b.yaw + math.pi, tuple(b.floor(x, 1.1) for x in sides)
    )
    seats = [
        seat(b.at(0, 1.25, turn), "bed", top, width / 2) for turn in (math.pi / 2, -math.pi / 2)
    ]
    return lying, seats


def pillow(b: Builder, paint: Paint, at: tuple[float, float, float], width: float) -> None:
    """Soft, a hand high."""
    u = np.linspace(-1, 1, 7)
    x, z = np.meshgrid(u, u)
    dome = ((1 - x**4) * (1 - z**4)).clip(0) ** 0.5
    points = np.stack([x * width / 2, 0.12 * dome, -z * 0.2], axis=-1) + np.array(at)
    b.grid(points, paint.linen if paint.rng.random() < 0.6 else paint.cloth(0.2, 0.8))


def blanket(b: Builder, paint: Paint, width: float, top: float, length: float) -> None:
    """Rumpled over the foot of a bed, hanging down at its sides."""
    rng = paint.rng
    u, v = np.meshgrid(np.linspace(-1, 1, 11), np.linspace(0, 1, 9))
    half = width / 2 + 0.03
    over = np.abs(u) * (half + rng.uniform(0.05, 0.3))
    x = np.sign(u) * np.minimum(over, half)
    rumple = rng.uniform(0, rng.uniform(0.02, 0.12), u.shape)
    rumple[1:-1, 1:-1] = (rumple[1:-1, 1:-1] + rumple[:-2, 1:-1] + rumple[1:-1, :-2]) / 3
    y = top + 0.02 + rumple - np.maximum(over - half, 0)
    z = 2.05 - v * length + rng.normal(0, 0.03, u.shape[:1])[:, None] * 0 + 0.1 * rumple
    b.grid(np.stack([x, y, z], axis=-1), paint.cloth(0.04, 0.8))


def chair(b: Builder, paint: Paint, *, material: int | None = None) -> Seat:
    """Around its middle; 0.46 square, faces +Z."""
    rng = paint.rng
    cloth = paint.plain(0.03, 0.7) if material is None else material
    leg = cloth if rng.random() < 0.4 else paint.metal
    b.box((0, 0.44, 0), (0.44, 0.04, 0.44), cloth)
    for x in (-0.2, 0.2):
        for z in (-0.2, 0.2):
            b.box((x, 0.22, z), (0.035, 0.43, 0.035), leg)
        b.box((x, 0.67, -0.21), (0.035, 0.42, 0.035), leg)
    b.box((0, 0.74, -0.21), (0.42, rng.uniform(0.15, 0.36), 0.03), cloth)
    if rng.random() < 0.3:
        for x in (-0.23, 0.23):
            b.box((x, 0.66, 0), (0.04, 0.03, 0.4), leg)
    b.obstacle((0, 0.23, 0), (0.44, 0.46, 0.44))
    return seat(b, "chair", 0.46, 0.22)


def sofa(b: Builder, paint: Paint, width: float) -> list[Seat]:
    """Back at the wall, 0.85 deep; an armchair if it is narrow."""
    cloth = paint.cloth(0.03, 0.6)
    b.box((0, 0.2, 0.45), (width, 0.3, 0.78), cloth)
    b.box((0, 0.5, 0.14), (width, 0.6, 0.2), cloth)
    for x in (-width / 2 + 0.09, width / 2 - 0.09):
        b.box((x, 0.33, 0.45), (0.18, 0.56, 0.8), cloth)
    places = max(1, int((width - 0.36) / 0.55))
    span = (width - 0.36) / places
    found = []
    for k in range(places):
        x = (k + 0.5) * span - (width - 0.36) / 2
        b.box((x, 0.39, 0.53), (span - 0.02, 0.11, 0.62), cloth)
        found.append(seat(b.at(x, 0), "sofa", 0.44, 0.84))
        if paint.rng.random() < 0.4:
            b.box((x, 0.6, 0.3), (0.4, 0.36, 0.12), paint.cloth(), yaw=paint.rng.normal(0, 0.3))
    b.obstacle((0, 0.25, 0.42), (width, 0.5, 0.84))
    return found


def table(b: Builder, paint: Paint, width: float, depth: float, height: float = 0.74) -> None:
    """Around its middle."""
    top = paint.wood() if paint.rng.random() < 0.6 else paint.plain()
    b.box((0, height - 0.02, 0), (width, 0.04, depth), top)
    for x in (-width / 2 + 0.05, width / 2 - 0.05):
        for z in (-depth / 2 + 0.05, depth / 2 - 0.05):
            b.box((x, (height - 0.04) / 2, z), (0.05, height - 0.04, 0.05), top)
    b.obstacle((0, height / 2, 0), (width, height, depth))
    oddments.litter(b, paint, width - 0.1, depth - 0.1, height, int(paint.rng.integers(0, 7)))


def cabinet(b: Builder, paint: Paint, width: float, depth: float, height: float) -> None:
    """A chest, a wardrobe, a locker: closed, back at the wall."""
    body = paint.wood() if paint.rng.random() < 0.5 else paint.plain()
    b.box((0, height / 2, depth / 2), (width, height, depth), body, solid=True)
    fronts(b, paint, width, 0.06, height - 0.03, depth + 0.002)
    if height < 1.5:
        b = b.at(0, depth / 2)
        oddments.litter(b, paint, width - 0.05, depth - 0.05, height, int(paint.rng.integers(1, 7)))


def shelf(b: Builder, paint: Paint, width: float, depth: float, height: float) -> None:
    """Open, full of things; back at the wall."""
    board = paint.wood() if paint.rng.random() < 0.6 else paint.plain()
    for x in (-width / 2, width / 2):
        b.box((x, height / 2, depth / 2), (0.03, height, depth), board)
    step = float(paint.rng.uniform(0.25, 0.42))
    full = paint.things(float(paint.rng.uniform(0.03, 0.12)), step)
    b.box((0, height / 2, depth * 0.4), (width - 0.03, height, depth * 0.75), full)
    for k in range(int(height / step) + 1):
        b.box((0, k * step + 0.015, depth / 2), (width, 0.03, depth), board)
    b.obstacle((0, height / 2, depth / 2), (width, height, depth))
    oddments.litter(b.at(0, depth / 2), paint, width, depth, height, int(paint.rng.integers(0, 4)))


def lockers(b: Builder, paint: Paint, width: float) -> None:
    """A row of narrow tall doors, 0.45 deep."""
    body, count = paint.plain(0.05, 0.6), max(2, round(width / 0.32))
    b.box((0, 0.95, 0.225), (width, 1.8, 0.45), body, solid=True)
    for k in range(count):
        left = width * ((k + 0.5) / count - 0.5)
        b.box((left + width / count / 2, 0.95, 0.455), (0.015, 1.78, 0.012), paint.dark)
        for y in (1.55, 1.6, 1.65):
            b.box((left, y, 0.455), (0.14, 0.012, 0.01), paint.dark)
        b.box((left + 0.09, 1.0, 0.46), (0.02, 0.08, 0.03), paint.metal)


def bench(b: Builder, paint: Paint, width: float) -> list[Seat]:
    """Slats on legs, back at the wall or in the middle; 0.4 deep, two or more may sit."""
    wood = paint.wood()
    for z in (0.08, 0.2, 0.32):
        b.box((0, 0.44, z), (width, 0.03, 0.09), wood)
    for x in (-width / 2 + 0.12, width / 2 - 0.12):
        b.box((x, 0.22, 0.2), (0.05, 0.42, 0.34), paint.metal)
    b.obstacle((0, 0.23, 0.2), (width, 0.46, 0.4))
    count = max(1, int(width / 0.6))
    return [
        seat(b.at((k + 0.5) * width / count - width / 2, 0), "chair", 0.455, 0.38)
        for k in range(count)
    ]
