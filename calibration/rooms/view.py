# SPDX-License-Identifier: Apache-2.0
"""A camera: where it stands, which way it looks, how its lens bends.

Images are 160 x 128 pixels, x to the right and y down; pixel (i, j) has its centre at
(j + .5, i + .5). A sensor of another shape is stretched to that, as the daemon stretches it, so
the two focal lengths may differ.

The lens maps a ray at `angle` off the axis to the image radius tan(lens angle) / lens: 1 is the
pinhole, smaller values pull the corners in like a wide lens. It grows with the angle up to more
than 90 degrees for every lens below 1, so nothing folds back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.rooms.errors import RoomsError

WIDTH, HEIGHT = 160, 128
NEAREST_M = 0.03  # what is closer to the camera's plane is not drawn
LENS_STEPS = 4096
WIDEST = 0.3  # the smallest lens

F8 = NDArray[np.float64]
F4 = NDArray[np.float32]
UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """Rows of `rotation` are right, up and forward, so its determinant is -1."""

    position: F8  # (3,) metres
    rotation: F8  # (3, 3)
    focal: tuple[float, float]  # pixels
    centre: tuple[float, float]  # pixels
    lens: float = 1.0

    def __post_init__(self) -> None:
        finite = np.isfinite([*self.position, *self.rotation.ravel(), *self.focal, *self.centre])
        if not finite.all() or min(self.focal) <= 0 or not WIDEST <= self.lens <= 1:
            raise RoomsError(f"no such camera: {self}")


def look_at(
    position: ArrayLike,
    target: ArrayLike,
    width_rad: float,
    aspect: float = WIDTH / HEIGHT,
    roll: float = 0.0,
    lens: float = 1.0,
) -> Camera:
    """A camera at `position` looking at `target`, `width_rad` from the left to the right edge.

    `aspect` is the sensor's own width to height, `roll` turns it clockwise, in radians.
    """
    place = np.asarray(position, np.float64)
    forward = np.asarray(target, np.float64) - place
    forward /= max(float(np.linalg.norm(forward)), 1e-9)
    right = np.cross(forward, UP)
    if np.linalg.norm(right) < 1e-3:
        right = np.array([-1.0, 0.0, 0.0])  # straight up or down: +Z is at the top or the bottom
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    cosine, sine = np.cos(roll), np.sin(roll)
    axes = np.stack([cosine * right - sine * up, cosine * up + sine * right, forward])
    across = WIDTH / 2 * lens / float(np.tan(lens * width_rad / 2))
    down = across * aspect * HEIGHT / WIDTH
    return Camera(place, axes, (across, down), (WIDTH / 2, HEIGHT / 2), lens)


def project(camera: Camera, points: ArrayLike) -> F8:
    """points (..., 3) -> (..., 3): x and y in pixels, depth in metres along the axis.

    What lies behind the camera's plane has a negative depth; its x and y mean nothing.
    """
    away = np.asarray(points, np.float64) - camera.position
    seen = np.einsum("ij,...j->...i", camera.rotation, away)
    distance = np.maximum(np.sqrt(np.sum(seen * seen, axis=-1)), 1e-9)
    depth = seen[..., 2]
    scale = lens_scale(camera.lens, np.maximum(depth, 1e-6) / distance) / distance
    x = camera.centre[0] + camera.focal[0] * seen[..., 0] * scale
    y = camera.centre[1] - camera.focal[1] * seen[..., 1] * scale
    return np.stack([x, y, depth], axis=-1)


def lens_scale(lens: float, cosine: ArrayLike) -> F8:
    """What multiplies a unit ray's sideways part, by the cosine of its angle off the axis."""
    c = np.asarray(cosine, np.float64)
    if lens == 1:
        return 1 / c
    angle = np.arccos(np.clip(c, -1.0, 1.0))
    sine = np.sin(angle)
    scale: F8 = np.where(sine > 1e-6, np.tan(lens * angle) / (lens * np.maximum(sine, 1e-9)), 1.0)
    return scale


def lens_table(lens: float) -> F4 | None:
    """(LENS_STEPS + 1,) `lens_scale` at cosines 0 to 1, for the renderer; None for a pinhole."""
    if lens == 1:
        return None
    return lens_scale(lens, np.linspace(0.0, 1.0, LENS_STEPS + 1)).astype(np.float32)


def rays(camera: Camera, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> F8:
    """(H, W, 3) what one metre of depth is in the world, for the pixels of an image of any size."""
    rows, columns = shape
    x = ((np.arange(columns) + 0.5) * WIDTH / columns - camera.centre[0]) / camera.focal[0]
    y = (camera.centre[1] - (np.arange(rows) + 0.5) * HEIGHT / rows) / camera.focal[1]
    right, up = np.meshgrid(x, y)
    radius = np.hypot(right, up)
    angle = np.minimum(np.arctan(camera.lens * radius) / camera.lens, np.radians(89.5))
    scale = np.where(radius > 1e-9, np.tan(angle) / np.maximum(radius, 1e-12), 1.0)
    ahead = np.stack([right * scale, up * scale, np.ones_like(right)], axis=-1)
    world: F8 = np.einsum("ij,hwi->hwj", camera.rotation, ahead)
    return world
