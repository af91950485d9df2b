# SPDX-License-Identifier: Apache-2.0
"""MakeHuman's text files: meshes, morph targets, garments. They count in decimetres."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I4 = NDArray[np.int32]

METRE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Garment:
    """Clothes, shoes, hair or a hat: every vertex hangs on three of the base mesh."""

    on: I4  # (G, 3) vertices of the base mesh
    shares: F4  # (G, 3)
    lift: F4  # (G, 3) metres, on a body whose measures are those in `scales`
    scales: F4  # (3, 3) per axis: two vertices of the base and their distance; 0 0 0 if fixed
    faces: I4  # (F, 3)
    hides: I4  # (K,) vertices of the base that must not show

    def fitted(self, body: F8) -> F8:
        """body (N, 3) -> (G, 3)."""
        lift = self.lift.astype(np.float64)
        for axis, (first, second, metres) in enumerate(self.scales):
            if metres > 0:
                lift[:, axis] *= abs(body[int(first), axis] - body[int(second), axis]) / metres
        hung: F8 = np.einsum("gk,gki->gi", self.shares, body[self.on]) + lift
        return hung

    def carried(self, weights: F8) -> F8:
        """weights (N, 16) of the base -> (G, 16)."""
        mixed: F8 = np.maximum(np.einsum("gk,gkb->gb", self.shares, weights[self.on]), 0)
        carried: F8 = mixed / np.maximum(mixed.sum(axis=1, keepdims=True), 1e-9)
        return carried


GARMENT_PARTS = tuple(part.name for part in fields(Garment))


def parse_obj(text: str) -> tuple[F8, dict[str, I4]]:
    """Wavefront .obj -> vertices (N, 3) in metres, and triangles (F, 3) by group."""
    vertices, groups, group = [], {}, ""  # type: ignore[var-annotated]
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = [int(word.split("/")[0]) - 1 for word in words[1:]]
            fan = [(corners[0], corners[k], corners[k + 1]) for k in range(1, len(corners) - 1)]
            groups.setdefault(group, []).extend(fan)
    return (
        np.array(vertices, np.float64).reshape(-1, 3) * METRE,
        {name: np.array(fans, np.int32) for name, fans in groups.items()},
    )


def parse_target(text: str) -> tuple[I4, F4]:
    """Morph target -> vertices (K,), shifts (K, 3) in metres; some are empty."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    table = np.loadtxt(io.StringIO("\n".join(lines)), ndmin=2) if lines else np.zeros((0, 4))
    return table[:, 0].astype(np.int32), (table[:, 1:4] * METRE).astype(np.float32)


@dataclass(slots=True)
class _Clothing:
    """What has been read of a .mhclo so far."""

    obj: str = ""
    scales: F4 = field(default_factory=lambda: np.zeros((3, 3), np.float32))
    hung: list[tuple[float, ...]] = field(default_factory=list)
    hides: list[int] = field(default_factory=list)
    section: str = ""

    def take(self, words: list[str]) -> None:
        head = words[0]
        if head == "obj_file":
            self.obj = words[1]
        elif head in ("x_scale", "y_scale", "z_scale"):
            first, second, distance = words[1:4]
            self.scales["xyz".index(head[0])] = float(first), float(second), float(distance) * METRE
        elif head in ("verts", "delete_verts"):
            self.section = head
            words = words[1:]
        if self.section == "verts" and head != "verts":
            self._hang(words)
        elif self.section == "delete_verts":
            self._hide(words)

    def _hang(self, words: list[str]) -> None:
        """One vertex of the base, or three with shares and a lift; anything else is a setting."""
        try:
            numbers = tuple(float(word) for word in words)
        except ValueError:
            return
        if len(numbers) == 1:
            self.hung.append((*[numbers[0]] * 3, 1.0, *[0.0] * 5))
        elif len(numbers) >= 9:
            self.hung.append(numbers[:9])

    def _hide(self, words: list[str]) -> None:
        """Numbers and ranges: 3 5 - 8."""
        for place, word in enumerate(words):
            if word.isdigit():
                through = place > 1 and words[place - 1] == "-"
                self.hides.extend(
                    range(self.hides[-1] + 1 if through else int(word), int(word) + 1)
                )


def parse_mhclo(text: str, read_obj: Any) -> Garment:  # noqa: ANN401 - str -> parse_obj's result
    """A fitted proxy: .mhclo, with `read_obj` to get the .obj that it names."""
    clothing = _Clothing()
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            clothing.take(words)
    vertices, groups = read_obj(clothing.obj)
    hung = np.array(clothing.hung)
    if len(hung) != len(vertices):
        raise ValueError(f"{clothing.obj} has {len(vertices)} vertices, {len(hung)} are hung up")
    return Garment(
        hung[:, :3].astype(np.int32),
        hung[:, 3:6].astype(np.float32),
        (hung[:, 6:9] * METRE).astype(np.float32),
        clothing.scales,
        np.concatenate(list(groups.values())),
        np.array(sorted(set(clothing.hides)), np.int32),
    )
