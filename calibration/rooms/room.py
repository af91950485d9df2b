# SPDX-License-Identifier: Apache-2.0
"""A room from its number: always the same one.

A draw that came out unusable (no way in, no floor to stand on, a lavatory without a toilet) is
drawn again from the same stream.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.rooms import lights, seeds
from calibration.rooms.errors import NoFit, RoomsError
from calibration.rooms.fittings import (
    Bed,
    Box,
    Door,
    Place,
    Prop,
    Room,
    Seat,
    Window,
    curtain_matrix,
    door_matrix,
)
from calibration.rooms.ground import Ground
from calibration.rooms.layout import Layout
from calibration.rooms.plans import PLANS
from calibration.rooms.stage import Mirror

__all__ = [
    "Bed",
    "Box",
    "Door",
    "Place",
    "Prop",
    "Room",
    "Seat",
    "Window",
    "build_room",
    "curtain_matrix",
    "door_matrix",
]

DRAWS = 20
FLOOR_M2 = 1.0  # where one can stand; less is no room
MIRRORS = 2  # each costs a second view


def build_room(number: int) -> Room:
    """The room of this number; raises RoomsError if it cannot be built."""
    rng = seeds.of_room(number)
    kinds = list(PLANS)
    kind = kinds[int(rng.choice(len(kinds), p=[PLANS[k][1] for k in kinds]))]
    for _ in range(DRAWS):
        room = _room(number, kind, PLANS[kind][0](rng), rng)
        try:
            return _usable(room)
        except NoFit:
            continue
    raise RoomsError(f"room {number}, a {kind}, came out unusable {DRAWS} times")


def _room(number: int, kind: str, layout: Layout, rng: np.random.Generator) -> Room:
    lit, sources, ambient = lights.of_layout(layout, rng)
    return Room(
        id=number,
        kind=kind,
        size=layout.size,
        surface=layout.builder.surface(),
        materials=tuple(layout.paint.materials),
        mirrors=tuple(
            Mirror(np.array(point), np.array(normal), material)
            for point, normal, material in layout.mirrors[:MIRRORS]
        ),
        lights=lit,
        sources=sources,
        ambient=ambient,
        windows=tuple(layout.windows),
        obstacles=tuple(layout.builder.pile.obstacles),
        seats=tuple(layout.seats),
        beds=tuple(layout.beds),
        doors=tuple(layout.doors),
        places=tuple(layout.places),
        props=tuple(layout.props),
    )


def _usable(room: Room) -> Room:
    """Without the seats, sides and places that nobody can reach; raises NoFit if it is no use."""
    ways_out = [door for door in room.doors if door.leads_out]
    if not ways_out:
        raise NoFit("no way in")
    ground = Ground(room)
    if ground.area_m2 < FLOOR_M2:
        raise NoFit("no floor to stand on")
    seats = tuple(seat for seat in room.seats if ground.reachable(seat.approach))
    if room.kind == "restroom" and not seats:
        raise NoFit("no toilet that can be reached")
    beds = tuple(
        replace(bed, free_sides=tuple(p for p in bed.free_sides if ground.reachable(p)))
        for bed in room.beds
    )
    return replace(
        room,
        seats=seats,
        beds=tuple(bed for bed in beds if bed.free_sides),
        places=tuple(place for place in room.places if ground.reachable(place.stand)),
    )
