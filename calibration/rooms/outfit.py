# SPDX-License-Identifier: Apache-2.0
"""Who a body is and what is put on it: everything that is drawn from its stream, in one order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.rooms import clothes
from calibration.rooms.clothes import WHOLE, Cloth, Person, Piece, cloth
from calibration.rooms.skeleton import PELVIS

Bool = NDArray[np.bool_]

# What is worn, and how often by women and by men.
CLOTHING = {
    "suit": (0.3, 0.46),
    "short sleeves": (0.12, 0.16),
    "shorts": (0.03, 0.07),
    "skirt": (0.16, 0.0),
    "dress": (0.1, 0.0),
    "coat": (0.12, 0.13),
    "gown": (0.07, 0.07),
    "pyjamas": (0.06, 0.07),
    "underwear": (0.04, 0.04),
}
SUITS = {
    "f": (
        "female_casualsuit01",
        "female_casualsuit02",
        "female_elegantsuit01",
        "female_sportsuit01",
    ),
    "m": (
        *(f"male_casualsuit0{number}" for number in range(1, 7)),
        *("male_elegantsuit01", "male_worksuit01"),
    ),
}
SHOES = tuple(f"shoes0{number}" for number in range(1, 7))
LONG_HAIR = ("bob01", "bob02", "braid01", "long01", "ponytail01")
SHORT_HAIR = ("short01", "short02", "short03", "short04", "afro01")
PARTS = ("skin", "top", "legs", "shoes", "hair", "over")


@dataclass(frozen=True, slots=True)
class Look:
    """Colours and cuts of one person."""

    clothing: str
    suit: str
    sleeve: float  # reach, see clothes.py
    leg: float
    hem: float  # of a skirt or a coat: 1 the knee, 2 the ankle
    flare: float
    lift_m: float
    top: Cloth
    legs: Cloth
    shoes: str  # "" without
    shoe: Cloth
    hair: str  # "" bald, "veil"
    hair_albedo: float
    skin: float
    skin_infrared: float


def draw(
    rng: np.random.Generator, sex: str, age_years: float, descent: NDArray[np.float64]
) -> Look:
    """`descent` (3,): shares of the darkest, the middle and the lightest skin."""
    names = list(CLOTHING)
    odds = np.array([CLOTHING[name][sex == "m"] for name in names])
    clothing = names[int(rng.choice(len(names), p=odds / odds.sum()))]
    short = clothing in ("short sleeves", "shorts", "gown") or rng.random() < 0.1
    top = cloth(rng)
    legs = cloth(rng, 0.3 if clothing in ("skirt", "dress") else 0.05)
    return Look(
        clothing=clothing,
        suit=f"clothes/{rng.choice(SUITS[sex])}",
        sleeve=float(rng.uniform(0.45, 1.0)) if short else WHOLE,
        leg=float(rng.uniform(0.6, 1.1)) if clothing == "shorts" else WHOLE,
        hem=float(
            rng.uniform(0.6, 1.9) if clothing in ("skirt", "dress") else rng.uniform(0.5, 1.5)
        ),
        flare=float(rng.uniform(0.0, 0.7)),
        lift_m=float(rng.uniform(0.022, 0.04) if clothing == "coat" else rng.uniform(0.01, 0.025)),
        top=top,
        legs=top if clothing in ("dress", "gown", "pyjamas") else legs,
        shoes="" if rng.random() < _barefoot(clothing) else f"clothes/{rng.choice(SHOES)}",
        shoe=cloth(rng, 0.0),
        hair=_hair(rng, sex, age_years),
        hair_albedo=_hair_albedo(rng, age_years),
        skin=float(np.exp(descent @ np.log(rng.uniform((0.05, 0.22, 0.33), (0.14, 0.4, 0.55))))),
        skin_infrared=float(rng.uniform(0.45, 0.62)),
    )


def _barefoot(clothing: str) -> float:
    return 0.6 if clothing in ("gown", "pyjamas", "underwear") else 0.08


def _hair(rng: np.random.Generator, sex: str, age_years: float) -> str:
    bald, chance = rng.random(), rng.random()
    long = LONG_HAIR[int(rng.integers(len(LONG_HAIR)))]
    short = SHORT_HAIR[int(rng.integers(len(SHORT_HAIR)))]
    if sex == "m":
        if bald < (0.3 if age_years > 55 else 0.08):
            return ""
        return f"hair/{long if chance < 0.06 else short}"
    if chance < 0.05:
        return "veil"
    return f"hair/{short if chance < (0.55 if age_years > 60 else 0.2) else long}"


def _hair_albedo(rng: np.random.Generator, age_years: float) -> float:
    grey = rng.random() < np.clip((age_years - 40) / 30, 0, 1)
    return float(rng.uniform(0.3, 0.6) if grey else np.exp(rng.uniform(np.log(0.015), np.log(0.3))))


def dressed(person: Person, look: Look) -> tuple[dict[str, Piece], Bool]:
    """Pieces by part, without skin and hair, and what of the base is hidden (N,)."""
    pieces: dict[str, Piece] = {}
    hidden = np.zeros(len(person.vertices), bool)
    if look.clothing == "underwear":
        pass
    elif look.clothing in ("dress", "gown", "pyjamas"):
        trunk, hidden = clothes.draped(
            person, look.lift_m, look.sleeve, legs=look.clothing == "pyjamas"
        )
        pieces["top"] = trunk
        if look.clothing != "pyjamas":
            pieces["over"] = clothes.skirt(person, 1.3 * look.lift_m, look.hem, look.flare)
    else:
        pieces, hidden = _suited(person, look)
    if look.shoes:
        pieces["shoes"], under = clothes.worn(person, look.shoes)
        hidden = hidden | under
    return pieces, hidden


def _suited(person: Person, look: Look) -> tuple[dict[str, Piece], Bool]:
    top, trousers, hidden = clothes.suit(person, look.suit, look.sleeve, look.leg)
    if look.clothing == "skirt":
        base = person.vertices[:, 1] > person.joints[PELVIS, 1]
        over = clothes.skirt(person, 0.015, look.hem, look.flare)
        return {"top": top, "over": over}, hidden & base
    if look.clothing == "coat":
        coat, under = clothes.draped(person, look.lift_m, WHOLE, legs=False)
        over = clothes.skirt(person, 1.3 * look.lift_m, look.hem, look.flare)
        return {"top": coat, "legs": trousers, "over": over}, hidden | under
    return {"top": top, "legs": trousers}, hidden
