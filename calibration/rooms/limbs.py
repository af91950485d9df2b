# SPDX-License-Identifier: Apache-2.0
"""A body's coarse shape, measured on its skin: capsules for the ground and for physics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.rooms import rotation
from calibration.rooms.clothes import Piece
from calibration.rooms.skeleton import (
    BONES,
    CHEST,
    FOOT_L,
    FOOT_R,
    HEAD,
    LIMBS,
    PELVIS,
    SPINE,
    Capsules,
    align,
)

F8 = NDArray[np.float64]
Part = list[tuple[F8, F8, float]]  # of one bone: both ends and the radius


def fit_capsules(joints: F8, skin: Piece) -> Capsules:
    """joints (16, 3) of the skin at rest -> one capsule for a limb, one or two across the trunk."""
    turns, leading = align(joints), skin.leading
    ends_of = {bone: end for bone, end, _ in LIMBS}
    parts: list[tuple[int, F8, F8, float]] = []
    for bone in range(len(BONES)):
        local = rotation.rotate(turns[bone], skin.vertices[leading == bone] - joints[bone])
        if bone in ends_of:
            reach = rotation.rotate(turns[bone], joints[ends_of[bone]] - joints[bone])
            found = _limb(local, reach)
        elif bone in (PELVIS, SPINE, CHEST):
            found = _trunk(local)
        elif bone == HEAD:
            found = _head(local)
        elif bone in (FOOT_L, FOOT_R):
            found = _foot(local)
        else:
            found = _hand(local)
        parts += [(bone, *capsule) for capsule in found]
    return Capsules(
        np.array([bone for bone, *_ in parts], np.uint8),
        np.array([(start, end) for _, start, end, _ in parts]),
        np.array([radius for *_, radius in parts]),
    )


def _limb(local: F8, reach: F8) -> Part:
    """Along the bone, as thick as most of it."""
    axis = reach / np.sqrt(np.sum(reach * reach))
    off = local - np.einsum("vi,i->v", local, axis)[:, None] * axis
    radius = float(np.median(np.sqrt(np.sum(off * off, axis=1))))
    return [(np.zeros(3), reach, radius)]


def _box(local: F8) -> tuple[F8, F8]:
    """Without the outermost."""
    low, high = np.percentile(local, [1, 99], axis=0)
    return low, high


def _trunk(local: F8) -> Part:
    """Across, as thick as the trunk is deep; as many, one above the other, as it is high."""
    low, high = _box(local)
    radius = min(float(high[2] - low[2]), float(high[0] - low[0])) / 2
    rows = max(1, round(float(high[1] - low[1]) / (2 * radius)))
    parts = []
    for height in np.linspace(low[1], high[1], 2 * rows + 1)[1::2]:
        row = np.abs(local[:, 1] - height) < radius
        wide = np.percentile(np.abs(local[row, 0]), 97) if row.any() else high[0]
        half = max(float(wide) - radius, 0.0)
        middle = (low[2] + high[2]) / 2
        left, right = (np.array([side * half, height, middle]) for side in (1, -1))
        parts.append((left, right, radius))
    return parts


def _head(local: F8) -> Part:
    """From the neck to the crown; a skull is deeper than wide, and the nose is left out."""
    low, high = local.min(axis=0), local.max(axis=0)
    radius = float(high[0] - low[0] + high[2] - low[2]) / 4
    middle = low[2] + radius
    start, end = (np.array([0, y, middle]) for y in (0.0, high[1] - radius))
    return [(start, end, radius)]


def _foot(local: F8) -> Part:
    """Along the sole, which it touches."""
    low, high = local.min(axis=0), local.max(axis=0)
    radius = 0.4 * float(high[0] - low[0])
    x = (low[0] + high[0]) / 2
    heel, toes = (np.array([x, low[1] + radius, z]) for z in (low[2] + radius, high[2] - radius))
    return [(heel, toes, radius)]


def _hand(local: F8) -> Part:
    """From the wrist to the fingers, whichever side it is."""
    low, high = _box(local)
    far = high[0] if high[0] > -low[0] else low[0]
    radius = float(high[1] - low[1]) / 2
    middle = np.median(local, axis=0)
    end = np.array([far - np.sign(far) * radius, middle[1], middle[2]])
    return [(np.zeros(3), end, radius)]
