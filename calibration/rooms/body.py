# SPDX-License-Identifier: Apache-2.0
"""A person who never existed: shape, clothes, bones and a way of moving, all from one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibration.rooms import clothes, outfit, seeds, splits
from calibration.rooms.clothes import Person, Piece
from calibration.rooms.detail import simplified, strongest
from calibration.rooms.limbs import fit_capsules
from calibration.rooms.makehuman import SKIN, Wardrobe
from calibration.rooms.mesh import Mesh, vertex_normals
from calibration.rooms.outfit import PARTS, Look
from calibration.rooms.skeleton import CHEST, HEAD, PELVIS, Skeleton

Sex = Literal["f", "m"]
F8 = NDArray[np.float64]

NEAR_TRIANGLES, FAR_TRIANGLES = 5600, 2000
KG_PER_M3 = 1000.0

# What an adversary may try to read; the order of Body.attributes.
ATTRIBUTES = (
    *("female", "age_years", "height_m", "weight_kg", "build"),
    *("skin", "hair", "top", "legs", "long_hair", "skirt", "coat"),
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


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """The shape under the clothes."""

    sex: Sex
    age_years: float
    height_m: float
    build: float
    muscle: float
    descent: F8  # (3,) shares of African, Asian and Caucasian


def build(number: int, wardrobe: Wardrobe) -> Body:
    """Body `number` of splits.BODIES. Raises RoomsError for any other."""
    split = splits.of_body(number)
    rng = seeds.of_body(number)
    figure = draw_figure(rng)
    look = outfit.draw(rng, figure.sex, figure.age_years, figure.descent)
    style = _style(rng, figure, split)
    person = _person(figure, wardrobe)
    pieces, hidden = outfit.dressed(person, look)
    weight = _weight_kg(person)
    skin = person.surface(SKIN)
    mesh, part = _mesh(person, look, {"skin": _visible(person, skin, hidden)} | pieces)
    return Body(
        id=number,
        sex=figure.sex,
        age_years=figure.age_years,
        height_m=figure.height_m,
        weight_kg=weight,
        build=figure.build,
        clothing=look.clothing,
        attributes=_attributes(figure, look, weight),
        skeleton=Skeleton.of(person.joints, fit_capsules(person.joints, skin)),
        near=simplified(mesh, part, NEAR_TRIANGLES),
        far=simplified(mesh, part, FAR_TRIANGLES),
        style=style,
    )


def draw_figure(rng: np.random.Generator) -> Figure:
    """Half women, half men, more of them old than there are."""
    sex: Sex = "f" if rng.random() < 0.5 else "m"
    ages = [(12, 18), (18, 45), (45, 65), (65, 92)]
    age = float(rng.uniform(*ages[int(rng.choice(4, p=[0.05, 0.42, 0.25, 0.28]))]))
    tall = rng.normal(1.63, 0.065) if sex == "f" else rng.normal(1.765, 0.07)
    tall -= 0.0015 * max(age - 50, 0) + 0.025 * max(18 - age, 0)
    return Figure(
        sex=sex,
        age_years=age,
        height_m=float(np.clip(tall, 1.4, 2.02)),
        build=float(np.clip(rng.normal(0.1, 0.45), -1, 1)),
        muscle=float(np.clip(rng.normal(0, 0.35), -1, 1)),
        descent=rng.dirichlet((0.5, 0.5, 0.5)),
    )


def _style(rng: np.random.Generator, figure: Figure, split: splits.Split) -> Style:
    walks = splits.motions("walk", split)
    frail = float(np.clip((figure.age_years - 60) / 30, 0, 1))
    return Style(
        walk=walks[int(rng.integers(len(walks)))],
        tempo=float(rng.uniform(0.85, 1.25) - 0.1 * frail),
        stoop_rad=float(abs(rng.normal(0.03, 0.05)) + frail * rng.uniform(0, 0.3)),
        sway=float(rng.random()),
        fidget=float(rng.random()),
    )


def shares(figure: Figure) -> dict[str, float]:
    """How much of each of MakeHuman's targets the figure has."""
    sex = "female" if figure.sex == "f" else "male"
    ages = dict(zip(("child", "young", "old"), _ages(figure.age_years), strict=True))
    build, muscle = _sides(figure.build, "weight"), _sides(figure.muscle, "muscle")
    found: dict[str, float] = {}
    for age, of_age in ages.items():
        for descent, part in zip(("african", "asian", "caucasian"), figure.descent, strict=True):
            found[f"{descent}-{sex}-{age}"] = of_age * part
        for fat, of_fat in build.items():
            for strength, of_strength in muscle.items():
                found[f"universal-{sex}-{age}-{strength}-{fat}"] = of_age * of_fat * of_strength
    return {name: float(share) for name, share in found.items() if share > 0}


def _ages(years: float) -> tuple[float, float, float]:
    """Shares of child (11), young (25) and old (90)."""
    return (
        float(np.interp(years, [11, 25], [1, 0])),
        float(np.interp(years, [11, 25, 90], [0, 1, 0])),
        float(np.interp(years, [25, 90], [0, 1])),
    )


def _sides(value: float, name: str) -> dict[str, float]:
    return {
        f"average{name}": 1 - abs(value),
        f"min{name}": max(0.0, -value),
        f"max{name}": max(0.0, value),
    }


def _person(figure: Figure, wardrobe: Wardrobe) -> Person:
    """Morphed, brought to the height, soles on the ground."""
    vertices = wardrobe.morphed(shares(figure))
    skin = vertices[np.unique(wardrobe.faces[SKIN]), 1]
    vertices *= figure.height_m / float(skin.max() - skin.min())
    vertices[:, 1] -= vertices[np.unique(wardrobe.faces[SKIN]), 1].min()
    return Person(wardrobe, vertices, wardrobe.joints_of(vertices))


def _weight_kg(person: Person) -> float:
    """The skin's volume, by the divergence theorem, as heavy as water."""
    a, b, c = person.vertices[person.wardrobe.faces[SKIN]].transpose(1, 0, 2)
    return float(abs(np.sum(a * np.cross(b, c))) / 6 * KG_PER_M3)


def _visible(person: Person, skin: Piece, hidden: NDArray[np.bool_]) -> Piece:
    used = np.unique(person.wardrobe.faces[SKIN])
    covered = hidden[used][skin.faces].all(axis=1)
    return Piece(skin.vertices, skin.faces[~covered], skin.weights)


def _mesh(person: Person, look: Look, pieces: dict[str, Piece]) -> tuple[Mesh, NDArray[np.int64]]:
    """All pieces as one mesh, soles on the ground, and which part each vertex belongs to."""
    if look.hair == "veil":
        pieces["hair"] = clothes.veil(person)
    elif look.hair:
        pieces["hair"], _ = clothes.worn(person, look.hair)
    names = [name for name in PARTS if name in pieces]
    before = np.cumsum([0, *(len(pieces[name].vertices) for name in names)])
    vertices = np.concatenate([pieces[name].vertices for name in names])
    faces = np.concatenate(
        [pieces[name].faces + int(b) for name, b in zip(names, before, strict=False)]
    ).astype(np.int32)
    painted = [_painted(person, look, name, pieces[name]) for name in names]
    bones, weights = strongest(np.concatenate([pieces[name].weights for name in names]))
    vertices[:, 1] -= vertices[np.unique(faces), 1].min()
    mesh = Mesh(
        np.ascontiguousarray(vertices, np.float32),
        vertex_normals(vertices, faces),
        np.concatenate([albedo for albedo, _ in painted]).astype(np.float32),
        np.concatenate([infrared for _, infrared in painted]).astype(np.float32),
        faces,
        bones,
        weights,
    )
    return mesh, np.repeat([PARTS.index(name) for name in names], np.diff(before))


def _painted(person: Person, look: Look, name: str, piece: Piece) -> tuple[F8, F8]:
    """(V,) albedo and (V,) infrared albedo."""
    count, waist = len(piece.vertices), float(person.joints[PELVIS, 1])
    if name == "skin":
        return _skin(person, look, piece)
    if name == "hair" and look.hair != "veil":
        shade = np.full(count, look.hair_albedo)
        return shade, 0.25 + 0.5 * shade
    of_coat = name == "over" and look.clothing in ("coat", "dress", "gown")
    cloth = look.shoe if name == "shoes" else look.legs
    if name in ("top", "hair") or of_coat:
        cloth = look.top
    return cloth.painted(piece.vertices, waist), np.full(count, cloth.infrared)


def _skin(person: Person, look: Look, piece: Piece) -> tuple[F8, F8]:
    """Skin, with underwear painted on where nothing else is worn."""
    albedo = np.full(len(piece.vertices), look.skin)
    infrared = np.full(len(piece.vertices), look.skin_infrared)
    if look.clothing == "underwear":
        height, leading = piece.vertices[:, 1], piece.leading
        hips = (leading == PELVIS) | (height > person.joints[PELVIS, 1] - 0.16)
        low = (
            hips
            & (height < person.joints[PELVIS, 1] + 0.05)
            & (np.abs(piece.vertices[:, 0]) < 0.25)
        )
        bust = (leading == CHEST) & (height < person.joints[HEAD, 1] - 0.16)
        covered = low | bust if look.top.albedo > 0.3 else low
        albedo[covered], infrared[covered] = look.top.albedo, look.top.infrared
    return albedo, infrared


def _attributes(figure: Figure, look: Look, weight_kg: float) -> NDArray[np.float32]:
    return np.array(
        [
            figure.sex == "f",
            figure.age_years,
            figure.height_m,
            weight_kg,
            figure.build,
            look.skin,
            look.hair_albedo,
            look.top.albedo,
            look.legs.albedo,
            look.hair.removeprefix("hair/") in (*outfit.LONG_HAIR, "veil"),
            look.clothing in ("skirt", "dress", "gown"),
            look.clothing == "coat",
        ],
        np.float32,
    )
