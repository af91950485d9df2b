# SPDX-License-Identifier: Apache-2.0
"""Being on the floor on purpose: sitting, lying, playing, crawling, and getting up again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration.rooms import poses, rotation
from calibration.rooms.actor import Actor
from calibration.rooms.acts import free_spot
from calibration.rooms.errors import NoFit
from calibration.rooms.figures import put
from calibration.rooms.handwork import work
from calibration.rooms.reach import BONE
from calibration.rooms.resting import stay_lying
from calibration.rooms.track import STEP_S, Posture
from calibration.rooms.ways import ahead, steps_of, yaw_to

Array = npt.NDArray[np.float64]

# Of a crawl: which limb swings when, radians.
GAIT = (("upper_arm_l", 0.0), ("upper_arm_r", np.pi), ("thigh_l", np.pi), ("thigh_r", 0.0))


def sit_on_floor(actor: Actor, seconds: float) -> None:
    """Through a squat to the floor, and up again over the knees."""
    free_spot(actor, 0.5)
    _down_to_floor(actor)
    end = actor.seconds + seconds
    while actor.seconds < end - 0.3:
        actor.still(min(end - actor.seconds, float(actor.rng.uniform(2, 12))), Posture.SIT, 1.0)
        if end - actor.seconds > 3:
            pose = put(poses.floor_sitting(actor.rng, actor.skeleton), actor.at, actor.yaw)
            actor.to(pose, float(actor.rng.uniform(0.6, 1.4)), Posture.SIT)
    get_up(actor)


def _down_to_floor(actor: Actor) -> None:
    at = actor.at.copy()
    squat = put(poses.squatting(actor.rng, actor.skeleton), at, actor.yaw)
    actor.to(squat, float(actor.rng.uniform(0.4, 1.3)), Posture.SQUAT, planted=True)
    seat = put(
        poses.floor_sitting(actor.rng, actor.skeleton), at - 0.2 * ahead(actor.yaw), actor.yaw
    )
    actor.to(seat, float(actor.rng.uniform(0.4, 1.2)), Posture.SIT)


def lie_on_floor(actor: Actor, seconds: float) -> None:
    """Lie down on purpose: over sitting, or over hands and knees; slowly or all at once."""
    free_spot(actor, 0.6)
    slow = float(actor.rng.uniform(0.6, 2.2))
    if actor.rng.random() < 0.6:
        _down_to_floor(actor)
        pose, roll = actor.at + 0.35 * -ahead(actor.yaw), float(actor.rng.choice((0, 75, -75)))
        lying = put(poses.lying(actor.rng, actor.skeleton, roll), pose, actor.yaw)
    else:
        at = actor.at.copy()
        knees = put(poses.all_fours(actor.rng, actor.skeleton), at, actor.yaw)
        actor.to(knees, float(actor.rng.uniform(0.6, 1.6)), Posture.CRAWL)
        roll = float(actor.rng.choice((180, 80, -80)))
        lying = put(poses.lying(actor.rng, actor.skeleton, roll), at, actor.yaw + np.pi)
    actor.to(lying, slow, Posture.LIE)
    stay_lying(actor, None, seconds)
    get_up(actor)


def play(actor: Actor, seconds: float) -> None:
    """On the floor, now on the knees, now sitting, hands busy, rolling over."""
    free_spot(actor, 0.6)
    start, end = actor.now, actor.seconds + max(4.0, seconds)
    at = actor.at.copy()
    while actor.seconds < end:
        make = (poses.kneeling, poses.floor_sitting, poses.all_fours, poses.squatting)
        choice = int(actor.rng.integers(4))
        posture = (Posture.SQUAT, Posture.SIT, Posture.CRAWL, Posture.SQUAT)[choice]
        actor.yaw += float(actor.rng.normal(0, 0.5))
        actor.to(
            put(make[choice](actor.rng, actor.skeleton), at, actor.yaw),
            float(actor.rng.uniform(0.4, 1.0)),
            posture,
        )
        toy = at + 0.45 * ahead(actor.yaw)
        length = float(actor.rng.uniform(1, 4))
        work(actor, np.array([toy[0], 0.08, toy[1]]), length, posture, 0.15)
        if actor.rng.random() < 0.2:
            lying = poses.lying(actor.rng, actor.skeleton, 180.0)
            actor.to(put(lying, at, actor.yaw + np.pi), 0.7, Posture.LIE)
            actor.still(float(actor.rng.uniform(1, 4)), Posture.LIE, 3.0)
    actor.name("play", start)
    get_up(actor)


def crawl(actor: Actor, seconds: float) -> None:
    """On hands and knees, a few metres."""
    free_spot(actor, 0.55)
    target = actor.setting.spot(actor.rng, 0.5)
    if not actor.setting.line_free(actor.at, target):
        raise NoFit("no way to crawl")
    actor.turn(yaw_to(actor.at, target))
    knees = put(poses.all_fours(actor.rng, actor.skeleton), actor.at, actor.yaw)
    actor.to(knees, float(actor.rng.uniform(0.7, 1.6)), Posture.CRAWL)
    creep(actor, target, min(seconds, 8.0), Posture.CRAWL)
    get_up(actor)


def creep(
    actor: Actor, target: Array, seconds: float, posture: Posture, speed: float = 0.45
) -> None:
    """On hands and knees straight towards a floor point, diagonal limbs together."""
    way = target - actor.at
    length = min(float(np.linalg.norm(way)), speed * seconds)
    count = steps_of(max(0.5, length / speed))
    pose = actor.pose
    turns, root = np.repeat(pose.turns[None], count, 0), np.repeat(pose.root[None], count, 0)
    phase = 2 * np.pi * (np.arange(count) + 1) * STEP_S * speed / 0.55
    across = np.array([np.cos(actor.yaw), 0.0, -np.sin(actor.yaw)])
    for part, shift in GAIT:
        swing = rotation.from_vector(-0.32 * np.sin(phase + shift)[:, None] * across)
        first = BONE[part]
        bones = [first, first + 1, first + 2]
        turns[:, bones] = rotation.multiply(swing[:, None], turns[:, bones])
    step = way / max(1e-6, float(np.linalg.norm(way))) * length
    share = (np.arange(count) + 1) / count
    root[:, 0] += step[0] * share
    root[:, 2] += step[1] * share
    low = actor.skeleton.lowest(turns, root)
    root[:, 1] -= low
    actor.add(*actor.blended(turns, root), posture)


def get_up(actor: Actor, posture: Posture = Posture.GETUP) -> None:
    """From however he lies or sits on the floor, over hands and knees or one knee, to his feet."""
    pose = actor.pose
    chest = pose.turns[BONE["chest"]]
    front = rotation.rotate(chest, np.array([0.0, 0.0, 1.0]))
    head = rotation.rotate(chest, np.array([0.0, 1.0, 0.0]))[[0, 2]]
    flat = float(np.linalg.norm(head)) > 0.7
    if flat:
        away = -head if front[1] > 0 else head
        actor.yaw = float(np.arctan2(away[0], away[1]))
    at = actor.at.copy()
    if flat and front[1] > 0 and actor.rng.random() < 0.7:
        seat = put(poses.floor_sitting(actor.rng, actor.skeleton), at, actor.yaw)
        actor.to(seat, float(actor.rng.uniform(0.8, 2.2)), posture)
        actor.still(float(actor.rng.uniform(0.2, 3)), posture, 1.0)
    if actor.rng.random() < 0.6:
        knees = put(poses.all_fours(actor.rng, actor.skeleton), at, actor.yaw)
        actor.to(knees, float(actor.rng.uniform(0.8, 1.8)), posture)
    knee = put(poses.kneeling(actor.rng, actor.skeleton), at, actor.yaw)
    actor.to(knee, float(actor.rng.uniform(0.7, 1.8)), posture)
    actor.at = at
    actor.to(actor.standing(), float(actor.rng.uniform(0.7, 1.8)), posture)
    actor.still(0.5, Posture.STAND)
