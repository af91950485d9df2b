# SPDX-License-Identifier: Apache-2.0
"""Arms and legs that reach a point: two bones and the law of cosines, for many steps at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration.rooms import rotation
from calibration.rooms.skeleton import BONES, Skeleton

Array = npt.NDArray[np.float64]

BONE = {name: index for index, name in enumerate(BONES)}


def reach(
    skeleton: Skeleton, turns: Array, root: Array, side: str, target: Array, weight: Array | float
) -> None:
    """Bend one arm, in place, so that its palm comes to `target` (N, 3) as far as it can.

    turns (N, 16, 4), root (N, 3); weight 0..1, a number or (N,): how much of the reach is done.
    """
    sign = 1.0 if side == "l" else -1.0
    names = [BONE[f"{part}_{side}"] for part in ("upper_arm", "forearm", "hand")]
    chest = turns[:, BONE["chest"]]
    pole = rotation.rotate(chest, np.array([sign * 0.6, -1.0, -0.2]))
    axis, hinge = np.array([sign, 0.0, 0.0]), np.array([0.0, -sign, 0.0])
    palm = 0.06
    _limb(skeleton, turns, root, names, target, pole, axis, hinge, palm, weight)


def plant(skeleton: Skeleton, turns: Array, root: Array, side: str, ankle: Array) -> None:
    """Bend one leg, in place, so that its ankle comes to `ankle` (N, 3); the foot stays level."""
    names = [BONE[f"{part}_{side}"] for part in ("thigh", "calf", "foot")]
    foot = np.array(turns[:, names[2]])
    pelvis = turns[:, BONE["pelvis"]]
    ahead = rotation.rotate(pelvis, np.array([0.0, 0.0, 1.0]))
    level = np.arctan2(ahead[:, 0], ahead[:, 2])
    pole = np.stack([np.sin(level), np.full_like(level, 0.3), np.cos(level)], axis=-1)
    axis, hinge = np.array([0.0, -1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    _limb(skeleton, turns, root, names, ankle, pole, axis, hinge, 0.0, 1.0)
    turns[:, names[2]] = foot


def _limb(
    skeleton: Skeleton,
    turns: Array,
    root: Array,
    names: list[int],
    target: Array,
    pole: Array,
    axis: Array,
    hinge: Array,
    beyond: float,
    weight: Array | float,
) -> None:
    """Two bones towards a target by the law of cosines; the middle joint points to the pole."""
    first = skeleton.places(turns, root)[:, names[0]]
    upper = float(np.linalg.norm(skeleton.offsets[names[1]]))
    lower = float(np.linalg.norm(skeleton.offsets[names[2]])) + beyond
    way = target - first
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    along = way / np.maximum(length, 1e-6)
    far = np.clip(length, abs(upper - lower) + 0.03, 0.995 * (upper + lower))
    cosine = np.clip((upper**2 + far**2 - lower**2) / (2 * upper * far), -1, 1)
    outward = pole - (pole * along).sum(-1, keepdims=True) * along
    outward /= np.maximum(np.linalg.norm(outward, axis=-1, keepdims=True), 1e-6)
    middle = first + upper * (cosine * along + np.sqrt(1 - cosine**2) * outward)
    end = first + far * along
    normal = np.cross(outward, along)  # the hinge turns `along` towards the pole and back
    share = np.broadcast_to(np.asarray(weight, np.float64), length[:, 0].shape)
    for name, start, stop in ((names[0], first, middle), (names[1], middle, end)):
        wanted = _framed(axis, hinge, stop - start, normal)
        turns[:, name] = rotation.slerp(turns[:, name], wanted, share)
    turns[:, names[2]] = rotation.slerp(turns[:, names[2]], turns[:, names[1]], share)


def _framed(axis: Array, hinge: Array, direction: Array, normal: Array) -> Array:
    """Turns (N, 4) that bring `axis` (3,) to direction (N, 3) and `hinge` (3,) near to normal."""
    x = direction / np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-9)
    y = normal - (normal * x).sum(-1, keepdims=True) * x
    y /= np.maximum(np.linalg.norm(y, axis=-1, keepdims=True), 1e-9)
    there = np.stack([x, y, np.cross(x, y)], axis=-1)
    here = np.stack([axis, hinge, np.cross(axis, hinge)], axis=0)
    return np.asarray(rotation.from_matrix(np.einsum("nij,jk->nik", there, here)))
