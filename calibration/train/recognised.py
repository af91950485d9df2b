# SPDX-License-Identifier: Apache-2.0
"""How often somebody was recognised: answers against the truth, balanced, with intervals.

Letters: W windows, P persons, M moments, R resamplings.

A figure is the mean over the answers of a question of the share that is found, every person of an
answer counting equally, so chance is one over the number of answers. A stay is all that was seen of
a person in one clip. Intervals resample whole moments: windows of one are not independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calibration.metrics import BOOTSTRAP_DRAWS, TAIL
from calibration.train.lineup import Place

UNITS = ("window", "stay")
SEED = 0

F32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Figures = dict[str, Any]


@dataclass(slots=True)
class Hits:
    """found and asked (2, M, P), by window and by stay."""

    found: Floats
    asked: Floats


class Trial:
    """The windows that an attacker is tested on, and how its answers are counted."""

    def __init__(self, shown: Sequence[Place], true: Mapping[str, Ints]) -> None:
        """`true`: question -> the answer of each window (W,)."""
        _, self._moment = np.unique([p.moment for p in shown], return_inverse=True)
        persons, first, self._person = np.unique(
            [p.person for p in shown], return_index=True, return_inverse=True
        )
        stays = [(p.clip, p.person) for p in shown]
        _, self._opens, self._stay = np.unique(
            stays, axis=0, return_index=True, return_inverse=True
        )
        self._true = true
        self._of_person = {question: answers[first] for question, answers in true.items()}
        self._shape = int(self._moment.max()) + 1, len(persons)
        random = np.random.default_rng(SEED)
        moments = self._shape[0]
        drawn = random.multinomial(moments, np.full(moments, 1 / moments), BOOTSTRAP_DRAWS)
        self._weights = np.vstack([np.ones(moments), drawn])  # the first is as it was

    def none(self) -> Hits:
        """Nothing counted yet."""
        return Hits(np.zeros((2, *self._shape)), np.zeros((2, *self._shape)))

    def answers_to(self, question: str) -> int:
        """How many answers occur among these persons."""
        return len(np.unique(self._of_person[question]))

    def add(self, hits: Hits, log_p: F32, question: str) -> None:
        """Count one draw's answers: log_p (W, answers)."""
        together = np.zeros((len(self._opens), log_p.shape[1]))
        np.add.at(together, self._stay, log_p)
        self._count(hits, 0, log_p, np.arange(len(log_p)), question)
        self._count(hits, 1, together, self._opens, question)

    def _count(self, hits: Hits, unit: int, log_p: Floats | F32, at: Ints, question: str) -> None:
        where = self._moment[at], self._person[at]
        np.add.at(hits.found[unit], where, log_p.argmax(axis=1) == self._true[question][at])
        np.add.at(hits.asked[unit], where, 1)

    def figures(self, hits: Hits, question: str) -> Figures:
        """The share found, by window and by stay, with 95 % intervals."""
        of: Figures = {}
        for unit, name in enumerate(UNITS):
            found, asked = (self._weights @ table[unit] for table in (hits.found, hits.asked))
            values = _balanced(found, asked, self._of_person[question])
            low, high = np.quantile(values[1:], [TAIL, 1 - TAIL])
            of[name], of[f"{name}_interval"] = float(values[0]), (float(low), float(high))
        return of


def _balanced(found: Floats, asked: Floats, answer: Ints) -> Floats:
    """(R, P), (R, P), answers (P,) -> (R,): the mean over answers of the mean over persons."""
    seen = asked > 0
    share = np.where(seen, found / np.where(seen, asked, 1), 0)
    belongs = (answer[:, None] == np.unique(answer)).astype(float)  # (P, answers)
    persons = seen @ belongs
    recall = share @ belongs / np.where(persons > 0, persons, np.nan)
    return np.asarray(np.nanmean(recall, axis=1))
