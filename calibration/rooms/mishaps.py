# SPDX-License-Identifier: Apache-2.0
"""Falls in their place: what somebody was doing, how he fell, and the time he lay there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from calibration.rooms import falls, poses, rotation, upsets
from calibration.rooms.actor import Actor
from calibration.rooms.acts import free_spot, stand
from calibration.rooms.errors import NoFit
from calibration.rooms.figures import Pose, put
from calibration.rooms.handwork import tie_shoes
from calibration.rooms.onfloor import creep, get_up
from calibration.rooms.ragdoll import Ragdoll
from calibration.rooms.resting import (
    bedside,
    begin_in_bed,
    choose_bed,
    choose_seat,
    lying_on,
    sit_down,
    stay_seated,
)
from calibration.rooms.track import RATE_HZ, Event, Posture
from calibration.rooms.ways import ahead

Array = npt.NDArray[np.float64]

KINDS = (*upsets.KINDS, "rising")
WEIGHTS = np.array([0.2, 0.14, 0.17, 0.13, 0.15, 0.08, 0.07, 0.0, 0.06])
TRIES = 5
TRY_S, CREEP_S = 3.0, 20.0  # that are left before somebody tries to move, or to get away
CREEPS = 0.15  # of those who try
LONG_TRIES = (0.4, 0.35, 0.25)  # share of those who never, seldom and mostly try for minutes


def fall(actor: Actor, person: int, kind: str, lying_s: float) -> Event:
    """Bring it about, fall, and lie there for `lying_s` -> the event. Raises NoFit."""
    PREPARE[kind](actor)
    return drop(actor, person, kind, lying_s)


def drop(actor: Actor, person: int, kind: str, lying_s: float) -> Event:
    """Fall as he is now, and lie there for `lying_s` -> the event. Raises NoFit."""
    event, ragdoll = land(actor, person, kind)
    lie(actor, ragdoll, lying_s)
    return replace(event, end=actor.now)


def land(actor: Actor, person: int, kind: str) -> tuple[Event, Ragdoll]:
    """Fall as he is now -> the event so far, and his body as it lies. Raises NoFit."""
    onset = actor.now
    room = actor.setting.solid()
    for attempt in range(TRIES):
        manner = upsets.draw(actor.rng, _physics(kind), _facing(actor), _way(actor, kind))
        ragdoll = Ragdoll(room, [(actor.skeleton, actor.body.weight_kg)], manner.grip)
        ragdoll.place(0, *actor.last_two())
        try:
            fallen = falls.tumble(ragdoll, 0, manner)
            break
        except NoFit:
            if attempt == TRIES - 1:
                raise
    _lay(actor, fallen)
    impact = onset + fallen.impact + 1
    return Event("fall", (person,), onset, impact, actor.now, manner.how), ragdoll


def _physics(kind: str) -> str:
    return "slump" if kind == "rising" else kind


def _facing(actor: Actor) -> Array:
    front = rotation.rotate(actor.pose.turns[0], np.array([0.0, 0.0, 1.0]))[[0, 2]]
    length = float(np.linalg.norm(front))
    return front / length if length > 0.3 else ahead(actor.yaw)


def _way(actor: Actor, kind: str) -> Array | None:
    """Out of bed one falls to the side where one would get up; else as the kind has it."""
    return ahead(actor.yaw) if kind == "bed" else None


def _lay(actor: Actor, fallen: falls.Tumble) -> None:
    posture = np.full(len(fallen.turns), Posture.FALLING, np.uint8)
    posture[fallen.impact + 1 :] = Posture.DOWN
    actor.add(fallen.turns, fallen.root, posture)


def lie(actor: Actor, ragdoll: Ragdoll, seconds: float) -> None:
    """Stay down: breathing only, or struggling first; some crawl a little way."""
    choice = actor.rng.random()
    if choice < 0.35:
        seconds -= _struggle(actor, ragdoll, seconds)
    if choice > 0.92 and seconds > 4:
        _creep_off(actor)
    if seconds > 0.2:
        actor.still(seconds, Posture.DOWN, float(actor.rng.choice((0.05, 0.3, 1.5))))


def _struggle(actor: Actor, ragdoll: Ragdoll, longest_s: float) -> float:
    """For some seconds -> how many."""
    vigour = float(actor.rng.uniform(0.2, 1.0))
    length = min(longest_s, float(actor.rng.uniform(1.5, 8)))
    turns, root = falls.struggle(ragdoll, 0, length, vigour, actor.rng)
    actor.add(turns, root, Posture.DOWN)
    return length


def lie_long(actor: Actor, ragdoll: Ragdoll, seconds: float) -> None:
    """Stay down for minutes: lie still, and try again and again to move, or never."""
    end, trying = actor.seconds + seconds, float(actor.rng.choice((0.0, 0.25, 0.7), p=LONG_TRIES))
    restless = float(actor.rng.choice((0.0, 0.05, 0.3)))
    if actor.rng.random() < trying:
        _struggle(actor, ragdoll, seconds)
    while actor.seconds < end - 0.3:
        left = end - actor.seconds
        actor.still(min(left, float(actor.rng.uniform(12, 60))), Posture.DOWN, restless)
        left = end - actor.seconds
        if left > TRY_S and actor.rng.random() < trying:
            ragdoll.place(0, *actor.last_two())
            _struggle(actor, ragdoll, left)
        elif left > CREEP_S and actor.rng.random() < trying * CREEPS:
            _creep_off(actor)


def _creep_off(actor: Actor) -> None:
    """Up on hands and knees, a metre, and down again."""
    at, yaw = actor.at.copy(), float(actor.rng.uniform(-3.1, 3.1))
    target = at + ahead(yaw)
    if not actor.setting.line_free(at, target):
        return
    actor.yaw = yaw
    knees = put(poses.all_fours(actor.rng, actor.skeleton), at, yaw)
    actor.to(knees, 1.6, Posture.DOWN)
    creep(actor, target, 4.0, Posture.DOWN, 0.25)
    prone = poses.lying(actor.rng, actor.skeleton, 180.0, tidy=False)
    actor.to(put(prone, actor.at, yaw + np.pi), 0.8, Posture.DOWN)


def recover(actor: Actor) -> None:
    """Get up after a fall."""
    get_up(actor)


# ---- what goes before --------------------------------------------------------------------------


def _upright(actor: Actor) -> None:
    """Standing about, bent over, squatting: then it happens."""
    free_spot(actor)
    choice = actor.rng.random()
    if choice < 0.15:
        tie_shoes(actor, 1.5)
    elif choice < 0.3:
        low = put(poses.bending(actor.rng, actor.skeleton), actor.at, actor.yaw)
        actor.to(low, 0.8, Posture.BEND, planted=True)
        actor.still(float(actor.rng.uniform(0.3, 1.5)), Posture.BEND, 2.0)
    else:
        motion = actor.setting.repertoire.draw(actor.rng, "dizzy")
        if motion is not None and actor.rng.random() < 0.3:
            actor.play(motion, Posture.STAND, float(actor.rng.uniform(0.8, 2.5)))
        else:
            stand(actor, float(actor.rng.uniform(0.6, 4)))


def _striding(actor: Actor) -> None:
    """In the middle of a walk or a run."""
    setting = actor.setting
    free_spot(actor)
    for _ in range(30):
        target = setting.spot(actor.rng, 0.45)
        if np.linalg.norm(target - actor.at) > 1.6 and setting.line_free(actor.at, target):
            break
    else:
        raise NoFit("no room to walk")
    running = actor.rng.random() < 0.2
    start, pace = actor.now, float(actor.rng.uniform(0.9, 1.5))
    posture = Posture.RUN if running else Posture.WALK
    motion = actor.setting.repertoire.draw(actor.rng, "run") if running else None
    actor.walk(target, posture, motion, pace)
    walked = actor.now - start
    if walked < 6:
        raise NoFit("too short a walk to fall in")
    actor.cut(start + int(walked * float(actor.rng.uniform(0.45, 0.8))))
    front = _facing(actor)
    actor.yaw = float(np.arctan2(front[0], front[1]))


def _backward(actor: Actor) -> None:
    """Some steps back, or standing still."""
    if actor.rng.random() < 0.5:
        _upright(actor)
        return
    free_spot(actor)
    end = actor.at - ahead(actor.yaw) * float(actor.rng.uniform(0.5, 1.1))
    if not actor.setting.line_free(actor.at, end):
        raise NoFit("no room behind")
    actor.follow(np.array([actor.at, end]), pace=1.2, backward=True)


def _seated(actor: Actor) -> None:
    if actor.setting.room.beds and actor.rng.random() < 0.35:
        place = bedside(actor, choose_bed(actor))
    else:
        place = choose_seat(actor)
    if actor.posture != Posture.SIT:
        sit_down(actor, place)
    stay_seated(actor, place, float(actor.rng.uniform(0.6, 6)))


def _half_up(actor: Actor) -> None:
    """Half-way up from a seat."""
    _seated(actor)
    start, pose = actor.now, actor.pose
    up = Pose(actor.standing().turns, pose.root + np.array([0.0, 0.3, 0.0]))
    forward = 0.25 * ahead(actor.yaw)
    up = Pose(up.turns, up.root + np.array([forward[0], 0.0, forward[1]]))
    actor.to(up, 1.2, Posture.SIT, planted=False)
    actor.cut(start + max(4, round(0.8 * RATE_HZ)))


def _against_wall(actor: Actor) -> None:
    """The back to a wall with floor before it."""
    width, depth, _ = actor.setting.room.size
    for _ in range(40):
        side, u = int(actor.rng.integers(4)), float(actor.rng.uniform(-0.85, 0.85))
        out = 0.24
        at = (
            (u * width / 2, -depth / 2 + out),
            (u * width / 2, depth / 2 - out),
            (-width / 2 + out, u * depth / 2),
            (width / 2 - out, u * depth / 2),
        )[side]
        yaw = (0.0, np.pi, np.pi / 2, -np.pi / 2)[side]
        near = np.array(at) + 0.25 * ahead(yaw)
        if actor.setting.free(near) and actor.setting.free(near + 0.5 * ahead(yaw)):
            break
    else:
        raise NoFit("no wall to lean on")
    actor.walk(near)
    actor.turn(yaw)
    actor.at = np.array(at)
    actor.to(actor.standing(), 0.6, Posture.STAND)
    actor.still(float(actor.rng.uniform(0.5, 5)), Posture.STAND, 0.8)


def _in_bed(actor: Actor) -> None:
    """Lying near the edge at the side of free floor; already so if nothing went before."""
    bed = choose_bed(actor)
    place = begin_in_bed(actor, bed) if not actor.now else bedside(actor, bed)
    out = ahead(place.yaw)
    if actor.posture != Posture.LIE:
        sit_down(actor, place)
        actor.to(lying_on(actor, bed), 2.0, Posture.LIE)
    actor.still(float(actor.rng.uniform(0.5, 6)), Posture.LIE, 0.8)
    actor.to(lying_on(actor, bed, out), float(actor.rng.uniform(0.7, 1.6)), Posture.LIE)
    actor.yaw = place.yaw


PREPARE: dict[str, Callable[[Actor], None]] = {
    "faint": _upright,
    "slip": _striding,
    "trip": _striding,
    "totter": _backward,
    "slump": _seated,
    "slide": _against_wall,
    "bed": _in_bed,
    "push": _upright,
    "rising": _half_up,
}


def draw_kind(actor: Actor) -> str:
    """A kind of fall that this room allows."""
    weights = WEIGHTS.copy()
    if not actor.setting.room.beds:
        weights[KINDS.index("bed")] = 0
    if not actor.setting.room.seats:
        weights[[KINDS.index("slump"), KINDS.index("rising")]] = 0
    return str(actor.rng.choice(KINDS, p=weights / weights.sum()))
