# SPDX-License-Identifier: Apache-2.0
"""Sixteen bones: where joints are, how a mesh follows them, how low the body reaches.

Turns are global and relative to the T-pose: identity everywhere is a person with arms stretched
out, facing +Z. N steps in time, Q capsules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.rooms import rotation

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]

BONES = (
    *("pelvis", "spine", "chest", "head"),
    *("upper_arm_l", "forearm_l", "hand_l", "upper_arm_r", "forearm_r", "hand_r"),
    *("thigh_l", "calf_l", "foot_l", "thigh_r", "calf_r", "foot_r"),
)
PARENT = (-1, 0, 1, 2, 2, 4, 5, 2, 7, 8, 0, 10, 11, 0, 13, 14)
B = len(BONES)
PELVIS, SPINE, CHEST, HEAD = range(4)
UPPER_ARM_L, FOREARM_L, HAND_L, UPPER_ARM_R, FOREARM_R, HAND_R = range(4, 10)
THIGH_L, CALF_L, FOOT_L, THIGH_R, CALF_R, FOOT_R = range(10, 16)

# Where a limb points in the T-pose, and the joint at its end.
LEFT, DOWN = np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0])
LIMBS = (
    *((UPPER_ARM_L, FOREARM_L, LEFT), (FOREARM_L, HAND_L, LEFT)),
    *((UPPER_ARM_R, FOREARM_R, -LEFT), (FOREARM_R, HAND_R, -LEFT)),
    *((THIGH_L, CALF_L, DOWN), (CALF_L, FOOT_L, DOWN)),
    *((THIGH_R, CALF_R, DOWN), (CALF_R, FOOT_R, DOWN)),
)


def align(joints: F8) -> F8:
    """joints (16, 3) of a person at rest in any pose -> turns (16, 4) into the T-pose.

    Limbs are brought to their directions of the T-pose, hands follow their forearms; trunk, head
    and feet stay as they are.
    """
    turns = np.tile(rotation.IDENTITY, (B, 1))
    for bone, end, direction in LIMBS:
        turns[bone] = rotation.between(joints[end] - joints[bone], direction)
    turns[HAND_L], turns[HAND_R] = turns[FOREARM_L], turns[FOREARM_R]
    return turns


@dataclass(frozen=True, slots=True, eq=False)
class Capsules:
    """A body's coarse shape, for the ground and for physics."""

    bone: NDArray[np.uint8]  # (Q,)
    ends: F8  # (Q, 2, 3) metres from the bone's joint, in the T-pose
    radius: F8  # (Q,) metres


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """One body's bones."""

    joints: F8  # (16, 3) metres, where the mesh at rest has them
    align: F8  # (16, 4) from the mesh at rest into the T-pose
    offsets: F8  # (16, 3) from the parent's joint, in the T-pose
    hip_m: float  # height of the pelvis in the T-pose
    capsules: Capsules

    @classmethod
    def of(cls, joints: F8, capsules: Capsules) -> Skeleton:
        """From where a mesh at rest, its soles at height 0, has its joints."""
        turns = align(joints)
        offsets = np.zeros((B, 3))
        for bone in range(1, B):
            parent = PARENT[bone]
            offsets[bone] = rotation.rotate(turns[parent], joints[bone] - joints[parent])
        return cls(joints, turns, offsets, float(joints[PELVIS, 1]), capsules)

    def places(self, turns: F8, root: F8) -> F8:
        """turns (N, 16, 4), root (N, 3), the pelvis -> joints (N, 16, 3)."""
        reach = rotation.rotate(turns[:, PARENT[1:]], self.offsets[1:])
        places = np.empty((len(turns), B, 3))
        places[:, PELVIS] = root
        for bone in range(1, B):
            places[:, bone] = places[:, PARENT[bone]] + reach[:, bone - 1]
        return places

    def matrices(self, turns: F8, root: F8) -> F4:
        """turns (N, 16, 4), root (N, 3) -> (N, 16, 3, 4): from the mesh at rest into the world."""
        whole = rotation.multiply(turns, self.align)
        shift = self.places(turns, root) - rotation.rotate(whole, self.joints)
        moved = np.concatenate([rotation.matrix(whole), shift[..., None]], axis=-1)
        return np.ascontiguousarray(moved, np.float32)

    def lowest(self, turns: F8, root: F8) -> F8:
        """turns (N, 16, 4), root (N, 3) -> (N,) height of the lowest point of any capsule."""
        shape = self.capsules
        height = self.places(turns, root)[:, shape.bone, 1]
        ends = rotation.rotate(turns[:, shape.bone, None], shape.ends)[..., 1]
        low: F8 = (height + ends.min(axis=-1) - shape.radius).min(axis=-1)
        return low
