# SPDX-License-Identifier: Apache-2.0
"""Figures of merit with their intervals: pure functions, no files, no clock, seeds as arguments.

Every interval is two-sided at 95 %. A figure that its data cannot define (an AUC with one class, a
rate over no footage) is None, never zero.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution
TAIL = 0.025
BOOTSTRAP_DRAWS = 2000
MIN_EVENT_GROUPS = 5  # fewer scenes with events than this: resampling scenes says nothing

Bounds = tuple[float, float]
Floats = npt.NDArray[np.float64]


def wilson(k: float, n: int) -> Bounds:
    """95 % score interval of a proportion, k of n (Wilson 1927); (0, 1) for n = 0.

    k may be a mean over noise draws, hence not whole.
    """
    if not 0 <= k <= n:
        raise ValueError(f"k must lie in 0..{n}, got {k}")
    if n == 0:
        return 0.0, 1.0
    p, z2 = k / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low = 0.0 if k == 0 else max(0.0, centre - half)
    return low, 1.0 if k == n else min(1.0, centre + half)


def poisson_rate_interval(k: float, hours: float) -> Bounds:
    """95 % exact interval of a rate per hour, k counted in `hours` (Garwood 1936).

    k may be a mean over noise draws; the bounds are then those of the whole numbers around it.
    """
    if k < 0 or not hours > 0:
        raise ValueError(f"need k >= 0 and hours > 0, got {k} in {hours} h")
    below, above = math.floor(k), math.ceil(k)
    low = _poisson_mean(below - 1, 1 - TAIL) if below > 0 else 0.0
    return low / hours, _poisson_mean(above, TAIL) / hours


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """Probability that a positive scores above a negative, ties counted half (Mann-Whitney)."""
    positive, negative = _split(scores, labels)
    if not len(positive) or not len(negative):
        return None
    return float(_wins(positive, negative).mean())


def weighted_auc(scores: Sequence[float], labels: Sequence[bool], weights: Floats) -> Floats:
    """`auc` with clips that count several times: weights (R, N) -> (R,), NaN where a class is void.

    Sorted once, so that thousands of resamplings of thousands of clips are seconds.
    """
    truth, values = np.asarray(labels, dtype=bool), np.asarray(scores, np.float64)
    order = np.argsort(values, kind="stable")
    _, first = np.unique(values[order], return_index=True)
    positive = np.add.reduceat(np.where(truth, weights, 0.0)[:, order], first, axis=1)
    negative = np.add.reduceat(np.where(truth, 0.0, weights)[:, order], first, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray((positive * below).sum(axis=1) / np.where(pairs > 0, pairs, np.nan))


def auc_interval(scores: Sequence[float], labels: Sequence[bool]) -> Bounds | None:
    """95 % interval of `auc` if clips are independent (DeLong 1988, on the logit scale)."""
    return _delong(*_split(scores, labels))


def _delong(positive: Floats, negative: Floats) -> Bounds | None:
    if len(positive) < 2 or len(negative) < 2:
        return None
    wins = _wins(positive, negative)
    area = float(wins.mean())
    variance = wins.mean(axis=1).var(ddof=1) / len(positive)
    variance += wins.mean(axis=0).var(ddof=1) / len(negative)
    if variance == 0.0:
        # Separated (or equal) scores show no spread; what bounds the knowledge then is the
        # number of clips in the scarcer class.
        n = min(len(positive), len(negative))
        return wilson(area * n, n)
    half = Z95 * math.sqrt(variance) / (area * (1 - area))
    centre = math.log(area / (1 - area))
    return _expit(centre - half), _expit(centre + half)


def _split(scores: Sequence[float], labels: Sequence[bool]) -> tuple[Floats, Floats]:
    values, truth = np.asarray(scores, np.float64), np.asarray(labels, dtype=bool)
    if values.shape != truth.shape or values.ndim != 1:
        raise ValueError(f"one score per label: {values.shape} against {truth.shape}")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    return values[truth], values[~truth]


def _wins(positive: Floats, negative: Floats) -> Floats:
    """(P, N): 1 where the positive scores higher, 0.5 at a tie."""
    difference = positive[:, None] - negative[None, :]
    wins: Floats = (difference > 0) + 0.5 * (difference == 0)
    return wins


def _poisson_mean(k: int, probability: float) -> float:
    """The mean m at which P(X <= k) = `probability` for X Poisson(m), by bisection."""
    low, high = 0.0, 10.0 * (k + 5)
    for _ in range(80):
        middle = (low + high) / 2
        terms = (math.exp(i * math.log(middle) - middle - math.lgamma(i + 1)) for i in range(k + 1))
        low, high = (middle, high) if math.fsum(terms) > probability else (low, middle)
    return (low + high) / 2


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x))
