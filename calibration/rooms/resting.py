# SPDX-License-Identifier: Apache-2.0
"""Sitting on seats and lying in beds, and getting up from there.

These are what a fall is confused with, so speeds vary widely: people lower themselves over three
seconds and drop onto a bed in half a one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from calibration.rooms import poses, rotation
from calibration.rooms.actor import Actor
from calibration.rooms.errors import NoFit
from calibration.rooms.figures import Pose, put
from calibration.rooms.fittings import Bed, Seat
from calibration.rooms.handwork import work
from calibration.rooms.track import Posture
from calibration.rooms.ways import ahead, smooth, steps_of

Array = npt.NDArray[np.float64]

CHAIR_M = 0.15  # between a seat and the chair that it belongs to
PUSHED_BACK = (0.05, 0.3)  # metres, by the knees of who stands up
DEEP_M = 0.2  # how far behind a seat's front edge the pelvis comes to be


@dataclass(frozen=True, slots=True)
class Perch:
    """Where somebody sits: floor point below the pelvis, facing, height of what he sits on.

    prop: the chair, if it is one that slides.
    """

    at: tuple[float, float]
    yaw: float
    height: float
    approach: tuple[float, float]
    prop: int | None = None


def perch(seat: Seat, deep: float = DEEP_M) -> Perch:
    """On this seat."""
    front = np.array([seat.front[0], seat.front[2]])
    at = front - deep * ahead(seat.yaw)
    return Perch((float(at[0]), float(at[1])), seat.yaw, seat.height, seat.approach)


def choose_seat(actor: Actor, kinds: tuple[str, ...] = ()) -> Perch:
    """One of the room's seats; raises NoFit if there is none."""
    seats = [s for s in actor.setting.room.seats if not kinds or s.kind in kinds]
    if not seats:
        raise NoFit("nothing to sit on")
    return take_seat(actor, seats[int(actor.rng.integers(len(seats)))])


def take_seat(actor: Actor, seat: Seat) -> Perch:
    """This one, with the light chair that it may belong to."""
    place = perch(seat)
    return replace(place, prop=_sliding(actor, place))


def _sliding(actor: Actor, place: Perch) -> int | None:
    """The number of the light chair that makes this seat, if one does."""
    for number, prop in enumerate(actor.setting.room.props):
        if prop.kind == "chair" and math.dist(prop.home[[0, 2], 3], place.at) < CHAIR_M:
            return number
    return None


def bedside(actor: Actor, bed: Bed) -> Perch:
    """On the edge of a bed, at a side where one can stand; raises NoFit if it has none."""
    if not bed.free_sides:
        raise NoFit("nobody can get to this bed")
    side = np.array(bed.free_sides[int(actor.rng.integers(len(bed.free_sides)))])
    along = ahead(bed.head_yaw)
    out = side - np.array(bed.centre)
    out = out - (out @ along) * along
    out /= max(1e-6, float(np.linalg.norm(out)))
    edge = np.array(bed.centre) + out * (bed.width / 2 - 0.14)
    edge = edge + along * float(actor.rng.uniform(-0.3, 0.15))
    yaw = float(np.arctan2(out[0], out[1]))
    return Perch((float(edge[0]), float(edge[1])), yaw, bed.top_m, (float(side[0]), float(side[1])))


# ---- seats -------------------------------------------------------------------------------------


def sit_down(actor: Actor, place: Perch, seconds: float | None = None) -> None:
    """Walk there, turn round and sit; `seconds` for the sitting down itself (drawn if None)."""
    actor.walk(np.array(place.approach))
    stand_at = np.array(place.at) + ahead(place.yaw) * (poses.thigh_m(actor.skeleton) * 0.9)
    actor.turn(place.yaw)
    actor.at = stand_at
    actor.to(actor.standing(), 0.5, Posture.STAND)
    if seconds is None:
        fast, slow = actor.rng.uniform(0.5, 0.9), actor.rng.uniform(0.9, 2.6)
        seconds = float(fast if actor.rng.random() < 0.4 else slow)
    seated = sitting_on(actor, place)
    lowered = poses.sitting(actor.rng, actor.skeleton, place.height + 0.22, lean=38.0)
    via = put(lowered, np.array(place.at) + 0.12 * ahead(place.yaw), place.yaw)
    actor.to(seated, seconds, Posture.SIT, via, planted=True)
    actor.yaw = place.yaw
    _slide(actor, place, steps_of(seconds), 0.0)


def sitting_on(actor: Actor, place: Perch, lean: float | None = None) -> Pose:
    """A pose on a seat; lean: forward bend of the trunk in degrees (drawn if None)."""
    pose = poses.sitting(actor.rng, actor.skeleton, place.height, lean)
    return put(pose, np.array(place.at), place.yaw)


def begin_seated(actor: Actor, place: Perch) -> None:
    """Be sitting there when the moment begins."""
    pose = sitting_on(actor, place)
    actor.yaw = place.yaw
    actor.add(pose.turns[None], pose.root[None], Posture.SIT)


def stay_seated(actor: Actor, place: Perch, seconds: float) -> None:
    """Sit: still, leaning forward or back, hands busy, reading, tying a shoe, nodding off."""
    end = actor.seconds + seconds
    while actor.seconds < end - 0.3:
        left = end - actor.seconds
        choice = actor.rng.random()
        if choice < 0.5:
            actor.still(min(left, float(actor.rng.uniform(3, 20))), Posture.SIT, 0.5)
            continue
        lean = float(actor.rng.choice((-14, 5, 25, 45, 62), p=(0.2, 0.25, 0.25, 0.18, 0.12)))
        actor.to(sitting_on(actor, place, lean), float(actor.rng.uniform(0.5, 1.4)), Posture.SIT)
        if choice < 0.75:
            low = 0.25 if lean > 40 else 0.75
            front = np.array(place.at) + 0.42 * ahead(place.yaw)
            target = np.array([front[0], low if lean > 40 else place.height + 0.3, front[1]])
            work(actor, target, min(left, float(actor.rng.uniform(1.5, 6))), Posture.SIT, 0.06)
        else:
            actor.still(min(left, float(actor.rng.uniform(2, 9))), Posture.SIT, 0.8)


def stand_up(actor: Actor, place: Perch, seconds: float | None = None) -> None:
    """From the seat."""
    actor.at = np.array(place.at) + ahead(place.yaw) * (poses.thigh_m(actor.skeleton) * 0.9)
    actor.yaw = place.yaw
    leaning = poses.sitting(actor.rng, actor.skeleton, place.height + 0.15, lean=42.0)
    via = put(leaning, np.array(place.at) + 0.15 * ahead(place.yaw), place.yaw)
    seconds = float(actor.rng.uniform(0.7, 2.4)) if seconds is None else seconds
    actor.to(actor.standing(), seconds, Posture.SIT, via, planted=True)
    _slide(actor, place, steps_of(seconds), float(actor.rng.uniform(*PUSHED_BACK)))
    actor.still(0.4, Posture.STAND)


def _slide(actor: Actor, place: Perch, steps: int, back: float) -> None:
    """During the last steps a light chair comes to stand `back` metres behind its place."""
    if place.prop is None:
        return
    home = actor.setting.room.props[place.prop].home
    last = next((r.matrices[-1] for r in reversed(actor.rides) if r.prop == place.prop), home)
    way = -back * ahead(place.yaw)
    goal = home + np.array([[0, 0, 0, way[0]], [0, 0, 0, 0], [0, 0, 0, way[1]]])
    share = smooth((np.arange(steps) + 1) / steps)[:, None, None]
    actor.move(place.prop, last + share * (goal - last))


def sit(actor: Actor, seconds: float) -> None:
    """Go and sit on something, for a while."""
    place = choose_seat(actor)
    sit_down(actor, place)
    stay_seated(actor, place, seconds)
    stand_up(actor, place)
    step_away(actor, place)


def step_away(actor: Actor, place: Perch) -> None:
    """To where one stands before the seat."""
    actor.follow(np.array([actor.at, place.approach]))


# ---- beds --------------------------------------------------------------------------------------


def choose_bed(actor: Actor) -> Bed:
    """One of the room's beds; raises NoFit if there is none."""
    beds = actor.setting.room.beds
    if not beds:
        raise NoFit("no bed")
    return beds[int(actor.rng.integers(len(beds)))]


def lying_on(actor: Actor, bed: Bed, towards: Array | None = None) -> Pose:
    """A pose on the bed; `towards`: a side (x, z) near whose edge he lies."""
    pose = poses.lying(actor.rng, actor.skeleton)
    along = ahead(bed.head_yaw)
    at = np.array(bed.centre) - along * float(actor.rng.uniform(-0.05, 0.12))
    if towards is not None:
        at = at + towards * max(0.0, bed.width / 2 - 0.17)
    yaw = bed.head_yaw + np.pi + float(actor.rng.normal(0, 0.08))
    lifted = Pose(pose.turns, pose.root + np.array([0.0, bed.top_m, 0.0]))
    return put(lifted, at, yaw)


def lie_down(actor: Actor, bed: Bed, seconds: float | None = None) -> None:
    """From sitting on the edge; between half a second (dropping) and five."""
    if seconds is None:
        drops = actor.rng.random() < 0.25
        seconds = float(actor.rng.uniform(0.6, 1.1) if drops else actor.rng.uniform(1.5, 5))
    pose = lying_on(actor, bed)
    middle = (actor.pose.root + pose.root) / 2 + np.array([0.0, 0.08, 0.0])
    via = Pose(np.asarray(rotation.slerp(actor.pose.turns, pose.turns, np.full(16, 0.45))), middle)
    actor.to(pose, seconds, Posture.LIE, via)


def rise_from_bed(actor: Actor, place: Perch) -> None:
    """Sit up on the edge, then stand up."""
    actor.to(sitting_on(actor, place), float(actor.rng.uniform(1.5, 4.5)), Posture.GETUP)
    actor.yaw = place.yaw
    stay_seated(actor, place, float(actor.rng.uniform(0.5, 6)))
    stand_up(actor, place)
    step_away(actor, place)


def rest_on_bed(actor: Actor, seconds: float) -> None:
    """Sit down on a bed, lie down, stay, get up."""
    bed = choose_bed(actor)
    place = bedside(actor, bed)
    sit_down(actor, place)
    stay_seated(actor, place, float(actor.rng.uniform(0.2, 4)))
    lie_down(actor, bed)
    stay_lying(actor, bed, seconds)
    rise_from_bed(actor, place)


def begin_in_bed(actor: Actor, bed: Bed) -> Perch:
    """Be lying there when the moment begins -> where he will get up."""
    pose = lying_on(actor, bed)
    actor.add(pose.turns[None], pose.root[None], Posture.LIE)
    return bedside(actor, bed)


def stay_lying(actor: Actor, bed: Bed | None, seconds: float) -> None:
    """Still, with a turn from one side to the other now and then."""
    end = actor.seconds + seconds
    while actor.seconds < end - 0.3:
        left = end - actor.seconds
        actor.still(min(left, float(actor.rng.uniform(4, 30))), Posture.LIE, 0.35)
        if bed is not None and left > 6 and actor.rng.random() < 0.5:
            actor.to(lying_on(actor, bed), float(actor.rng.uniform(0.8, 2.5)), Posture.LIE)
