# SPDX-License-Identifier: Apache-2.0
"""Pieces put where they belong: a basin below its mirror, a table beside its bed.

Each function places one piece or a group, or leaves it out if there is no space.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from calibration.rooms import furniture, oddments, plumbing, props, shell
from calibration.rooms.fittings import Matrix, Prop
from calibration.rooms.layout import Layout, Spot
from calibration.rooms.materials import Material
from calibration.rooms.paint import Paint


def some(layout: Layout, add: Callable[[Layout], None], low: int, high: int) -> None:
    """Between `low` and `high` things of this sort."""
    for _ in range(int(layout.paint.rng.integers(low, high + 1))):
        add(layout)


def door(layout: Layout, width: float) -> None:
    """A door that leads out, somewhere."""
    rng = layout.paint.rng
    for _ in range(12):
        wall = int(rng.integers(4))
        room = layout.length(wall) / 2 - width / 2 - 0.15
        if room > 0 and shell.add_door(layout, wall, float(rng.uniform(-room, room)), width):
            return


def windows(layout: Layout, chance: float, low: float) -> None:
    """None, or one or two with their sills at about `low`, perhaps over a radiator."""
    rng = layout.paint.rng
    for k in range(int(rng.integers(1, 3)) if rng.random() < chance else 0):
        wall = int(rng.integers(4))
        width = float(rng.uniform(0.6, min(2.2, layout.length(wall) - 0.6)))
        sill = low + float(rng.uniform(-0.1, 0.2))
        top = min(layout.size[2] - 0.2, sill + float(rng.uniform(0.5, 1.4)))
        u = float(rng.uniform(-1, 1)) * (layout.length(wall) / 2 - width / 2 - 0.2)
        if shell.add_window(layout, wall, u, width, sill, top) and k == 0 and sill > 0.75:
            spot = layout.on_wall(wall, u)
            if layout.claim_at(wall, u, min(width, 1.2), 0.15, high=0.7):
                plumbing.radiator(layout.hand(spot), layout.paint, min(width, 1.2))


def toilet(layout: Layout) -> None:
    """A toilet by itself, with clear floor before it."""
    if spot := layout.find(0.75, 0.7, front=0.6) or layout.find(0.6, 0.7, front=0.4):
        layout.seats.append(plumbing.toilet(layout.hand(spot), layout.paint))


def basins(layout: Layout, count: int, chance: float = 1.0) -> None:
    """A row of basins, on a counter or not, mostly below mirrors."""
    rng, paint = layout.paint.rng, layout.paint
    pitch = float(rng.uniform(0.62, 0.85))
    width = count * pitch
    if rng.random() > chance or not (spot := layout.find(width, 0.55, front=0.6)):
        return
    b, top = layout.hand(spot), bool(rng.random() < 0.45)
    if top:
        plumbing.counter(b, paint, width)
    for k in range(count):
        x = (k + 0.5) * pitch - width / 2
        plumbing.basin(b.at(x, 0), paint, counter=top)
        here = Spot(*b.floor(x, 0), spot.yaw)
        layout.reach("basin", here, 0.25, 0.95, 0.68)
    if rng.random() < 0.85:
        span = width * 0.9 if rng.random() < 0.5 else 0.5
        for x in [0.0] if span > 0.5 else [(k + 0.5) * pitch - width / 2 for k in range(count)]:
            _mirror(layout, Spot(*b.floor(x, 0), spot.yaw), span, 1.1, float(rng.uniform(1.6, 2)))


def _mirror(layout: Layout, spot: Spot, width: float, low: float, high: float) -> None:
    """Glass in a thin frame."""
    paint, b = layout.paint, layout.hand(spot)
    glass = paint.add(Material(float(paint.rng.uniform(0.6, 0.9)), 0.75, grain=0.0))
    half, z = width / 2, 0.03
    b.box((0, (low + high) / 2, 0.012), (width + 0.03, high - low + 0.03, 0.024), paint.metal)
    b.panel(((-half, low, z), (half, low, z), (half, high, z), (-half, high, z)), glass)
    normal = (math.sin(spot.yaw), 0.0, math.cos(spot.yaw))
    layout.mirrors.append((b.world((0, (low + high) / 2, z)), normal, glass))


def mirror_alone(layout: Layout) -> None:
    """A mirror from the knees up."""
    width = float(layout.paint.rng.uniform(0.4, 1.2))
    if spot := layout.find(width, 0.05, low=0.3, high=2.0):
        _mirror(layout, spot, width, 0.35, 1.95)


def urinals(layout: Layout) -> None:
    """A row of them."""
    count = int(layout.paint.rng.integers(1, 5))
    if spot := layout.find(0.72 * count, 0.36, front=0.7):
        b = layout.hand(spot)
        for k in range(count):
            x = (k + 0.5 - count / 2) * 0.72
            plumbing.urinal(b.at(x, 0), layout.paint)
            layout.reach("wall", Spot(*b.floor(x, 0), spot.yaw), 0.05, 1.2, 0.62)


def bench(layout: Layout, width: float) -> None:
    """A bench, often below hooks."""
    if spot := layout.find(width, 0.42, high=1.2, front=0.5):
        b = layout.hand(spot)
        layout.seats += furniture.bench(b, layout.paint, width)
        if layout.paint.rng.random() < 0.6:
            oddments.hooks(b, layout.paint, width)
            layout.reach("hook", spot, 0.1, 1.6, 0.75)


def bed(layout: Layout, width: float, *, ward: bool) -> None:
    """A bed with a table beside it and, in a ward, perhaps a curtain."""
    rng, paint = layout.paint.rng, layout.paint
    aside = 0.75
    if not (spot := layout.find(width + 0.1, 2.15, corner=not ward and rng.random() < 0.5)):
        return
    lying, seats = furniture.bed(layout.hand(spot), paint, width, ward=ward)
    layout.beds.append(lying)
    layout.seats += seats
    b = layout.hand(spot)
    for side in rng.permutation((-1, 1)):
        x = float(side) * (width / 2 + aside / 2 + 0.05)
        here = Spot(*b.floor(x, 0), spot.yaw)
        if _bedside(layout, here, b.yaw):
            break
    if rng.random() < 0.25:
        home = props.on_floor(*b.floor(0, 1.35), spot.yaw, lying.top_m + 0.03)
        layout.props.append(props.sheet(paint, home, width * 0.9, 1.2))
    if ward and rng.random() < 0.6:
        x = float(rng.choice((-1, 1))) * (width / 2 + 0.55)
        rail = props.on_floor(*b.world((x, 0.35, 0.1))[::2], spot.yaw - math.pi / 2, 0.35)
        layout.props.append(props.curtain(paint, 1.9, 1.7, rail, 0.25))


def _bedside(layout: Layout, spot: Spot, yaw: float) -> bool:
    """A night table at the head of a bed, if there is space."""
    wall = round(yaw / (math.pi / 2)) % 4
    origin = layout.on_wall(wall, 0.0)
    u = (spot.x - origin.x) * math.cos(yaw) - (spot.z - origin.z) * math.sin(yaw)
    if not layout.claim_at(wall, u, 0.45, 0.42, high=1.2):
        return False
    furniture.cabinet(layout.hand(spot), layout.paint, 0.42, 0.38, 0.58)
    layout.reach("bedside", spot, 0.2, 0.65, 0.75)
    return True


def chair(layout: Layout) -> None:
    """Standing about, or light enough to slide."""
    if not (spot := layout.middle(0.35, high=1.2)):
        return
    b = layout.hand(spot)
    if layout.paint.rng.random() < 0.35:
        home = props.on_floor(spot.x, spot.z, spot.yaw)
        layout.props.append(props.chair(layout.paint, home))
        layout.seats.append(furniture.seat(b, "chair", 0.46, 0.22))
    else:
        layout.seats.append(furniture.chair(b, layout.paint))


def cabinets(layout: Layout, low: int, high: int) -> None:
    """Closed or open ones, low or tall."""
    rng = layout.paint.rng
    for _ in range(int(rng.integers(low, high + 1))):
        width, depth = float(rng.uniform(0.4, 1.3)), float(rng.uniform(0.28, 0.58))
        height = float(rng.choice((rng.uniform(0.5, 1.1), rng.uniform(1.5, 2.05))))
        if spot := layout.find(width, depth, high=height + 0.3, front=0.5, corner=True):
            if rng.random() < 0.45:
                depth = min(depth, 0.35)
                furniture.shelf(layout.hand(spot), layout.paint, width, depth, height)
            else:
                furniture.cabinet(layout.hand(spot), layout.paint, width, depth, height)
            layout.reach("shelf", spot, depth, min(1.4, height), depth + 0.42)


def desk(layout: Layout, chance: float) -> None:
    """A desk with its chair."""
    rng, width = layout.paint.rng, float(layout.paint.rng.uniform(0.9, 1.4))
    if rng.random() < chance and (spot := layout.find(width, 0.65, high=1.2, front=0.8)):
        b = layout.hand(spot)
        furniture.table(b.at(0, 0.33), layout.paint, width, 0.6)
        chair = b.at(float(rng.uniform(-0.2, 0.2)), 0.95, math.pi + float(rng.normal(0, 0.4)))
        layout.seats.append(furniture.chair(chair, layout.paint))
        layout.reach("table", spot, 0.5, 0.76, 1.0)


def sofa(layout: Layout, width: float) -> None:
    """A sofa or an armchair with clear floor before it."""
    if spot := layout.find(width, 0.88, high=1.3, front=0.6):
        layout.seats += furniture.sofa(layout.hand(spot), layout.paint, width)


def dining(layout: Layout) -> None:
    """A table in the middle with up to four chairs, pulled out or not."""
    rng = layout.paint.rng
    if not (spot := layout.middle(1.1, high=1.3)):
        return
    b = layout.hand(Spot(spot.x, spot.z, round(spot.yaw / (math.pi / 2)) * math.pi / 2))
    furniture.table(b, layout.paint, 1.2, 0.75)
    material = layout.paint.plain(0.03, 0.7)
    for x, z in ((-0.3, 0.62), (0.3, 0.62), (-0.3, -0.62), (0.3, -0.62)):
        if rng.random() < 0.7:
            yaw = (math.pi if z > 0 else 0.0) + float(rng.normal(0, 0.15))
            chair = b.at(x, z + math.copysign(float(rng.uniform(0, 0.3)), z), yaw)
            furniture.chair(chair, layout.paint, material=material)


def rug(layout: Layout, chance: float) -> None:
    """A rug anywhere."""
    rng = layout.paint.rng
    if rng.random() < chance:
        w, d, _ = layout.size
        size = float(rng.uniform(0.3, 0.7)) * w, float(rng.uniform(0.3, 0.7)) * d
        x, z = (float(rng.uniform(-0.5, 0.5)) * (s - r) for s, r in zip((w, d), size, strict=True))
        oddments.rug(layout.builder.at(x, z), layout.paint, *size)


def rail(layout: Layout, wall: int) -> None:
    """A hand rail along a corridor's wall, broken by its doors."""
    b, half = layout.hand(layout.on_wall(wall, 0.0)), layout.length(wall) / 2 - 0.1
    gaps = sorted((o.u0 - 0.1, o.u1 + 0.1) for o in layout.holes[wall])
    start = -half
    for low, high in [*gaps, (half, half)]:
        if low - start > 0.3:
            b.rod((start, 0.9, 0.07), (low, 0.9, 0.07), 0.022, layout.paint.wood())
        start = high


def movable(
    layout: Layout, make: Callable[[Paint, Matrix], Prop], chance: float, radius: float
) -> None:
    """A thing on the floor that can be pushed; a wheelchair is also a seat."""
    if layout.paint.rng.random() > chance or not (spot := layout.middle(radius, high=1.2)):
        return
    prop = make(layout.paint, props.on_floor(spot.x, spot.z, spot.yaw))
    layout.props.append(prop)
    if prop.kind == "wheelchair":
        b = layout.hand(spot)
        layout.seats.append(furniture.seat(b, "wheelchair", props.WHEELCHAIR_SEAT, 0.24))
