# SPDX-License-Identifier: Apache-2.0
"""One plan for each kind of room: how large, which doors and windows, what stands in it.

A piece that finds no space is left out; what a kind cannot be without comes first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from calibration.rooms import arrange, clutter, furniture, oddments, plumbing, props, shell
from calibration.rooms.cubicles import curtain_row, toilet_row
from calibration.rooms.layout import Layout
from calibration.rooms.paint import Paint

Plan = Callable[[np.random.Generator], Layout]


def restroom(rng: np.random.Generator) -> Layout:
    """From a single lavatory to a public one with a row of cubicles and urinals."""
    public = rng.random() < 0.6
    low, high = ((2.8, 2.6), (5.2, 4.4)) if public else ((1.7, 1.9), (2.9, 2.9))
    layout = _start(rng, low, high)
    arrange.door(layout, 0.85)
    if public:
        walls = [int(k) for k in rng.permutation(4)]
        toilet_row(layout, walls)
    if not layout.seats:
        arrange.toilet(layout)
    for _ in range(int(rng.integers(1, 3 if public else 2))):
        arrange.basins(layout, int(rng.integers(1, 4)) if public else 1)
    if public and rng.random() < 0.5:
        arrange.urinals(layout)
    if not public and rng.random() < 0.4 and (spot := layout.find(0.9, 0.9, corner=True)):
        plumbing.shower(layout.hand(spot), layout.paint, 0.9)
    arrange.windows(layout, 0.35, low=1.4)
    arrange.some(layout, clutter.wet, 1, 5)
    arrange.some(layout, clutter.wall, 1, 6)
    return _finish(layout, tiled=True)


def changing(rng: np.random.Generator) -> Layout:
    """Lockers, benches, hooks, mirrors, cubicles behind curtains."""
    layout = _start(rng, (2.6, 2.6), (5.5, 5.0))
    arrange.door(layout, 0.9)
    if rng.random() < 0.6:
        curtain_row(layout, [int(k) for k in rng.permutation(4)])
    for _ in range(int(rng.integers(1, 4))):
        width = float(rng.uniform(0.9, 2.4))
        if spot := layout.find(width, 0.45, front=0.8):
            furniture.lockers(layout.hand(spot), layout.paint, width)
            layout.reach("shelf", spot, 0.5, 1.3, 0.95)
    for _ in range(int(rng.integers(1, 4))):
        arrange.bench(layout, float(rng.uniform(0.8, 2.0)))
    for _ in range(int(rng.integers(0, 3))):
        arrange.mirror_alone(layout)
    arrange.windows(layout, 0.3, low=1.4)
    arrange.some(layout, clutter.cloth, 1, 5)
    arrange.some(layout, clutter.wall, 2, 8)
    arrange.some(layout, clutter.floor, 1, 6)
    return _finish(layout, tiled=bool(rng.random() < 0.5))


def ward(rng: np.random.Generator) -> Layout:
    """One to four beds with their cabinets, curtains between them, and what patients need."""
    layout = _start(rng, (3.2, 3.4), (7.0, 6.0))
    arrange.door(layout, 1.1)
    for _ in range(int(rng.integers(1, 5))):
        arrange.bed(layout, 0.92, ward=True)
    if not layout.beds:
        arrange.bed(layout, 0.92, ward=True)
    arrange.windows(layout, 0.8, low=0.8)
    for _ in range(int(rng.integers(1, 3))):
        arrange.chair(layout)
    arrange.movable(layout, props.wheelchair, 0.4, 0.5)
    arrange.movable(layout, props.walker, 0.45, 0.4)
    if rng.random() < 0.7 and (spot := layout.middle(0.3)):
        oddments.stand(layout.hand(spot), layout.paint)
    arrange.basins(layout, 1, chance=0.4)
    arrange.cabinets(layout, 0, 2)
    arrange.some(layout, clutter.wall, 3, 10)
    arrange.some(layout, clutter.floor, 1, 7)
    return _finish(layout, tiled=False)


def bedroom(rng: np.random.Generator) -> Layout:
    """A bed, a wardrobe, a window with curtains, and the disorder of a life."""
    layout = _start(rng, (2.7, 2.8), (5.0, 4.8))
    arrange.door(layout, 0.85)
    arrange.bed(layout, float(rng.choice((0.9, 1.0, 1.4, 1.6))), ward=False)
    arrange.windows(layout, 0.9, low=0.8)
    arrange.cabinets(layout, 1, 3)
    arrange.desk(layout, 0.5)
    if rng.random() < 0.7:
        arrange.chair(layout)
    arrange.rug(layout, 0.5)
    arrange.some(layout, clutter.cloth, 0, 4)
    arrange.some(layout, clutter.wall, 2, 9)
    arrange.some(layout, clutter.floor, 2, 9)
    arrange.movable(layout, props.walker, 0.15, 0.4)
    return _finish(layout, tiled=False)


def living(rng: np.random.Generator) -> Layout:
    """A sofa, tables, shelves, a television."""
    layout = _start(rng, (3.2, 3.4), (7.0, 6.0))
    arrange.door(layout, 0.9)
    for _ in range(int(rng.integers(1, 3))):
        arrange.sofa(layout, float(rng.choice((0.9, 1.5, 2.1))))
    arrange.windows(layout, 0.9, low=0.6)
    if rng.random() < 0.6:
        arrange.dining(layout)
    if spot := layout.find(1.3, 0.1, low=0.8, high=1.6):
        oddments.screen(layout.hand(spot), layout.paint)
    arrange.cabinets(layout, 1, 4)
    arrange.rug(layout, 0.7)
    if rng.random() < 0.5 and (spot := layout.middle(0.3)):
        height = float(rng.uniform(0.35, 0.5))
        furniture.table(layout.hand(spot), layout.paint, 0.6, 0.5, height)
    arrange.movable(layout, props.wheelchair, 0.15, 0.5)
    arrange.some(layout, clutter.wall, 3, 11)
    arrange.some(layout, clutter.floor, 2, 9)
    return _finish(layout, tiled=False)


def corridor(rng: np.random.Generator) -> Layout:
    """Long, narrow, with doors on its sides and ends."""
    layout = _start(rng, (1.6, 5.0), (2.6, 9.0))
    for _ in range(int(rng.integers(2, 5))):
        arrange.door(layout, 0.95)
    if rng.random() < 0.6:
        arrange.bench(layout, float(rng.uniform(0.8, 1.6)))
    if rng.random() < 0.5:
        arrange.rail(layout, int(rng.choice((1, 3))))
    arrange.windows(layout, 0.4, low=0.9)
    arrange.movable(layout, props.walker, 0.25, 0.4)
    arrange.movable(layout, props.wheelchair, 0.25, 0.5)
    arrange.some(layout, clutter.wall, 3, 11)
    arrange.some(layout, clutter.floor, 1, 7)
    return _finish(layout, tiled=bool(rng.random() < 0.2))


PLANS: dict[str, tuple[Plan, float]] = {
    "restroom": (restroom, 0.3),
    "changing": (changing, 0.15),
    "ward": (ward, 0.17),
    "bedroom": (bedroom, 0.17),
    "living": (living, 0.13),
    "corridor": (corridor, 0.08),
}


def _start(rng: np.random.Generator, low: tuple[float, float], high: tuple[float, float]) -> Layout:
    w, d = (float(rng.uniform(a, b)) for a, b in zip(low, high, strict=True))
    if low[0] + high[0] != low[1] + high[1] and rng.random() < 0.5 and high[1] < 6.5:
        w, d = d, w
    return shell.begin(Paint(rng), w, d, float(rng.uniform(2.3, 3.1)))


def _finish(layout: Layout, *, tiled: bool) -> Layout:
    rng = layout.paint.rng
    shell.add_lamps(layout)
    dado = float(rng.uniform(0.9, 2.2)) if rng.random() < (0.7 if tiled else 0.25) else None
    shell.build(layout, tiled=tiled, dado=dado)
    return layout
