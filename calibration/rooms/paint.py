# SPDX-License-Identifier: Apache-2.0
"""The colours of one room: materials drawn as they are needed.

Albedo is drawn even in its square root, which is about even to the eye. In infrared light dyes
hardly show: cloth, wood and plastics turn bright and alike, metal, glass and stone stay.
"""

from __future__ import annotations

import numpy as np

from calibration.rooms.materials import Material, Pattern

CLOTH_PATTERNS = (Pattern.PLAIN, Pattern.STRIPE, Pattern.PRINT, Pattern.CHECK)


class Paint:
    """Adds materials to the room's list and returns their numbers; `rng` draws them."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.materials: list[Material] = []
        self.ceramic = self.add(Material(rng.uniform(0.65, 0.9), 0.8, grain=0.01))
        self.metal = self.add(Material(rng.uniform(0.25, 0.55), 0.4, grain=0.05))
        self.dark = self.add(Material(rng.uniform(0.02, 0.07), rng.uniform(0.04, 0.3)))
        self.linen = self.add(Material(rng.uniform(0.6, 0.85), 0.8, grain=0.05))
        self.hollow = self.add(Material(0.6 * self.materials[0].albedo, 0.5, grain=0.02))

    def add(self, material: Material) -> int:
        """The number of this material."""
        self.materials.append(material)
        return len(self.materials) - 1

    def tone(self, low: float = 0.03, high: float = 0.8) -> float:
        """An albedo between the two, dark as often as bright."""
        return float(self.rng.uniform(low**0.5, high**0.5) ** 2)

    def plain(self, low: float = 0.03, high: float = 0.8, grain: float = 0.04) -> int:
        """Lacquer, plastic, plaster."""
        albedo = self.tone(low, high)
        infrared = albedo + (0.75 - albedo) * self.rng.uniform(0, 0.6)
        return self.add(Material(albedo, infrared, grain=grain, salt=self._salt()))

    def wood(self) -> int:
        """Boards, dark to pale."""
        albedo = self.tone(0.04, 0.5)
        size = (self.rng.uniform(0.5, 2.0), self.rng.uniform(0.04, 0.2))
        return self.add(
            Material(
                albedo, 0.3 + 0.5 * albedo, Pattern.PLANK, size,
                joint=self.rng.uniform(0.6, 1.0), spread=self.rng.uniform(0.03, 0.2),
                grain=0.1, salt=self._salt(),
            )
        )  # fmt: skip

    def cloth(self, low: float = 0.03, high: float = 0.8) -> int:
        """Of one tone, striped, checked or printed."""
        kind = CLOTH_PATTERNS[int(self.rng.choice(4, p=(0.45, 0.2, 0.25, 0.1)))]
        cell = self.rng.uniform(0.04, 0.3)
        return self.add(
            Material(
                self.tone(low, high), self.rng.uniform(0.35, 0.8), kind,
                (cell, cell * self.rng.uniform(0.6, 1.6)),
                joint=self.rng.uniform(0.25, 1.9), spread=self.rng.uniform(0, 0.25),
                grain=self.rng.uniform(0.03, 0.15), salt=self._salt(),
            )
        )  # fmt: skip

    def floor(self, *, wet: bool) -> int:
        """Tiles where it gets wet; else tiles, planks, linoleum or patterned floors."""
        kind = self.rng.choice(4, p=(0.65, 0.0, 0.1, 0.25) if wet else (0.25, 0.3, 0.15, 0.3))
        edge = self.rng.uniform(0.1, 0.6)
        pattern, size, joint, spread = (
            (Pattern.TILE, (edge, edge), self.rng.uniform(0.25, 1.6), 0.2),
            (Pattern.PLANK, (self.rng.uniform(0.6, 1.6), self.rng.uniform(0.07, 0.2)), 0.6, 0.35),
            (Pattern.PLAIN, (1.0, 1.0), 1.0, 0.0),
            (self._figured(), (edge, edge), self.rng.uniform(0.2, 0.75), 0.15),
        )[kind]
        albedo = self.tone(0.05, 0.65)
        return self.add(
            Material(
                albedo, 0.15 + 0.6 * albedo, pattern, size, joint=joint,
                spread=spread * self.rng.uniform(0, 1.5), grain=self.rng.uniform(0.05, 0.4),
                salt=self._salt(),
            )
        )  # fmt: skip

    def wall(self, *, tiled: bool) -> int:
        """Tiles, plaster or wallpaper."""
        albedo = self.tone(0.3, 0.85)
        pattern, joint, size = Pattern.PLAIN, 1.0, (1.0, 1.0)
        if tiled:
            edge = self.rng.uniform(0.07, 0.35)
            pattern, joint = Pattern.TILE, self.rng.uniform(0.5, 1.15)
            size = (edge, edge * self.rng.choice((0.5, 1.0, 1.0, 1.6)))
        elif self.rng.random() < 0.22:
            pattern, joint = self._figured(), self.rng.uniform(0.5, 0.95)
            size = (self.rng.uniform(0.1, 0.4), self.rng.uniform(0.1, 0.4))
        return self.add(
            Material(
                albedo, 0.2 + 0.7 * albedo, pattern, size, joint=joint,
                spread=self.rng.uniform(0, 0.06), grain=self.rng.uniform(0.02, 0.1),
                salt=self._salt(),
            )
        )  # fmt: skip

    def things(self, width: float, height: float) -> int:
        """A row of many small things, each its own tone: a shelf's front."""
        return self.add(
            Material(
                self.tone(0.1, 0.5), self.rng.uniform(0.3, 0.6), Pattern.RAGGED, (width, height),
                joint=self.rng.uniform(0.05, 0.4), spread=self.rng.uniform(0.4, 0.95),
                grain=0.1, salt=self._salt(),
            )
        )  # fmt: skip

    def picture(self) -> int:
        """A poster, a notice, a painting."""
        size = (self.rng.uniform(0.03, 0.25), self.rng.uniform(0.02, 0.25))
        kind = (Pattern.PRINT, Pattern.RAGGED, Pattern.STRIPE)[int(self.rng.integers(3))]
        return self.add(
            Material(
                self.tone(0.1, 0.85), self.rng.uniform(0.3, 0.8), kind, size,
                joint=self.rng.uniform(0.1, 0.8), spread=self.rng.uniform(0.1, 0.8),
                salt=self._salt(),
            )
        )  # fmt: skip

    def glow(self, emission: float, pattern: Pattern = Pattern.PLAIN, cell: float = 1.0) -> int:
        """What shines of itself: the world outside a window, a lit hall; dark in infrared."""
        return self.add(
            Material(
                0.6, 0.06, pattern, (cell, cell * 0.7), joint=self.rng.uniform(0.3, 0.9),
                spread=0.3 if pattern else 0.0, grain=0.1 if pattern else 0.0,
                emission=emission, salt=self._salt(),
            )
        )  # fmt: skip

    def shade(self) -> int:
        """A lamp's shade: its own light, from close by, makes it glow."""
        return self.add(Material(float(self.rng.uniform(1.2, 2.5)), 0.6, grain=0.0))

    def _figured(self) -> Pattern:
        return (Pattern.PRINT, Pattern.CHECK, Pattern.STRIPE)[int(self.rng.integers(3))]

    def _salt(self) -> int:
        return int(self.rng.integers(1 << 16))
