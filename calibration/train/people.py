# SPDX-License-Identifier: Apache-2.0
"""Who the rendered people are: what the adversary is asked.

A rendered set's people.csv has one row per body. Build is in three equal parts by its number,
clothing is what the table calls it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from calibration.data import DataError
from calibration.rooms.store import PEOPLE_FILE

BUILDS = 3


class People:
    """Answers to the adversary's questions for bodies of the training split; -1 is unknown."""

    def __init__(self, table: Sequence[Mapping[str, str]], bodies: Iterable[int]) -> None:
        listed = {int(row["id"].removeprefix("b")): row for row in table}
        self._index = {body: k for k, body in enumerate(sorted(set(bodies) & set(listed)))}
        rows = [listed[body] for body in self._index]
        builds = np.array([float(row["build"]) for row in rows])
        clothes = sorted({row["clothing"] for row in table})
        self._answers = {
            "person": list(range(len(rows))),
            "sex": [int(row["sex"] == "f") for row in rows],
            "build": _thirds(builds),
            "clothing": [clothes.index(row["clothing"]) for row in rows],
        }
        self.tasks = {
            "person": max(1, len(rows)),
            "sex": 2,
            "build": BUILDS,
            "clothing": max(1, len(clothes)),
        }

    def answers(self, persons: Sequence[int]) -> dict[str, Tensor]:
        """Bodies (-1 for none) -> (B,) answers of every task."""
        at = [self._index.get(person, -1) for person in persons]
        return {
            task: torch.tensor([found[k] if k >= 0 else -1 for k in at])
            for task, found in self._answers.items()
        }


def read_people(folders: Iterable[Path]) -> list[dict[str, str]]:
    """Rows of every people.csv that is there; real sets have none. Raises DataError."""
    found = []
    for folder in folders:
        path = folder / PEOPLE_FILE
        if path.exists():
            with path.open(newline="", encoding="utf-8") as source:
                rows = list(csv.DictReader(source))
            if rows and not {"id", "sex", "build", "clothing"} <= set(rows[0]):
                raise DataError(f"{path}: a column is missing; render the set again")
            found += rows
    return found


def _thirds(values: npt.NDArray[np.float64]) -> list[int]:
    if not len(values):
        return []
    edges = np.quantile(values, [k / BUILDS for k in range(1, BUILDS)])
    return [int(k) for k in np.searchsorted(edges, values)]
