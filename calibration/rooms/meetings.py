# SPDX-License-Identifier: Apache-2.0
"""What two or more people do together: talk, greet, embrace, help, and fight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from calibration.rooms import poses, rotation
from calibration.rooms.actor import Actor
from calibration.rooms.errors import NoFit
from calibration.rooms.figures import put
from calibration.rooms.reach import BONE, reach
from calibration.rooms.scuffle import Bout
from calibration.rooms.track import STEP_S, Event, Posture
from calibration.rooms.ways import ahead, smooth, steps_of, yaw_to

Array = npt.NDArray[np.float64]
Generator = np.random.Generator

RING = 16  # directions that are tried for a place beside somebody


def wait(actors: Sequence[Actor]) -> None:
    """Whoever is early keeps still until the last one is there."""
    until = max(actor.now for actor in actors)
    for actor in actors:
        if actor.now < until:
            behind = (until - actor.now) * STEP_S
            if actor.posture == Posture.ABSENT:
                actor.away(behind)
            else:
                moving = actor.posture in {Posture.WALK, Posture.RUN, Posture.GETUP}
                posture = Posture.STAND if moving else actor.posture
                actor.still(behind, posture, 0.6)


def beside(actor: Actor, point: Array, distance: float) -> Array:
    """The nearest free floor point at a distance from `point`; raises NoFit."""
    angles = np.arange(RING) * 2 * np.pi / RING + float(actor.rng.uniform(0, 0.3))
    ring = [point + distance * ahead(float(angle)) for angle in angles]
    free = [at for at in ring if actor.setting.free(at)]
    if not free:
        raise NoFit("no space beside somebody")
    return min(free, key=lambda at: float(np.linalg.norm(at - actor.at)))


def gather(actors: Sequence[Actor], distance: float) -> None:
    """The others come to the first, at `distance`, and all look at one another."""
    first = actors[0]
    for actor in actors[1:]:
        actor.walk(beside(actor, first.at, distance))
        actor.turn(yaw_to(actor.at, first.at))
    first.turn(yaw_to(first.at, actors[1].at))
    wait(actors)


def talk(actors: Sequence[Actor], seconds: float) -> None:
    """Stand together; hands and heads move."""
    for actor in actors:
        end = actor.seconds + seconds
        while actor.seconds < end - 0.3:
            left = end - actor.seconds
            motion = actor.setting.repertoire.draw(actor.rng, "talk", "nod", "idle")
            length = min(left, float(actor.rng.uniform(1.5, 4)))
            if motion is not None and actor.rng.random() < 0.6:
                actor.play(motion, Posture.STAND, length, float(actor.rng.uniform(0.5, 1.1)))
            else:
                actor.to(actor.standing(), 0.5, Posture.STAND)
                actor.still(max(0.1, length - 0.5), Posture.STAND, 2.0)
    wait(actors)


def embrace(first: Actor, second: Actor, seconds: float) -> None:
    """They walk into each other's arms, hold, and let go."""
    gather((first, second), 0.75)
    start = first.now
    _together(first, second, seconds, apart=0.28, kind="hug")
    first.name("hug", start)
    second.name("hug", start)
    for actor in (first, second):
        actor.to(actor.standing(), 0.7, Posture.STAND)


def shake_hands(first: Actor, second: Actor, seconds: float) -> None:
    """Right hands meet between them."""
    gather((first, second), 0.95)
    start = first.now
    _together(first, second, seconds, apart=0.72, kind="greet")
    first.name("greet", start)
    second.name("greet", start)
    for actor in (first, second):
        actor.to(actor.standing(), 0.6, Posture.STAND)


def _together(first: Actor, second: Actor, seconds: float, apart: float, kind: str) -> None:
    """Both draw near to `apart` metres and reach for each other, as long as it takes."""
    count = steps_of(seconds)
    t = np.arange(count) * STEP_S
    near = smooth(np.clip(np.minimum(t, t[-1] + STEP_S - t) / 0.8, 0, 1))
    middle = (first.at + second.at) / 2
    stood = []
    for actor in (first, second):
        pose = actor.pose
        turns, root = np.repeat(pose.turns[None], count, 0), np.repeat(pose.root[None], count, 0)
        way = actor.at - middle
        goal = middle + way * (apart / 2 / max(1e-6, float(np.linalg.norm(way))))
        root[:, [0, 2]] += (goal - actor.at) * near[:, None]
        rock = 0.05 * np.sin(6.28 * float(actor.rng.uniform(0.2, 0.6)) * t)
        actor.lean(turns, actor.yaw, (0.12 if kind == "hug" else 0.06) * near + rock * near)
        stood.append((actor, turns, root))
    for k, (actor, turns, root) in enumerate(stood):
        other, other_turns, other_root = stood[1 - k]
        chest = other.skeleton.places(other_turns, other_root)[:, BONE["chest"]]
        if kind == "hug":
            for side, out in (("l", 0.12), ("r", -0.12)):
                behind = rotation.rotate(
                    other_turns[:, BONE["chest"]], np.array([-out, 0.12 - 0.16 * k, -0.16])
                )
                reach(actor.skeleton, turns, root, side, chest + behind, near)
        else:
            mine = actor.skeleton.places(turns, root)[:, BONE["chest"]]
            shake = 0.04 * np.sin(2 * np.pi * 1.8 * t)[:, None] * np.array([0.0, 1.0, 0.0])
            meet = (mine + chest) / 2 - np.array([0.0, 0.15, 0.0]) + shake
            reach(actor.skeleton, turns, root, "r", meet, near)
    for actor, turns, root in stood:
        actor.add(turns, root, Posture.STAND)


def help_up(helper: Actor, fallen: Actor, seconds: float) -> None:
    """Come to somebody who lies there, bend or kneel beside him, hands on his shoulder."""
    helper.walk(beside(helper, fallen.at, 0.75), pace=1.3)
    helper.turn(yaw_to(helper.at, fallen.at))
    make = poses.kneeling if helper.rng.random() < 0.6 else poses.bending
    posture = Posture.SQUAT if make is poses.kneeling else Posture.BEND
    helper.to(put(make(helper.rng, helper.skeleton), helper.at, helper.yaw), 0.9, posture)
    count = steps_of(seconds)
    pose = helper.pose
    turns, root = np.repeat(pose.turns[None], count, 0), np.repeat(pose.root[None], count, 0)
    lying = fallen.pose
    chest = fallen.skeleton.places(lying.turns[None], lying.root[None])[0, BONE["chest"]]
    weight = np.minimum(1.0, (np.arange(count) + 1) / 5)
    for side in ("l", "r"):
        sway = helper.rng.normal(0, 0.03, (count, 3)).cumsum(axis=0) * 0.3
        reach(helper.skeleton, turns, root, side, chest + sway, weight)
    helper.add(turns, root, posture)
    helper.to(helper.standing(), 0.9, posture)


def fight(actors: Sequence[Actor], rng: Generator, seconds: float) -> list[Event]:
    """Blows, grips and shoves; often one goes down and lies there -> the events."""
    gather(actors, 0.8)
    if rng.random() < 0.6:
        talk(actors, float(rng.uniform(0.8, 5)))
    everybody = tuple(range(len(actors)))
    onset = actors[0].now
    bout = Bout(actors, rng)
    bout.fight(seconds)
    if rng.random() > 0.4:
        return [Event("fight", everybody, onset, None, actors[0].now, "scuffle")]
    down = actors[0].now
    impact, how = bout.knock_down(1)
    wait([actor for actor in actors if actor is not actors[1]])
    end = max(actor.now for actor in actors)
    fall = Event("fall", (1,), down, down + impact, end, f"fight, {how}")
    return [Event("fight", everybody, onset, None, end, "scuffle, knocked down"), fall]
