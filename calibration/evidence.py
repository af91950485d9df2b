# SPDX-License-Identifier: Apache-2.0
"""What a number of bits can decide at most: naming a person, confirming an event. Pure functions.

All of it follows from the data-processing inequality for relative entropy: whatever is computed
from a released vector, its two outcomes cannot be further apart than the vectors are.
"""

from __future__ import annotations

import math

_HALVINGS = 200  # of an interval inside [0, 1]: beyond double precision
_SMALL_HALVINGS = 1074  # down to the smallest double: rates may be tiny, their logarithm counts


def kl_bits(p: float, q: float) -> float:
    """Relative entropy of a coin that shows heads with p from one with q: bits."""
    if not (0.0 <= p <= 1.0 and 0.0 <= q <= 1.0):
        raise ValueError(f"probabilities must lie in 0..1, got {p} and {q}")
    return _term(p, q) + _term(1.0 - p, 1.0 - q)


def _term(p: float, q: float) -> float:
    if p == 0.0:
        return 0.0
    return math.inf if q == 0.0 else p * math.log2(p / q)


def largest_rate(bits: float, base_rate: float) -> float:
    """The largest p >= base_rate with kl(p || base_rate) <= bits."""
    if bits < 0.0:
        raise ValueError(f"bits must not be negative, got {bits}")
    low, high = base_rate, 1.0
    if kl_bits(high, base_rate) <= bits:
        return high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if kl_bits(middle, base_rate) <= bits:
            low = middle
        else:
            high = middle
    return low


def reidentification_cap(bits: float, people: int) -> float:
    """Best success in naming one of `people`, all equally likely before, from `bits` of leak.

    kl(success || 1 / people) <= I(person; everything released) <= bits.
    """
    if people < 1:
        raise ValueError(f"people must be at least 1, got {people}")
    return largest_rate(bits, 1.0 / people)


def needed_bits(recall: float, false_positive_rate: float) -> float:
    """Evidence that a detector of this quality needs at least: kl(recall || rate) bits.

    Both per decision; one false alarm a day with a decision every 2 s is a rate of 1 / 43,200.
    """
    return kl_bits(recall, false_positive_rate)


def least_false_positive_rate(bits: float, recall: float) -> float:
    """The smallest rate f with kl(recall || f) <= bits: no detector of this recall has a lower."""
    if bits < 0.0 or not 0.0 < recall <= 1.0:
        raise ValueError(f"need bits of at least 0 and a recall in 0..1, got {bits} and {recall}")
    low, high = 0.0, recall
    for _ in range(_SMALL_HALVINGS):
        middle = (low + high) / 2.0
        if kl_bits(recall, middle) <= bits:
            high = middle
        else:
            low = middle
    return high


def evidence_bits(leak_bits: float) -> float:
    """Evidence between two situations in releases whose leak caps sum to `leak_bits`: four times.

    Two clipped vectors lie up to 2C apart, one and the centre only C; divergence is quadratic.
    """
    return 4.0 * leak_bits


def needed_releases(recall: float, false_positive_rate: float, release_leak_bits: float) -> int:
    """The fewest releases that can carry the evidence, if all of the norm is spent on it."""
    if release_leak_bits <= 0.0:
        raise ValueError(f"a release must leak more than nothing, got {release_leak_bits}")
    need = needed_bits(recall, false_positive_rate)
    return math.ceil(need / evidence_bits(release_leak_bits))
