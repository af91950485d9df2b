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
from calibration.rooms.actor import Actor
from calibration.rooms.errors import NoFit
from calibration.rooms.figures import Pose, figure, grounded, put
from calibration.rooms.fittings import Door
from calibration.rooms.setting import Passage
from calibration.rooms.track import Posture
from calibration.rooms.ways import yaw_to

Array = npt.NDArray[np.float64]

LOW = 0.6  # of the pelvis' height: who moves below that is on hands and feet, not standing


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
        motion = actor.setting.repertoire.draw(actor.rng, "idle", "talk", "angry")
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
        before = actor.now
        actor.walk(actor.setting.spot(actor.rng, 0.3), pace=own_pace(actor))
        if actor.rng.random() < 0.4:
            actor.turn(float(actor.rng.uniform(-3.1, 3.1)))
        _pause_if_there(actor, before)


def own_pace(actor: Actor) -> float:
    """How fast he walks now, as a share of his walk's own speed."""
    return float(np.clip(actor.rng.normal(1.0, 0.15), 0.6, 1.5))


def run(actor: Actor, seconds: float) -> None:
    """Run across the room and back."""
    end = actor.seconds + seconds
    motion = actor.setting.repertoire.draw(actor.rng, "run")
    while actor.seconds < end:
        before, target = actor.now, actor.setting.spot(actor.rng, 0.35)
        if motion is None:
            actor.walk(target, Posture.RUN, pace=1.8)
        else:
            actor.walk(target, Posture.RUN, motion, float(actor.rng.uniform(0.8, 1.2)))
        _pause_if_there(actor, before)
    actor.to(actor.standing(), 0.5, Posture.STAND)


def _pause_if_there(actor: Actor, before: int) -> None:
    """In a room with one free spot nobody gets anywhere, and time must pass all the same."""
    if actor.now == before:
        actor.still(0.4, Posture.STAND)


def free_spot(actor: Actor, margin: float = 0.45) -> None:
    """Walk to where there is space for something."""
    actor.walk(actor.setting.spot(actor.rng, margin), pace=own_pace(actor))
    if actor.rng.random() < 0.5:
        actor.turn(float(actor.rng.uniform(-3.1, 3.1)))


def bend(actor: Actor, seconds: float) -> None:
    """Bend down, pick something up or look for it, and come up again."""
    free_spot(actor, 0.35)
    motion = actor.setting.repertoire.draw(actor.rng, "pick_up", "bow")
    if motion is not None and actor.rng.random() < 0.25:
        actor.play(motion, Posture.BEND, rate=float(actor.rng.uniform(0.7, 1.3)))
    else:
        low = here(actor, poses.bending(actor.rng, actor.skeleton))
        actor.to(low, float(actor.rng.uniform(0.5, 1.5)), Posture.BEND, planted=True)
        actor.still(min(seconds, float(actor.rng.uniform(0.4, 5))), Posture.BEND, 2.5)
    rise(actor, Posture.BEND)


def squat(actor: Actor, seconds: float) -> None:
    """Squat or kneel."""
    free_spot(actor, 0.35)
    kneel = actor.rng.random() < 0.5
    pose = (poses.kneeling if kneel else poses.squatting)(actor.rng, actor.skeleton)
    down = float(actor.rng.choice((actor.rng.uniform(0.4, 0.7), actor.rng.uniform(0.7, 1.8))))
    actor.to(here(actor, pose), down, Posture.SQUAT, planted=not kneel)
    actor.still(seconds, Posture.SQUAT, 2.0)
    rise(actor, Posture.SQUAT)


def here(actor: Actor, pose: Pose) -> Pose:
    """A key pose where he stands."""
    return put(pose, actor.at, actor.yaw)


def rise(actor: Actor, posture: Posture) -> None:
    """Up from bending or squatting."""
    actor.to(actor.standing(), float(actor.rng.uniform(0.5, 1.3)), posture)
    actor.still(0.4, Posture.STAND)


def exercise(actor: Actor, seconds: float) -> None:
    """Knee bends, jumping jacks, toe touching, push-ups."""
    free_spot(actor, 0.55)
    start, end = actor.now, actor.seconds + seconds
    motion = actor.setting.repertoire.draw(actor.rng, "exercise")
    if motion is not None and actor.rng.random() < 0.4:
        low = float(np.median(motion.root[:, 1])) < LOW
        posture = Posture.CRAWL if low else Posture.STAND
        actor.play(motion, posture, seconds, float(actor.rng.uniform(0.7, 1.1)))
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
    upright = (here(actor, grounded(actor.skeleton, figure())), Posture.STAND)
    choice = int(actor.rng.integers(4))
    if choice == 0:
        return upright, (here(actor, grounded(actor.skeleton, wide)), Posture.STAND)
    if choice == 1:
        return upright, (here(actor, poses.squatting(actor.rng, actor.skeleton)), Posture.SQUAT)
    if choice == 2:
        return upright, (here(actor, poses.bending(actor.rng, actor.skeleton, 0.0)), Posture.BEND)
    plank = figure(pelvis=(80, 0, 0), head=(-20, 0, 0), arms=((82, 12, 0, 4), (82, 12, 0, 4)))
    low = figure(pelvis=(87, 0, 0), head=(-15, 0, 0), arms=((25, 35, 0, 100), (25, 35, 0, 100)))
    return (
        (here(actor, grounded(actor.skeleton, plank)), Posture.CRAWL),
        (here(actor, grounded(actor.skeleton, low)), Posture.CRAWL),
    )
