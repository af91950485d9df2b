# SPDX-License-Identifier: Apache-2.0
"""A person who never existed: shape, clothes, bones and a way of moving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibration.rooms.mesh import Mesh
from calibration.rooms.skeleton import Skeleton

Sex = Literal["f", "m"]

# What an adversary may try to read; the order of Body.attributes.
ATTRIBUTES = (
    *("female", "age_years", "height_m", "weight_kg", "build"),
    *("skin", "hair", "top", "legs", "hair_length", "skirt", "coat"),
)


@dataclass(frozen=True, slots=True)
class Style:
    """A person's way of moving, the same whatever happens."""

    walk: str  # name of a motion
    tempo: float  # 0.75 to 1.25
    stoop_rad: float  # how far the trunk hangs forward
    sway: float  # 0 to 1: how much the trunk swings
    fidget: float  # 0 to 1: how seldom he keeps still


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """One of them. `build` runs from -1, slight, to 1, heavy."""

    id: int
    sex: Sex
    age_years: float
    height_m: float
    weight_kg: float
    build: float
    clothing: str
    attributes: NDArray[np.float32]  # (len(ATTRIBUTES),)
    skeleton: Skeleton
    near: Mesh  # five or six thousand triangles
    far: Mesh  # about two thousand
    style: Style
