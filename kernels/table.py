# SPDX-License-Identifier: Apache-2.0
"""The discrete Gaussian as a table of thresholds, made in integers only.

For P(G = x) ~ exp(-x^2 / (2 sigma^2)), conditional on |G| <= bound,
    T[i] = round(2^127 P(|G| <= i)),  i = 0 .. bound - 1.
A uniform 127-bit number r gives the magnitude: the number of thresholds T[i] <= r. The sign is one
more fair bit, so P(+x) = P(-x) exactly. The mass cut off by `bound` is below 2^-80. No float takes
part: weights have 256 fractional bits. A table is public; it holds no secret.

The thresholds are padded to 2^steps - 1 and stored as a complete search tree in heap order: node i
has the children 2 i and 2 i + 1, the root is 1, entry 0 is unused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Context
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kernels.errors import ReleaseError

TAIL_BITS = 80  # the mass outside the table is below 2^-80
SIGMA_MAX = 3100  # above it |g| would not fit int16

_FRACTION_BITS = 256
_WEIGHT_FLOOR_BITS = 128  # smaller weights are not summed: far below the tail that is cut
_NEVER = 2**127  # a threshold that no 127-bit r reaches
_LIMB = 2**64 - 1


@dataclass(frozen=True, slots=True, eq=False)
class NoiseTable:
    """The search tree for one sigma; the padding is a threshold that is never reached."""

    sigma: int
    bound: int = field(init=False)  # largest |g|
    steps: int = field(init=False)  # of the search, the same for every word
    high: NDArray[np.uint64] = field(init=False, repr=False)  # (2^steps,) upper limbs of T
    low: NDArray[np.uint64] = field(init=False, repr=False)  # (2^steps,) lower limbs of T

    def __post_init__(self) -> None:
        if type(self.sigma) is not int or not 1 <= self.sigma <= SIGMA_MAX:
            raise ReleaseError(f"sigma must be an integer from 1 to {SIGMA_MAX}")
        thresholds = _thresholds(self.sigma)
        steps = len(thresholds).bit_length()
        tree = _heap(thresholds, steps)
        object.__setattr__(self, "bound", len(thresholds))
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "high", _frozen([value >> 64 for value in tree]))
        object.__setattr__(self, "low", _frozen([value & _LIMB for value in tree]))

    def thresholds(self) -> list[int]:
        """T[0 .. bound - 1] in order, as exact integers in units of 2^-127."""
        pairs = zip(self.high.tolist(), self.low.tolist(), strict=True)
        tree = [(high << 64) | low for high, low in pairs]
        return sorted(tree[1:])[: self.bound]


@lru_cache(maxsize=16)
def noise_table(sigma: int) -> NoiseTable:
    """The table for sigma, made once per process."""
    return NoiseTable(sigma)


def _frozen(values: list[int]) -> NDArray[np.uint64]:
    array = np.array(values, dtype=np.uint64)
    array.flags.writeable = False
    return array


def _heap(thresholds: list[int], steps: int) -> list[int]:
    """The ordered thresholds as a search tree of 2^steps entries in heap order."""
    padded = thresholds + [_NEVER] * (2**steps - len(thresholds))
    tree = [_NEVER]
    for level in range(steps):
        half = 2 ** (steps - 1 - level)
        tree.extend(padded[half - 1 :: 2 * half])
    return tree


def _weights(sigma: int) -> Iterator[int]:
    """exp(-x^2 / (2 sigma^2)) for x = 0, 1, ... in units of 2^-256, down to 2^-128.

    By the recurrence w(x + 1) = w(x) exp(-(2x + 1) / (2 sigma^2)). Truncation errs by less than
    (x + 2)^2 units, hence a threshold by less than 2^-80 of its own unit before it is rounded.
    """
    exact = Context(prec=100)
    one = 1 << _FRACTION_BITS
    half_step = exact.exp(exact.divide(-1, 2 * sigma * sigma))
    ratio = int(exact.multiply(half_step, one))
    shrink = int(exact.multiply(exact.multiply(half_step, half_step), one))
    weight = one
    while weight >> (_FRACTION_BITS - _WEIGHT_FLOOR_BITS):
        yield weight
        weight = weight * ratio >> _FRACTION_BITS
        ratio = ratio * shrink >> _FRACTION_BITS


def _thresholds(sigma: int) -> list[int]:
    """T[0 .. bound - 1] for the smallest bound that leaves less than 2^-80 outside."""
    sums: list[int] = []
    total = 0
    for x, weight in enumerate(_weights(sigma)):
        total += 2 * weight if x else weight
        sums.append(total)
    kept = total - (total >> TAIL_BITS)
    bound = next(x for x, mass in enumerate(sums) if mass > kept)
    whole = sums[bound]
    return [((mass << 128) + whole) // (2 * whole) for mass in sums[:bound]]
