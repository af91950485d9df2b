# SPDX-License-Identifier: Apache-2.0
"""Floor, ceiling and walls, and what breaks them: doors with a hall behind, windows, lamps."""

from __future__ import annotations

import itertools
import math

from calibration.rooms.fittings import Door, Point2, Window, placed
from calibration.rooms.layout import WALLS, Fixture, Hole, Layout, around
from calibration.rooms.materials import Pattern
from calibration.rooms.paint import Paint
from calibration.rooms.props import curtain as hung_curtain
from calibration.rooms.props import door as leaf
from calibration.rooms.shapes import Builder

WALL_M = 0.16
LAP_M = 0.02  # walls overlap, so that no light comes through where they meet
HALL_M = 1.4  # of floor behind a door
OUTDOORS_M = 3.2  # from a window to what is seen through it
STEP_OUT_M, STEP_IN_M = 0.85, 0.6
DAYLIGHT = (1.0, 9.0)  # radiance of the sky against a white wall under the lamps


def begin(paint: Paint, width: float, depth: float, height: float) -> Layout:
    """An empty room of this size: nothing built, nothing claimed."""
    return Layout(paint, (width, depth, height))


def add_door(layout: Layout, wall: int, u: float, width: float, *, clear: float = 0.9) -> bool:
    """A doorway with its leaf and a stretch of hall behind; says whether it had space."""
    height = min(layout.size[2] - 0.1, float(layout.paint.rng.uniform(1.98, 2.12)))
    swing_room = layout.span(wall, u, width + 0.1, 0.0, clear, 0.0, 2.0, solid=False)
    if not layout.take(swing_room):
        return False
    layout.keep(layout.span(wall, u, width + 0.24, 0.0, 0.05))
    layout.holes[wall].append(Hole(u - width / 2, u + width / 2, 0.0, height))
    b = layout.hand(layout.on_wall(wall, u))
    _hall(b, layout.paint, width, height)
    _frame(b, layout.paint, width, height)
    _hang(layout, wall, u, width, height)
    switch = layout.on_wall(wall, u + math.copysign(width / 2 + 0.2, -u))
    layout.hand(switch).box((0, 1.1, 0.01), (0.08, 0.08, 0.02), layout.paint.ceramic)
    layout.reach("switch", switch, 0.02, 1.1, 0.45)
    return True


def _hang(layout: Layout, wall: int, u: float, width: float, height: float) -> None:
    rng, spot = layout.paint.rng, layout.on_wall(wall, u)
    b, yaw = layout.hand(spot), spot.yaw
    left, inward = bool(rng.random() < 0.5), bool(rng.random() < 0.7)
    side, yaw = (width / 2, yaw + math.pi) if left else (-width / 2, yaw)
    hinge = b.world((side, 0, -0.04 if inward else -WALL_M + 0.04))
    layout.props.append(leaf(layout.paint, width, height - 0.02, placed(*hinge, yaw)))
    layout.doors.append(
        Door(
            hinge, width, yaw, b.floor(0, -STEP_OUT_M), b.floor(0, STEP_IN_M),
            len(layout.props) - 1, 1 if left == inward else -1, leads_out=True,
        )
    )  # fmt: skip


def _frame(b: Builder, paint: Paint, width: float, height: float) -> None:
    wood = paint.plain(0.05, 0.8)
    for x in (-width / 2 - 0.03, width / 2 + 0.03):
        b.box((x, height / 2, -WALL_M / 2 + 0.01), (0.06, height, WALL_M + 0.02), wood)
    b.box((0, height + 0.03, -WALL_M / 2 + 0.01), (width + 0.12, 0.06, WALL_M + 0.02), wood)


def _hall(b: Builder, paint: Paint, width: float, height: float) -> None:
    """What is seen through the door: a short hall, sometimes bright, sometimes dark."""
    rng = paint.rng
    w, top, far = width / 2 + 0.35, height + 0.2, -WALL_M - HALL_M
    wall, floor = paint.plain(0.1, 0.7), paint.floor(wet=False)
    near = -WALL_M
    b.panel(((-w, 0, near), (w, 0, near), (w, 0, far), (-w, 0, far)), floor)
    b.panel(((-width / 2, 0.001, 0), (width / 2, 0.001, 0),
             (width / 2, 0.001, near), (-width / 2, 0.001, near)), floor)  # fmt: skip
    b.panel(((-w, 0, far), (w, 0, far), (w, top, far), (-w, top, far)),
            paint.glow(float(rng.uniform(0.05, 0.6)), Pattern.PRINT, 0.9))  # fmt: skip
    b.panel(((-w, top, far), (w, top, far), (w, top, near), (-w, top, near)), wall)
    for x in (-w, w):
        b.panel(((x, 0, near), (x, 0, far), (x, top, far), (x, top, near)), wall)
        edge = math.copysign(width / 2, x)
        b.panel(((x, 0, near), (edge, 0, near), (edge, top, near), (x, top, near)), wall)


def add_window(layout: Layout, wall: int, u: float, width: float, low: float, high: float) -> bool:
    """A window with bars, what lies outside, and perhaps a curtain or a blind."""
    claims = [layout.span(wall, u, width + 0.2, 0.0, 0.2, low - 0.05, high + 0.2)]
    if not layout.take(*claims):
        return False
    rng, paint = layout.paint.rng, layout.paint
    layout.holes[wall].append(Hole(u - width / 2, u + width / 2, low, high))
    spot = layout.on_wall(wall, u)
    b = layout.hand(spot)
    sky = float(rng.uniform(*DAYLIGHT))
    _outdoors(b, paint, width, low, high, sky)
    _bars(b, paint, width, low, high)
    layout.windows.append(
        Window(b.world((0, (low + high) / 2, 0)), width, high - low, spot.yaw)
    )  # fmt: skip
    layout.reach("window", spot, 0.05, max(1.0, low + 0.2), 0.5)
    kind = rng.random()
    if kind < 0.45:
        _curtains(layout, b, width, low, high)
    elif kind < 0.65:
        _blind(b, paint, width, low, high)
    return True


def _outdoors(b: Builder, paint: Paint, width: float, low: float, high: float, sky: float) -> None:
    w, z, mid = width / 2 + 2.4, -OUTDOORS_M, (low + high) / 2 - float(paint.rng.uniform(-0.3, 0.6))
    far = paint.glow(sky * float(paint.rng.uniform(0.1, 0.6)), Pattern.PRINT, 0.5)
    bright = paint.glow(sky)
    b.panel(((-w, low - 2.0, z), (w, low - 2.0, z), (w, mid, z), (-w, mid, z)), far)
    b.panel(((-w, mid, z), (w, mid, z), (w, high + 2.0, z), (-w, high + 2.0, z)), bright)


def _bars(b: Builder, paint: Paint, width: float, low: float, high: float) -> None:
    frame, mid = paint.plain(0.1, 0.8), (low + high) / 2
    count = max(1, round(width / float(paint.rng.uniform(0.4, 0.9))))
    for k in range(count + 1):
        x = width * (k / count - 0.5)
        b.box((x, mid, -0.1), (0.05, high - low, 0.05), frame)
    for y in (low + 0.02, high - 0.02, *([mid] if paint.rng.random() < 0.4 else [])):
        b.box((0, y, -0.1), (width, 0.05, 0.05), frame)
    b.box((0, low - 0.02, 0.04), (width + 0.1, 0.03, 0.2), frame)


def _curtains(layout: Layout, b: Builder, width: float, low: float, high: float) -> None:
    """One on each side, drawn as far as they happen to be; they move."""
    rng, paint = layout.paint.rng, layout.paint
    bottom = 0.04 if rng.random() < 0.6 else low - 0.15
    span, top = width / 2 + 0.12, high + 0.12
    b.rod((-span, top, 0.09), (span, top, 0.09), 0.012, paint.metal)
    for side in (-1, 1):
        x, y, z = b.world((side * span, bottom, 0.09))
        rail = placed(x, y, z, b.yaw if side < 0 else b.yaw + math.pi)
        layout.props.append(hung_curtain(paint, span, top - bottom, rail, 0.2))


def _blind(b: Builder, paint: Paint, width: float, low: float, high: float) -> None:
    slat, down = paint.plain(0.2, 0.85), float(paint.rng.uniform(0.2, 1.0))
    for k in range(int((high - low) * down / 0.06)):
        b.box((0, high - 0.03 - 0.06 * k, -0.03), (width - 0.03, 0.008, 0.045), slat)


def add_lamps(layout: Layout) -> None:
    """One or two lamps, on the ceiling more often than on a wall."""
    rng, paint = layout.paint.rng, layout.paint
    w, d, h = layout.size
    count = 1 if w * d < 7 or rng.random() < 0.45 else 2
    long_x = w > d
    for k in range(count):
        share = (k + 0.5) / count - 0.5
        x = share * w if long_x else rng.uniform(-0.2, 0.2) * w
        z = rng.uniform(-0.2, 0.2) * d if long_x else share * d
        power = float(rng.uniform(0.7, 1.6)) / count**0.5
        shade = paint.shade()
        if rng.random() < 0.18:
            _wall_lamp(layout, int(rng.integers(4)), power, shade)
        else:
            _ceiling_lamp(layout, (float(x), h, float(z)), power, shade)


def _ceiling_lamp(layout: Layout, at: tuple[float, float, float], power: float, shade: int) -> None:
    x, h, z = at
    rng, b = layout.paint.rng, layout.builder.at(x, z, y=h)
    kind, drop = rng.integers(4), 0.12
    if kind == 0:
        b.box((0, -0.03, 0), (0.6, 0.05, 0.6), shade)
    elif kind == 1:
        size = (0.12, 0.06, 1.2) if rng.random() < 0.5 else (1.2, 0.06, 0.12)
        b.box((0, -0.05, 0), size, shade)
    elif kind == 2:
        b.lathe((0, -0.12, 0), [(0.02, 0), (0.14, 0.03), (0.17, 0.11)], shade)
    else:
        drop = float(rng.uniform(0.3, max(0.31, min(0.8, h - 1.9))))
        b.rod((0, 0, 0), (0, -drop + 0.1, 0), 0.008, layout.paint.dark)
        b.lathe((0, -drop, 0), [(0.15, 0), (0.05, 0.16)], shade)
        layout.keep(around((x, z), 0.2, h - drop - 0.05, h, solid=True))
        drop += 0.05
    y = h - drop - 0.03
    layout.fixtures.append(Fixture((x, y, z), (x, 0.0, z), math.radians(155), power))


def _wall_lamp(layout: Layout, wall: int, power: float, shade: int) -> None:
    spot = layout.find(0.3, 0.15, low=1.6, high=2.1, walls=(wall,)) or layout.on_wall(wall, 0, 0.1)
    b = layout.hand(spot)
    b.lathe((0, 1.75, 0.1), [(0.05, 0), (0.09, 0.2)], shade)
    layout.fixtures.append(
        Fixture(b.world((0, 1.9, 0.24)), b.world((0, 1.2, 1.5)), math.radians(160), power)
    )


def build(layout: Layout, *, tiled: bool, dado: float | None = None) -> None:
    """Floor, ceiling and the walls around their holes; `dado`: where the wall changes its look."""
    w, d, h = layout.size
    rng, paint, b = layout.paint.rng, layout.paint, layout.builder
    x, z = w / 2 + LAP_M, d / 2 + LAP_M
    b.panel(((-x, 0, z), (x, 0, z), (x, 0, -z), (-x, 0, -z)), paint.floor(wet=tiled))
    ceiling = paint.wall(tiled=rng.random() < 0.3) if h > 2.3 else paint.plain(0.5, 0.85)
    b.panel(((-x, h, -z), (x, h, -z), (x, h, z), (-x, h, z)), ceiling)
    if layout.windows:
        x, z, roof = x + WALL_M, z + WALL_M, h + WALL_M
        b.panel(((-x, roof, z), (x, roof, z), (x, roof, -z), (-x, roof, -z)), ceiling)
    low = paint.wall(tiled=tiled)
    high = low if dado is None else paint.wall(tiled=False)
    accent = int(rng.integers(4)) if rng.random() < 0.3 else -1
    other = paint.wall(tiled=False)
    skirting = paint.plain(0.05, 0.8)
    for wall in WALLS:
        upper = other if wall == accent else high
        _wall(layout, wall, low if dado else upper, upper, h if dado is None else dado)
        _skirting(layout, wall, skirting)


def _wall(layout: Layout, wall: int, lower: int, upper: int, dado: float) -> None:
    holes, half, h = layout.holes[wall], layout.length(wall) / 2, layout.size[2]
    us = sorted({-half - LAP_M, half + LAP_M, *(e for hole in holes for e in (hole.u0, hole.u1))})
    edges = [e for hole in holes for e in (hole.y0, hole.y1)]
    ys = sorted({-LAP_M, h + LAP_M, min(dado, h), *edges})
    b = layout.hand(layout.on_wall(wall, 0.0))
    for u0, u1 in itertools.pairwise(us):
        for y0, y1 in itertools.pairwise(ys):
            u, y = (u0 + u1) / 2, (y0 + y1) / 2
            if not any(o.u0 < u < o.u1 and o.y0 < y < o.y1 for o in holes):
                material = lower if y < dado else upper
                b.panel(((u0, y0, 0), (u1, y0, 0), (u1, y1, 0), (u0, y1, 0)), material)
                if layout.windows:
                    _outside(b, (u0, u1, y0, y1), (half, h), material)
    for hole in holes:
        _reveal(b, hole, upper)


def _outside(b: Builder, cell: tuple[float, float, float, float], size: Point2, what: int) -> None:
    """The wall's outer face, up to the roof: what has no thickness lets the sun through."""
    half, h = size
    u0, u1 = (math.copysign(half + WALL_M, u) if abs(u) > half else u for u in cell[:2])
    y0, y1 = cell[2], h + WALL_M if cell[3] > h else cell[3]
    b.panel(((u1, y0, -WALL_M), (u0, y0, -WALL_M), (u0, y1, -WALL_M), (u1, y1, -WALL_M)), what)


def _reveal(b: Builder, hole: Hole, material: int) -> None:
    u0, u1, y0, y1, t = hole.u0, hole.u1, hole.y0, hole.y1, -WALL_M
    b.panel(((u0, y0, 0), (u0, y1, 0), (u0, y1, t), (u0, y0, t)), material)
    b.panel(((u1, y0, 0), (u1, y0, t), (u1, y1, t), (u1, y1, 0)), material)
    b.panel(((u0, y1, 0), (u1, y1, 0), (u1, y1, t), (u0, y1, t)), material)
    if y0 > 0:
        b.panel(((u0, y0, 0), (u0, y0, t), (u1, y0, t), (u1, y0, 0)), material)


def _skirting(layout: Layout, wall: int, material: int) -> None:
    half = layout.length(wall) / 2
    doors = sorted((o.u0, o.u1) for o in layout.holes[wall] if o.y0 == 0)
    b, start = layout.hand(layout.on_wall(wall, 0.0)), -half
    for u0, u1 in [*doors, (half, half)]:
        if u0 - start > 0.1:
            b.box(((start + u0) / 2, 0.04, 0.006), (u0 - start, 0.08, 0.012), material)
        start = u1
