# SPDX-License-Identifier: Apache-2.0
"""Toilets, basins and what else is on a pipe; back at the wall unless it says otherwise."""

from __future__ import annotations

from calibration.rooms.fittings import Seat
from calibration.rooms.furniture import fronts, seat
from calibration.rooms.paint import Paint
from calibration.rooms.shapes import Builder

TOILET_TOP = 0.42


def toilet(b: Builder, paint: Paint) -> Seat:
    """Back at the wall; 0.4 wide, 0.68 deep."""
    rng = paint.rng
    if rng.random() < 0.7:
        b.box((0, 0.6, 0.1), (0.4, 0.38, 0.18), paint.ceramic)
    if rng.random() < 0.5:
        b.box((0, 0.72, 0.22), (0.36, 0.44, 0.03), paint.ceramic)  # the lid, up
    profile = [(0.12, 0.0), (0.1, 0.18), (0.18, 0.38), (0.2, TOILET_TOP), (0.14, 0.42), (0.1, 0.3)]
    b.lathe((0, 0, 0.44), profile, paint.ceramic, stretch=(0.95, 1.25))
    b.box((0, 0.2, 0.2), (0.22, 0.4, 0.28), paint.ceramic)
    b.obstacle((0, 0.2, 0.36), (0.36, 0.4, 0.6))
    if rng.random() < 0.35:
        side = rng.choice((-1, 1)) * 0.42
        b.rod((side, 0.75, 0.02), (side, 0.75, 0.7), 0.018, paint.metal)
    return seat(b, "toilet", TOILET_TOP, 0.68)


def basin(b: Builder, paint: Paint, *, counter: bool) -> None:
    """Back at the wall; 0.5 wide, 0.45 deep; with `counter` the top is another's."""
    b.box((0, 0.8, 0.22), (0.5, 0.12, 0.42), paint.ceramic, solid=not counter)
    b.lathe((0, 0.7, 0.24), [(0.18, 0.168), (0.03, 0.164)], paint.hollow, stretch=(1.1, 0.85))
    b.rod((0, 0.86, 0.06), (0, 0.99, 0.06), 0.015, paint.metal)
    b.rod((0, 0.99, 0.06), (0, 0.97, 0.18), 0.013, paint.metal)
    if not counter:
        b.lathe((0, 0, 0.18), [(0.11, 0), (0.07, 0.3), (0.09, 0.74)], paint.ceramic)
        b.obstacle((0, 0.4, 0.18), (0.2, 0.8, 0.24))


def counter(b: Builder, paint: Paint, width: float, depth: float = 0.52) -> None:
    """A vanity or kitchen top with doors beneath, back at the wall."""
    b.box((0, 0.83, depth / 2), (width, 0.05, depth), paint.plain(0.05, 0.7))
    if paint.rng.random() < 0.6:
        b.box((0, 0.42, depth / 2 - 0.03), (width, 0.78, depth - 0.06), paint.plain(0.05, 0.7))
        fronts(b, paint, width, 0.1, 0.78, depth - 0.055)
    b.obstacle((0, 0.43, depth / 2), (width, 0.86, depth))


def urinal(b: Builder, paint: Paint) -> None:
    """Back at the wall; 0.36 wide, 0.34 deep."""
    b.box((0, 0.85, 0.05), (0.36, 0.75, 0.1), paint.ceramic)
    profile = [(0.05, 0.5), (0.17, 0.58), (0.18, 0.66), (0.13, 0.64)]
    b.lathe((0, 0, 0.15), profile, paint.ceramic, stretch=(1, 1.1))
    b.obstacle((0, 0.8, 0.16), (0.36, 0.7, 0.32))


def shower(b: Builder, paint: Paint, size: float) -> None:
    """A tray in the corner to the right of the origin, with a head on the wall."""
    b.box((0, 0.03, size / 2), (size, 0.06, size), paint.ceramic)
    b.rod((0, 1.0, 0.05), (0, 2.05, 0.05), 0.012, paint.metal)
    b.lathe((0, 2.0, 0.18), [(0.1, 0.0), (0.02, 0.05)], paint.metal)


def radiator(b: Builder, paint: Paint, width: float) -> None:
    """Under a window, 0.12 deep."""
    b.box((0, 0.4, 0.07), (width, 0.55, 0.06), paint.ceramic)
    for k in range(int(width / 0.09)):
        b.box((k * 0.09 - width / 2 + 0.05, 0.4, 0.11), (0.05, 0.52, 0.03), paint.ceramic)
    b.obstacle((0, 0.4, 0.07), (width, 0.55, 0.14))
