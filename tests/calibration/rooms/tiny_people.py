# SPDX-License-Identifier: Apache-2.0
"""A person of capsules and a few motions: everything that bodies are for, without any asset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.rooms import rotation
from calibration.rooms.body import ATTRIBUTES, Body, Style
from calibration.rooms.mesh import Mesh, Surface, vertex_normals
from calibration.rooms.motion import RATE_HZ, Motion
from calibration.rooms.skeleton import BONES, HAND_L, HEAD, Capsules, Skeleton

# Half a person, in metres for a height of 1.75; the right side is its mirror image.
JOINTS = {
    "pelvis": (0, 0.95, 0),
    "spine": (0, 1.08, 0),
    "chest": (0, 1.25, 0),
    "head": (0, 1.5, 0),
    "upper_arm_l": (0.17, 1.42, 0),
    "forearm_l": (0.45, 1.42, 0),
    "hand_l": (0.69, 1.42, 0),
    "thigh_l": (0.09, 0.91, 0),
    "calf_l": (0.09, 0.49, 0),
    "foot_l": (0.09, 0.07, 0),
}
# bone -> (end from the joint, radius)
LIMBS = {
    "pelvis": ((0, 0.06, 0), 0.13),
    "spine": ((0, 0.12, 0), 0.12),
    "chest": ((0, 0.15, 0), 0.13),
    "head": ((0, 0.15, 0.02), 0.1),
    "upper_arm_l": ((0.28, 0, 0), 0.05),
    "forearm_l": ((0.24, 0, 0), 0.04),
    "hand_l": ((0.12, 0, 0), 0.03),
    "thigh_l": ((0, -0.42, 0), 0.07),
    "calf_l": ((0, -0.42, 0), 0.05),
    "foot_l": ((0, -0.03, 0.15), 0.04),
}


def tiny_body(number: int = 0, height_m: float = 1.75) -> Body:
    """One of any height; numbers differ in nothing but the number."""
    scale = height_m / 1.75
    joints = np.array([_sided(JOINTS, bone) for bone in BONES]) * scale
    ends = np.array([[(0, 0, 0), _sided(LIMBS, bone, 0)] for bone in BONES]) * scale
    radius = np.array([_limb(bone)[1] for bone in BONES]) * scale
    capsules = Capsules(np.arange(len(BONES), dtype=np.uint8), ends.astype(float), radius)
    near = _mesh(joints, capsules, around=12)
    return Body(
        id=number,
        sex="f",
        age_years=40.0,
        height_m=height_m,
        weight_kg=70.0,
        build=0.0,
        clothing="tights",
        attributes=np.zeros(len(ATTRIBUTES), np.float32),
        skeleton=Skeleton.of(joints, capsules),
        near=near,
        far=_mesh(joints, capsules, around=6),
        style=Style("tiny_walk", 1.0, 0.05, 0.3, 0.3),
    )


def _limb(bone: str) -> tuple[tuple[float, float, float], float]:
    return LIMBS[bone if bone in LIMBS else f"{bone[:-1]}l"]


def _sided(table: dict[str, tuple], bone: str, part: int | None = None) -> NDArray[np.float64]:
    entry = table[bone if bone in table else f"{bone[:-1]}l"]
    place = np.array(entry if part is None else entry[part], float)
    return place * (-1, 1, 1) if bone.endswith("_r") else place


def _mesh(joints: NDArray[np.float64], shape: Capsules, around: int) -> Mesh:
    parts = []
    for bone in range(len(BONES)):
        surface = capsule(*(joints[bone] + shape.ends[bone]), shape.radius[bone], around)
        count = len(surface.vertices)
        bones, weights = np.zeros((count, 4), np.uint8), np.zeros((count, 4), np.float32)
        bones[:, 0], weights[:, 0] = bone, 1
        shade = np.full(count, 0.7 if bone in (HEAD, HAND_L) else 0.35, np.float32)
        parts.append(
            Mesh(surface.vertices, surface.normals, shade, shade, surface.faces, bones, weights)
        )
    return _joined(parts)


def _joined(meshes: list[Mesh]) -> Mesh:
    """One mesh of many that share a skeleton, at least one."""
    before = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.albedo for mesh in meshes]),
        np.concatenate([mesh.infrared for mesh in meshes]),
        np.concatenate([m.faces + int(b) for m, b in zip(meshes, before, strict=False)]).astype(
            np.int32
        ),
        np.concatenate([mesh.bones for mesh in meshes]),
        np.concatenate([mesh.weights for mesh in meshes]),
    )


def capsule(start, end, radius: float, around: int = 8) -> Surface:
    """From `start` to `end`, closed, of 2 around (around / 2 + 1) triangles and some."""
    axis = rotation.between((0, 1, 0), np.subtract(end, start))
    rings = max(2, around // 4)
    angle = 2 * np.pi * np.arange(around) / around
    circle = np.stack([np.sin(angle), np.zeros(around), np.cos(angle)], axis=1)
    points = []
    for centre, rise in (
        (start, np.linspace(-np.pi / 2, 0, rings + 1)),
        (end, np.linspace(0, np.pi / 2, rings + 1)),
    ):
        for tilt in rise:
            ring = circle * np.cos(tilt) + (0, np.sin(tilt), 0)
            points.append(rotation.rotate(axis, ring * radius) + centre)
    count = len(points)
    grid = np.arange(count * around).reshape(count, around)
    a, b = grid[:-1], np.roll(grid, -1, axis=1)[:-1]
    c, d = np.roll(grid, -1, axis=1)[1:], grid[1:]
    faces = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    ).astype(np.int32)
    vertices = np.ascontiguousarray(np.concatenate(points), np.float32)
    return Surface(vertices, vertex_normals(vertices, faces), faces, np.zeros(len(faces), np.int32))


def tiny_motions() -> dict[str, Motion]:
    """By name: one still, one that walks, one that sits down, one that gets up from the back."""
    return {
        f"tiny_{name}": Motion(f"tiny_{name}", role, *_keys(keys), loops, speed, ground)
        for name, role, keys, loops, speed, ground in (
            ("idle", "idle", [(STAND, 0.96), (STAND, 0.96)], True, 0.0, "clip"),
            ("walk", "walk", STRIDE, True, 1.2, "clip"),
            ("sit", "sit_down", [(STAND, 0.96), (SIT, 0.5)], False, 0.0, "clip"),
            (
                "rise",
                "get_up_back",
                [(SUPINE, 0.12), (SIT, 0.2), (STAND, 0.96)],
                False,
                0.0,
                "frame",
            ),
        )
    }


def _pose(**turned: tuple[float, float, float]) -> NDArray[np.float64]:
    """Rotation vectors by bone, arms hanging unless they are named."""
    turns = np.tile(rotation.IDENTITY, (len(BONES), 1))
    for bone, name in enumerate(BONES):
        if name.startswith(("upper_arm", "forearm", "hand")):
            side = -1 if name.endswith("_l") else 1
            turns[bone] = rotation.from_vector((0, 0, side * (np.pi / 2 - 0.15)))
    for name, vector in turned.items():
        bone = BONES.index(name)
        turns[bone] = rotation.multiply(rotation.from_vector(vector), turns[bone])
    return turns


STAND = _pose()
SIT = _pose(thigh_l=(-1.5, 0, 0), thigh_r=(-1.5, 0, 0))
SUPINE = rotation.multiply(rotation.from_vector((-np.pi / 2, 0, 0)), _pose())
# A leg ahead and the other behind; then that one swings past, bent.
_LEFT = _pose(thigh_l=(-0.5, 0, 0), calf_l=(-0.1, 0, 0), thigh_r=(0.35, 0, 0), calf_r=(0.45, 0, 0))
_RIGHT = _pose(thigh_r=(-0.5, 0, 0), calf_r=(-0.1, 0, 0), thigh_l=(0.35, 0, 0), calf_l=(0.45, 0, 0))
_ON_LEFT = _pose(thigh_r=(-0.4, 0, 0), calf_r=(0.8, 0, 0))
_ON_RIGHT = _pose(thigh_l=(-0.4, 0, 0), calf_l=(0.8, 0, 0))
STRIDE = [(_LEFT, 0.93), (_ON_LEFT, 0.96), (_RIGHT, 0.93), (_ON_RIGHT, 0.96), (_LEFT, 0.93)]


def _keys(keys: list[tuple[NDArray[np.float64], float]]) -> tuple[NDArray, NDArray]:
    """Poses and heights, half a second apart -> turns and root at RATE_HZ."""
    steps = RATE_HZ // 2
    moment = np.arange((len(keys) - 1) * steps + 1) / steps
    before = np.minimum(moment.astype(int), len(keys) - 2)
    poses = np.array([pose for pose, _ in keys])
    turns = rotation.slerp(poses[before], poses[before + 1], (moment - before)[:, None])
    height = np.interp(moment, np.arange(len(keys)), [height for _, height in keys])
    root = np.stack([0 * height, height, 0 * height], axis=1)
    return turns.astype(np.float32), root.astype(np.float32)
