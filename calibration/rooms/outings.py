# SPDX-License-Identifier: Apache-2.0
"""Plots with wheels: who comes in a wheelchair or behind a walking frame, and what befalls them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration.rooms import acts, meetings, mishaps, wheels
from calibration.rooms.actor import Actor
from calibration.rooms.cast import BEGINS_EMPTY, Cast, Played, length
from calibration.rooms.errors import NoFit
from calibration.rooms.plots import aftermath
from calibration.rooms.setting import Passage
from calibration.rooms.track import Posture
from calibration.rooms.ways import yaw_to
from calibration.rooms.wheels import Wheelchair

Array = npt.NDArray[np.float64]

WIDE_M = 0.45  # of free floor about where a wheelchair goes
FALLS = 0.35  # of either plot
FRAME_KINDS = ("trip", "totter", "faint", "slip")


def a_wheelchair(cast: Cast) -> Played:
    """Rolls through the room or is pushed; sits; gets out and in again; or falls out of it."""
    rng, actor = cast.rng, cast.someone()
    helper = cast.someone() if rng.random() < 0.35 else None
    chair = arrive(cast, actor, helper)
    until = actor.seconds + length(rng, 6)
    while actor.seconds < until:
        travel(actor, helper, chair, way(actor, chair.at))
        wheels.ride_still(actor, chair, float(rng.choice((rng.uniform(0.5, 2), rng.uniform(2, 9)))))
    others = [] if helper is None else [helper]
    if rng.random() < FALLS:
        actor.setting.park(chair.box())
        event = mishaps.drop(actor, 0, "slump", float(rng.gamma(2.2, 3.2) + 3))
        return aftermath(cast, actor, others, event)
    if rng.random() < 0.5:
        wheels.get_out(actor, chair)
        acts.wander(actor, float(rng.uniform(1, 5)))
        if rng.random() < 0.6:
            wheels.get_in(actor, chair)
            travel(actor, None, chair, way(actor, chair.at))
    return cast.played()


def arrive(cast: Cast, actor: Actor, helper: Actor | None) -> Wheelchair:
    """In by the door, alone or pushed; or there already."""
    rng, setting = cast.rng, actor.setting
    if rng.random() >= BEGINS_EMPTY:
        chair = wheels.wheelchair(actor, setting.spot(rng, WIDE_M), actor.yaw)
        wheels.ride_still(actor, chair, float(rng.uniform(0.5, 6)))
        if helper is not None:
            helper.at, helper.yaw = wheels.behind(chair), chair.yaw
            helper.still(actor.seconds, Posture.STAND)
        return chair
    number = int(rng.choice(acts.exits(actor)))
    door = setting.room.doors[number]
    outside, inside = np.array(door.outside), np.array(door.inside)
    chair = wheels.wheelchair(actor, outside, yaw_to(outside, inside))
    away = float(rng.uniform(1.5, 4))
    for who in (actor, helper):
        if who is not None:
            who.at = wheels.behind(chair) if who is helper else outside
            who.away(away)
    start = actor.now
    travel(actor, helper, chair, np.array([outside, inside]))
    setting.passages.append(Passage(number, (start + actor.now) // 2))
    return chair


def way(actor: Actor, start: Array) -> Array:
    """To a spot that is wide enough and not too near; raises NoFit."""
    for _ in range(20):
        goal = actor.setting.spot(actor.rng, WIDE_M)
        if np.linalg.norm(goal - start) > 0.8:
            return actor.setting.path(start, goal)
    raise NoFit("no room for wheels")


def travel(actor: Actor, helper: Actor | None, chair: Wheelchair, path: Array) -> None:
    """Roll along floor points (K, 2), by one's own hands or pushed."""
    speed = float(actor.rng.uniform(0.35, 0.9))
    if helper is None:
        wheels.roll(actor, chair, path, speed, own=True)
        return
    if helper.now < actor.now and helper.posture != Posture.ABSENT:
        meetings.wait((helper, actor))
    wheels.push(helper, actor, chair, path, speed)


def a_walking_frame(cast: Cast) -> Played:
    """Slowly through the room behind a walking frame, with rests; some fall with it."""
    rng, actor = cast.rng, cast.someone()
    frame = _arrive_behind_frame(cast, actor)
    until = actor.seconds + length(rng, 7)
    pace = float(rng.uniform(0.3, 0.6))
    while actor.seconds < until:
        wheels.walk_with(actor, frame, way(actor, actor.at), pace)
        if rng.random() < 0.6:
            wheels.rest_on(actor, frame, float(rng.uniform(0.6, 6)))
    if rng.random() >= FALLS:
        return cast.played()
    if rng.random() < 0.6:  # in the middle of a walk, not at its end
        actor.cut(max(actor.now - int(rng.integers(6, 20)), actor.now // 2))
    onset = actor.now
    kind = str(rng.choice(FRAME_KINDS))
    event = mishaps.drop(actor, 0, kind, float(rng.gamma(2.2, 3.2) + 3))
    wheels.tip(actor, frame, onset)
    return aftermath(cast, actor, [], event)


def _arrive_behind_frame(cast: Cast, actor: Actor) -> int:
    rng = cast.rng
    if rng.random() >= BEGINS_EMPTY:
        pose = actor.standing()
        frame = wheels.walking_frame(actor)
        actor.add(pose.turns[None], pose.root[None], Posture.STAND)
        wheels.rest_on(actor, frame, float(rng.uniform(0.5, 3)))
        return frame
    number = int(rng.choice(acts.exits(actor)))
    door = actor.setting.room.doors[number]
    actor.at = np.array(door.outside)
    actor.yaw = yaw_to(actor.at, np.array(door.inside))
    frame = wheels.walking_frame(actor)
    actor.away(float(rng.uniform(1.5, 4)))
    start = actor.now
    wheels.walk_with(actor, frame, np.array([door.outside, door.inside]), 0.5)
    actor.setting.passages.append(Passage(number, (start + actor.now) // 2))
    return frame
