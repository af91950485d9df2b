# SPDX-License-Identifier: Apache-2.0
"""MakeHuman's base mesh, its morph targets, garments and bone weights, read from its text files.

MakeHuman (www.makehumancommunity.org) counts in decimetres; everything here is in metres. Its 163
bones are reduced to the sixteen of skeleton.py. N vertices of the base mesh, G of a garment.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.rooms.errors import AssetError
from calibration.rooms.mhfiles import (
    GARMENT_PARTS,
    Garment,
    parse_mhclo,
    parse_obj,
    parse_target,
)
from calibration.rooms.skeleton import BONES, B

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I4 = NDArray[np.int32]

SKIN, TIGHTS, SKIRT, VEIL = "body", "helper-tights", "helper-skirt", "helper-hair"
AGES = ("child", "young", "old")

# Where each of our bones begins: the head of one of theirs. The pelvis lies between the thighs.
HEADS = {
    "spine": "spine04",
    "chest": "spine02",
    "head": "neck01",
    "upper_arm": "upperarm01",
    "forearm": "lowerarm01",
    "hand": "wrist",
    "thigh": "upperleg01",
    "calf": "lowerleg01",
    "foot": "foot",
}
PELVIS_RISE_M = 0.04
# Beginnings of their names, and our bone that carries what theirs did.
CARRIERS = (
    (("upperarm",), "upper_arm"),
    (("lowerarm",), "forearm"),
    (("wrist", "finger", "metacarpal"), "hand"),
    (("upperleg",), "thigh"),
    (("lowerleg",), "calf"),
    (("foot", "toe"), "foot"),
    (("spine05", "root", "pelvis"), "pelvis"),
    (("spine04", "spine03"), "spine"),
    (("spine02", "spine01", "clavicle", "shoulder", "breast"), "chest"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Wardrobe:
    """All that bodies are made of."""

    base: F8  # (N, 3)
    weights: F8  # (N, 16), rows sum to 1
    faces: Mapping[str, I4]  # by group of the base mesh, (F, 3)
    joints: Mapping[str, I4]  # by our bone, and "crown": vertices of which it is the middle
    targets: Mapping[str, tuple[I4, F4]]  # by name: vertices, and how far they move
    garments: Mapping[str, Garment]  # by "clothes/name", "hair/name"

    def morphed(self, shares: Mapping[str, float]) -> F8:
        """The base mesh with so much of each target. Raises AssetError for an unknown one."""
        body: F8 = self.base.copy()
        for name, share in shares.items():
            if name not in self.targets:
                raise AssetError(f"MakeHuman has no target {name!r}")
            where, shift = self.targets[name]
            body[where] += share * shift.astype(np.float64)
        return body

    def joints_of(self, body: F8) -> F8:
        """body (N, 3) -> (16, 3)."""
        places = np.zeros((B, 3))
        for bone, name in enumerate(BONES):
            if name in self.joints:
                places[bone] = body[self.joints[name]].mean(axis=0)
        thighs = places[[BONES.index("thigh_l"), BONES.index("thigh_r")]]
        places[0] = thighs.mean(axis=0) + np.array([0, PELVIS_RISE_M, 0])
        return places


def read(archive: Path) -> Wardrobe:
    """Everything that is needed out of makehuman.tar.xz. Raises AssetError."""
    try:
        with tarfile.open(archive) as packed:
            files = dict(_wanted(packed))
    except (OSError, EOFError, tarfile.TarError) as error:
        raise AssetError(f"{archive} cannot be unpacked: {error}") from error
    try:
        return _wardrobe(files)
    except (KeyError, ValueError, IndexError) as error:
        raise AssetError(f"{archive} is not the MakeHuman that is known here: {error!r}") from error


def _wanted(packed: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    for member in packed:
        name = member.name.removeprefix("makehuman/")
        known = name.endswith((".obj", ".mhclo", ".mhskel", ".mhw", ".target"))
        source = packed.extractfile(member) if known and member.isfile() else None
        if source is not None:
            yield name, source.read().decode("utf-8", errors="replace")


def _wardrobe(files: dict[str, str]) -> Wardrobe:
    base, faces = parse_obj(files["3dobjs/base.obj"])
    skeleton = json.loads(files["rigs/default.mhskel"])
    weights = json.loads(files["rigs/default_weights.mhw"])["weights"]
    targets = {
        name.removeprefix("targets/macrodetails/").removesuffix(".target"): parse_target(text)
        for name, text in files.items()
        if name.startswith("targets/macrodetails/") and _is_used(name)
    }
    garments = {}
    for name, text in files.items():
        kind, _, rest = name.partition("/")
        if kind in ("clothes", "hair") and rest.endswith(".mhclo"):
            folder, _, item = rest.partition("/")
            garments[f"{kind}/{item.removesuffix('.mhclo')}"] = parse_mhclo(
                text, lambda obj, at=f"{kind}/{folder}": parse_obj(files[f"{at}/{obj}"])
            )
    return Wardrobe(
        base,
        _carried(weights, len(base)),
        {name: faces[name] for name in (SKIN, TIGHTS, SKIRT, VEIL)},
        _joints(skeleton),
        targets,
        garments,
    )


def _is_used(name: str) -> bool:
    return "/proportions/" not in name and any(f"-{age}" in name for age in AGES)


def carrier(bone: str) -> int:
    """Which of our bones carries what their `bone` did: the head carries neck and face."""
    name = bone.lower()
    for beginnings, ours in CARRIERS:
        if name.startswith(beginnings):
            sided = f"{ours}_{'l' if name.endswith('.l') else 'r'}"
            return BONES.index(sided if sided in BONES else ours)
    return BONES.index("head")


def _carried(weights: dict[str, list[list[float]]], count: int) -> F8:
    """(N, 16); what nothing carries hangs on the pelvis."""
    ours = np.zeros((count, B))
    for bone, pairs in weights.items():
        if pairs:
            table = np.array(pairs)
            ours[:, carrier(bone)] += np.bincount(table[:, 0].astype(np.int64), table[:, 1], count)
    total = ours.sum(axis=1)
    ours[total == 0, 0] = 1
    carried: F8 = ours / ours.sum(axis=1, keepdims=True)
    return carried


def _joints(skeleton: dict[str, Any]) -> dict[str, I4]:
    def vertices(bone: str, end: str) -> I4:
        return np.array(skeleton["joints"][skeleton["bones"][bone][end]], np.int32)

    places = {"crown": vertices("head", "tail")}
    for name in BONES[1:]:
        ours, _, side = name.rpartition("_") if name[-2:] in ("_l", "_r") else (name, "", "")
        places[name] = vertices(HEADS[ours] + (f".{side.upper()}" if side else ""), "head")
    return places


def arrays(wardrobe: Wardrobe) -> dict[str, Any]:
    """All of it as arrays by name."""
    made: dict[str, Any] = {"base": wardrobe.base, "weights": wardrobe.weights}
    made |= {f"faces/{name}": part for name, part in wardrobe.faces.items()}
    made |= {f"joint/{name}": part for name, part in wardrobe.joints.items()}
    for name, (where, shift) in wardrobe.targets.items():
        made[f"target/{name}|where"], made[f"target/{name}|shift"] = where, shift
    for name, garment in wardrobe.garments.items():
        for part in GARMENT_PARTS:
            made[f"garment/{name}|{part}"] = getattr(garment, part)
    return made


def wardrobe_of(stored: Mapping[str, Any]) -> Wardrobe:
    """What `arrays` was given."""

    def under(prefix: str) -> dict[str, Any]:
        return {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}

    targets, garments = under("target/"), under("garment/")
    return Wardrobe(
        stored["base"],
        stored["weights"],
        under("faces/"),
        under("joint/"),
        {
            name: (targets[f"{name}|where"], targets[f"{name}|shift"])
            for name in sorted({key.partition("|")[0] for key in targets})
        },
        {
            name: Garment(*(garments[f"{name}|{part}"] for part in GARMENT_PARTS))
            for name in sorted({key.partition("|")[0] for key in garments})
        },
    )
