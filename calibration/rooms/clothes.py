# SPDX-License-Identifier: Apache-2.0
"""What a person wears: MakeHuman's garments, cut and coloured anew, and cloth drawn over the body.

Skirts, coats, dresses, gowns and pyjamas are made of the base mesh's own helper surfaces, lifted
off the skin and cut to length. Shapes are shared by all bodies; cuts, colours and patterns are not.

A limb's `reach` counts 0 at the shoulder or hip, 1 at the elbow or knee, 2 at the wrist or ankle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.rooms.makehuman import SKIN, SKIRT, TIGHTS, VEIL, Wardrobe
from calibration.rooms.mesh import vertex_normals
from calibration.rooms.skeleton import (
    CALF_L,
    CHEST,
    FOOT_L,
    FOREARM_L,
    HAND_L,
    PELVIS,
    SPINE,
    THIGH_L,
    UPPER_ARM_L,
)

F8 = NDArray[np.float64]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
Bool = NDArray[np.bool_]

RIGHT = 3  # from a bone of the left arm or leg to that of the right
ARMS = (UPPER_ARM_L, FOREARM_L, HAND_L)
LEGS = (THIGH_L, CALF_L, FOOT_L)
WHOLE = 9.0  # a reach beyond every fingertip
WAIST_M = 0.1  # above the pelvis


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """The naked body, at rest in metres, that clothes are fitted to."""

    wardrobe: Wardrobe
    vertices: F8  # (N, 3) the base mesh, helpers included
    joints: F8  # (16, 3)

    def surface(self, group: str) -> Piece:
        """One group of the base mesh."""
        faces = self.wardrobe.faces[group]
        used = np.unique(faces)
        renumbered = np.zeros(len(self.vertices), np.int32)
        renumbered[used] = np.arange(len(used))
        return Piece(self.vertices[used], renumbered[faces], self.wardrobe.weights[used])

    def reach(self, piece: Piece) -> tuple[F8, F8]:
        """How far down the arms (V,) and down the legs (V,) each vertex is; 0 elsewhere."""
        return self._down(piece, ARMS), self._down(piece, LEGS)

    def _down(self, piece: Piece, limb: tuple[int, int, int]) -> F8:
        leading, reach = piece.leading, np.zeros(len(piece.vertices))
        for side in (0, RIGHT):
            upper, lower, end = (bone + side for bone in limb)
            for bone, start, stop in ((upper, upper, lower), (lower, lower, end)):
                axis = self.joints[stop] - self.joints[start]
                mine = leading == bone
                along = np.einsum("vi,i->v", piece.vertices[mine] - self.joints[start], axis)
                reach[mine] = np.clip(along / np.sum(axis * axis), 0, 1.2) + (bone == lower)
            reach[leading == end] = 3
        return reach


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Cloth, skin or hair of one kind, at rest; V vertices."""

    vertices: F8  # (V, 3)
    faces: I4  # (F, 3)
    weights: F8  # (V, 16)

    @property
    def leading(self) -> I8:
        """(V,) the bone that moves a vertex most."""
        bones: I8 = self.weights.argmax(axis=1)
        return bones

    def lifted(self, metres: F8 | float) -> Piece:
        """Away from the body, each vertex along its normal."""
        normals = vertex_normals(self.vertices, self.faces).astype(np.float64)
        off = np.broadcast_to(np.asarray(metres, np.float64), len(self.vertices))
        return Piece(self.vertices + off[:, None] * normals, self.faces, self.weights)

    def cut(self, keep: Bool) -> Piece:
        """Only the faces that have all corners in `keep` (V,)."""
        return Piece(self.vertices, self.faces[keep[self.faces].all(axis=1)], self.weights)


@dataclass(frozen=True, slots=True)
class Cloth:
    """How a piece looks: linear luminance, and a second one where the pattern says so."""

    albedo: float
    infrared: float
    other: float
    pattern: str  # plain, hoops, stripes, checks, front, print
    period_m: float

    def painted(self, vertices: F8, waist_m: float) -> F8:
        """(V, 3) metres at rest -> (V,) albedo."""
        x, y, z = vertices.T
        wave = 2 * np.pi / self.period_m
        hoops, stripes = np.sin(wave * y) > 0, np.sin(wave * x) > 0
        above = y - waist_m
        second = {
            "plain": np.zeros(len(x), bool),
            "hoops": hoops,
            "stripes": stripes,
            "checks": hoops ^ stripes,
            "front": (np.abs(x) < 0.35 * self.period_m) & (z > 0),
            "print": (np.abs(x) < 0.1) & (np.abs(above - 0.22) < 0.09) & (z > 0),
        }[self.pattern]
        return np.where(second, self.other, self.albedo)


def cloth(rng: np.random.Generator, patterns: float = 0.4) -> Cloth:
    """A colour; `patterns`: how often there is a second. Most dyes are bright in infrared."""
    shade = [(0.03, 0.12), (0.12, 0.4), (0.4, 0.85)]
    low, high = shade[int(rng.choice(3, p=[0.42, 0.33, 0.25]))]
    albedo = float(rng.uniform(low, high))
    black = rng.random() < 0.12
    infrared = float(rng.uniform(0.05, 0.15) if black else rng.uniform(0.35, 0.85))
    other = float(rng.uniform(0.03, 0.85))
    kinds = ["hoops", "stripes", "checks", "front", "print"]
    pattern = str(rng.choice(kinds)) if rng.random() < patterns else "plain"
    return Cloth(albedo, infrared, other, pattern, float(rng.uniform(0.08, 0.25)))


def suit(person: Person, name: str, sleeve: float, leg: float) -> tuple[Piece, Piece, Bool]:
    """Top and trousers of a garment, cut at these reaches, and what of the base they hide (N,)."""
    garment, weights = person.wardrobe.garments[name], person.wardrobe.weights
    whole = Piece(garment.fitted(person.vertices), garment.faces, garment.carried(weights))
    arms, legs = person.reach(whole)
    waist = person.joints[PELVIS, 1] + WAIST_M * person.joints[PELVIS, 1]
    low = np.isin(whole.leading, _both(LEGS)) | (
        (whole.leading == PELVIS) & (whole.vertices[:, 1] < waist)
    )
    trousers = low[whole.faces].sum(axis=1) >= 2
    kept = (arms <= sleeve) & (legs <= leg)
    fits = kept[whole.faces].all(axis=1)
    hidden = np.zeros(len(person.vertices), bool)
    hidden[garment.hides] = True
    base = Piece(person.vertices, person.wardrobe.faces[SKIN], weights)
    bare_arms, bare_legs = person.reach(base)
    hidden &= (bare_arms < sleeve - 0.15) & (bare_legs < leg - 0.15)
    return (
        Piece(whole.vertices, whole.faces[fits & ~trousers], whole.weights),
        Piece(whole.vertices, whole.faces[fits & trousers], whole.weights),
        hidden,
    )


def draped(person: Person, lift_m: float, sleeve: float, *, legs: bool) -> tuple[Piece, Bool]:
    """Cloth all over the trunk and the arms, the legs too or not, and what it hides (N,)."""
    piece = person.surface(TIGHTS)
    down_arms, down_legs = person.reach(piece)
    piece = piece.lifted(lift_m * (1 + 0.5 * np.minimum(down_arms, 2)))
    kept = (down_arms <= sleeve) & (down_legs < (1.9 if legs else 0.12))
    base = Piece(person.vertices, person.wardrobe.faces[SKIN], person.wardrobe.weights)
    bare_arms, bare_legs = person.reach(base)
    trunk = np.isin(base.leading, [PELVIS, SPINE, CHEST, *_both(ARMS), *_both(LEGS)])
    hidden = trunk & (bare_arms < sleeve - 0.15) & (bare_legs < (1.7 if legs else 0.1))
    return piece.cut(kept), hidden & _below_collar(person, base)


def _below_collar(person: Person, base: Piece) -> Bool:
    """(N,) not on the neck."""
    below: Bool = base.vertices[:, 1] < person.joints[UPPER_ARM_L, 1] - 0.02
    return below


def skirt(person: Person, lift_m: float, length: float, flare: float) -> Piece:
    """From the waist down to `length`: 1 is the knee, 2 the ankle; wider below by `flare`."""
    piece = person.surface(SKIRT)
    hip, knee, ankle = (person.joints[bone, 1] for bone in LEGS)
    hem = float(np.interp(length, [0, 1, 2], [hip, knee, ankle]))
    kept = piece.vertices[:, 1] >= hem
    piece = piece.lifted(lift_m)
    below = np.maximum(person.joints[PELVIS, 1] - piece.vertices[:, 1], 0)
    middle = person.joints[PELVIS] * (1, 0, 1)
    widened = piece.vertices - middle
    widened *= np.stack([1 + flare * below, np.ones(len(below)), 1 + flare * below], axis=1)
    return Piece(widened + middle, piece.faces, piece.weights).cut(kept)


def worn(person: Person, name: str) -> tuple[Piece, Bool]:
    """Shoes, hair or a hat as they are, and what of the base they hide (N,)."""
    garment = person.wardrobe.garments[name]
    hidden = np.zeros(len(person.vertices), bool)
    hidden[garment.hides] = True
    weights = garment.carried(person.wardrobe.weights)
    return Piece(garment.fitted(person.vertices), garment.faces, weights), hidden


def veil(person: Person) -> Piece:
    """Over hair and shoulders."""
    return person.surface(VEIL).lifted(0.012)


def _both(limb: tuple[int, ...]) -> list[int]:
    return [bone + side for bone in limb for side in (0, RIGHT)]
