# SPDX-License-Identifier: Apache-2.0
"""Motions out of a binary glTF file whose rig has the bones of one of two well-known kinds.

Read from the format's specification, glTF 2.0 (registry.khronos.org/glTF): a JSON chunk that
describes nodes, skins and animations, and a binary chunk that holds their numbers.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.rooms import rotation
from calibration.rooms.errors import AssetError
from calibration.rooms.motion import RATE_HZ
from calibration.rooms.skeleton import BONES, PELVIS, align

F8 = NDArray[np.float64]

MAGIC, VERSION, HEADER, CHUNK = 0x46546C67, 2, 12, 8
NUMBERS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
XYZW = [3, 0, 1, 2]  # glTF writes x y z w

# Our bones in the names of the two rigs, sides apart.
RIGS = (
    {
        "pelvis": "pelvis",
        "spine": "spine_01",
        "chest": "spine_03",
        "head": "head",
        "upper_arm": "upperarm_{}",
        "forearm": "lowerarm_{}",
        "hand": "hand_{}",
        "thigh": "thigh_{}",
        "calf": "calf_{}",
        "foot": "foot_{}",
    },
    {
        "pelvis": "DEF-hips",
        "spine": "DEF-spine.001",
        "chest": "DEF-spine.003",
        "head": "DEF-head",
        "upper_arm": "DEF-upper_arm.{}",
        "forearm": "DEF-forearm.{}",
        "hand": "DEF-hand.{}",
        "thigh": "DEF-thigh.{}",
        "calf": "DEF-shin.{}",
        "foot": "DEF-foot.{}",
    },
)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """N frames at RATE_HZ, in the canonical form of motion.py."""

    name: str
    turns: F8  # (N, 16, 4)
    root: F8  # (N, 3) in heights of the pelvis


def recordings(path: Path) -> Iterator[Recording]:
    """Every animation of the file. Raises AssetError."""
    try:
        rig = _Rig(_File(path))
        for animation in rig.file.json["animations"]:
            yield rig.play(animation)
    except (KeyError, ValueError, IndexError, struct.error) as error:
        raise AssetError(f"{path} is not the glTF that is known here: {error!r}") from error


class _File:
    """The two chunks."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, version, _ = struct.unpack_from("<III", data)
        if (magic, version) != (MAGIC, VERSION):
            raise ValueError("no binary glTF 2.0")
        (length,) = struct.unpack_from("<I", data, HEADER)
        start = HEADER + CHUNK
        self.json: dict[str, Any] = json.loads(data[start : start + length])
        self._binary = memoryview(data)[start + length + CHUNK :]

    def numbers(self, accessor: int) -> F8:
        """(count, components), tightly packed."""
        entry = self.json["accessors"][accessor]
        view = self.json["bufferViews"][entry["bufferView"]]
        kind, size = np.dtype(NUMBERS[entry["componentType"]]), SIZES[entry["type"]]
        if view.get("byteStride", kind.itemsize * size) != kind.itemsize * size:
            raise ValueError("interleaved numbers")
        offset = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
        flat = np.frombuffer(self._binary, kind, entry["count"] * size, offset)
        return flat.reshape(-1, size).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Track:
    """What one channel says at its times."""

    seconds: F8  # (K,)
    values: F8  # (K, 3) or (K, 4)

    def at(self, seconds: F8) -> F8:
        """Linear, or along the sphere for quaternions, which come w x y z."""
        if len(self.seconds) == 1 or len(self.values) != len(self.seconds):
            return np.repeat(self.values[:1], len(seconds), axis=0)
        after = np.clip(np.searchsorted(self.seconds, seconds), 1, len(self.seconds) - 1)
        start, end = self.seconds[after - 1], self.seconds[after]
        share = np.clip((seconds - start) / np.maximum(end - start, 1e-9), 0, 1)
        first, second = self.values[after - 1], self.values[after]
        if self.values.shape[1] == 4:
            return rotation.slerp(first, second, share)
        between: F8 = first + (second - first) * share[:, None]
        return between


class _Rig:
    """The node tree with the pose in which its mesh is at rest."""

    def __init__(self, file: _File) -> None:
        self.file, self.nodes = file, file.json["nodes"]
        self._parent = {
            child: index
            for index, node in enumerate(self.nodes)
            for child in node.get("children", [])
        }
        names = {node.get("name"): index for index, node in enumerate(self.nodes)}
        self._bones = _named(names)
        self._rest, places = self._at_rest()
        self._align = align(places)
        self._hip = float(places[PELVIS, 1])

    def _at_rest(self) -> tuple[F8, F8]:
        """Turns (16, 4) and joints (16, 3), from the inverse bind matrices of the first skin."""
        skin = self.file.json["skins"][0]
        matrices = self.file.numbers(skin["inverseBindMatrices"]).reshape(-1, 4, 4)
        bound = {node: np.linalg.inv(m.T) for node, m in zip(skin["joints"], matrices, strict=True)}
        turns = rotation.from_matrix([_unscaled(bound[bone][:3, :3]) for bone in self._bones])
        return turns, np.array([bound[bone][:3, 3] for bone in self._bones])

    def play(self, animation: dict[str, Any]) -> Recording:
        tracks: dict[tuple[int, str], _Track] = {}
        for channel in animation["channels"]:
            sampler, target = animation["samplers"][channel["sampler"]], channel["target"]
            values = self.file.numbers(sampler["output"])
            if target["path"] == "rotation":
                values = values[:, XYZW]
            seconds = self.file.numbers(sampler["input"])[:, 0]
            tracks[target["node"], target["path"]] = _Track(seconds, values)
        end = max((float(track.seconds[-1]) for track in tracks.values()), default=0.0)
        seconds = np.arange(int(end * RATE_HZ + 1e-6) + 1) / RATE_HZ
        done: dict[int, tuple[F8, F8]] = {}
        for bone in self._bones:
            self._follow(bone, seconds, tracks, done)
        matrices = np.stack([_unscaled(done[bone][0]) for bone in self._bones], axis=1)
        whole = rotation.from_matrix(matrices)
        relative = rotation.multiply(whole, rotation.inverse(self._rest))
        turns = rotation.multiply(relative, rotation.inverse(self._align))
        return Recording(animation["name"], turns, done[self._bones[PELVIS]][1] / self._hip)

    def _follow(
        self,
        node: int,
        seconds: F8,
        tracks: dict[tuple[int, str], _Track],
        done: dict[int, tuple[F8, F8]],
    ) -> tuple[F8, F8]:
        """A node's matrices (N, 3, 3), scale included, and places (N, 3), in the world."""
        if node in done:
            return done[node]
        matrices, places = self._local(node, seconds, tracks)
        if node in self._parent:
            over, at = self._follow(self._parent[node], seconds, tracks, done)
            places = at + np.einsum("nij,nj->ni", over, places)
            matrices = np.einsum("nij,njk->nik", over, matrices)
        done[node] = matrices, places
        return done[node]

    def _local(
        self, node: int, seconds: F8, tracks: dict[tuple[int, str], _Track]
    ) -> tuple[F8, F8]:
        entry, count = self.nodes[node], len(seconds)
        if "matrix" in entry:
            fixed = np.array(entry["matrix"], np.float64).reshape(4, 4).T
            return np.tile(fixed[:3, :3], (count, 1, 1)), np.tile(fixed[:3, 3], (count, 1))
        still = np.array([entry.get("rotation", [0, 0, 0, 1])], np.float64)[:, XYZW]
        turns = tracks.get((node, "rotation"), _Track(seconds[:1], still)).at(seconds)
        place = np.array([entry.get("translation", [0, 0, 0])], np.float64)
        places = tracks.get((node, "translation"), _Track(seconds[:1], place)).at(seconds)
        scale = np.array(entry.get("scale", [1, 1, 1]), np.float64)
        return rotation.matrix(rotation.normalise(turns)) * scale, places


def _named(names: dict[str, int]) -> list[int]:
    """Node of each of our bones, in whichever rig has them all."""
    for rig in RIGS:
        wanted = []
        for bone in BONES:
            ours, side = (bone[:-2], bone[-1]) if bone[-2:] in ("_l", "_r") else (bone, "")
            upper = rig["thigh"].startswith("DEF")
            wanted.append(rig[ours].format(side.upper() if upper else side))
        if all(name in names for name in wanted):
            return [names[name] for name in wanted]
    raise ValueError("a rig with other bones")


def _unscaled(matrices: F8) -> F8:
    """(..., 3, 3) with columns of length 1."""
    unscaled: F8 = matrices / np.sqrt(np.sum(matrices * matrices, axis=-2, keepdims=True))
    return unscaled
