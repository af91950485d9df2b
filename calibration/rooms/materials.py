# SPDX-License-Identifier: Apache-2.0
"""What a surface sends back: the albedo of a point from its place in the room.

Letters: M points. Nothing is read from a picture. A pattern is arithmetic on the point itself, in
metres, so a floor has the same tiles from every camera. Chance comes from an integer hash of the
cell a point is in: no table, no generator, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Bits = npt.NDArray[np.uint32]

PIXEL_RAD = 1 / 110  # what one pixel of a usual camera sees: finer patterns blur into their mean
GRAIN_PER_M = (3.1, 13.7)  # spots of dirt and wear
JOINT_M = 0.008
# Odd numbers without a pattern in their bits: what the hash multiplies its coordinates by.
ACROSS, ALONG, UP = np.uint32(0x8DA6B343), np.uint32(0xD8163841), np.uint32(0xCB1AB31F)
SALT = 0x9E3779B9
EDGE_DARK, EDGE_M = 0.4, 0.28  # how dark a corner of the room is, and how far it reaches
FOOT_DARK, FOOT_M, FOOT_HIGH_M = 0.5, 0.13, 0.3  # the same about furniture


class Pattern(IntEnum):
    """How a material is laid out."""

    PLAIN = 0
    TILE = 1  # a grid with joints
    PLANK = 2  # rows, each shifted, with joints
    CHECK = 3  # two tones in turn
    STRIPE = 4  # two tones in bands across
    PRINT = 5  # figures of cloth and wallpaper
    RAGGED = 6  # rows of things side by side, each with its own width and tone: books, bottles


@dataclass(frozen=True, slots=True)
class Material:
    """Linear luminance; `infrared` is its albedo under an infrared lamp.

    size: metres of one cell across and along; joint: the other tone, as a share of the albedo;
    spread: how far cells differ; grain: how far spots differ; emission: light of its own.
    """

    albedo: float
    infrared: float
    pattern: Pattern = Pattern.PLAIN
    size: tuple[float, float] = (1.0, 1.0)
    joint: float = 1.0
    spread: float = 0.0
    grain: float = 0.03
    emission: float = 0.0
    salt: int = 0


@dataclass(frozen=True, slots=True)
class Nooks:
    """Where little light comes in: along the edges of the room, about the feet of furniture.

    size: W, D, H of the room; feet: centre x, z, half x, half z, cos and sin of the yaw, and top of
    what stands on the floor (B, 7).
    """

    size: tuple[float, float, float]
    feet: npt.NDArray[np.float64]

    def open(self, points: Floats) -> Floats:
        """Share of the light that reaches points (M, 3)."""
        x, y, z = (points[:, axis].astype(np.float64) for axis in range(3))
        w, d, h = self.size
        walls = np.stack([w / 2 - np.abs(x), d / 2 - np.abs(z), y, h - y])
        near = 1 - EDGE_DARK / (1 + (np.maximum(walls, 0) / EDGE_M) ** 2)
        # A surface is not darkened by itself, only by the second nearest.
        open_ = np.prod(near, axis=0) / near.min(axis=0)
        low = np.flatnonzero(y < FOOT_HIGH_M)
        for cx, cz, half_x, half_z, cos, sin, top in self.feet:
            px, pz = x[low] - cx, z[low] - cz
            u = np.maximum(np.abs(cos * px - sin * pz) - half_x, 0)
            v = np.maximum(np.abs(sin * px + cos * pz) - half_z, 0)
            away = (u * u + v * v + y[low] ** 2) / FOOT_M**2
            open_[low] *= np.where(y[low] < top, 1 - FOOT_DARK / (1 + away), 1)
        return np.asarray(open_)


@dataclass(frozen=True, slots=True)
class Reflectance:
    """The materials of a room, seen in visible or in infrared light."""

    materials: Sequence[Material]
    infrared: bool = False
    nooks: Nooks | None = None

    def __call__(
        self,
        points: Floats,
        normals: Floats,
        material: npt.NDArray[np.integer],
        distance: Floats,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Albedo and emission (M,) of points (M, 3) with normals (M, 3) at `distance` metres."""
        across, along = _plane(points, normals)
        blur = np.maximum(distance * PIXEL_RAD, 1e-4)
        grain = np.array([what.grain for what in self.materials])[material]
        salt = (_bits(np.array([what.salt for what in self.materials])) * np.uint32(SALT))[material]
        wear = _wear(grain, salt, points, blur)
        albedo = np.empty(len(points), np.float32)
        emission = np.zeros(len(points), np.float32)
        order = np.argsort(material, kind="stable")
        starts = np.flatnonzero(np.diff(material[order], prepend=-1))
        for begin, end in zip(starts, np.append(starts[1:], len(order)), strict=True):
            here = order[begin:end]
            what = self.materials[int(material[here[0]])]
            shade = pattern(what, across[here], along[here], blur[here]) * wear[here]
            albedo[here] = (what.infrared if self.infrared else what.albedo) * shade
            if what.emission:
                emission[here] = what.emission * shade
        if self.nooks is not None:
            albedo *= self.nooks.open(points)
        return np.clip(albedo, 0, 2.5, out=albedo), emission


def pattern(what: Material, across: Floats, along: Floats, blur: Floats) -> Floats:
    """Share of the material's albedo (M,) at its plane's coordinates in metres, about 1."""
    if what.pattern == Pattern.PLAIN:
        return np.ones(len(across))
    if what.pattern == Pattern.RAGGED:
        return _ragged(what, across, along)
    u, v = across / what.size[0], along / what.size[1]
    row = np.floor(v)
    if what.pattern == Pattern.PLANK:
        u = u + chance(row, 0, what.salt)
    column = np.floor(u)
    visible = np.minimum(1.0, min(what.size) / (2 * blur))
    if what.pattern == Pattern.CHECK:
        other = (column + row) % 2
    elif what.pattern == Pattern.STRIPE:
        other = _band(u - column)
    elif what.pattern == Pattern.PRINT:
        other = _figure(u, v, what.salt)
    else:
        other = _joint(u - column, v - row, what.size, blur)
        visible = np.ones(len(u))
    cells = what.spread * (2 * chance(column, row, what.salt + 1) - 1)
    return np.asarray((1 + cells * visible) * (1 - (1 - what.joint) * other * visible))


def chance(
    i: npt.NDArray[np.floating], j: npt.NDArray[np.floating] | int, salt: int
) -> npt.NDArray[np.float64]:
    """Uniform [0, 1) of whole-number cells."""
    seed = np.uint32(salt * SALT & 0xFFFFFFFF)
    return _mixed(_bits(i) * ACROSS ^ _bits(j) * ALONG ^ seed)


def _mixed(h: Bits) -> npt.NDArray[np.float64]:
    """Two rounds of multiplying and folding: every bit of the cell moves half the bits."""
    h = (h ^ h >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    h = (h ^ h >> np.uint32(12)) * np.uint32(0x297A2D39)
    return np.asarray((h ^ h >> np.uint32(15)) * 2.0**-32)


def _bits(whole: npt.NDArray[np.floating] | int) -> Bits:
    return np.atleast_1d(whole).astype(np.int64).astype(np.uint32)


def _plane(points: Floats, normals: Floats) -> tuple[Floats, Floats]:
    """Two coordinates on the surface: floors x, z; walls the horizontal one, y."""
    facing = np.abs(normals).argmax(axis=1)
    across = np.where(facing == 0, points[:, 2], points[:, 0])
    along = np.where(facing == 1, points[:, 2], points[:, 1])
    return across, along


def _joint(u: Floats, v: Floats, size: tuple[float, float], blur: Floats) -> Floats:
    """How much of the joint between cells a pixel sees, in 0..1."""
    seen = np.zeros(len(u))
    for share, metres in ((u, size[0]), (v, size[1])):
        edge = np.minimum(share, 1 - share) * metres
        near = np.clip(1 - (edge - JOINT_M / 2) / (0.7 * blur), 0, 1)
        seen = np.maximum(seen, near * np.minimum(1.0, JOINT_M / blur))
    return seen


def _band(u: Floats) -> Floats:
    """A soft-edged stripe over half of each period."""
    return np.asarray(np.clip(8 * (np.abs(u - 0.5) - 0.25) + 0.5, 0, 1))


def _figure(u: Floats, v: Floats, salt: int) -> Floats:
    """A round figure in most cells, each of its own size and place."""
    i, j = np.floor(u), np.floor(v)
    x = u - i - 0.35 - 0.3 * chance(i, j, salt + 2)
    y = v - j - 0.35 - 0.3 * chance(i, j, salt + 3)
    radius = 0.5 * chance(i, j, salt + 4)
    return np.asarray(np.clip(6 * (radius - np.sqrt(x * x + y * y)) + 0.5, 0, 1))


def _ragged(what: Material, across: Floats, along: Floats) -> Floats:
    """Rows with a dark shelf line; things of a few widths, of different height and tone."""
    row = np.floor(along / what.size[1])
    height = along / what.size[1] - row
    shift = 7.31 * chance(row, 5, what.salt)
    thing = np.floor(across / what.size[0] + shift)
    pair = np.where(chance(thing, row, what.salt) < 0.35, np.floor(thing / 3) * 3, thing)
    tone = 1 + what.spread * (2 * chance(pair, row, what.salt + 1) - 1)
    tall = 0.55 + 0.4 * chance(pair, row, what.salt + 2)
    return np.asarray(np.where(height < 0.06, 0.5, np.where(height > tall, what.joint, tone)))


def _wear(grain: Floats, salt: Bits, points: Floats, blur: Floats) -> Floats:
    """Smooth noise over space, coarse and fine; fine grain fades with distance."""
    spots = _noise(points * GRAIN_PER_M[0], salt)
    fine = _noise(points * GRAIN_PER_M[1], salt ^ np.uint32(SALT))
    fade = np.minimum(1.0, 1 / (2 * GRAIN_PER_M[1] * blur))
    return np.asarray(1 + grain * (2 * spots + fade * fine))


def _noise(points: Floats, salt: Bits) -> Floats:
    """Value noise (M,) in -0.5..0.5: chance at the corners of unit cells, smoothly between."""
    low = np.floor(points)
    share = points - low
    share = share * share * (3 - 2 * share)
    x, y, z = (_bits(low[:, axis]) * by for axis, by in enumerate((ACROSS, UP, ALONG)))
    total = np.zeros(len(points))
    for above in (0, 1):
        for beside in (0, 1):
            corner = (x + ACROSS if beside else x) ^ (y + UP if above else y) ^ salt
            near, far = _mixed(corner ^ z), _mixed(corner ^ (z + ALONG))
            weight = share[:, 0] if beside else 1 - share[:, 0]
            weight = weight * (share[:, 1] if above else 1 - share[:, 1])
            total += weight * (near + (far - near) * share[:, 2])
    return np.asarray(total - 0.5)
