# SPDX-License-Identifier: Apache-2.0
"""Where the cameras of a moment hang, so that what matters can be seen.

T sampled steps, P persons, 16 joints each. A draw is a place on a wall, in a corner, on a shelf or
on the ceiling, a lens and a direction; it is kept if enough of the persons lies in the picture and
nothing of the room stands before them.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from calibration.rooms.errors import NoFit
from calibration.rooms.fittings import Room
from calibration.rooms.view import HEIGHT, WIDTH, Camera, look_at, project

Floats = npt.NDArray[np.floating]

MODES = {"corner": 0.42, "wall": 0.26, "shelf": 0.18, "ceiling": 0.14}
DRAWS = 40
SEEN = 0.6  # mean share of the joints of who matters
TALL = 0.12  # of the picture's height, at least, who matters must be on the mean
LARGE = 0.9  # and at most: nobody hangs a camera to see knees
BLOCKED = 0.35  # of the picture, at most, may be nearer than
NEAR_M = 0.55  # this: else the camera stares at a cupboard
THICK_M = 0.25  # a joint lies inside of a body: what is nearer by more hides it
APART_M = 0.8  # between two cameras
ASPECTS = (4 / 3, 4 / 3, 16 / 9, 16 / 9, 5 / 4)


class Glances(Protocol):
    """What is asked of the stage: depth (32, 40) of the room with its doors, curtains, wheels."""

    def glance(self, camera: Camera) -> npt.NDArray[np.float32]:
        """Metres along the axis, infinite where there is nothing."""


def place(
    rng: np.random.Generator,
    stage: Glances,
    room: Room,
    joints: Floats,
    important: npt.NDArray[np.bool_],
    number: int,
) -> tuple[Camera, ...]:
    """`number` cameras for joints (T, P, 16, 3), of whom important (T, P) must be seen.

    Raises NoFit if a camera cannot be found that sees SEEN of them.
    """
    found: list[Camera] = []
    focus = _focus(room, joints, important)
    for _ in range(DRAWS):
        camera = _draw(rng, room, focus)
        apart = all(math.dist(camera.position, other.position) > APART_M for other in found)
        if apart and _good(stage, camera, joints, important):
            found.append(camera)
        if len(found) == number:
            return tuple(found)
    raise NoFit(f"{len(found)} of {number} cameras would see what happens")


def seen(depth: npt.NDArray[np.float32], camera: Camera, joints: Floats) -> npt.NDArray[np.bool_]:
    """Which joints (..., 3) are in the picture, nothing of the room before them.

    depth (H, W) of any size: what `camera` glances.
    """
    rows, columns = depth.shape
    x, y, away = np.moveaxis(project(camera, joints), -1, 0)
    inside = (away > 0) & (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
    column = np.clip(np.nan_to_num(x) * columns / WIDTH, 0, columns - 1).astype(np.intp)
    row = np.clip(np.nan_to_num(y) * rows / HEIGHT, 0, rows - 1).astype(np.intp)
    return np.asarray(inside & (away < depth[row, column] + THICK_M))


def _good(stage: Glances, camera: Camera, joints: Floats, important: npt.NDArray[np.bool_]) -> bool:
    depth = stage.glance(camera)
    if (depth < NEAR_M).mean() > BLOCKED:
        return False
    if not important.any():
        return True
    who = joints[important]  # (M, 16, 3)
    if seen(depth, camera, who).mean() < SEEN:
        return False
    points = project(camera, who)
    spans = np.ptp(points[..., :2], axis=1) / (WIDTH, HEIGHT)
    return bool(TALL <= spans.max(axis=1).mean() <= LARGE)


def _focus(room: Room, joints: Floats, important: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The middle of what matters; else of everybody in the room; else of the room."""
    who = joints[important] if important.any() else joints.reshape(-1, 16, 3)
    middle = who.mean(axis=1) if len(who) else np.zeros((0, 3))
    half = np.array(room.size[:2]) / 2
    inside = middle[(np.abs(middle[:, [0, 2]]) < half).all(axis=1)]
    return np.asarray(inside.mean(axis=0) if len(inside) else np.array([0.0, 0.8, 0.0]))


def _draw(rng: np.random.Generator, room: Room, focus: npt.NDArray[np.float64]) -> Camera:
    mode = str(rng.choice(list(MODES), p=list(MODES.values())))
    position = _position(rng, room, mode)
    aspect = float(rng.choice(ASPECTS))
    roll = float(rng.normal(0, 0.025))
    if mode == "ceiling":
        target = position + np.array([rng.normal(0, 0.3), -1.5, rng.normal(0, 0.3)])
        if rng.random() < 0.6:
            target = focus + rng.normal(0, 0.2, 3)
        width = math.radians(float(rng.uniform(80, 125)))
        return look_at(
            position, target, width, aspect, float(rng.uniform(-3, 3)), _lens(rng, width)
        )
    target = focus * (0.7, 1.0, 0.7) + rng.normal(0, 0.25, 3)
    width = math.radians(float(rng.uniform(55, 110)))
    if rng.random() < 0.5:  # somebody chose the lens for the place
        away = max(0.5, math.dist(position, focus))
        width = 2 * math.atan(float(rng.uniform(2.0, 4.5)) / 2 / away)
        width = min(max(width, math.radians(35)), math.radians(115))
    return look_at(position, target, width, aspect, roll, _lens(rng, width))


def _lens(rng: np.random.Generator, width_rad: float) -> float:
    """Narrow lenses draw straight lines, wide ones bend them."""
    straight = rng.random() < 0.4 or width_rad < math.radians(60)
    return 1.0 if straight and width_rad < 2.1 else float(rng.uniform(0.45, 0.9))


def _position(rng: np.random.Generator, room: Room, mode: str) -> npt.NDArray[np.float64]:
    w, d, h = room.size
    x, z = w / 2 - 0.1, d / 2 - 0.1
    if mode == "corner":
        sides = rng.choice((-1, 1), 2)
        return np.array([sides[0] * x, h - rng.uniform(0.08, 0.4), sides[1] * z])
    if mode == "ceiling":
        return np.array([rng.uniform(-0.3, 0.3) * w, h - 0.06, rng.uniform(-0.3, 0.3) * d])
    height = rng.uniform(1.6, h - 0.1) if mode == "wall" else rng.uniform(0.8, 1.6)
    along = rng.uniform(-0.85, 0.85)
    side = int(rng.integers(4))
    if side % 2:
        return np.array([(side - 2) * x, height, along * z])
    return np.array([along * x, height, (side - 1) * z])
