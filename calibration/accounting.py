# SPDX-License-Identifier: Apache-2.0
"""Leaked bits and differential privacy of many releases, and the sigma that a cap asks for.

Everything adds over releases: bits in both forms, and rho of zero-concentrated differential
privacy. The formulas of one release are in kernels/bounds.py, the proofs in docs/privacy.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from calibration.exact_noise import exact_noise
from kernels.bounds import capacity_bits, leak_bits, zcdp_rho
from kernels.table import SIGMA_MAX, TAIL_BITS, noise_table

Form = Literal["leak", "capacity"]

MASS_ERROR = 2.0**-38  # r: no mass of a table is off by more than this part of itself

_HALVINGS = 200


def release_bits(C: int, sigma: int, K: int, form: Form) -> float:
    """Cap on what one release leaks, in the chosen form: bits."""
    if form == "leak":
        return leak_bits(C, sigma)
    return capacity_bits(C, sigma, K)


def releases_in(seconds: float, rate_hz: float) -> int:
    """Releases that fall into a half-open stretch of time at a constant rate, at most."""
    if not (seconds > 0.0 and rate_hz > 0.0):
        raise ValueError(f"need a positive time and rate, got {seconds} s and {rate_hz}/s")
    return math.ceil(seconds * rate_hz)


def sigma_for(bits: float, releases: int, C: int, K: int, form: Form) -> int:
    """The smallest integer sigma with which `releases` releases together leak at most `bits`."""
    if not bits > 0.0:
        raise ValueError(f"bits must be positive, got {bits}")
    if releases * release_bits(C, SIGMA_MAX, K, form) > bits:
        raise ValueError(_unreachable(releases, C, f"{bits:g} bits"))
    return _smallest_sigma(lambda sigma: releases * release_bits(C, sigma, K, form) <= bits)


def sigma_for_epsilon(epsilon: float, delta: float, releases: int, C: int, K: int) -> int:
    """The smallest sigma whose table keeps `releases` releases together at most epsilon-private.

    delta is what the exact mechanism spends, see `deployed_privacy`.
    """
    exact = epsilon - _rounding_epsilon(releases * K)

    def keeps(sigma: int) -> bool:
        return epsilon_for(releases * zcdp_rho(C, sigma), delta) <= exact

    if not keeps(SIGMA_MAX):
        raise ValueError(_unreachable(releases, C, f"an epsilon of {epsilon:g}"))
    return _smallest_sigma(keeps)


def _unreachable(releases: int, C: int, wish: str) -> str:
    return (
        f"no sigma up to {SIGMA_MAX} keeps {releases} releases at {wish} with clip norm {C}: "
        "release less often, allow more, or lower the clip norm"
    )


def _smallest_sigma(keeps: Callable[[int], bool]) -> int:
    """Where `keeps` turns true on 1 .. SIGMA_MAX; it holds at the end and never turns back."""
    low, high = 0, SIGMA_MAX
    while high - low > 1:
        middle = (low + high) // 2
        if keeps(middle):
            high = middle
        else:
            low = middle
    return high


def delta_for(rho: float, epsilon: float) -> float:
    """(epsilon, delta) of rho-zCDP: the smallest delta over all orders alpha > 1.

    delta = exp((alpha - 1)(alpha rho - epsilon)) (1 - 1/alpha)^alpha / (alpha - 1), see Canonne,
    Kamath and Steinke 2020, arXiv 2004.00010. Its logarithm has an increasing derivative.
    """
    if not (rho >= 0.0 and epsilon >= 0.0):
        raise ValueError(f"rho and epsilon must not be negative, got {rho} and {epsilon}")
    if rho == 0.0:
        return 0.0
    low, high = 1.0, 2.0 + (epsilon + 1.0) / (2.0 * rho)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if middle <= 1.0 or (2.0 * middle - 1.0) * rho - epsilon + math.log1p(-1.0 / middle) < 0.0:
            low = middle
        else:
            high = middle
    alpha = high
    exponent = (alpha - 1.0) * (alpha * rho - epsilon) + alpha * math.log1p(-1.0 / alpha)
    return min(1.0, math.exp(min(0.0, exponent - math.log(alpha - 1.0))))


def epsilon_for(rho: float, delta: float) -> float:
    """The smallest epsilon that goes with delta; never above rho + 2 sqrt(rho ln(1/delta))."""
    if not 0.0 < delta < 1.0:
        raise ValueError(f"delta must lie in 0..1, got {delta}")
    low, high = 0.0, rho + 2.0 * math.sqrt(rho * -math.log(delta))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if delta_for(rho, middle) <= delta:
            high = middle
        else:
            low = middle
    return high


def deployed_privacy(
    C: int, sigma: int, K: int, releases: int, delta: float
) -> tuple[float, float]:
    """(epsilon, delta) of `releases` releases as deployed: drawn from the table, not the exact law.

    `delta` is what the exact mechanism spends. With n = releases K draws, r the largest relative
    error of a table's mass and s = P(|g| > bound - 2C) of the exact law, docs/privacy.md proves
        epsilon' = epsilon + n ln((1 + r) / (1 - r)),  delta' = e^(n (r + tail)) (delta + n s).
    """
    draws = releases * K
    reach = max(0, noise_table(sigma).bound - 2 * C)
    outside = exact_noise(sigma).beyond(reach)
    epsilon = epsilon_for(releases * zcdp_rho(C, sigma), delta) + _rounding_epsilon(draws)
    factor = math.exp(draws * (MASS_ERROR + 2.0**-TAIL_BITS))
    return epsilon, min(1.0, factor * (delta + draws * outside))


def _rounding_epsilon(draws: int) -> float:
    """n ln((1 + r) / (1 - r)): what the rounding of the table's masses can add."""
    return draws * 2.0 * math.atanh(MASS_ERROR)
