# SPDX-License-Identifier: Apache-2.0
"""What people use: the light switch, and a mop."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration.rooms import props, rotation
from calibration.rooms.actor import Actor
from calibration.rooms.handwork import at_place
from calibration.rooms.paint import Paint
from calibration.rooms.reach import reach
from calibration.rooms.track import STEP_S, Posture
from calibration.rooms.ways import ahead, smooth, steps_of, yaw_to

Array = npt.NDArray[np.float64]

TOUCH_S = 1.2  # from a hanging hand to the switch and back
HANDS_M = (0.72, 1.12)  # along the stick of a mop
TAKING = 4  # steps in which a mop comes to hand


def switch(actor: Actor, seconds: float) -> None:
    """Go to the light switch and touch it; perhaps wait there for a while and touch it again."""
    place = at_place(actor, ("switch",))
    _touch(actor, np.array(place.reach))
    if actor.rng.random() < 0.4:
        actor.still(min(seconds, 4.0), Posture.STAND, 0.5)
        _touch(actor, np.array(place.reach))


def _touch(actor: Actor, target: Array) -> None:
    actor.to(actor.standing(), 0.5, Posture.STAND)
    count, pose = steps_of(TOUCH_S), actor.pose
    turns, root = np.repeat(pose.turns[None], count, 0), np.repeat(pose.root[None], count, 0)
    out = 1 - np.abs(2 * (np.arange(count) + 0.5) / count - 1)
    side = str(actor.rng.choice(["l", "r"]))
    reach(actor.skeleton, turns, root, side, np.tile(target, (count, 1)), smooth(out))
    actor.switched.append(actor.now + count // 2)
    actor.add(turns, root, Posture.STAND)


# ---- the mop -----------------------------------------------------------------------------------


def mop(actor: Actor, seconds: float) -> None:
    """Fetch the mop, go over the floor with it, backing off now and then, and put it down."""
    number, last = _fetch(actor)
    start, end = actor.now, actor.seconds + max(3.0, seconds)
    while actor.seconds < end:
        last = _strokes(actor, number, last, float(actor.rng.uniform(2, 4.5)))
        if actor.rng.random() < 0.4:
            actor.yaw += float(actor.rng.normal(0, 0.7))
    actor.name("clean", start)
    actor.to(actor.standing(), 0.8, Posture.STAND)
    aside = actor.at + 0.4 * ahead(actor.yaw)
    upright = props.on_floor(float(aside[0]), float(aside[1]), actor.yaw)
    actor.move(number, _between(last, upright, steps_of(0.8)))


def _fetch(actor: Actor) -> tuple[int, Array]:
    """Go to the mop, brought by whoever cleans if the room has none -> its number and place."""
    setting = actor.setting
    found = [k for k, prop in enumerate(setting.room.props) if prop.kind == "mop"]
    if not found:
        x, z = setting.spot(actor.rng, 0.25)
        home = props.on_floor(float(x), float(z), float(actor.rng.uniform(-3.1, 3.1)))
        found = [setting.bring(props.mop(Paint(actor.rng), home))]
    home = setting.room.props[found[0]].home
    at = home[[0, 2], 3]
    way = actor.at - at
    actor.walk(at + 0.4 * way / max(0.4, float(np.linalg.norm(way))))
    actor.turn(yaw_to(actor.at, at))
    known = [ride for ride in actor.rides if ride.prop == found[0]]
    return found[0], known[-1].matrices[-1] if known else home


def _strokes(actor: Actor, number: int, last: Array, seconds: float) -> Array:
    """From side to side over the floor ahead, slowly backing off where there is space."""
    count, yaw = steps_of(seconds), actor.yaw
    back = actor.at - float(actor.rng.uniform(0.1, 0.25)) * seconds * ahead(yaw)
    goal = back if actor.setting.line_free(actor.at, back) else actor.at
    share = (np.arange(count) + 1)[:, None] / count
    points, yaws = actor.at + share * (goal - actor.at), np.full(count, yaw)
    walking = actor.setting.repertoire.walk(actor.body.style.walk)
    turns, root = actor.strides(points, yaws, walking, -0.4 if goal is back else 0.05)
    t = np.arange(count) * STEP_S
    beat = np.sin(2 * np.pi * float(actor.rng.uniform(0.35, 0.8)) * t)
    actor.lean(turns, yaws, 0.3 + 0.06 * np.abs(beat))
    sweep = float(actor.rng.uniform(0.25, 0.5)) * beat
    head = _local(points, yaws, sweep, 0.0, 0.9)
    top = _local(points, yaws, 0.25 * sweep, 1.3, 0.25)
    along = (top - head) / np.linalg.norm(top - head, axis=-1, keepdims=True)
    for side, length in zip(("l", "r"), HANDS_M, strict=True):
        reach(actor.skeleton, turns, root, side, head + length * along, 1.0)
    actor.add(*actor.blended(turns, root), Posture.STAND)
    actor.at = points[-1].copy()
    matrices = _sticks(head, along, ahead(yaw))
    matrices[:TAKING] = _between(last, matrices[min(TAKING, count) - 1], min(TAKING, count))
    actor.move(number, matrices)
    return np.asarray(matrices[-1])


def _local(points: Array, yaws: Array, left: Array, up: float, forward: float) -> Array:
    """(N, 3): so far to the left, up and ahead of who stands at points and looks along yaws."""
    own = np.stack([left, np.full_like(left, up), np.full_like(left, forward)], axis=-1)
    there = rotation.rotate(rotation.yaw(yaws), own)
    there[:, [0, 2]] += points
    return np.asarray(there)


def _sticks(foot: Array, along: Array, front: Array) -> Array:
    """Matrices (N, 3, 4) of something upright at home that stands at foot and points along."""
    across = np.cross(along, np.array([front[0], 0.0, front[1]]))
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    return np.stack([across, along, np.cross(across, along), foot], axis=-1)


def _between(first: Array, last: Array, steps: int) -> Array:
    share = smooth((np.arange(steps) + 1) / steps)[:, None, None]
    return np.asarray(first + share * (last - first))
