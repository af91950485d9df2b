# SPDX-License-Identifier: Apache-2.0
"""Audit a release by attacking it: what it really leaks, with statistical confidence.

The two worst vectors are opposite poles of the ball, +C and -C on one axis. Release each many
times, guess which one it was from the sign along that axis (the likelihood-ratio test of the
Gaussian, its threshold fixed in advance), and turn the two error counts into a lower bound on the
privacy actually lost:
    mu >= Phi^-1(1 - a) - Phi^-1(b),
a and b being Clopper-Pearson upper limits of the false-positive and the false-negative rate, each
at half of the risk. The claim is mu = 2C / sigma, that is rho = mu^2 / 2 = 2 C^2 / sigma^2. An
audit above the claim convicts the sampler; one far below it says that the claim is loose. It
never proves a claim.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from kernels.bounds import zcdp_rho
from kernels.noise import KEY_BYTES, WORD_BYTES, ratchet, sample
from kernels.reference import ReleaseParameters, Releaser
from kernels.table import noise_table

# (v (K) int32, n) -> n independent releases of v, (n, K) integers
Sampler = Callable[[NDArray[np.int32], int], NDArray[np.integer]]

_CHUNK = 4096  # releases that are drawn from one key
_TERMS = 500  # of a continued fraction; exact to 10 digits up to n = 10^6


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What the attack achieved. Rates are of `trials` releases of either pole."""

    trials: int
    false_positives: int
    false_negatives: int
    confidence: float
    rho_lower: float  # lost at least, with that confidence
    rho_claimed: float

    @property
    def tightness(self) -> float:
        """Lower bound over claim; above 1 the sampler is convicted."""
        return self.rho_lower / self.rho_claimed

    @property
    def within_claim(self) -> bool:
        """False convicts the sampler."""
        return self.rho_lower <= self.rho_claimed


def audit(
    sampler: Sampler,
    clip_norm: int,
    sigma: int,
    released_dim: int,
    *,
    trials: int,
    confidence: float = 0.9999,
) -> AuditResult:
    """Attack `sampler`, which claims this norm and noise, with 2 * trials releases."""
    if trials < 1 or not 0.0 < confidence < 1.0:
        raise ValueError("need at least one trial and a confidence inside 0..1")
    pole = np.zeros(released_dim, dtype=np.int32)
    pole[0] = clip_norm
    false_negatives = trials - int(np.count_nonzero(sampler(pole, trials)[:, 0] > 0))
    false_positives = int(np.count_nonzero(sampler(-pole, trials)[:, 0] > 0))
    risk = (1.0 - confidence) / 2.0
    a, b = (upper_limit(k, trials, risk) for k in (false_positives, false_negatives))
    return AuditResult(
        trials, false_positives, false_negatives, confidence, _rho(a, b), zcdp_rho(clip_norm, sigma)
    )


def table_sampler(sigma: int, key: bytes) -> Sampler:
    """The noise kernel alone, added to v; fast enough for millions of releases."""
    state = bytearray(key)

    def draw(v: NDArray[np.int32], n: int) -> NDArray[np.integer]:
        out = np.empty((n, len(v)), dtype=np.int32)
        for start in range(0, n, _CHUNK):
            rows = out[start : start + _CHUNK]
            state[:], words = ratchet(state, rows.size)
            rows[:] = v + sample(noise_table(sigma), words).reshape(rows.shape)
        return out

    return draw


def releaser_sampler(clip_norm: int, sigma: int, key: bytes) -> Sampler:
    """The whole release, key ratchet included, on an embedding whose clipped vector is v."""
    state = bytearray(key)

    def draw(v: NDArray[np.int32], n: int) -> NDArray[np.integer]:
        state[:], seed = ratchet(state, KEY_BYTES // WORD_BYTES)
        projection = np.diag(np.sign(v)).astype(np.int8)
        parameters = ReleaseParameters(projection, 1.0, clip_norm, 1, (sigma,))
        releaser = Releaser(parameters, memoryview(bytearray(seed.tobytes())))
        embedding = np.full(len(v), np.inf, dtype=np.float32)
        out = np.empty((n, len(v)), dtype=np.int16)
        for row in out:
            releaser.release(embedding, 0, row)
        releaser.close()
        return out

    return draw


def upper_limit(k: int, n: int, risk: float) -> float:
    """Clopper-Pearson: the rate at which k or fewer of n happen with probability `risk`."""
    if not 0 <= k <= n:
        raise ValueError(f"k must lie in 0..{n}, got {k}")
    if k == n:
        return 1.0
    low, high = k / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if _at_most(k, n, middle) > risk:
            low = middle
        else:
            high = middle
    return high


def _at_most(k: int, n: int, p: float) -> float:
    """P(Binomial(n, p) <= k) for p >= k / n, by the continued fraction of the incomplete beta.

    NIST DLMF 8.17.22, evaluated from its tail; with x = 1 - p below the mean it converges fast.
    """
    a, b, x = n - k, k + 1, 1.0 - p
    if x <= 0.0:
        return 0.0
    fraction = 1.0
    for m in range(_TERMS, 0, -1):
        half = m // 2
        if m % 2:
            d = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            d = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        fraction = 1.0 + d / fraction
    scale = math.lgamma(a + b) - math.lgamma(a + 1) - math.lgamma(b)
    return min(1.0, math.exp(scale + a * math.log(x) + b * math.log1p(-x)) / fraction)


def _rho(a: float, b: float) -> float:
    """Zero when the limits leave nothing to conclude."""
    if a >= 1.0 or b >= 1.0:
        return 0.0
    normal = NormalDist()
    mu = normal.inv_cdf(1.0 - a) - normal.inv_cdf(b)
    return max(0.0, mu) ** 2 / 2.0
