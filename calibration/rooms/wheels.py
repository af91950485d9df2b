# SPDX-License-Identifier: Apache-2.0
"""Wheelchairs and walking frames: brought along by who needs them, driven, pushed, left, tipped.

Who rolls along in a wheelchair sits, whatever his speed; a model has to learn that. N steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.rooms import poses, props, rotation, stillness
from calibration.rooms.actor import Actor
from calibration.rooms.figures import SIDES, Pose
from calibration.rooms.fittings import Box, placed
from calibration.rooms.paint import Paint
from calibration.rooms.props import WHEEL_M, WHEELCHAIR_SEAT
from calibration.rooms.reach import plant, reach
from calibration.rooms.resting import Perch, sit_down, stand_up
from calibration.rooms.setting import Ride
from calibration.rooms.track import STEP_S, Posture
from calibration.rooms.ways import ahead, even, headings, smooth, steps_of, wrapped, yaw_to

Array = npt.NDArray[np.float64]

SPIN = 1.4  # rad/s of a wheelchair on the spot
FOOTREST = (0.11, 0.11, 0.46)  # of the left sole
HANDLE = (0.24, 0.95, -0.34)  # behind the back
BEHIND_M = 0.74  # who pushes
STROKE_M = 0.8  # that one push of the hands rolls
GRIP = (0.27, 0.88, -0.08)  # of a walking frame
BEFORE_M = 0.32  # a walking frame, on the mean
HOP_M = 0.32  # from one place of it to the next
LIFT_M = 0.04
TIP_S = 0.7
TIPPED = np.radians(82.0)


@dataclass(slots=True)
class Wheelchair:
    """The number of the prop and where it is."""

    prop: int
    at: Array
    yaw: float

    def perch(self) -> Perch:
        """To sit on."""
        seat, front = self.at + 0.04 * ahead(self.yaw), self.at + 0.8 * ahead(self.yaw)
        return Perch(
            (float(seat[0]), float(seat[1])),
            self.yaw,
            WHEELCHAIR_SEAT,
            (float(front[0]), float(front[1])),
        )

    def box(self) -> Box:
        """What nobody walks or falls through."""
        half = (0.28, WHEELCHAIR_SEAT / 2 - 0.02, 0.24)
        return Box((float(self.at[0]), half[1], float(self.at[1])), half, self.yaw)


def wheelchair(actor: Actor, at: Array, yaw: float) -> Wheelchair:
    """Somebody brings one."""
    home = props.on_floor(float(at[0]), float(at[1]), yaw)
    return Wheelchair(actor.setting.bring(props.wheelchair(Paint(actor.rng), home)), at, yaw)


def ride_still(actor: Actor, chair: Wheelchair, seconds: float) -> None:
    """Sit in it where it stands."""
    count = steps_of(seconds)
    _carry(actor, chair, np.repeat(chair.at[None], count, 0), np.full(count, chair.yaw))


def roll(actor: Actor, chair: Wheelchair, path: Array, speed: float, *, own: bool) -> None:
    """Turn to where the path (K, 2) goes and roll along it; own: by one's own hands."""
    along = even(np.asarray(path, np.float64), speed * STEP_S)
    first = along[min(3, len(along) - 1)]
    error = wrapped(yaw_to(chair.at, first) - chair.yaw)
    count = steps_of(max(0.3, abs(error) / SPIN))
    turning = chair.yaw + error * smooth((np.arange(count) + 1) / count)
    yaws = headings(along, chair.at, chair.yaw + error, backward=False)
    points = np.concatenate([np.repeat(chair.at[None], count, 0), along])
    _carry(actor, chair, points, np.concatenate([turning, yaws]), own=own)


def _carry(
    actor: Actor, chair: Wheelchair, points: Array, yaws: Array, *, own: bool = False
) -> None:
    """Wherever it goes he sits in it, feet on the rests, hands in the lap or on the rims."""
    seated, turn = _seated(actor), rotation.yaw(yaws)
    turns = np.asarray(rotation.multiply(turn[:, None], seated.turns[None]))
    root = _moved(points, yaws, seated.root)
    if own:
        _propel(actor, points, yaws, turns, root)
    stillness.breathe(actor.rng, turns, root)
    actor.add(*actor.blended(turns, root), Posture.SIT)
    actor.move(chair.prop, _matrices(points, yaws))
    chair.at, chair.yaw = points[-1].copy(), float(yaws[-1])
    actor.yaw = chair.yaw


def _seated(actor: Actor) -> Pose:
    """In the chair's own coordinates."""
    lean = float(actor.rng.choice((-10, 2, 12)))
    pose = poses.sitting(actor.rng, actor.skeleton, WHEELCHAIR_SEAT, lean)
    turns, root = pose.turns[None].copy(), (pose.root + np.array([0.0, 0.0, 0.04]))[None]
    x, y, z = FOOTREST
    for side, sign in SIDES:
        ankle = np.array([[sign * x, y + poses.ankle_m(actor.skeleton), z - 0.08]])
        plant(actor.skeleton, turns, root, side, ankle)
    return Pose(turns[0], root[0])


def _propel(actor: Actor, points: Array, yaws: Array, turns: Array, root: Array) -> None:
    """Hands go round with the rims and back, the trunk with them."""
    gone = np.linalg.norm(np.diff(points, axis=0, prepend=points[:1]), axis=1).cumsum()
    beat = np.sin(2 * np.pi * gone / STROKE_M)
    actor.lean(turns, yaws, 0.12 + 0.1 * beat)
    angle = np.radians(12 + 38 * beat)
    rim = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * WHEEL_M
    for side, sign in SIDES:
        hold = [np.full_like(gone, sign * 0.3), WHEEL_M + rim[:, 0], rim[:, 1] - 0.1]
        reach(actor.skeleton, turns, root, side, _moved(points, yaws, np.stack(hold, -1)), 1.0)


def push(helper: Actor, actor: Actor, chair: Wheelchair, path: Array, speed: float) -> None:
    """A helper who stands behind pushes the chair with the one who sits in it."""
    start = actor.now
    roll(actor, chair, path, speed, own=False)
    matrices = actor.rides[-1].matrices
    points = matrices[:, [0, 2], 3] - BEHIND_M * matrices[:, [0, 2], 2]
    yaws = np.unwrap(np.arctan2(matrices[:, 0, 2], matrices[:, 2, 2]))
    motion = helper.setting.repertoire.walk(helper.body.style.walk)
    rate = max(0.4, speed / max(0.2, motion.speed * helper.skeleton.hip_m))
    turns, root = helper.strides(points, yaws, motion, rate)
    helper.lean(turns, yaws, np.full(len(points), 0.12))
    for side, sign in SIDES:
        handle = _moved(matrices[:, [0, 2], 3], yaws, np.array(HANDLE) * (sign, 1, 1))
        reach(helper.skeleton, turns, root, side, handle, 1.0)
    if helper.now < start:
        helper.still((start - helper.now) * STEP_S, Posture.STAND)
    helper.add(*helper.blended(turns, root), Posture.WALK)
    helper.at, helper.yaw = points[-1].copy(), float(yaws[-1])


def behind(chair: Wheelchair) -> Array:
    """Where one stands to push it."""
    return np.asarray(chair.at - BEHIND_M * ahead(chair.yaw))


def get_out(actor: Actor, chair: Wheelchair) -> None:
    """Stand up from it; it stays where it is."""
    stand_up(actor, chair.perch())
    actor.setting.park(chair.box())


def get_in(actor: Actor, chair: Wheelchair) -> None:
    """Come back, sit down and put the feet on the rests."""
    sit_down(actor, chair.perch())
    actor.setting.park()
    ride_still(actor, chair, 1.0)


# ---- walking frames ----------------------------------------------------------------------------


def walking_frame(actor: Actor) -> int:
    """Somebody brings one and stands behind it -> the number of the prop."""
    before = actor.at + BEFORE_M * ahead(actor.yaw)
    home = props.on_floor(float(before[0]), float(before[1]), actor.yaw)
    return actor.setting.bring(props.walker(Paint(actor.rng), home))


def walk_with(actor: Actor, frame: int, path: Array, pace: float) -> None:
    """Along floor points (K, 2), the frame set ahead hop by hop, both hands on it."""
    motion = actor.setting.repertoire.walk(actor.body.style.walk)
    speed = max(0.2, motion.speed * actor.skeleton.hip_m * pace)
    points = even(np.asarray(path, np.float64), speed * STEP_S)
    yaws = np.unwrap(headings(points, actor.at, actor.yaw, backward=False))
    turns, root = actor.strides(points, yaws, motion, pace)
    actor.lean(turns, yaws, np.full(len(points), float(actor.rng.uniform(0.15, 0.4))))
    gone = (np.arange(len(points)) + 1) * speed * STEP_S / HOP_M
    share = np.clip(3 * (gone % 1.0), 0, 1)
    hops = np.floor(gone) + smooth(share) - 0.5
    step = np.clip(hops * HOP_M / (speed * STEP_S) - 1, 0, len(points) - 1)
    at = np.stack([np.interp(step, np.arange(len(points)), points[:, k]) for k in (0, 1)], -1)
    turned = np.interp(step, np.arange(len(points)), yaws)
    at = at + BEFORE_M * np.stack([np.sin(turned), np.cos(turned)], axis=-1)
    matrices = _matrices(at, turned)
    matrices[:, 1, 3] = LIFT_M * np.sin(np.pi * share)
    _hold(actor, turns, root, matrices)
    actor.add(*actor.blended(turns, root), Posture.WALK)
    actor.move(frame, matrices)
    actor.at, actor.yaw = points[-1].copy(), float(yaws[-1])


def rest_on(actor: Actor, frame: int, seconds: float) -> None:
    """Stand still, both hands on the frame."""
    known = [ride.matrices[-1] for ride in actor.rides if ride.prop == frame]
    home = known[-1] if known else actor.setting.room.props[frame].home
    count, pose = steps_of(seconds), actor.standing()
    turns, root = np.repeat(pose.turns[None], count, 0), np.repeat(pose.root[None], count, 0)
    actor.lean(turns, actor.yaw, np.full(count, float(actor.rng.uniform(0.15, 0.4))))
    stillness.sway(actor.rng, turns, root, actor.body.style.sway)
    stillness.breathe(actor.rng, turns, root)
    _hold(actor, turns, root, np.repeat(home[None], count, 0))
    actor.add(*actor.blended(turns, root), Posture.STAND)


def _hold(actor: Actor, turns: Array, root: Array, matrices: Array) -> None:
    for side, sign in SIDES:
        grip = np.array(GRIP) * (sign, 1, 1)
        there = np.einsum("nij,j->ni", matrices[:, :, :3], grip) + matrices[:, :, 3]
        reach(actor.skeleton, turns, root, side, there, 1.0)


def tip(actor: Actor, frame: int, onset: int) -> None:
    """The frame falls over on one of its sides while its owner falls."""
    known = [ride.matrices[-1] for ride in actor.rides if ride.prop == frame]
    stood = known[-1] if known else actor.setting.room.props[frame].home
    sign = float(actor.rng.choice((-1, 1)))
    count = steps_of(TIP_S)
    angle = -sign * TIPPED * ((np.arange(count) + 1) / count) ** 2
    cos, sin, none, one = np.cos(angle), np.sin(angle), np.zeros(count), np.ones(count)
    turn = np.stack([cos, -sin, none, sin, cos, none, none, none, one], -1).reshape(-1, 3, 3)
    foot = np.array([sign * GRIP[0], 0.0, 0.0])
    matrices = np.empty((count, 3, 4))
    matrices[:, :, :3] = np.einsum("ij,njk->nik", stood[:, :3], turn)
    shift = foot - np.einsum("nij,j->ni", turn, foot)
    matrices[:, :, 3] = np.einsum("ij,nj->ni", stood[:, :3], shift) + stood[:, 3]
    actor.rides.append(Ride(frame, onset + 1, matrices))


# ---- in coordinates of the thing ---------------------------------------------------------------


def _moved(points: Array, yaws: Array, own: Array) -> Array:
    """own (3,) or (N, 3), from the coordinates of who is at points and faces yaws."""
    there = np.array(np.broadcast_to(rotation.rotate(rotation.yaw(yaws), own), (len(points), 3)))
    there[:, [0, 2]] += points
    return there


def _matrices(points: Array, yaws: Array) -> Array:
    """(N, 3, 4) of what stands on the floor."""
    pairs = zip(points, yaws, strict=True)
    return np.stack([placed(float(x), 0.0, float(z), float(yaw)) for (x, z), yaw in pairs])
