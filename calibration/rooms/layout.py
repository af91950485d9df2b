# SPDX-License-Identifier: Apache-2.0
"""A room being furnished: what stands where, and where there is still space.

Walls are numbered 0-3: at -Z, -X, +Z, +X; `u` runs along a wall from its middle to the left of one
who stands with the back to it. Space is kept in upright boxes: solid things keep out everything,
clear ground (before a seat, in a door's swing) keeps out solid things only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from calibration.rooms.fittings import (
    HEADS_M,
    Bed,
    Door,
    Place,
    Point2,
    Point3,
    Prop,
    Seat,
    Window,
)
from calibration.rooms.paint import Paint
from calibration.rooms.shapes import Builder

WALLS = (0, 1, 2, 3)
TRIES = 30


@dataclass(frozen=True, slots=True)
class Spot:
    """Somewhere to put a piece: floor point and which way it faces."""

    x: float
    z: float
    yaw: float


@dataclass(frozen=True, slots=True)
class Hole:
    """An opening in a wall, from u0 to u1 and y0 to y1."""

    u0: float
    u1: float
    y0: float
    y1: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Space taken: x0, x1, z0, z1, y0, y1."""

    x0: float
    x1: float
    z0: float
    z1: float
    y0: float
    y1: float
    solid: bool

    def meets(self, other: Claim) -> bool:
        """Whether both cannot be."""
        if not (self.solid or other.solid):
            return False
        return (
            self.x0 < other.x1
            and other.x0 < self.x1
            and self.z0 < other.z1
            and other.z0 < self.z1
            and self.y0 < other.y1
            and other.y0 < self.y1
        )


@dataclass(slots=True)
class Fixture:
    """A lamp: where its light comes from, where it points, how wide and how strong."""

    position: Point3
    target: Point3
    spread_rad: float
    power: float


@dataclass(slots=True)
class Layout:
    """Everything decided so far; `size` is (W, D, H)."""

    paint: Paint
    size: tuple[float, float, float]
    builder: Builder = field(default_factory=Builder)
    claims: list[Claim] = field(default_factory=list)
    holes: dict[int, list[Hole]] = field(default_factory=lambda: {k: [] for k in WALLS})
    seats: list[Seat] = field(default_factory=list)
    beds: list[Bed] = field(default_factory=list)
    doors: list[Door] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    props: list[Prop] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    mirrors: list[tuple[Point3, Point3, int]] = field(default_factory=list)
    fixtures: list[Fixture] = field(default_factory=list)

    def length(self, wall: int) -> float:
        """Metres along a wall."""
        return self.size[0] if wall in {0, 2} else self.size[1]

    def depth(self, wall: int) -> float:
        """Metres from a wall to the one opposite."""
        return self.size[1] if wall in {0, 2} else self.size[0]

    def on_wall(self, wall: int, u: float, out: float = 0.0) -> Spot:
        """A spot at the wall, `out` metres into the room, facing it."""
        yaw = wall * math.pi / 2
        sin, cos = (0, 1, 0, -1)[wall], (1, 0, -1, 0)[wall]
        out -= self.depth(wall) / 2
        return Spot(out * sin + u * cos, out * cos - u * sin, yaw)

    def hand(self, spot: Spot, y: float = 0.0) -> Builder:
        """A builder there."""
        return self.builder.at(spot.x, spot.z, spot.yaw, y)

    def fits(self, claim: Claim) -> bool:
        """Whether this space lies in the room and is free."""
        w, d = self.size[0] / 2 + 1e-6, self.size[1] / 2 + 1e-6
        inside = claim.x0 >= -w and claim.x1 <= w and claim.z0 >= -d and claim.z1 <= d
        return inside and not any(claim.meets(other) for other in self.claims)

    def take(self, *claims: Claim) -> bool:
        """Claim these spaces if all are free; says whether it did."""
        if not all(self.fits(claim) for claim in claims):
            return False
        self.claims += claims
        return True

    def keep(self, *claims: Claim) -> None:
        """Claim these spaces whatever is there."""
        self.claims += claims

    def find(
        self,
        width: float,
        depth: float,
        *,
        low: float = 0.0,
        high: float = HEADS_M,
        front: float = 0.0,
        walls: tuple[int, ...] = WALLS,
        corner: bool = False,
    ) -> Spot | None:
        """A spot at a wall for a piece of this size with `front` clear metres before it.

        Claims it; None if there is no room. `corner`: tight into a corner, if that is free.
        """
        rng = self.paint.rng
        for k in range(TRIES):
            wall = walls[int(rng.integers(len(walls)))]
            room = (self.length(wall) - width) / 2
            if room < 0 or self.depth(wall) < depth + front:
                continue
            u = float(rng.uniform(-room, room))
            if corner and k < TRIES // 2:
                u = math.copysign(room - 0.02, u)
            if self.claim_at(wall, u, width, depth, low=low, high=high, front=front):
                return self.on_wall(wall, u)
        return None

    def claim_at(
        self,
        wall: int,
        u: float,
        width: float,
        depth: float,
        *,
        low: float = 0.0,
        high: float = HEADS_M,
        front: float = 0.0,
    ) -> bool:
        """Claim this very place at a wall; says whether it was free."""
        claims = [self.span(wall, u, width, 0, depth, low, high)]
        if front:
            claims.append(
                self.span(wall, u, min(width, 0.8), depth, depth + front, 0.0, 1.9, solid=False)
            )
        return self.take(*claims)

    def span(
        self,
        wall: int,
        u: float,
        width: float,
        near: float,
        far: float,
        low: float = 0.0,
        high: float = HEADS_M,
        *,
        solid: bool = True,
    ) -> Claim:
        """Space along a wall, from `near` to `far` metres out of it."""
        a, b = self.on_wall(wall, u - width / 2, near), self.on_wall(wall, u + width / 2, far)
        return Claim(min(a.x, b.x), max(a.x, b.x), min(a.z, b.z), max(a.z, b.z), low, high, solid)

    def middle(self, radius: float, edge: float = 0.0, high: float = HEADS_M) -> Spot | None:
        """A free round spot away from the walls by `edge`, facing anywhere; claims it."""
        rng = self.paint.rng
        w, d = self.size[0] / 2 - radius - edge, self.size[1] / 2 - radius - edge
        for _ in range(TRIES if min(w, d) > 0 else 0):
            x, z, yaw = (float(rng.uniform(-s, s)) for s in (w, d, math.pi))
            if self.take(around((x, z), radius, 0.0, high, solid=True)):
                return Spot(x, z, yaw)
        return None

    def reach(self, kind: str, spot: Spot, out: float, height: float, stand: float) -> None:
        """Hands can do something `out` metres before the wall when one stands `stand` from it."""
        b = self.hand(spot)
        yaw = math.remainder(spot.yaw + math.pi, 2 * math.pi)
        self.places.append(Place(kind, b.floor(0, stand), yaw, b.world((0, height, out))))


def around(centre: Point2, radius: float, low: float, high: float, *, solid: bool) -> Claim:
    """The space about a floor point."""
    x, z = centre
    return Claim(x - radius, x + radius, z - radius, z + radius, low, high, solid)
