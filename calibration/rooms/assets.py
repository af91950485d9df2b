# SPDX-License-Identifier: Apache-2.0
"""The recordings and meshes that bodies and motions are made from: which files, and their terms.

They lie in a folder of the user's; nothing is downloaded. Every file is known by its SHA-256, so
that a seed means the same clip everywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from calibration.rooms.errors import AssetError

MAKEHUMAN = "makehuman.tar.xz"
MESH2MOTION = ("mesh2motion/human-base-animations.glb", "mesh2motion/human-addon-animations.glb")
DEEPMIMIC = "deepmimic/humanoid3d_{}.txt"

SHA256 = {
    "makehuman.tar.xz": ("5445708ba0ae83d18aa1a4bf8a4d1616d9617b57bd7ec746b056513f38ce4b24"),
    "mesh2motion/human-base-animations.glb": (
        "620fa716240b62d7952ed7659210de06bd6f3250aa8c5d93c705606caa1a919b"
    ),
    "mesh2motion/human-addon-animations.glb": (
        "efe3faa2252c633ecaf17d15378188aec0becf1304914698d885e8d82236c0ec"
    ),
    "deepmimic/humanoid3d_walk.txt": (
        "32d082c3599bc40aac50b1afa196ff1e2cf3842bb40f0541ab088845f6328a41"
    ),
    "deepmimic/humanoid3d_zombie_walk.txt": (
        "6935eaa0a83a0ca13fbf4aaba58efa391f582a83436875fe08212b2029bcfbac"
    ),
    "deepmimic/humanoid3d_stealthy_walk.txt": (
        "7db28ee85721eea0ae44c3e726fb48bb5532d38f5d9aff8e18d791227476f5bb"
    ),
    "deepmimic/humanoid3d_run.txt": (
        "2cbe488023b243e5769299158ce7c78875ec4b701a2ffe6c0beeaf83d16ca87b"
    ),
    "deepmimic/humanoid3d_jog.txt": (
        "8664855dc19871fe859b543cd27d113e6f85769cb3fe7819efb47a0341bc6fd9"
    ),
    "deepmimic/humanoid3d_punch.txt": (
        "1ab4b654cecdb4ff3b2a4bf4086e50397bef28435bb59ab3aedd6a6bdc926fde"
    ),
    "deepmimic/humanoid3d_kick.txt": (
        "177cfb399466309ba7f4a8a987c3b6f6edde1cbe8b2d476e53dc6061ec5d4bac"
    ),
    "deepmimic/humanoid3d_dance_a.txt": (
        "15ef3731f594edc9ed078170f1075815cc164acaca9e35a46db12a31ac64b717"
    ),
    "deepmimic/humanoid3d_dance_b.txt": (
        "b5a9d7a3f2304f6242776d7ff6d19d1f6bcb98d78d68622761c3843b614a92b5"
    ),
    "deepmimic/humanoid3d_jump.txt": (
        "a433557e94b193d8a95530572a0e32f387eb6d9996987b4216efb65444c3c641"
    ),
    "deepmimic/humanoid3d_crawl.txt": (
        "104a3b675131a43e7a214e24c0ed631c6a0d814b85c8b66b71ce63b23a5731ae"
    ),
    "deepmimic/humanoid3d_getup_facedown.txt": (
        "1bd1a96e9175f65eb66e10f225473b4467bd70c68e283f4006b2ab090e337c0b"
    ),
    "deepmimic/humanoid3d_getup_faceup.txt": (
        "5936c32d51dad9b0cd5e61df681079d160436cdce845c312f200d7a347c4040d"
    ),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where files come from and on which terms."""

    where: str
    terms: str


ORIGINS = {
    "makehuman.tar.xz": Origin(
        "the data folder (3dobjs, clothes, hair, rigs, targets) of MakeHuman, "
        "github.com/makehumancommunity/makehuman, packed below a folder makehuman/",
        "CC0 1.0",
    ),
    "mesh2motion": Origin(
        "the human animations of Mesh2Motion, github.com/scottpetrovic/mesh2motion-app", "CC0 1.0"
    ),
    "deepmimic": Origin(
        "data/motions of DeepMimic, github.com/xbpeng/DeepMimic",
        "MIT, Copyright (c) 2018 Xue Bin Peng",
    ),
}


def find(folder: Path, name: str) -> Path:
    """The file `name` below `folder`, whole and unchanged. Raises AssetError."""
    path = folder / name
    try:
        with path.open("rb") as source:
            digest = hashlib.sha256(source.read()).hexdigest()
    except OSError as error:
        raise AssetError(f"{path}: {error.strerror}. {_origin(name)}") from error
    if digest != SHA256[name]:
        raise AssetError(f"{path} is not the file that is known here. {_origin(name)}")
    return path


def check(folder: Path) -> None:
    """All of them, before hours are spent. Raises AssetError."""
    for name in SHA256:
        find(folder, name)


def _origin(name: str) -> str:
    origin = ORIGINS[name.partition("/")[0]]
    return (
        f"It comes from {origin.where} ({origin.terms}); its SHA-256 must be {SHA256[name]}. "
        "Give the folder that holds it with --assets."
    )
