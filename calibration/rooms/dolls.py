# SPDX-License-Identifier: Apache-2.0
"""The text of the MuJoCo model: jointed bodies of capsules among a room's walls and obstacles.

Every bone is a rigid body whose frame is that of the T-pose. Metres, kilograms, seconds; Y is up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from calibration.rooms import rotation
from calibration.rooms.fittings import Room
from calibration.rooms.skeleton import BONES, PARENT, PELVIS, Skeleton

Array = npt.NDArray[np.float64]

TIMESTEP_S = 0.004
CALVES = (BONES.index("calf_l"), BONES.index("calf_r"))
# Share of the weight per bone: Winter, Biomechanics and Motor Control of Human Movement (2009),
# table 4.1, the trunk split by eye.
SHARE = np.array([0.14, 0.14, 0.22, 0.08, *2 * (0.028, 0.016, 0.006), *2 * (0.10, 0.047, 0.014)])
# A ball joint is limited to a cone about a middle of its range: half angle in degrees.
CONE = (0, 30, 25, 45, 95, 80, 50, 95, 80, 50, 75, 0, 40, 75, 0, 40)
KNEE_RANGE = (-2.0, 150.0)
# Neighbours of neighbours, which overlap in many poses.
PASSING = (
    *(("thigh_l", "thigh_r"), ("chest", "pelvis"), ("upper_arm_l", "spine")),
    *(("upper_arm_r", "spine"), ("upper_arm_l", "head"), ("upper_arm_r", "head")),
    *(("thigh_l", "spine"), ("thigh_r", "spine"), ("forearm_l", "chest"), ("forearm_r", "chest")),
)


def _middles() -> Array:
    """(16, 4): turn of each bone relative to its parent in the middle of the joint's range."""
    middle = np.tile([1.0, 0.0, 0.0, 0.0], (16, 1))
    for side, sign in (("l", 1.0), ("r", -1.0)):
        reach = np.array([sign * 0.5, -0.6, 0.6])
        arm = np.array([sign, 0.0, 0.0])
        middle[BONES.index(f"upper_arm_{side}")] = rotation.between(arm, reach)
        middle[BONES.index(f"forearm_{side}")] = _about(1, -sign * 70.0)
        middle[BONES.index(f"thigh_{side}")] = _about(0, -50.0)
    return middle


def _about(axis: int, degrees: float) -> Array:
    half = np.radians(degrees) / 2
    turn = np.array([np.cos(half), 0.0, 0.0, 0.0])
    turn[1 + axis] = np.sin(half)
    return turn


MIDDLE = _middles()


def _numbers(*values: object) -> str:
    return " ".join(f"{v:.6f}" for value in values for v in np.ravel(np.asarray(value, float)))


def world(room: Room, people: Sequence[tuple[Skeleton, float]], floor_grip: float) -> str:
    """MJCF of a room with people of a weight in kilograms; floor_grip: friction of the floor."""
    dolls = "".join(_person(k, *person) for k, person in enumerate(people))
    passing = "".join(
        f'<exclude body1="{k}.{a}" body2="{k}.{b}"/>'
        for k in range(len(people))
        for a, b in PASSING
    )
    return (
        f'<mujoco><option timestep="{TIMESTEP_S}" gravity="0 -9.81 0" integrator="implicitfast" '
        f'iterations="20"/><compiler angle="degree"/><size memory="16M"/>'
        f'<default><geom solref="0.02 1" condim="3"/></default>'
        f"<worldbody>{_shell(room, floor_grip)}{dolls}</worldbody>"
        f"<contact>{passing}</contact></mujoco>"
    )


def _shell(room: Room, floor_grip: float) -> str:
    """Floor (its friction decides, or nobody would slip), walls and obstacles."""
    width, depth, _ = room.size
    walls = (
        ((-width / 2, 0, 0), (1, 0, 0)),
        ((width / 2, 0, 0), (-1, 0, 0)),
        ((0, 0, -depth / 2), (0, 0, 1)),
        ((0, 0, depth / 2), (0, 0, -1)),
    )
    floor = (
        f'<geom type="plane" zaxis="0 1 0" size="10 10 .1" '
        f'friction="{floor_grip:.4f} .01 .001" priority="1"/>'
    )
    planes = "".join(
        f'<geom type="plane" pos="{_numbers(at)}" zaxis="{_numbers(normal)}" size="10 10 .1"/>'
        for at, normal in walls
    )
    boxes = "".join(
        f'<geom type="box" pos="{_numbers(box.centre)}" size="{_numbers(box.half)}" '
        f'euler="0 {np.degrees(box.yaw):.5f} 0"/>'
        for box in room.obstacles
    )
    return floor + planes + boxes


def _person(number: int, skeleton: Skeleton, weight_kg: float) -> str:
    children: dict[int, list[int]] = {bone: [] for bone in range(16)}
    for bone in range(1, 16):
        children[PARENT[bone]].append(bone)

    def body(bone: int) -> str:
        name = f"{number}.{BONES[bone]}"
        at = skeleton.offsets[bone] if bone else (0.0, skeleton.hip_m, 0.0)
        inside = _joint(name, bone) + _geoms(skeleton, bone, weight_kg)
        inside += "".join(body(child) for child in children[bone])
        place = f'pos="{_numbers(at)}" quat="{_numbers(MIDDLE[bone])}"'
        return f'<body name="{name}" {place}>{inside}</body>'

    return body(0)


def _joint(name: str, bone: int) -> str:
    if bone == PELVIS:
        return f'<freejoint name="{name}"/>'
    kind = f'name="{name}" limited="true" damping="2" stiffness="1"'
    if bone in CALVES:
        return f'<joint {kind} type="hinge" axis="1 0 0" range="{_numbers(KNEE_RANGE)}"/>'
    return f'<joint {kind} type="ball" range="0 {CONE[bone]}"/>'


def _geoms(skeleton: Skeleton, bone: int, weight_kg: float) -> str:
    """The bone's capsules share its mass by their number."""
    mine = np.flatnonzero(np.asarray(skeleton.capsules.bone) == bone)
    if not len(mine):
        mass = SHARE[bone] * weight_kg
        spread = _numbers([mass * 0.002] * 3)
        return f'<inertial pos="0 0 0" mass="{mass:.5f}" diaginertia="{spread}"/>'
    mass = SHARE[bone] * weight_kg / len(mine)
    return "".join(
        f'<geom type="capsule" fromto="{_numbers(skeleton.capsules.ends[k])}" '
        f'size="{skeleton.capsules.radius[k]:.5f}" mass="{mass:.5f}" friction=".7 .01 .001"/>'
        for k in mine
    )
