# SPDX-License-Identifier: Apache-2.0
"""What one release can leak at most, in closed form. Proofs: docs/privacy.md.

The figures are those of the exact discrete Gaussian; the table that the device draws from adds
less than `TABLE_EXCESS_BITS` per released coordinate. Whoever keeps a ledger rounds up.
"""

from __future__ import annotations

import math

from kernels.errors import ReleaseError

TABLE_EXCESS_BITS = 2.0**-79  # per coordinate and release: cut tail and rounding of the table


def leak_bits(clip_norm: int, sigma: int) -> float:
    """Information one release carries about everything the camera saw, at most: bits.

    C^2 / (2 sigma^2 ln 2): the divergence of the noise shifted by C from the noise alone.
    """
    ratio = _ratio(clip_norm, sigma)
    return ratio * ratio / (2.0 * math.log(2.0))


def capacity_bits(clip_norm: int, sigma: int, released_dim: int) -> float:
    """The same, by the capacity of K coordinates that share the norm C: bits, never larger.

    (K / 2) log2(1 + C^2 / (K sigma^2)). The variance of the discrete Gaussian stands for sigma^2 in
    the proof; for sigma >= 2 the two differ by less than one part in 10^31.
    """
    if released_dim < 1:
        raise ReleaseError(f"released_dim must be at least 1, got {released_dim}")
    ratio = _ratio(clip_norm, sigma)
    return released_dim / 2.0 * math.log1p(ratio * ratio / released_dim) / math.log(2.0)


def zcdp_rho(clip_norm: int, sigma: int) -> float:
    """Zero-concentrated differential privacy of one release: rho = 2 C^2 / sigma^2.

    Any two clipped vectors lie at most 2C apart, and rho = distance^2 / (2 sigma^2).
    """
    ratio = _ratio(clip_norm, sigma)
    return 2.0 * ratio * ratio


def _ratio(clip_norm: int, sigma: int) -> float:
    if clip_norm < 1 or sigma < 1:
        raise ReleaseError(f"clip_norm and sigma must be at least 1, got {clip_norm} and {sigma}")
    return clip_norm / sigma
