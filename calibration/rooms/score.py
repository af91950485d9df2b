# SPDX-License-Identifier: Apache-2.0
"""From recordings to motions that a script may ask for: what loops, how fast, on which ground."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.rooms import assets, deepmimic, glb, rotation, splits
from calibration.rooms.errors import AssetError
from calibration.rooms.glb import Recording
from calibration.rooms.motion import RATE_HZ, Motion
from calibration.rooms.skeleton import CALF_L, CALF_R, DOWN, THIGH_L, THIGH_R

F8 = NDArray[np.float64]

PREFIX = "dm_"  # of DeepMimic's names in splits.py
LOOPING = (
    *("walk", "run", "idle", "talk", "sit", "sit_talk", "crouch", "crawl", "lie", "meditate"),
    *("push", "exercise", "play", "defend", "kneel", "tired", "dizzy", "angry"),
)
MOVING = ("walk", "run", "crawl")
ON_THE_FLOOR = ("crawl", "get_up_back", "get_up_front", "lie", "meditate", "kneel")
CLOSED_RAD = 0.35  # a loop whose ends are further apart would jump
DRIFT = 0.3  # heights of the pelvis: a motion that gets further than that was not made on the spot
JOIN_FRAMES = 4  # that bring an open loop back to its start
THIGH, CALF = 0.45, 0.45  # lengths in heights of the pelvis


def motions(folder: Path) -> Iterator[Motion]:
    """Every motion that splits.py knows, from the assets in `folder`. Raises AssetError."""
    wanted = splits.every_motion()
    found = {
        recording.name: recording
        for name in assets.MESH2MOTION
        for recording in glb.recordings(assets.find(folder, name))
    }
    for name, role in wanted.items():
        if name.startswith(PREFIX):
            path = assets.find(folder, assets.DEEPMIMIC.format(name.removeprefix(PREFIX)))
            yield canonical(deepmimic.recording(path, name), role)
        elif name in found:
            yield canonical(found[name], role)
        else:
            raise AssetError(f"no animation is called {name!r}")


def canonical(recording: Recording, role: str) -> Motion:
    """A recording as its role wants it."""
    turns, root = recording.turns, recording.root - recording.root[0] * np.array([1.0, 0.0, 1.0])
    speed = 0.0
    if role in MOVING:
        speed = _speed(turns, root)
        root = _in_place(root)
    loops = role in LOOPING and (role in MOVING or _gap(turns, root) < CLOSED_RAD)
    if loops and _gap(turns, root) > CLOSED_RAD / 4:
        turns, root = _joined(turns, root)
    return Motion(
        name=recording.name,
        role=role,
        turns=turns.astype(np.float32),
        root=root.astype(np.float32),
        loops=loops,
        speed=speed,
        ground="frame" if role in ON_THE_FLOOR else "clip",
    )


def _gap(turns: F8, root: F8) -> float:
    """Between the first frame and the last: the largest angle, or how far the pelvis is off."""
    apart = rotation.multiply(turns[-1], rotation.inverse(turns[0]))
    angle = np.sqrt(np.sum(rotation.to_vector(apart) ** 2, axis=-1))
    return max(float(angle.max()), float(np.abs(root[-1] - root[0]).max()))


def _in_place(root: F8) -> F8:
    """Without what it gets ahead, or aside, from start to end."""
    share = np.linspace(0, 1, len(root))[:, None]
    still: F8 = root - share * (root[-1] - root[0]) * np.array([1.0, 0.0, 1.0])
    return still


def _joined(turns: F8, root: F8) -> tuple[F8, F8]:
    """With a few frames more, that lead from the last one to the first."""
    share = np.arange(1, JOIN_FRAMES + 1) / JOIN_FRAMES
    back = rotation.slerp(turns[-1], turns[0], share[:, None])
    down = root[-1] + (root[0] - root[-1]) * share[:, None]
    return np.concatenate([turns, back]), np.concatenate([root, down])


def _speed(turns: F8, root: F8) -> float:
    """Forward, in heights of the pelvis per second.

    Of a motion on the spot: how fast the foot that carries, the lower one, goes back.
    """
    seconds = (len(root) - 1) / RATE_HZ
    ahead = float(root[-1, 2] - root[0, 2])
    if ahead > DRIFT:
        return ahead / seconds
    feet = np.stack(
        [
            rotation.rotate(turns[:, thigh], THIGH * DOWN)
            + rotation.rotate(turns[:, calf], CALF * DOWN)
            for thigh, calf in ((THIGH_L, CALF_L), (THIGH_R, CALF_R))
        ]
    )
    backward = -np.diff(feet[..., 2], axis=1) * RATE_HZ
    carries = feet[:, 1:, 1].argmin(axis=0)
    return float(np.median(np.take_along_axis(backward, carries[None], axis=0)))
