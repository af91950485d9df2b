# SPDX-License-Identifier: Apache-2.0
"""What hands do: wash, clean, dress, read, and busy themselves at a shelf or a table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration.rooms import poses
from calibration.rooms.actor import Actor
from calibration.rooms.acts import free_spot, here, own_pace, rise
from calibration.rooms.errors import NoFit
from calibration.rooms.figures import HANGING, figure, grounded
from calibration.rooms.fittings import Place
from calibration.rooms.reach import BONE, reach
from calibration.rooms.track import STEP_S, Posture
from calibration.rooms.ways import ahead, steps_of

Array = npt.NDArray[np.float64]


def work(actor: Actor, target: Array, seconds: float, posture: Posture, size: float = 0.12) -> None:
    """Both hands move about `target` (3,), `size` metres to and fro, body as it is."""
    count = steps_of(seconds)
    pose = actor.pose
    turns, root = np.repeat(pose.turns[None], count, 0), np.repeat(pose.root[None], count, 0)
    t = np.arange(count) * STEP_S
    weight = np.minimum(1.0, (np.arange(count) + 1) / 4)
    sides = ("l", "r") if actor.rng.random() < 0.7 else (str(actor.rng.choice(["l", "r"])),)
    across = np.array([np.cos(actor.yaw), 0.0, -np.sin(actor.yaw)])
    for side in sides:
        hertz, phase = actor.rng.uniform(0.4, 2.2, 3), actor.rng.uniform(0, 6.28, 3)
        apart = (0.07 if side == "l" else -0.07) * across
        circle = size * np.sin(6.28 * hertz * t[:, None] + phase) * (1.0, 0.5, 0.7)
        reach(actor.skeleton, turns, root, side, target + apart + circle, weight)
    nod = np.radians(4) * np.sin(6.28 * float(actor.rng.uniform(0.2, 0.9)) * t)
    actor.lean(turns, actor.yaw, nod)
    actor.add(*actor.blended(turns, root), posture)


def at_place(actor: Actor, kinds: tuple[str, ...]) -> Place:
    """Walk to a place of these kinds and face it; raises NoFit if the room has none."""
    found = [place for place in actor.setting.room.places if place.kind in kinds]
    if not found:
        raise NoFit(f"no {' or '.join(kinds)} here")
    place = found[int(actor.rng.integers(len(found)))]
    actor.walk(np.array(place.stand), pace=own_pace(actor))
    actor.turn(place.yaw)
    return place


def tie_shoes(actor: Actor, seconds: float) -> None:
    """Squatting, on one knee or bent over: hands busy at one foot."""
    free_spot(actor, 0.35)
    make = (poses.squatting, poses.kneeling, poses.bending)[int(actor.rng.integers(3))]
    posture = Posture.BEND if make is poses.bending else Posture.SQUAT
    pose = here(actor, make(actor.rng, actor.skeleton))
    actor.to(pose, float(actor.rng.uniform(0.5, 1.2)), posture, planted=posture == Posture.BEND)
    foot = BONE["foot_l" if actor.rng.random() < 0.5 else "foot_r"]
    shoe = actor.skeleton.places(pose.turns[None], pose.root[None])[0, foot]
    target = shoe + np.array([*(0.1 * ahead(actor.yaw)), 0.0])[[0, 2, 1]]
    work(actor, target, min(seconds, 8.0), posture, size=0.04)
    rise(actor, posture)


def _lean_to(actor: Actor, height: float) -> Posture:
    """Bend over as far as something at this height needs."""
    lean = float(np.clip((actor.skeleton.hip_m * 1.05 - height) * 90, 5, 75))
    arms = (HANGING, HANGING)
    legs = ((lean * 0.35, 5.0, 5.0, 6.0, 0.0),) * 2
    turns = figure((lean * 0.35, 0, 0), (lean * 0.65, 0, 0), (10, 0, 0), arms, (legs[0], legs[1]))
    posture = Posture.BEND if lean > 35 else Posture.STAND
    actor.to(here(actor, grounded(actor.skeleton, turns)), 0.7, posture)
    return posture


def wash(actor: Actor, seconds: float) -> None:
    """Hands, or the face, at a basin."""
    place = at_place(actor, ("basin",))
    start = actor.now
    posture = _lean_to(actor, place.reach[1])
    work(actor, np.add(place.reach, (0, 0.08, 0)), seconds, posture, 0.05)
    if actor.rng.random() < 0.4:
        face = _head(actor) + np.array([*(0.14 * ahead(actor.yaw)), 0.0])[[0, 2, 1]]
        work(actor, face, 2.5, posture, 0.04)
    actor.name("wash", start)
    actor.to(actor.standing(), 0.7, Posture.STAND)


def _head(actor: Actor) -> Array:
    pose = actor.pose
    return np.asarray(actor.skeleton.places(pose.turns[None], pose.root[None])[0, BONE["head"]])


def clean(actor: Actor, seconds: float) -> None:
    """Wipe a table, a window, a wall."""
    place = at_place(actor, ("table", "window", "wall", "basin", "shelf"))
    start = actor.now
    posture = _lean_to(actor, place.reach[1])
    work(actor, np.array(place.reach), seconds, posture, 0.2)
    actor.name("clean", start)
    actor.to(actor.standing(), 0.6, Posture.STAND)


def handle(actor: Actor, seconds: float) -> None:
    """Do something with the hands at a shelf, a table, a hook."""
    place = at_place(actor, ("shelf", "table", "bin", "bedside", "hook", "window"))
    posture = _lean_to(actor, place.reach[1])
    work(actor, np.array(place.reach), min(seconds, 8.0), posture, 0.08)
    actor.to(actor.standing(), 0.6, Posture.STAND)


def dress(actor: Actor, seconds: float) -> None:
    """Put on or take off: arms over the head, behind the back, down at one lifted foot."""
    free_spot(actor, 0.35)
    start, end = actor.now, actor.seconds + max(3.0, seconds)
    over = ((150.0, 20.0, 0.0, 80.0), (150.0, 20.0, 0.0, 80.0))
    behind = ((-40.0, 20.0, 60.0, 75.0), (-40.0, 20.0, 60.0, 75.0))
    front = ((45.0, 5.0, -50.0, 105.0), (45.0, 5.0, -50.0, 105.0))
    while actor.seconds < end:
        arms = (over, behind, front)[int(actor.rng.integers(3))]
        lean = float(actor.rng.uniform(0, 18))
        legs = ((3.0, 5.0, 5.0, 4.0, 0.0), (3.0, 5.0, 5.0, 4.0, 0.0))
        if actor.rng.random() < 0.3:  # one foot into a trouser leg
            arms, lean = (((60.0, 5.0, -10.0, 20.0),) * 2), 45.0
            legs = ((lean * 0.5, 5.0, 5.0, 10.0, 0.0), (95.0, 8.0, 5.0, 85.0, 0.0))
        turns = figure((lean * 0.5, 0, 0), (lean * 0.6, 0, 0), (15, 0, 0), (arms[0], arms[1]), legs)
        posture = Posture.BEND if lean > 35 else Posture.STAND
        pose = here(actor, grounded(actor.skeleton, turns))
        actor.to(pose, float(actor.rng.uniform(0.4, 1.0)), posture)
        actor.still(float(actor.rng.uniform(0.3, 1.5)), posture, 3.0)
    actor.name("dress", start)
    actor.to(actor.standing(), 0.6, Posture.STAND)


def read(actor: Actor, seconds: float) -> None:
    """Stand and look at something held before the chest."""
    free_spot(actor, 0.3)
    arm = (35.0, 3.0, 15.0, 85.0)
    turns = figure(spine=(4, 0, 0), head=(22, 0, 0), arms=(arm, arm))
    actor.to(here(actor, grounded(actor.skeleton, turns)), 0.8, Posture.STAND)
    actor.still(seconds, Posture.STAND, 0.5)
