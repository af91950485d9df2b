# SPDX-License-Identifier: Apache-2.0
"""Motions of DeepMimic's humanoid: a JSON table of joint rotations, one row per frame.

A row: duration, root place (3), root rotation (4, w x y z), then by joint a quaternion or, for
elbows and knees, an angle about z, each relative to its parent. X is forward, y up, z to the right;
arms and legs hang down where all rotations are nought.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.rooms import rotation
from calibration.rooms.errors import AssetError
from calibration.rooms.glb import Recording
from calibration.rooms.motion import RATE_HZ
from calibration.rooms.skeleton import BONES, DOWN, LEFT, B

F8 = NDArray[np.float64]

HIP_M = 0.9
# joint: parent, first column, whether it is a hinge
JOINTS = {
    "root": ("", 4, False),
    "chest": ("root", 8, False),
    "neck": ("chest", 12, False),
    "hip_r": ("root", 16, False),
    "knee_r": ("hip_r", 20, True),
    "ankle_r": ("knee_r", 21, False),
    "shoulder_r": ("chest", 25, False),
    "elbow_r": ("shoulder_r", 29, True),
    "hip_l": ("root", 30, False),
    "knee_l": ("hip_l", 34, True),
    "ankle_l": ("knee_l", 35, False),
    "shoulder_l": ("chest", 39, False),
    "elbow_l": ("shoulder_l", 43, True),
}
CARRIED = {
    "pelvis": "root",
    "chest": "chest",
    "head": "neck",
    **{
        f"{bone}_{side}": f"{joint}_{side}"
        for side in "lr"
        for bone, joint in (
            ("upper_arm", "shoulder"),
            ("forearm", "elbow"),
            ("hand", "elbow"),
            ("thigh", "hip"),
            ("calf", "knee"),
            ("foot", "ankle"),
        )
    },
}
# Their x forward, y up, z right become our z, y and -x: a quarter turn about y.
TO_OURS = rotation.yaw(-np.pi / 2)


def recording(path: Path, name: str) -> Recording:
    """One motion at RATE_HZ. Raises AssetError."""
    try:
        frames = np.array(json.loads(path.read_text("utf-8"))["Frames"], np.float64)
        return _recording(frames, name)
    except (KeyError, ValueError, IndexError) as error:
        raise AssetError(f"{path} is not the motion that is known here: {error!r}") from error


def _recording(frames: F8, name: str) -> Recording:
    whole: dict[str, F8] = {}
    for joint, (parent, column, hinge) in JOINTS.items():
        local = (
            rotation.from_vector(frames[:, column, None] * np.array([0.0, 0.0, 1.0]))
            if hinge
            else rotation.normalise(frames[:, column : column + 4])
        )
        whole[joint] = rotation.multiply(whole[parent], local) if parent else local
    turns = np.empty((len(frames), B, 4))
    for bone, joint in CARRIED.items():
        turns[:, BONES.index(bone)] = _ours(whole[joint], bone)
    turns[:, BONES.index("spine")] = rotation.slerp(
        turns[:, BONES.index("pelvis")], turns[:, BONES.index("chest")], 0.5
    )
    root = rotation.rotate(TO_OURS, frames[:, 1:4]) / HIP_M
    return _resampled(Recording(name, turns, root), float(frames[0, 0]))


def _ours(turns: F8, bone: str) -> F8:
    """Into our axes, and from hanging arms to arms stretched out."""
    seen = rotation.multiply(rotation.multiply(TO_OURS, turns), rotation.inverse(TO_OURS))
    if bone.startswith(("upper_arm", "forearm", "hand")):
        out = LEFT if bone.endswith("_l") else -LEFT
        return rotation.multiply(seen, rotation.between(out, DOWN))
    return seen


def _resampled(made: Recording, step_s: float) -> Recording:
    last = len(made.turns) - 1
    frame = np.arange(int(last * step_s * RATE_HZ + 1e-6) + 1) / (RATE_HZ * step_s)
    before = np.minimum(frame.astype(np.int64), last - 1)
    share = frame - before
    start, end = made.root[before], made.root[before + 1]
    return Recording(
        made.name,
        rotation.slerp(made.turns[before], made.turns[before + 1], share[:, None]),
        start + (end - start) * share[:, None],
    )
