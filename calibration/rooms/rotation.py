# SPDX-License-Identifier: Apache-2.0
"""Unit quaternions (..., 4), w x y z, many at a time. q and -q are the same rotation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

F8 = NDArray[np.float64]

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
TINY = 1e-12


def multiply(left: ArrayLike, right: ArrayLike) -> F8:
    """First `right`, then `left`."""
    a, b = np.asarray(left, np.float64), np.asarray(right, np.float64)
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def inverse(q: ArrayLike) -> F8:
    """Back again."""
    return np.asarray(q, np.float64) * (1.0, -1.0, -1.0, -1.0)


def normalise(q: ArrayLike) -> F8:
    """Of length 1; the identity where there is no length."""
    values = np.array(q, np.float64)
    length = np.sqrt(np.sum(values * values, axis=-1, keepdims=True))
    return np.where(length > TINY, values / np.maximum(length, TINY), IDENTITY)


def rotate(q: ArrayLike, vectors: ArrayLike) -> F8:
    """Vectors (..., 3), turned."""
    turn, v = np.asarray(q, np.float64), np.asarray(vectors, np.float64)
    w, axis = turn[..., :1], turn[..., 1:]
    twice = 2.0 * np.cross(axis, v)
    rotated: F8 = v + w * twice + np.cross(axis, twice)
    return rotated


def matrix(q: ArrayLike) -> F8:
    """(..., 3, 3)."""
    w, x, y, z = np.moveaxis(np.asarray(q, np.float64), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def from_matrix(rotations: ArrayLike) -> F8:
    """Of proper rotations (..., 3, 3). Each of the four squares is computed; the largest leads."""
    m = np.asarray(rotations, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    x, y, z = (m[..., i, j] - m[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    xy, xz, yz = (m[..., i, j] + m[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2)))
    columns = np.stack(
        [
            np.stack([1 + xx + yy + zz, x, y, z], axis=-1),
            np.stack([x, 1 + xx - yy - zz, xy, xz], axis=-1),
            np.stack([y, xy, 1 - xx + yy - zz, yz], axis=-1),
            np.stack([z, xz, yz, 1 - xx - yy + zz], axis=-1),
        ],
        axis=-2,
    )
    squares = np.diagonal(columns, axis1=-2, axis2=-1)
    leading = squares.argmax(axis=-1)[..., None, None]
    return normalise(np.take_along_axis(columns, leading, axis=-2)[..., 0, :])


def from_vector(turns: ArrayLike) -> F8:
    """Of rotation vectors (..., 3): axis times angle in radians."""
    v = np.asarray(turns, np.float64)
    half = np.sqrt(np.sum(v * v, axis=-1, keepdims=True)) / 2
    return np.concatenate([np.cos(half), v / 2 * np.sinc(half / np.pi)], axis=-1)


def to_vector(q: ArrayLike) -> F8:
    """Rotation vectors (..., 3) of at most half a turn."""
    turn = np.asarray(q, np.float64)
    turn = np.where(turn[..., :1] < 0, -turn, turn)
    sine = np.sqrt(np.sum(turn[..., 1:] ** 2, axis=-1, keepdims=True))
    angle = 2 * np.arctan2(sine, turn[..., :1])
    scale = np.where(sine > TINY, angle / np.maximum(sine, TINY), 2.0)
    vector: F8 = turn[..., 1:] * scale
    return vector


def yaw(angle: ArrayLike) -> F8:
    """About +Y by angle (...) radians."""
    half = np.asarray(angle, np.float64) / 2
    nought = np.zeros_like(half)
    return np.stack([np.cos(half), nought, np.sin(half), nought], axis=-1)


def between(start: ArrayLike, end: ArrayLike) -> F8:
    """The shortest turn from direction `start` to direction `end`, any lengths, (..., 3)."""
    a, b = (_unit(np.asarray(v, np.float64)) for v in (start, end))
    a, b = np.broadcast_arrays(a, b)
    cosine = np.sum(a * b, axis=-1, keepdims=True)
    opposite = cosine < -1 + 1e-9
    shy = np.where(np.abs(a[..., :1]) < 0.9, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    axis = np.where(opposite, np.cross(a, shy), np.cross(a, b))
    return normalise(np.concatenate([np.where(opposite, 0.0, 1 + cosine), axis], axis=-1))


def _unit(v: F8) -> F8:
    length = np.sqrt(np.sum(v * v, axis=-1, keepdims=True))
    unit: F8 = v / np.maximum(length, TINY)
    return unit


def slerp(start: ArrayLike, end: ArrayLike, share: ArrayLike) -> F8:
    """From `start` (share 0) to `end` (share 1) at even speed, the short way; share (...).

    After Shoemake, "Animating rotation with quaternion curves", 1985.
    """
    a, b = np.broadcast_arrays(np.asarray(start, np.float64), np.asarray(end, np.float64))
    t = np.asarray(share, np.float64)[..., None]
    cosine = np.sum(a * b, axis=-1, keepdims=True)
    b = np.where(cosine < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))
    sine = np.sin(angle)
    close = sine < 1e-6
    sine = np.where(close, 1.0, sine)
    first = np.where(close, 1 - t, np.sin((1 - t) * angle) / sine)
    second = np.where(close, t, np.sin(t * angle) / sine)
    return normalise(first * a + second * b)
