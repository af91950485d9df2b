# SPDX-License-Identifier: Apache-2.0
"""A room of boxes with one of everything, and what an actor needs to play in it."""

from __future__ import annotations

import numpy as np

from calibration.rooms.actor import Actor
from calibration.rooms.fittings import Bed, Box, Door, Place, Room, Seat
from calibration.rooms.ground import Ground
from calibration.rooms.setting import Repertoire, Setting
from tests.calibration.rooms.tiny_people import capsule, tiny_body, tiny_motions


def tiny_room(size: tuple[float, float, float] = (5.0, 5.0, 2.5)) -> Room:
    """A chair at the wall of -X, a bed at +X, a door at -Z, a basin at +Z."""
    return Room(
        id=0,
        kind="ward",
        size=size,
        surface=capsule((0, 0, 0), (0, 0, 1), 0.1),
        materials=(),
        mirrors=(),
        lights=(),
        sources=(),
        ambient=(0.5, 0.3),
        windows=(),
        obstacles=(
            Box((-2.25, 0.22, 0.0), (0.22, 0.22, 0.22), 0.0),
            Box((1.9, 0.25, -0.5), (0.45, 0.25, 1.0), 0.0),
            Box((0.0, 0.4, 2.3), (0.3, 0.4, 0.2), 0.0),
        ),
        seats=(Seat("chair", (-2.03, 0.44, 0.0), np.pi / 2, 0.44, (-1.4, 0.0)),),
        beds=(Bed((1.9, -0.5), 0.5, 2.0, 0.9, np.pi, ((1.0, -0.5),)),),
        doors=(Door((-0.4, 0.0, -2.5), 0.8, 0.0, (0.0, -3.1), (0.0, -1.9), 0, 1, leads_out=True),),
        places=(
            Place("basin", (0.0, 1.7), 0.0, (0.0, 0.85, 2.15)),
            Place("switch", (1.0, -2.0), np.pi, (1.0, 1.1, -2.48)),
        ),
        props=(),
    )


def tiny_setting(seed: int = 0, room: Room | None = None) -> Setting:
    """Everything but the people."""
    room = room or tiny_room()
    motions = tiny_motions()
    by_role: dict[str, list] = {}
    for motion in motions.values():
        by_role.setdefault(motion.role, []).append(motion)
    return Setting(room, Ground(room), Repertoire(by_role), np.random.default_rng([seed, 1]))


def tiny_actor(seed: int = 0, setting: Setting | None = None, number: int = 0) -> Actor:
    """Somebody in the middle of the room who stands there for a moment."""
    setting = setting or tiny_setting(seed)
    body = tiny_body(number, 1.6 + 0.05 * (number % 5))
    actor = Actor(setting, body, np.random.default_rng([seed, 2, number]), np.zeros(2), 0.0)
    pose = actor.standing()
    actor.add(pose.turns[None], pose.root[None], 1)
    return actor
