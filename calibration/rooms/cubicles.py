# SPDX-License-Identifier: Apache-2.0
"""Rows of cubicles along a wall: for toilets behind doors, for changing behind curtains."""

from __future__ import annotations

import math
from collections.abc import Sequence

from calibration.rooms import furniture, plumbing, props
from calibration.rooms.fittings import Door, door_matrix, placed
from calibration.rooms.layout import Layout, Spot
from calibration.rooms.shapes import Builder

BOARD_M = 0.03
AJAR = 0.6  # of the doors of cubicles that nobody uses


def toilet_row(layout: Layout, walls: Sequence[int]) -> None:
    """One to four cubicles along the first of these walls that has the space."""
    rng, paint = layout.paint.rng, layout.paint
    pitch, depth = float(rng.uniform(0.88, 1.1)), float(rng.uniform(1.3, 1.6))
    found = _row(layout, walls, pitch, depth)
    if found is None:
        return
    spot, count = found
    board, gap = paint.plain(0.05, 0.7), float(rng.choice((0.0, 0.15)))
    high, leaf = float(rng.uniform(1.85, 2.1)), float(rng.uniform(0.58, 0.68))
    b = layout.hand(spot)
    for k in range(count):
        here = b.at((k + 0.5 - count / 2) * pitch, 0)
        layout.seats.append(plumbing.toilet(here, paint))
        _boards(here, board, pitch, depth, gap, high, last=k == count - 1)
        for side in (-1, 1):
            x = side * (leaf / 2 + pitch / 2) / 2
            size = (pitch / 2 - leaf / 2, high - gap, BOARD_M)
            here.box((x, (high + gap) / 2, depth), size, board, solid=True)
        hinge = here.world((-leaf / 2, 0, depth))
        door = Door(
            hinge, leaf, here.yaw, here.floor(0, depth + 0.5), here.floor(0, depth - 0.4),
            len(layout.props), 1 if rng.random() < 0.7 else -1, leads_out=False,
        )  # fmt: skip
        ajar = float(rng.uniform(0.2, 1.4)) if rng.random() < AJAR else 0.0
        home = door_matrix(door, ajar)
        layout.props.append(props.door(paint, leaf, high, home, low=max(gap, 0.02)))
        layout.doors.append(door)


def curtain_row(layout: Layout, walls: Sequence[int]) -> None:
    """One to three changing cubicles, each with a seat and a curtain."""
    rng, paint = layout.paint.rng, layout.paint
    pitch, depth = float(rng.uniform(0.95, 1.3)), float(rng.uniform(1.0, 1.3))
    found = _row(layout, walls, pitch, depth)
    if found is None:
        return
    spot, count = found
    board, b = paint.plain(0.05, 0.7), layout.hand(spot)
    for k in range(count):
        here = b.at((k + 0.5 - count / 2) * pitch, 0)
        _boards(here, board, pitch, depth, 0.0, 2.0, last=k == count - 1)
        here.rod((-pitch / 2, 2.0, depth), (pitch / 2, 2.0, depth), 0.015, paint.metal)
        layout.seats += furniture.bench(here, paint, pitch - 0.3)
        rail = placed(*here.world((-pitch / 2, 0.25, depth)), here.yaw)
        layout.props.append(props.curtain(paint, pitch, 1.72, rail, 0.4))
        layout.reach("hook", Spot(*here.floor(0, 0), here.yaw), 0.05, 1.6, 0.7)


def _row(
    layout: Layout, walls: Sequence[int], pitch: float, depth: float
) -> tuple[Spot, int] | None:
    """Space for as many cubicles as fit, from one end of a wall."""
    most = int(layout.paint.rng.integers(1, 5))
    for count in range(most, 0, -1):
        for wall in walls:
            room = (layout.length(wall) - count * pitch) / 2
            if room < 0 or layout.depth(wall) < depth + 1.0:
                continue
            u = math.copysign(max(room - 0.02, 0.0), float(layout.paint.rng.uniform(-1, 1)))
            if layout.claim_at(wall, u, count * pitch, depth, front=0.8):
                return layout.on_wall(wall, u), count
    return None


def _boards(
    b: Builder, board: int, pitch: float, depth: float, gap: float, high: float, *, last: bool
) -> None:
    for side in (-1, 1) if last else (-1,):
        size = (BOARD_M, high - gap, depth)
        b.box((side * pitch / 2, (high + gap) / 2, depth / 2), size, board, solid=True)
