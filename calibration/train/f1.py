# SPDX-License-Identifier: Apache-2.0
"""Macro-F1 over stretches of 2 s, with thresholds chosen elsewhere and an interval.

Letters: T time steps, S stretches, R draws of the noise, N clips, Q kinds of `targets.KINDS`.

A stretch of 2 s is one trial of each kind: positive if the kind is true in any step of it, negative
if it is known to be false in all, else not asked; its score is the largest probability inside. A
kind is found if its score reaches the kind's threshold. F1 is 2 TP / (2 TP + FP + FN), and macro-F1
its mean over kinds, whether they are rare or not. Thresholds belong to a model and come from clips
that no figure is taken from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from calibration.clusters import Clusters, cluster
from calibration.data import Clip
from calibration.metrics import MIN_EVENT_GROUPS, TAIL, Bounds, weighted_auc
from calibration.rooms.track import RATE_HZ
from calibration.train.targets import KINDS, targets

STRETCH = 20  # steps, 2 s
SEED = 0

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Figures = dict[str, object]
Thresholds = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Trials:
    """clip (S,): whose stretch it is; true, asked (S, Q): the answers; scores (R, S, Q)."""

    clip: npt.NDArray[np.intp]
    true: Bools
    asked: Bools
    scores: Floats

    def of(self, clips: Sequence[int]) -> Trials:
        """The stretches of some clips."""
        mine = np.isin(self.clip, clips)
        return Trials(self.clip[mine], self.true[mine], self.asked[mine], self.scores[:, mine])


def stretches(steps: int) -> list[slice]:
    """The stretches of a clip; what is left at its end is one if it is longer than half of one."""
    starts = range(0, steps - STRETCH // 2, STRETCH)
    return [slice(start, min(start + STRETCH, steps)) for start in starts]


def answers(behaviours: npt.NDArray[np.float32], known: npt.NDArray[np.float32]) -> Trials:
    """One clip's targets (T, Q) -> its trials, with no draw of scores yet."""
    parts = stretches(len(behaviours))
    shape = len(parts), len(KINDS)
    true, asked = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for s, at in enumerate(parts):
        certain = known[at] > 0
        true[s] = ((behaviours[at] > 0) & certain).any(axis=0)
        asked[s] = true[s] | certain.all(axis=0)
    return Trials(np.zeros(len(parts), np.intp), true, asked, np.zeros((0, *shape)))


def told(clip: Clip, steps: int) -> Trials:
    """What a clip's labels answer."""
    truth = targets(clip, steps)
    return answers(truth.behaviours, truth.known)


def peaks(probabilities: npt.NDArray[np.floating]) -> Floats:
    """(R, T, Q), one word at every step -> scores (R, S, Q)."""
    draws, steps, kinds = probabilities.shape
    found = np.zeros((draws, len(stretches(steps)), kinds))
    for s, at in enumerate(stretches(steps)):
        found[:, s] = probabilities[:, at].max(axis=1)
    return found


def verdict_peaks(
    times_s: Sequence[float], probabilities: npt.NDArray[np.floating], steps: int
) -> Floats:
    """The deployed path's words -> scores (S, Q) of a clip of so many steps.

    times_s (V,): clip time of the newest vector that each word (V, Q) looked at. A word belongs to
    the stretch in which it was said; where none was said nothing was claimed, and the score is 0.
    """
    said = np.zeros((steps, len(KINDS)))
    at = np.rint(np.asarray(times_s) * RATE_HZ).astype(np.intp)
    if len(at) and (at.min() < 0 or at.max() >= steps):
        raise ValueError(f"a word at step {at.min()} or {at.max()} of a clip of {steps}")
    np.maximum.at(said, at, probabilities)
    found: Floats = peaks(said[None])[0]
    return found


def together(parts: Sequence[Trials]) -> Trials:
    """Trials of N clips, numbered in this order; all with as many draws."""
    sizes = [len(part.clip) for part in parts]
    return Trials(
        np.repeat(np.arange(len(parts)), sizes),
        np.concatenate([part.true for part in parts]),
        np.concatenate([part.asked for part in parts]),
        np.concatenate([part.scores for part in parts], axis=1),
    )


def best_thresholds(trials: Trials) -> Thresholds:
    """Of every kind the threshold of the best F1 over all draws; None without a positive.

    It lies halfway to the next lower score: strangers get room on both sides.
    """
    return {kind: _best(_asked(trials, trials.clip, k)) for k, kind in enumerate(KINDS)}


def summarise(
    trials: Trials, thresholds: Mapping[str, float | None], clips: Sequence[Clip]
) -> Figures:
    """F1 of every kind and their mean, with 95 % intervals; `trials` number `clips` (N,).

    Scenes and people are resampled; clips, where fewer than MIN_EVENT_GROUPS of those have a
    positive; and there is no interval where fewer clips have. A kind without a positive or without
    a threshold has no F1, and `macro_over` says which have.
    """
    used, owner = np.unique(trials.clip, return_inverse=True)
    among = [clips[n] for n in used]
    counts: dict[str, Floats] = {}
    kinds: dict[str, Figures] = {}
    for k, kind in enumerate(KINDS):
        threshold, one = thresholds[kind], _asked(trials, owner, k)
        mine = []
        if threshold is not None and one.true.any():
            mine = [one.counts(threshold, len(used))]
            counts[kind] = mine[0]
        kinds[kind] = one.about() | {"threshold": threshold} | _figure(mine, among)
    return {
        **_figure(list(counts.values()), among),
        "macro_over": list(counts),
        "kinds": kinds,
    }


@dataclass(frozen=True, slots=True)
class _Kind:
    """The stretches in which one kind was asked for: owner, true (S,), scores (R, S)."""

    owner: npt.NDArray[np.intp]
    true: Bools
    scores: Floats

    def about(self) -> Figures:
        """How many, and how they are ranked: the mean AUC over the draws."""
        positives = int(self.true.sum())
        negatives, once = len(self.true) - positives, np.ones((1, len(self.true)))
        area = None
        if positives and negatives:
            areas = [weighted_auc(list(draw), list(self.true), once) for draw in self.scores]
            area = float(np.mean(areas))
        return {"positives": positives, "negatives": negatives, "auc": area}

    def counts(self, threshold: float, clips: int) -> Floats:
        """(R, N, 3): true positives, false positives, false negatives of every clip."""
        found = self.scores >= threshold
        each = np.stack([found & self.true, found & ~self.true, ~found & self.true], axis=-1)
        out = np.zeros((len(each), clips, 3))
        for draw, table in zip(each, out, strict=True):
            np.add.at(table, self.owner, draw)
        return out


def _asked(trials: Trials, owner: npt.NDArray[np.intp], k: int) -> _Kind:
    asked = trials.asked[:, k]
    return _Kind(owner[asked], trials.true[asked, k], trials.scores[:, asked, k])


def _best(one: _Kind) -> float | None:
    """The threshold of the best F1, the highest of equals."""
    scores = one.scores.ravel()
    true = np.broadcast_to(one.true, one.scores.shape).ravel()
    if not true.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(true[order])
    last = np.flatnonzero(np.diff(ranked, append=-np.inf))  # of equal scores
    f1 = 2 * hits[last] / (last + 1 + hits[-1])
    place = int(np.argmax(f1))
    lower = ranked[last[place] + 1] if place + 1 < len(last) else 0.0
    return float((ranked[last[place]] + lower) / 2)


def _f1(counts: Floats) -> Floats:
    """(..., 3) -> (...), NaN without a positive."""
    hits, false, missed = np.moveaxis(counts, -1, 0)
    defined = hits + missed > 0
    below = np.where(defined, 2 * hits + false + missed, np.nan)
    return np.asarray(2 * hits / below)


def _figure(counts: Sequence[Floats], clips: Sequence[Clip]) -> Figures:
    """The mean F1 over kinds, each (R, N, 3), and over draws."""
    if not counts:
        return {"f1": None, "f1_interval": None, "interval_over": None}
    table = np.stack(counts)  # (Q, R, N, 3)
    bounds, over = _interval(table, clips)
    value = float(_f1(table.sum(axis=2)).mean())
    return {"f1": value, "f1_interval": bounds, "interval_over": over}


def _interval(table: Floats, clips: Sequence[Clip]) -> tuple[Bounds | None, str | None]:
    positives = (table[..., 0] + table[..., 2])[:, 0]  # (Q, N), the same in every draw
    clusters = cluster(clips, SEED)
    if _spread(clusters, positives) < MIN_EVENT_GROUPS:
        lone = [replace(clip, scene=str(n), subject="") for n, clip in enumerate(clips)]
        clusters = replace(cluster(lone, SEED), over="clips")
    if _spread(clusters, positives) < MIN_EVENT_GROUPS:
        return None, None
    drawn = np.einsum("bn,qrnc->bqrc", clusters.weights, table, optimize=True)
    values = _f1(drawn).mean(axis=(1, 2))
    low, high = np.nanquantile(values, [TAIL, 1 - TAIL])
    return (float(low), float(high)), clusters.over


def _spread(clusters: Clusters, positives: Floats) -> int:
    return min(clusters.spread(of_kind) for of_kind in positives)
