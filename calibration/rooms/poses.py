# SPDX-License-Identifier: Apache-2.0
"""Key poses, each drawn anew: standing, sitting, squatting, kneeling, lying.

They face +Z and lie at the origin; figures.put moves them into the room. They differ from person to
person and from time to time, unlike a recorded motion.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration.rooms import rotation
from calibration.rooms.figures import (
    HANGING,
    SIDES,
    STRAIGHT,
    UPRIGHT,
    Arm,
    Leg,
    Pose,
    about,
    chain,
    figure,
    grounded,
)
from calibration.rooms.reach import BONE, plant
from calibration.rooms.skeleton import Skeleton

Array = npt.NDArray[np.float64]
Generator = np.random.Generator


def _vary(rng: Generator, spread: float, *angles: float) -> tuple[float, ...]:
    return tuple(float(a) for a in np.asarray(angles) + rng.normal(0, spread, len(angles)))


def _arm(rng: Generator, spread: float, *angles: float) -> Arm:
    a, b, c, d = _vary(rng, spread, *angles)
    return a, b, c, max(2.0, d)


def _leg(rng: Generator, spread: float, *angles: float) -> Leg:
    a, b, c, d, e = _vary(rng, spread, *angles)
    return a, b, c, max(0.0, d), e


def standing(rng: Generator, skeleton: Skeleton, stoop: float = 0.0) -> Pose:
    """Upright, arms as people leave them: hanging, folded, a hand on the hip, in front."""
    arms = (
        (HANGING, HANGING),
        ((35.0, 0.0, -40.0, 95.0), (35.0, 0.0, -40.0, 95.0)),
        (HANGING, (-25.0, 35.0, -30.0, 95.0)),
        ((25.0, 5.0, -25.0, 70.0), (25.0, 5.0, -25.0, 70.0)),
        (HANGING, (45.0, 5.0, -30.0, 120.0)),
    )[int(rng.choice(5, p=(0.5, 0.14, 0.1, 0.14, 0.12)))]
    left, right = (_arm(rng, 4, *arm) for arm in arms)
    legs = (_leg(rng, 1.5, *STRAIGHT), _leg(rng, 1.5, *STRAIGHT))
    spine = (stoop * 0.6, float(rng.normal(0, 4)), float(rng.normal(0, 2)))
    head = (float(rng.normal(5, 8)) - stoop * 0.3, float(rng.normal(0, 15)), 0.0)
    return grounded(skeleton, figure((stoop * 0.4, 0, 0), spine, head, (left, right), legs))


def sitting(rng: Generator, skeleton: Skeleton, height: float, lean: float | None = None) -> Pose:
    """On a seat `height` above the floor; the origin is below the pelvis, the feet stand.

    lean: forward bend of the trunk in degrees (drawn if None).
    """
    lean = float(rng.choice((-12, 2, 12, 30), p=(0.3, 0.35, 0.25, 0.1))) if lean is None else lean
    arm = ((38.0, 6.0, -20.0, 60.0), (20.0, 12.0, 0.0, 25.0), (45.0, 0.0, -45.0, 100.0))[
        int(rng.choice(3, p=(0.6, 0.2, 0.2)))
    ]
    spread, out = float(abs(rng.normal(6, 5))), float(rng.normal(8, 6))
    leg = (82.0, spread, out, 82.0, 0.0)
    pitch = -8.0 + 0.35 * lean
    turns = figure(
        (pitch, 0, 0),
        (0.65 * lean, float(rng.normal(0, 5)), float(rng.normal(0, 4))),
        (float(rng.normal(8, 12)) - 0.4 * lean, float(rng.normal(0, 18)), 0.0),
        (_arm(rng, 6, *arm), _arm(rng, 6, *arm)),
        (_leg(rng, 4, *leg), _leg(rng, 4, *leg)),
    )
    root = np.array([0.0, height + seat_thickness(skeleton), 0.0])
    pose = Pose(turns, root)
    slide = float(rng.uniform(-0.08, 0.1))
    return feet_down(skeleton, pose, forward=thigh_m(skeleton) * 0.98 + slide)


def seat_thickness(skeleton: Skeleton) -> float:
    """How high the pelvis joint is above what its person sits on, m."""
    return 0.105 * skeleton.hip_m / 0.92


def thigh_m(skeleton: Skeleton) -> float:
    """Length of the thigh, m."""
    return float(np.linalg.norm(skeleton.offsets[BONE["calf_l"]]))


def ankle_m(skeleton: Skeleton) -> float:
    """Height of the ankle of a foot that stands on the floor, m."""
    turns = np.tile(rotation.IDENTITY, (1, 16, 1))
    root = np.zeros((1, 3))
    low = skeleton.lowest(turns, root)[0]
    return float(skeleton.places(turns, root)[0, BONE["foot_l"], 1] - low)


def feet_down(skeleton: Skeleton, pose: Pose, forward: float) -> Pose:
    """The pose with its feet flat on the floor, `forward` metres ahead of the pelvis."""
    turns, root = pose.turns[None].copy(), pose.root[None]
    places = skeleton.places(turns, root)[0]
    for side, _ in SIDES:
        foot, hip = BONE[f"foot_{side}"], BONE[f"thigh_{side}"]
        ankle = np.array([places[hip, 0] * 1.2, ankle_m(skeleton), forward])
        turns[:, foot] = (1.0, 0.0, 0.0, 0.0)
        plant(skeleton, turns, root, side, ankle[None])
    return Pose(turns[0], pose.root)


def squatting(rng: Generator, skeleton: Skeleton) -> Pose:
    """Deep on both feet, hands ahead or on the knees."""
    depth = float(rng.uniform(100, 125))
    arm = (65.0, 5.0, -15.0, 30.0) if rng.random() < 0.6 else (40.0, 15.0, -20.0, 75.0)
    leg = (depth, 14.0, 12.0, depth + 12.0, -20.0)
    turns = figure(
        (38.0, 0, 0),
        (float(rng.uniform(15, 45)), float(rng.normal(0, 8)), 0.0),
        (float(rng.normal(-15, 12)), float(rng.normal(0, 15)), 0.0),
        (_arm(rng, 8, *arm), _arm(rng, 8, *arm)),
        (_leg(rng, 5, *leg), _leg(rng, 5, *leg)),
    )
    return grounded(skeleton, turns)


def kneeling(rng: Generator, skeleton: Skeleton) -> Pose:
    """On one knee or on both."""
    lean = float(rng.uniform(0, 40))
    rear = (-4.0 + lean * 0.3, 4.0, 0.0, 92.0, 50.0)
    front = (85.0, 6.0, 4.0, 88.0, -4.0) if rng.random() < 0.5 else rear
    arm = (40.0 + lean * 0.5, 6.0, -15.0, 40.0)
    turns = figure(
        (lean * 0.3, 0, 0),
        (lean * 0.7, float(rng.normal(0, 8)), 0.0),
        (float(rng.normal(5, 12)), float(rng.normal(0, 15)), 0.0),
        (_arm(rng, 10, *arm), _arm(rng, 10, *arm)),
        (_leg(rng, 3, *front), _leg(rng, 3, *rear)),
    )
    return grounded(skeleton, turns)


def bending(rng: Generator, skeleton: Skeleton, knees: float | None = None) -> Pose:
    """Bent at the hip, hands low; `knees` degrees of help from the knees (drawn if None)."""
    lean = float(rng.uniform(50, 95))
    knee = float(rng.uniform(0, 55)) if knees is None else knees
    pitch = 0.55 * lean
    arm = (lean * 0.75 + 5, 6.0, 0.0, 15.0)
    leg = (pitch + knee * 0.6, 5.0, 5.0, knee, 0.4 * knee * -1.0)
    turns = figure(
        (pitch, 0, 0),
        (0.6 * lean, float(rng.normal(0, 8)), 0.0),
        (float(rng.normal(-10, 12)), float(rng.normal(0, 12)), 0.0),
        (_arm(rng, 8, *arm), _arm(rng, 8, *arm)),
        (_leg(rng, 2, *leg), _leg(rng, 2, *leg)),
    )
    pose = grounded(skeleton, turns)
    back = -0.13 * np.sin(np.radians(lean)) * skeleton.hip_m
    return Pose(pose.turns, pose.root + np.array([0.0, 0.0, back]))


def all_fours(rng: Generator, skeleton: Skeleton) -> Pose:
    """Hands and knees on the floor."""
    pitch = float(rng.uniform(70, 85))
    arm = (pitch, 4.0, 0.0, float(rng.uniform(5, 25)))
    leg = (pitch + float(rng.normal(0, 6)), 4.0, 0.0, 85.0, 50.0)
    head = (float(rng.normal(-30, 15)), float(rng.normal(0, 10)), 0.0)
    turns = figure((pitch, 0, 0), (6.0, 0, 0), head, (arm, arm), (leg, leg))
    return grounded(skeleton, turns)


def floor_sitting(rng: Generator, skeleton: Skeleton) -> Pose:
    """On the floor: legs stretched, crossed or drawn up; hands behind or in the lap."""
    leg = (
        (78.0, 8.0, 10.0, 8.0, 30.0),
        (95.0, 32.0, 35.0, 115.0, 20.0),
        (138.0, 8.0, 0.0, 118.0, 10.0),
    )[int(rng.integers(3))]
    lean = float(rng.uniform(-18, 22))
    arm = (-35.0, 14.0, 20.0, 5.0) if lean < -4 else (45.0, 4.0, -25.0, 50.0)
    turns = figure(
        (lean * 0.5, 0, 0),
        (lean * 0.5 + 8, float(rng.normal(0, 6)), 0.0),
        (float(rng.normal(8, 10)), float(rng.normal(0, 15)), 0.0),
        (_arm(rng, 6, *arm), _arm(rng, 6, *arm)),
        (_leg(rng, 5, *leg), _leg(rng, 5, *leg)),
    )
    return grounded(skeleton, turns)


def lying(rng: Generator, skeleton: Skeleton, roll: float | None = None, tidy: bool = True) -> Pose:
    """On the floor or a bed, head towards -Z; roll 0 on the back, +-90 on a side, 180 face down.

    tidy: as one lies down to rest; otherwise as one comes to lie.
    """
    if roll is None:
        choice = rng.choice((0.0, 80.0, -80.0, 180.0), p=(0.5, 0.2, 0.2, 0.1))
        roll = float(choice) + float(rng.normal(0, 7))
    spread = 7.0 if tidy else 22.0
    on_side, face_down = 45 < abs(roll) < 135, abs(roll) >= 135
    if face_down:
        spread = 0.4 * spread
        leg = (-2.0, 8.0, 8.0, 5.0, 60.0)
        arm = (-8.0, 20.0, 0.0, 4.0) if rng.random() < 0.4 else (166.0, 24.0, 0.0, 8.0)
    elif on_side:
        leg, arm = (42.0, 0.0, 0.0, 55.0, 25.0), (45.0, 0.0, -10.0, 60.0)
    else:
        leg, arm = (4.0, 7.0, 14.0, 6.0, 35.0), (8.0, 18.0, 0.0, 25.0)
    legs, arms = [_leg(rng, spread, *leg) for _ in SIDES], [_arm(rng, spread, *arm) for _ in SIDES]
    if not (on_side or face_down) and rng.random() < 0.4:
        legs[int(rng.integers(2))] = _leg(rng, 6, 45.0, 6.0, 6.0, 85.0, 10.0)
    if not (on_side or face_down) and rng.random() < 0.35:
        arms[int(rng.integers(2))] = _arm(rng, 6, 25.0, 10.0, -40.0, 95.0)
    turns = figure(
        UPRIGHT,
        (float(rng.normal(4, 4)), float(rng.normal(0, 5)), 0.0),
        (float(rng.normal(8, 8)), float(rng.normal(0, 20)), 0.0),
        (arms[0], arms[1]),
        (legs[0], legs[1]),
    )
    down = chain(about(0, -90.0), about(1, roll))
    return grounded(skeleton, np.asarray(rotation.multiply(down, turns)))
