# SPDX-License-Identifier: Apache-2.0
"""What one person does alone, from standing still for minutes to falling out of bed.

Each act takes an actor as he is and about how many seconds it may last, and leaves him standing
unless its name says otherwise. Acts that look like a fall without being one are many and varied:
dropping onto a chair or a bed, lying down on purpose, kneeling, tying shoes, playing on the floor.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration.rooms import poses
from calibration.rooms.actor import Actor, ahead, steps_of, yaw_to
from calibration.rooms.errors import NoFit
from calibration.rooms.fittings import Door, Place
from calibration.rooms.poses import HANGING, Pose, figure, grounded, put
from calibration.rooms.reach import BONE, reach
from calibration.rooms.setting import Passage
from calibration.rooms.track import STEP_S, Posture

Array = npt.NDArray[np.float64]


# ---- coming and going --------------------------------------------------------------------------


def exits(actor: Actor) -> list[int]:
    """The doors by which one leaves the room; raises NoFit if it has none."""
    doors = [k for k, door in enumerate(actor.setting.room.doors) if door.leads_out]
    if not doors:
        raise NoFit("no door leads out")
    return doors


def enter(actor: Actor, door: int, after_s: float) -> None:
    """Be away for a while, then come in by the door."""
    place = actor.setting.room.doors[door]
    actor.at, actor.yaw = np.array(place.outside), yaw_to(np.array(place.outside), inside(place))
    if after_s > 0:
        actor.away(after_s)
    _pass(actor, door, [place.outside, place.inside])


def leave(actor: Actor, door: int, pace: float = 1.0, posture: Posture = Posture.WALK) -> None:
    """Go out by the door and be away."""
    place = actor.setting.room.doors[door]
    motion = None
    if posture == Posture.RUN:
        motion = actor.setting.repertoire.draw(actor.rng, "run")
    actor.walk(inside(place), posture, motion, pace)
    _pass(actor, door, [place.inside, place.outside], posture)
    actor.away(0.3)


def inside(door: Door) -> Array:
    """Where one stands before going out."""
    return np.array(door.inside)


def _pass(
    actor: Actor, door: int, way: list[tuple[float, float]], posture: Posture = Posture.WALK
) -> None:
    from_step = actor.now
    actor.follow(np.array(way), posture)
    actor.setting.passages.append(Passage(door, (from_step + actor.now) // 2))


# ---- on one's feet -----------------------------------------------------------------------------


def stand(actor: Actor, seconds: float) -> None:
    """Stand about: shift, look round, do something with the hands."""
    end = actor.seconds + seconds
    while actor.seconds < end - 0.3:
        left = end - actor.seconds
        motion = actor.setting.repertoire.draw(actor.rng, "idle", "talk", "angry", "tired")
        if motion is not None and actor.rng.random() < 0.35:
            length = min(left, float(actor.rng.uniform(1.5, 5)))
            actor.play(motion, Posture.STAND, length, float(actor.rng.uniform(0.4, 1.0)))
        else:
            actor.to(actor.standing(), float(actor.rng.uniform(0.4, 1.0)), Posture.STAND)
            length = min(left, float(actor.rng.uniform(2, 9)))
            actor.still(length, Posture.STAND, actor.body.style.fidget)


def stand_still(actor: Actor, seconds: float) -> None:
    """Hardly move at all."""
    actor.to(actor.standing(), 0.7, Posture.STAND)
    actor.still(seconds, Posture.STAND, 0.15)


def wander(actor: Actor, seconds: float) -> None:
    """Walk to places until the time is over."""
    end = actor.seconds + seconds
    while actor.seconds < end:
        actor.walk(actor.setting.spot(actor.rng, 0.3), pace=_pace(actor))
        if actor.rng.random() < 0.4:
            actor.turn(float(actor.rng.uniform(-3.1, 3.1)))


def _pace(actor: Actor) -> float:
    return float(np.clip(actor.rng.normal(1.0, 0.15), 0.6, 1.5))


def run(actor: Actor, seconds: float) -> None:
    """Run across the room and back."""
    end = actor.seconds + seconds
    motion = actor.setting.repertoire.draw(actor.rng, "run")
    while actor.seconds < end:
        target = actor.setting.spot(actor.rng, 0.35)
        if motion is None:
            actor.walk(target, Posture.RUN, pace=1.8)
        else:
            actor.walk(target, Posture.RUN, motion, float(actor.rng.uniform(0.8, 1.2)))
    actor.to(actor.standing(), 0.5, Posture.STAND)


def free_spot(actor: Actor, margin: float = 0.45) -> None:
    """Walk to where there is space for something."""
    actor.walk(actor.setting.spot(actor.rng, margin), pace=_pace(actor))
    if actor.rng.random() < 0.5:
        actor.turn(float(actor.rng.uniform(-3.1, 3.1)))


def bend(actor: Actor, seconds: float) -> None:
    """Bend down, pick something up or look for it, and come up again."""
    free_spot(actor, 0.35)
    motion = actor.setting.repertoire.draw(actor.rng, "pick_up", "bow")
    if motion is not None and actor.rng.random() < 0.25:
        actor.play(motion, Posture.BEND, rate=float(actor.rng.uniform(0.7, 1.3)))
    else:
        low = _here(actor, poses.bending(actor.rng, actor.skeleton))
        actor.to(low, float(actor.rng.uniform(0.5, 1.5)), Posture.BEND, planted=True)
        actor.still(min(seconds, float(actor.rng.uniform(0.4, 5))), Posture.BEND, 2.5)
    _rise(actor, Posture.BEND)


def squat(actor: Actor, seconds: float) -> None:
    """Squat or kneel."""
    free_spot(actor, 0.35)
    kneel = actor.rng.random() < 0.5
    pose = (poses.kneeling if kneel else poses.squatting)(actor.rng, actor.skeleton)
    down = float(actor.rng.choice((actor.rng.uniform(0.4, 0.7), actor.rng.uniform(0.7, 1.8))))
    actor.to(_here(actor, pose), down, Posture.SQUAT, planted=not kneel)
    actor.still(seconds, Posture.SQUAT, 2.0)
    _rise(actor, Posture.SQUAT)


def tie_shoes(actor: Actor, seconds: float) -> None:
    """Squatting, on one knee or bent over: hands busy at one foot."""
    free_spot(actor, 0.35)
    make = (poses.squatting, poses.kneeling, poses.bending)[int(actor.rng.integers(3))]
    posture = Posture.BEND if make is poses.bending else Posture.SQUAT
    pose = _here(actor, make(actor.rng, actor.skeleton))
    actor.to(pose, float(actor.rng.uniform(0.5, 1.2)), posture, planted=posture == Posture.BEND)
    foot = BONE["foot_l" if actor.rng.random() < 0.5 else "foot_r"]
    shoe = actor.skeleton.places(pose.turns[None], pose.root[None])[0, foot]
    target = shoe + np.array([*(0.1 * ahead(actor.yaw)), 0.0])[[0, 2, 1]]
    work(actor, target, min(seconds, 8.0), posture, size=0.04)
    _rise(actor, posture)


def _here(actor: Actor, pose: Pose) -> Pose:
    return put(pose, actor.at, actor.yaw)


def _rise(actor: Actor, posture: Posture) -> None:
    """Up from bending or squatting."""
    actor.to(actor.standing(), float(actor.rng.uniform(0.5, 1.3)), posture)
    actor.still(0.4, Posture.STAND)


# ---- hands -------------------------------------------------------------------------------------


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
    actor.walk(np.array(place.stand), pace=_pace(actor))
    actor.turn(place.yaw)
    return place


def _lean_to(actor: Actor, height: float) -> Posture:
    """Bend over as far as something at this height needs."""
    lean = float(np.clip((actor.skeleton.hip_m * 1.05 - height) * 90, 5, 75))
    arms = (HANGING, HANGING)
    legs = ((lean * 0.35, 5.0, 5.0, 6.0, 0.0),) * 2
    turns = figure((lean * 0.35, 0, 0), (lean * 0.65, 0, 0), (10, 0, 0), arms, (legs[0], legs[1]))
    posture = Posture.BEND if lean > 35 else Posture.STAND
    actor.to(_here(actor, grounded(actor.skeleton, turns)), 0.7, posture)
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
    """Wipe a table, a window, a wall; or mop the floor, walking backward and forward."""
    start = actor.now
    if actor.rng.random() < 0.5:
        free_spot(actor)
        start, end = actor.now, actor.seconds + seconds
        while actor.seconds < end:
            posture = _lean_to(actor, 0.75)
            floor = actor.at + 0.75 * ahead(actor.yaw)
            work(actor, np.array([floor[0], 0.75, floor[1]]), 2.5, posture, 0.22)
            actor.walk(actor.setting.spot(actor.rng, 0.3), pace=0.6)
    else:
        place = at_place(actor, ("table", "window", "wall", "basin", "shelf"))
        start = actor.now
        posture = _lean_to(actor, place.reach[1])
        work(actor, np.array(place.reach), seconds, posture, 0.2)
    actor.name("clean", start)
    actor.to(actor.standing(), 0.6, Posture.STAND)


def handle(actor: Actor, seconds: float) -> None:
    """Do something with the hands at a shelf, a table, a switch."""
    place = at_place(actor, ("shelf", "table", "bin", "bedside", "switch", "hook", "window"))
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
        pose = _here(actor, grounded(actor.skeleton, turns))
        actor.to(pose, float(actor.rng.uniform(0.4, 1.0)), posture)
        actor.still(float(actor.rng.uniform(0.3, 1.5)), posture, 3.0)
    actor.name("dress", start)
    actor.to(actor.standing(), 0.6, Posture.STAND)


def read(actor: Actor, seconds: float) -> None:
    """Stand and look at something held before the chest."""
    free_spot(actor, 0.3)
    arm = (35.0, 3.0, 15.0, 85.0)
    turns = figure(spine=(4, 0, 0), head=(22, 0, 0), arms=(arm, arm))
    actor.to(_here(actor, grounded(actor.skeleton, turns)), 0.8, Posture.STAND)
    actor.still(seconds, Posture.STAND, 0.5)


def exercise(actor: Actor, seconds: float) -> None:
    """Knee bends, jumping jacks, toe touching, push-ups."""
    free_spot(actor, 0.55)
    start, end = actor.now, actor.seconds + seconds
    motion = actor.setting.repertoire.draw(actor.rng, "exercise")
    if motion is not None and actor.rng.random() < 0.4:
        actor.play(motion, Posture.STAND, seconds, float(actor.rng.uniform(0.7, 1.1)))
    else:
        pair = _exercise(actor)
        beat = float(actor.rng.uniform(0.4, 1.1))
        while actor.seconds < end:
            for pose, posture in pair:
                actor.to(pose, beat, posture)
    actor.name("exercise", start)
    actor.to(actor.standing(), 0.7, Posture.STAND)


def _exercise(actor: Actor) -> tuple[tuple[Pose, Posture], tuple[Pose, Posture]]:
    wide = figure(
        arms=((5, 150, 0, 10), (5, 150, 0, 10)), legs=((0, 22, 8, 2, 0), (0, 22, 8, 2, 0))
    )
    upright = (_here(actor, grounded(actor.skeleton, figure())), Posture.STAND)
    choice = int(actor.rng.integers(4))
    if choice == 0:
        return upright, (_here(actor, grounded(actor.skeleton, wide)), Posture.STAND)
    if choice == 1:
        return upright, (_here(actor, poses.squatting(actor.rng, actor.skeleton)), Posture.SQUAT)
    if choice == 2:
        return upright, (_here(actor, poses.bending(actor.rng, actor.skeleton, 0.0)), Posture.BEND)
    plank = figure(pelvis=(80, 0, 0), head=(-20, 0, 0), arms=((82, 12, 0, 4), (82, 12, 0, 4)))
    low = figure(pelvis=(87, 0, 0), head=(-15, 0, 0), arms=((25, 35, 0, 100), (25, 35, 0, 100)))
    return (
        (_here(actor, grounded(actor.skeleton, plank)), Posture.CRAWL),
        (_here(actor, grounded(actor.skeleton, low)), Posture.CRAWL),
    )
