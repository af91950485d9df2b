# SPDX-License-Identifier: Apache-2.0
"""The law that the table draws from, summed exactly: its variance, its excess and its reach.

docs/privacy.md bounds these three for every sigma at once; here they are figures of one table, in
decimals of 50 digits from the table's own integers. p~ is the table's law, p the exact discrete
Gaussian of the same sigma on all integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import lru_cache
from itertools import pairwise

from kernels.table import noise_table

_DIGITS = 50
_NEGLIGIBLE = Decimal(10) ** -42  # of the largest weight: where the exact law's sum may end


@dataclass(frozen=True, slots=True)
class ExactNoise:
    """Figures of one coordinate's noise."""

    sigma: int
    variance: float  # of p~
    excess_bits: float  # KL(p~ || p), what the table adds to the leak: about the mass it cuts off
    _tails: tuple[Decimal, ...]  # P(|g| > x) of p, for x = 0, 1, ...

    def beyond(self, reach: int) -> float:
        """P(|g| > reach) of the exact law, reach >= 0; below 10^-40 it is 0."""
        if reach < 0:
            raise ValueError(f"reach must not be negative, got {reach}")
        return float(self._tails[reach]) if reach < len(self._tails) else 0.0


@lru_cache(maxsize=16)
def exact_noise(sigma: int) -> ExactNoise:
    """Sum the table for sigma and the exact law beside it; ReleaseError for a sigma without one."""
    edges = [0, *noise_table(sigma).thresholds(), 2**127]
    with localcontext(Context(prec=_DIGITS)):
        weights = _weights(sigma)
        whole = 2 * sum(weights) - weights[0]
        drawn = [Decimal(b - a) / 2**127 for a, b in pairwise(edges)]  # of |g| = 0, 1, ...
        variance = sum(x * x * mass for x, mass in enumerate(drawn))
        folded = [weights[0] / whole, *(2 * weight / whole for weight in weights[1:])]  # p of |g|
        pairs = zip(drawn, folded, strict=False)
        excess = sum(mass * _ln(mass / exact - 1) for mass, exact in pairs) / Decimal(2).ln()
        tails, outside = [], Decimal(0)
        for mass in reversed(folded):
            tails.append(outside)
            outside += mass
    return ExactNoise(sigma, float(variance), float(excess), tuple(reversed(tails)))


def table_bits(leak: float, K: int, sigma: int) -> float:
    """`leak` bits of a release of K coordinates with the table's excess added, rounded upward."""
    return math.nextafter(leak + K * exact_noise(sigma).excess_bits, math.inf)


def _ln(d: Decimal) -> Decimal:
    """ln(1 + d) for |d| <= 2^-38, which bounds the rounding of every mass; the rest is < 2^-150."""
    return d * (1 - d * (Decimal(1) / 2 - d / 3))


def _weights(sigma: int) -> list[Decimal]:
    """exp(-x^2 / (2 sigma^2)) for x = 0, 1, ... until they are negligible, by recurrence."""
    half_step = (Decimal(-1) / (2 * sigma * sigma)).exp()
    weight, ratio, shrink = Decimal(1), half_step, half_step * half_step
    found = []
    while weight > _NEGLIGIBLE:
        found.append(weight)
        weight, ratio = weight * ratio, ratio * shrink
    return found
