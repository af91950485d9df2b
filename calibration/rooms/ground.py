# SPDX-License-Identifier: Apache-2.0
"""Where one can stand and walk.

The clearance of a floor point is its distance to the nearest thing that stops a body, computed
exactly from the room's boxes; a grid of it serves to search ways. Doorways that lead out belong to
the ground, so a path may begin in the hall outside.
"""

from __future__ import annotations

import heapq
import math

import cv2
import numpy as np
import numpy.typing as npt

from calibration.rooms.errors import NoFit
from calibration.rooms.fittings import HEADS_M, Box, Point2, Room

Points = npt.NDArray[np.float64]

CELL_M = 0.1
BODY_M = 0.19  # half of a body that passes sideways where it must
EASY_M = 0.35  # nearer to a thing than this one goes only if it is shorter by far
NEAR_M = 0.4  # a point that is not free itself may stand for a free one so near
HALL_M = 1.1  # of the hall outside a door that one walks in
KNEES_M = 0.25  # lower things are stepped over
FLOOR_PROPS = {"wheelchair": 0.34, "walker": 0.3, "chair": 0.26}
STEPS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]


class Ground:
    """The free floor of a room; props numbered in `moved` are not in the way."""

    def __init__(self, room: Room, moved: frozenset[int] = frozenset()) -> None:
        self._room = room
        self._boxes = [box for box in room.obstacles if _stops(box)]
        self._discs = [
            (float(prop.home[0, 3]), float(prop.home[2, 3]), FLOOR_PROPS[prop.kind])
            for k, prop in enumerate(room.props)
            if prop.kind in FLOOR_PROPS and k not in moved
        ]
        half = np.array(room.size[:2]) / 2 + HALL_M
        self._low = -half
        self._shape = tuple(int(n) for n in np.ceil(2 * half / CELL_M))
        i, j = np.meshgrid(*(np.arange(n) for n in self._shape), indexing="ij")
        centres = self._centre(np.stack([i, j], axis=-1))
        self._clear = self.clearance(centres)
        self._free = self._clear >= BODY_M
        self._reached = self._flood()
        self._inside = self._reached & (np.abs(centres) < half - HALL_M).all(axis=-1)

    @property
    def area_m2(self) -> float:
        """Of the floor in the room where a body's middle can be, reached from a door."""
        return float(self._inside.sum()) * CELL_M**2

    def clearance(self, points: Points) -> Points:
        """Metres from floor points (..., 2) to the nearest thing; negative: inside of one."""
        w, d, _ = self._room.size
        x, z = points[..., 0], points[..., 1]
        clear = np.minimum(w / 2 - np.abs(x), d / 2 - np.abs(z))
        for door in self._room.doors:
            if door.leads_out:
                clear = np.maximum(clear, _doorway(points, door.inside, door.outside, door.width))
        for box in self._boxes:
            clear = np.minimum(clear, _from_box(points, box))
        for cx, cz, radius in self._discs:
            clear = np.minimum(clear, np.hypot(x - cx, z - cz) - radius)
        return np.asarray(clear)

    def free(self, p: Point2) -> bool:
        """Whether a body can stand at p."""
        return bool(self.clearance(np.array(p, np.float64)) >= BODY_M)

    def reachable(self, p: Point2) -> bool:
        """Whether one can come to p, or as near as an arm's length, from a door."""
        return self._nearest(p) is not None

    def spot(self, rng: np.random.Generator, margin: float) -> Point2:
        """A point in the room, reached from a door, with `margin` metres around; raises NoFit."""
        cells = np.argwhere(self._inside & (self._clear >= margin))
        if not len(cells):
            raise NoFit(f"no free spot with {margin:.2f} m around it")
        x, z = self._centre(cells[int(rng.integers(len(cells)))])
        return float(x), float(z)

    def line_free(self, a: Point2, b: Point2) -> bool:
        """Whether a body can go straight from a to b."""
        start, end = np.array(a, np.float64), np.array(b, np.float64)
        count = max(2, math.ceil(math.dist(a, b) / (CELL_M / 2)))
        line = start + np.linspace(0, 1, count)[:, None] * (end - start)
        return bool((self.clearance(line) >= BODY_M).all())

    def path(self, a: Point2, b: Point2) -> Points:
        """Corners (K, 2) of a way from a to b, both included; raises NoFit if there is none."""
        start, goal = self._nearest(a), self._nearest(b)
        if start is None or goal is None:
            raise NoFit("a path would begin or end where nobody can stand")
        cells = self._search(start, goal)
        line = [a, *(self._point(cell) for cell in cells), b]
        return np.array(self._pulled(line))

    # ---- the grid ------------------------------------------------------------------------------

    def _centre(self, cells: npt.NDArray[np.integer]) -> Points:
        return np.asarray(self._low + (cells + 0.5) * CELL_M)

    def _point(self, cell: tuple[int, int]) -> Point2:
        x, z = self._centre(np.array(cell))
        return float(x), float(z)

    def _flood(self) -> npt.NDArray[np.bool_]:
        """Cells that can be reached from a door that leads out."""
        _, labels = cv2.connectedComponents(self._free.astype(np.uint8), connectivity=4)
        starts = [self._cell(door.inside) for door in self._room.doors if door.leads_out]
        return np.isin(labels, [labels[cell] for cell in starts if self._free[cell]])

    def _cell(self, p: Point2) -> tuple[int, int]:
        i, j = np.floor((np.array(p) - self._low) / CELL_M).astype(int)
        return (
            min(max(int(i), 0), self._shape[0] - 1),
            min(max(int(j), 0), self._shape[1] - 1),
        )

    def _nearest(self, p: Point2) -> tuple[int, int] | None:
        """The reached cell nearest to p, if it is near enough."""
        i, j = self._cell(p)
        reach = math.ceil(NEAR_M / CELL_M)
        i0, j0 = max(0, i - reach), max(0, j - reach)
        cells = np.argwhere(self._reached[i0 : i + reach + 1, j0 : j + reach + 1])
        cells = cells + np.array([i0, j0])
        if not len(cells):
            return None
        away = np.hypot(*(self._centre(cells) - np.array(p)).T)
        best = int(away.argmin())
        return (int(cells[best, 0]), int(cells[best, 1])) if away[best] <= NEAR_M else None

    def _search(self, start: tuple[int, int], goal: tuple[int, int]) -> list[tuple[int, int]]:
        """A*: from cell to cell, dear where it is narrow; raises NoFit."""
        best = {start: 0.0}
        before: dict[tuple[int, int], tuple[int, int]] = {}
        heap = [(math.dist(start, goal), start)]
        done: set[tuple[int, int]] = set()
        while heap:
            _, here = heapq.heappop(heap)
            if here == goal:
                return _backwards(before, goal)
            if here in done:
                continue
            done.add(here)
            for cell, cost in self._neighbours(here):
                total = best[here] + cost
                if total < best.get(cell, math.inf):
                    best[cell], before[cell] = total, here
                    heapq.heappush(heap, (total + math.dist(cell, goal), cell))
        raise NoFit("no way from here to there")

    def _neighbours(self, here: tuple[int, int]) -> list[tuple[tuple[int, int], float]]:
        found = []
        i, j = here
        for di, dj in STEPS:
            cell = (i + di, j + dj)
            if not (0 <= cell[0] < self._shape[0] and 0 <= cell[1] < self._shape[1]):
                continue
            if self._free[cell] and self._free[i + di, j] and self._free[i, j + dj]:
                narrow = max(0.0, EASY_M - float(self._clear[cell])) / EASY_M
                found.append((cell, math.hypot(di, dj) * (1 + 3 * narrow)))
        return found

    def _pulled(self, line: list[Point2]) -> list[Point2]:
        """Only those corners that are needed to pass; the ends always."""
        kept, k = [line[0]], 0
        while k < len(line) - 1:
            far = k + 1
            step = len(line) - 1
            while step > far and not self.line_free(line[k], line[step]):
                step = (step + far) // 2
            k = max(far, step)
            kept.append(line[k])
        return kept


def _stops(box: Box) -> bool:
    return not box.walkable_under and box.centre[1] + box.half[1] > KNEES_M and (
        box.centre[1] - box.half[1] < HEADS_M
    )  # fmt: skip


def _from_box(points: Points, box: Box) -> Points:
    cos, sin = math.cos(box.yaw), math.sin(box.yaw)
    x, z = points[..., 0] - box.centre[0], points[..., 1] - box.centre[2]
    u, v = np.abs(cos * x - sin * z) - box.half[0], np.abs(sin * x + cos * z) - box.half[2]
    outside = np.hypot(np.maximum(u, 0), np.maximum(v, 0))
    return np.asarray(np.where((u < 0) & (v < 0), np.maximum(u, v), outside))


def _doorway(points: Points, inside: Point2, outside: Point2, width: float) -> Points:
    """Clearance in the strip from a hall through a doorway into the room."""
    start, way = np.array(inside), np.array(outside) - np.array(inside)
    way /= math.hypot(*way)
    away = points - start
    along = away[..., 0] * way[0] + away[..., 1] * way[1]
    aside = np.abs(away[..., 0] * way[1] - away[..., 1] * way[0])
    ends = np.minimum(along, math.dist(inside, outside) + 0.3 - along) + BODY_M
    return np.asarray(np.minimum(width / 2 - aside, ends))


def _backwards(
    before: dict[tuple[int, int], tuple[int, int]], goal: tuple[int, int]
) -> list[tuple[int, int]]:
    cells = [goal]
    while cells[-1] in before:
        cells.append(before[cells[-1]])
    return cells[::-1]
