# SPDX-License-Identifier: Apache-2.0
"""A figure made from angles.

A pose is turns (..., 16, 4) and the pelvis' place (..., 3). Angles are degrees, as people think of
joints: a hip flexes forward, a knee and an elbow bend, an arm is raised forward and spread outward
from hanging down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.rooms import rotation
from calibration.rooms.reach import BONE
from calibration.rooms.skeleton import Skeleton

Array = npt.NDArray[np.float64]

SIDES = (("l", 1.0), ("r", -1.0))
UPRIGHT = (0.0, 0.0, 0.0)
HANGING = (4.0, 8.0, 0.0, 15.0)
STRAIGHT = (2.0, 4.0, 6.0, 4.0, 0.0)


@dataclass(frozen=True, slots=True)
class Pose:
    """turns (16, 4) and root (3,)."""

    turns: Array
    root: Array


def about(axis: int, degrees: float) -> Array:
    """The quaternion (4,) of a turn about one of the axes x, y, z."""
    half = np.radians(degrees) / 2
    turn = np.zeros(4)
    turn[0], turn[1 + axis] = np.cos(half), np.sin(half)
    return turn


def chain(*turns: Array) -> Array:
    """The product of quaternions, the last applied first."""
    out = turns[0]
    for turn in turns[1:]:
        out = rotation.multiply(out, turn)
    return np.asarray(out)


Arm = tuple[float, float, float, float]  # raised forward, spread, twisted, elbow
Leg = tuple[float, float, float, float, float]  # hip forward, spread, turned out, knee, toes down


def figure(
    pelvis: tuple[float, float, float] = UPRIGHT,
    spine: tuple[float, float, float] = UPRIGHT,
    head: tuple[float, float, float] = UPRIGHT,
    arms: tuple[Arm, Arm] = (HANGING, HANGING),
    legs: tuple[Leg, Leg] = (STRAIGHT, STRAIGHT),
) -> Array:
    """Turns (16, 4) of a body facing +Z; arms and legs are given left, right.

    pelvis, spine and head: bent forward, twisted to the left, leant to the right.
    """
    turns = np.zeros((16, 4))
    turns[BONE["pelvis"]] = _trunk(*pelvis)
    half = _trunk(*(angle / 2 for angle in spine))
    turns[BONE["spine"]] = chain(turns[BONE["pelvis"]], half)
    turns[BONE["chest"]] = chain(turns[BONE["spine"]], half)
    turns[BONE["head"]] = chain(turns[BONE["chest"]], _trunk(*head))
    for (side, sign), arm, leg in zip(SIDES, arms, legs, strict=True):
        _set_arm(turns, side, sign, arm)
        _set_leg(turns, side, sign, leg)
    return turns


def _trunk(forward: float, twist: float, sideways: float) -> Array:
    return chain(about(1, twist), about(0, forward), about(2, -sideways))


def _set_arm(turns: Array, side: str, sign: float, arm: Arm) -> None:
    forward, spread, twist, elbow = arm
    drop = about(2, -sign * (90 - spread))
    upper = chain(turns[BONE["chest"]], about(0, -forward), drop, about(0, -sign * twist))
    turns[BONE[f"upper_arm_{side}"]] = upper
    turns[BONE[f"forearm_{side}"]] = chain(upper, about(1, -sign * elbow))
    turns[BONE[f"hand_{side}"]] = turns[BONE[f"forearm_{side}"]]


def _set_leg(turns: Array, side: str, sign: float, leg: Leg) -> None:
    forward, spread, out, knee, toes = leg
    thigh = chain(
        turns[BONE["pelvis"]], about(2, sign * spread), about(0, -forward), about(1, sign * out)
    )
    turns[BONE[f"thigh_{side}"]] = thigh
    turns[BONE[f"calf_{side}"]] = chain(thigh, about(0, knee))
    turns[BONE[f"foot_{side}"]] = chain(turns[BONE[f"calf_{side}"]], about(0, toes))


def put(pose: Pose, at: Array, yaw: float) -> Pose:
    """The pose turned by `yaw` radians and moved so that its origin is the floor point (x, z)."""
    turn = about(1, float(np.degrees(yaw)))
    root = rotation.rotate(turn, pose.root) + np.array([at[0], 0.0, at[1]])
    return Pose(np.asarray(rotation.multiply(turn, pose.turns)), np.asarray(root))


def grounded(skeleton: Skeleton, turns: Array, floor: float = 0.0) -> Pose:
    """The pose with its lowest point on the floor and its pelvis above the origin."""
    low = skeleton.lowest(turns[None], np.zeros((1, 3)))[0]
    return Pose(turns, np.array([0.0, floor - low, 0.0]))
