# SPDX-License-Identifier: Apache-2.0
"""What makes a room lived in: pictures, towels, bins, bags, things left lying."""

from __future__ import annotations

import numpy as np

from calibration.rooms import oddments, props
from calibration.rooms.layout import Layout


def wall(layout: Layout) -> None:
    """One thing on a wall: a picture, a notice, a shelf, a pipe, a clock, a hanging."""
    rng, paint = layout.paint.rng, layout.paint
    kind = rng.random()
    if kind < 0.5:
        width, height = (float(v) for v in rng.uniform(0.15, 0.9, 2))
        low = float(rng.uniform(0.9, 1.6))
        if spot := layout.find(width, 0.04, low=low, high=low + height):
            size, frame = (width, height, 0.03), paint.plain()
            b = layout.hand(spot)
            b.box((0, low + height / 2, 0.012), size, frame)
            half, edge = width / 2 * 0.9, height * 0.05
            b.panel(
                ((-half, low + edge, 0.03), (half, low + edge, 0.03),
                 (half, low + height - edge, 0.03), (-half, low + height - edge, 0.03)),
                paint.picture(),
            )  # fmt: skip
    elif kind < 0.68:
        _board(layout)
    elif kind < 0.8:
        if spot := layout.find(0.1, 0.08, high=layout.size[2]):
            b = layout.hand(spot)
            b.rod(
                (0, 0, 0.05), (0, layout.size[2], 0.05), float(rng.uniform(0.02, 0.05)), paint.metal
            )
    elif kind < 0.88:
        if spot := layout.find(0.36, 0.05, low=1.6, high=2.1):
            b = layout.hand(spot)
            b.lathe((0, 1.87, 0.02), [(0.0, -0.001), (0.16, 0.0)], paint.plain(0.3, 0.9))
            b.box((0, 1.85, 0.03), (0.26, 0.26, 0.03), paint.plain(0.1, 0.9))
    else:
        _hanging(layout)


def _board(layout: Layout) -> None:
    """A board with things on it at breast height or above."""
    rng, paint = layout.paint.rng, layout.paint
    width, y = float(rng.uniform(0.4, 1.2)), float(rng.uniform(1.1, 1.8))
    if spot := layout.find(width, 0.24, low=y - 0.1, high=y + 0.45):
        b = layout.hand(spot)
        b.box((0, y, 0.11), (width, 0.03, 0.22), paint.wood())
        oddments.litter(b.at(0, 0.11), paint, width, 0.15, y + 0.015, int(rng.integers(2, 9)))
        layout.reach("shelf", spot, 0.12, y + 0.08, 0.5)


def _hanging(layout: Layout) -> None:
    """Cloth over a stretch of wall: a curtain before nothing, a carpet, a flag."""
    rng, paint = layout.paint.rng, layout.paint
    width, top = float(rng.uniform(0.5, 1.6)), float(rng.uniform(1.8, 2.2))
    low = float(rng.uniform(0.05, 1.0))
    if spot := layout.find(width, 0.12, low=low, high=top):
        v, u = np.meshgrid(np.linspace(low, top, 4), np.linspace(-0.5, 0.5, 21), indexing="ij")
        z = 0.06 + 0.03 * np.sin(u * width * float(rng.uniform(15, 45)))
        layout.hand(spot).grid(np.stack([u * width, v, z], axis=-1), paint.cloth())


def cloth(layout: Layout) -> None:
    """Clothes: on hooks, in a heap, hung over a rail."""
    rng, paint = layout.paint.rng, layout.paint
    if rng.random() < 0.6:
        width = float(rng.uniform(0.4, 1.4))
        if spot := layout.find(width, 0.2, low=0.7, high=1.8):
            oddments.hooks(layout.hand(spot), paint, width)
            layout.reach("hook", spot, 0.1, 1.6, 0.55)
    elif spot := layout.middle(0.25, high=0.3):
        home = props.on_floor(spot.x, spot.z, spot.yaw)
        layout.props.append(props.clothes(paint, home))


def wet(layout: Layout) -> None:
    """What hangs and stands in a lavatory."""
    rng, paint = layout.paint.rng, layout.paint
    kind = rng.random()
    if kind < 0.4:
        if spot := layout.find(0.3, 0.15, low=1.0, high=1.6):
            oddments.dispenser(layout.hand(spot), paint)
            layout.reach("wall", spot, 0.15, 1.25, 0.55)
    elif kind < 0.6:
        _bin(layout)
    elif kind < 0.75:
        if spot := layout.find(0.45, 0.12, low=0.9, high=1.7):
            b = layout.hand(spot)
            b.rod((-0.2, 1.5, 0.06), (0.2, 1.5, 0.06), 0.01, paint.metal)
            home = props.on_floor(*b.floor(0, 0.06), spot.yaw, 1.5)
            layout.props.append(props.towel(paint, home))
    elif kind < 0.85:
        if (spot := layout.find(0.4, 0.3, high=1.5, corner=True)) and not _has(layout, "mop"):
            b = layout.hand(spot)
            layout.props.append(props.mop(paint, props.on_floor(*b.floor(0, 0.1), spot.yaw)))
            b.lathe((0.05, 0, 0.2), [(0.11, 0), (0.14, 0.25), (0.12, 0.2)], paint.plain(0.1, 0.8))
    else:
        floor(layout)


def floor(layout: Layout) -> None:
    """One thing on the floor: cartons, a bag, a plant, a bin, shoes, a heap, a ball."""
    kinds = (_cartons, _plant, _bin, _shoes, _heap, _ball)
    kinds[int(layout.paint.rng.choice(6, p=(0.28, 0.15, 0.17, 0.17, 0.18, 0.05)))](layout)


def _cartons(layout: Layout) -> None:
    if spot := layout.find(0.45, 0.45, high=0.9, corner=True):
        oddments.boxes(layout.hand(spot).at(0, 0.23), layout.paint)


def _plant(layout: Layout) -> None:
    if spot := layout.find(0.5, 0.5, high=1.6, corner=True):
        oddments.plant(layout.hand(spot).at(0, 0.26), layout.paint)


def _heap(layout: Layout) -> None:
    if spot := layout.middle(0.3, high=0.3):
        oddments.heap(layout.hand(spot), layout.paint)


def _ball(layout: Layout) -> None:
    if (spot := layout.middle(0.15, high=0.3)) and not _has(layout, "ball"):
        home = props.on_floor(spot.x, spot.z, 0.0, 0.11)
        layout.props.append(props.ball(layout.paint, home))


def _bin(layout: Layout) -> None:
    if spot := layout.find(0.42, 0.42, high=0.9, corner=True):
        oddments.bin_(layout.hand(spot).at(0, 0.21), layout.paint)
        layout.reach("bin", spot, 0.21, 0.6, 0.7)


def _shoes(layout: Layout) -> None:
    leather, rng = layout.paint.plain(0.02, 0.5), layout.paint.rng
    if spot := layout.middle(0.2, high=0.2):
        for side in (-0.07, 0.07):
            b = layout.hand(spot).at(side, float(rng.normal(0, 0.04)))
            b.box((0, 0.045, 0), (0.09, 0.09, 0.26), leather, yaw=float(rng.normal(0, 0.5)))


def _has(layout: Layout, kind: str) -> bool:
    return any(prop.kind == kind for prop in layout.props)
