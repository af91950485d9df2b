# SPDX-License-Identifier: Apache-2.0
"""Floor points, directions and time along a way: what walking is measured by.

Floor points are (x, z) in metres; a yaw turns about the vertical, 0 looks along +Z.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration.rooms.track import RATE_HZ, STEP_S

Array = npt.NDArray[np.float64]

TURNING = 3.2  # rad/s that a walking person turns at most


def smooth(share: Array) -> Array:
    """0..1 -> 0..1, starting and stopping without a jerk."""
    return np.asarray(share * share * (3 - 2 * share))


def steps_of(seconds: float) -> int:
    """Whole steps, at least one."""
    return max(1, round(seconds * RATE_HZ))


def ahead(yaw: float) -> Array:
    """The direction (x, z) that somebody faces."""
    return np.array([np.sin(yaw), np.cos(yaw)])


def yaw_to(start: Array, end: Array) -> float:
    """The yaw of somebody at `start` who looks to `end`, floor points."""
    way = np.asarray(end) - np.asarray(start)
    return float(np.arctan2(way[0], way[1]))


def wrapped(angle: float) -> float:
    """In -pi..pi."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def even(path: Array, stride: float) -> Array:
    """Points (N, 2) every `stride` metres along a path, its corners cut, without its start."""
    legs = np.linalg.norm(np.diff(path, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(legs)])
    count = max(1, round(along[-1] / stride))
    reach = along[-1] * (np.arange(count) + 1) / count
    points = np.stack([np.interp(reach, along, path[:, k]) for k in (0, 1)], axis=-1)
    if count > 6:
        kernel = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
        padded = np.concatenate([points[:1], points[:1], points, points[-1:], points[-1:]])
        points = np.stack([np.convolve(padded[:, k], kernel, "valid") for k in (0, 1)], axis=-1)
    return points


def headings(points: Array, start: Array, yaw: float, *, backward: bool) -> Array:
    """Yaw (N,) of who goes from `start` along points (N, 2), turning no faster than people do."""
    way = np.diff(points, axis=0, prepend=start[None])
    wanted = np.arctan2(way[:, 0], way[:, 1]) + (np.pi if backward else 0.0)
    yaws = np.empty(len(points))
    for k, goal in enumerate(wanted):
        error = wrapped(float(goal) - yaw)
        yaw += float(np.clip(error, -TURNING * STEP_S, TURNING * STEP_S)) if k else 0.6 * error
        yaws[k] = yaw
    return yaws
