# SPDX-License-Identifier: Apache-2.0
"""Intervals of figures whose clips are not independent: whole scenes and whole people resampled.

Clips of one room share its light and its camera, clips of one person his way of moving. Scenes and
people are therefore drawn with replacement, each on its own, and a clip counts as often as its
scene was drawn times how often its people were (the pigeonhole bootstrap, Owen 2007: rather too
wide than too narrow). Where every person was in one scene only, or every scene had one person only,
the coarser of the two is drawn alone. Letters: N clips, R resamplings, U units.

A bootstrap knows nothing of what has not been seen: with no false alarm it says that there will be
none. So no interval here is narrower than its exact counterpart for independent events.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.data import Clip
from calibration.metrics import (
    BOOTSTRAP_DRAWS,
    MIN_EVENT_GROUPS,
    TAIL,
    Bounds,
    auc_interval,
    poisson_rate_interval,
    weighted_auc,
    wilson,
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clusters:
    """How often each clip counts in each resampling: weights (R, N); what was drawn: `over`."""

    weights: Floats
    units: tuple[npt.NDArray[np.bool_], ...]  # per kind of unit: which clips (U, N) belong to it
    over: str

    def spread(self, matter: Floats) -> int:
        """Independent units, at most, among the clips whose `matter` (N,) is not zero."""
        return min(int(unit[:, matter != 0].any(axis=1).sum()) for unit in self.units)


def people(clip: Clip) -> tuple[str, ...]:
    """Who is in the clip; where the list does not say, whoever belongs to the scene."""
    names = clip.subject.split("+") if clip.subject else [clip.scene]
    return tuple(f"{clip.set}/{name}" for name in names)


def cluster(clips: Sequence[Clip], seed: int, draws: int = BOOTSTRAP_DRAWS) -> Clusters:
    """Resamplings of the scenes and people of `clips`."""
    scenes = _belonging([(clip.place,) for clip in clips])
    persons = _belonging([people(clip) for clip in clips])
    random = np.random.default_rng(seed)
    meet = (scenes.astype(np.int64) @ persons.T.astype(np.int64)) > 0
    if (meet.sum(axis=0) <= 1).all():
        return Clusters(_weights(scenes, random, draws), (scenes,), "scenes")
    if (meet.sum(axis=1) <= 1).all():
        return Clusters(_weights(persons, random, draws), (persons,), "people")
    weights = _weights(scenes, random, draws) * _weights(persons, random, draws)
    return Clusters(weights, (scenes, persons), "scenes and people")


def proportion_interval(found: Floats, events: Floats, clusters: Clusters) -> tuple[Bounds, str]:
    """95 % interval of sum(found) / sum(events), both (N,) per clip, and what it is taken over."""
    exact = wilson(min(float(found.sum()), float(events.sum())), round(float(events.sum())))
    return _wider(exact, found, events, clusters, "events")


def rate_interval(count: Floats, hours: Floats, clusters: Clusters) -> tuple[Bounds, str]:
    """95 % interval of sum(count) / sum(hours), both (N,) per clip, and what it is taken over."""
    exact = poisson_rate_interval(float(count.sum()), float(hours.sum()))
    return _wider(exact, count, hours, clusters, "alarms")


def ranking_interval(
    scores: Sequence[float], labels: Sequence[bool], clusters: Clusters
) -> tuple[Bounds | None, str]:
    """95 % interval of the AUC of scores (N,) and what it is taken over.

    Clips are taken as independent where fewer than MIN_EVENT_GROUPS units hold positives.
    """
    if clusters.spread(np.asarray(labels, np.float64)) < MIN_EVENT_GROUPS:
        return auc_interval(scores, labels), "clips"
    drawn = weighted_auc(scores, labels, clusters.weights)
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return None, clusters.over
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    return (float(low), float(high)), clusters.over


def quantile_interval(
    values: Sequence[float], owners: Sequence[int], share: float, clusters: Clusters
) -> Bounds | None:
    """95 % interval of a quantile of `values`, each of which belongs to the clip `owners`.

    None with fewer than MIN_EVENT_GROUPS independent units: delays have no exact counterpart.
    """
    order = np.argsort(values, kind="stable")
    index = np.asarray(owners, np.intp)[order]
    matter = np.bincount(index, minlength=clusters.weights.shape[1]).astype(np.float64)
    if clusters.spread(matter) < MIN_EVENT_GROUPS:
        return None
    heaps = np.cumsum(clusters.weights[:, index], axis=1, dtype=np.float64)
    drawn = heaps[heaps[:, -1] > 0]
    place = (drawn < share * drawn[:, -1:]).sum(axis=1)
    low, high = np.quantile(np.asarray(values)[order][place], [TAIL, 1 - TAIL])
    return float(low), float(high)


def _wider(
    exact: Bounds, above: Floats, below: Floats, clusters: Clusters, alone: str
) -> tuple[Bounds, str]:
    if clusters.spread(below) < MIN_EVENT_GROUPS:
        return exact, alone
    top, bottom = clusters.weights @ above, clusters.weights @ below
    drawn = bottom > 0
    low, high = np.quantile(top[drawn] / bottom[drawn], [TAIL, 1 - TAIL])
    return (min(exact[0], float(low)), max(exact[1], float(high))), clusters.over


def _belonging(names: Sequence[Sequence[Hashable]]) -> npt.NDArray[np.bool_]:
    """(U, N): which of the U units, in order of first appearance, each of the N clips has."""
    position: dict[Hashable, int] = {}
    for some in names:
        for name in some:
            position.setdefault(name, len(position))
    table = np.zeros((len(position), len(names)), np.bool_)
    for column, some in enumerate(names):
        table[[position[name] for name in some], column] = True
    return table


def _weights(belonging: npt.NDArray[np.bool_], random: np.random.Generator, draws: int) -> Floats:
    """(R, N): how often a clip's unit was drawn; of several units, their mean."""
    units = len(belonging)
    times = random.multinomial(units, np.full(units, 1 / units), size=draws) if units else None
    if times is None:
        return np.zeros((draws, belonging.shape[1]))
    share = belonging / belonging.sum(axis=0)
    return np.asarray(times.astype(np.float64) @ share)
