# SPDX-License-Identifier: Apache-2.0
"""Floors under the error of reconstructing an input from noisy releases, from Jacobians alone.

A release is z = f(x) + sigma' g, x in R^d, f's Jacobian J (K, d). N releases of one x carry N times
the Fisher information J^T J / sigma'^2 of one. Errors are mean squares per coordinate of x. The
noise is the continuous Gaussian here, and f the float twin: the rounding of a deployed engine has
no derivative. What is deployed is bounded in bits (docs/privacy.md), not by these figures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Jacobian = NDArray[np.float64]  # (K, d)


def dfil(J: Jacobian, sigma: float, releases: int = 1) -> float:
    """Diagonal Fisher information leakage, N ||J||_F^2 / (d sigma'^2): of one input.

    No unbiased attacker has a smaller error than its inverse (Maeng et al. 2023, arXiv 2305.04146).
    As K < d there is no unbiased attacker at all: a figure to compare by, not a floor to trust.
    """
    _require(sigma, releases)
    squares, d = float(np.square(J).sum()), int(J.shape[1])
    return releases * squares / (d * sigma * sigma)


def van_trees_floor(
    jacobians: list[Jacobian], sigma: float, prior_deviation: float, releases: int = 1
) -> float:
    """No attacker's error is smaller: (1/d) Tr[(N E[J^T J] / sigma'^2 + I / tau^2)^-1].

    For x ~ N(x0, tau^2 I), all of which the attacker knows but the draw; `jacobians` are taken at
    draws of it and averaged. The matrix inequality of van Trees (Gill and Levit 1995). Only the
    Gram matrix of the stacked Jacobians is decomposed, the other d - r eigenvalues are 1 / tau^2.
    """
    _require(sigma, releases)
    if not (jacobians and prior_deviation > 0.0):
        raise ValueError("need at least one Jacobian and a positive deviation of the prior")
    stacked = np.concatenate(jacobians) * np.sqrt(releases / len(jacobians)) / sigma
    information = np.maximum(np.linalg.eigvalsh(stacked @ stacked.T), 0.0)
    d, variance = stacked.shape[1], prior_deviation * prior_deviation
    nonzero = information[-d:]  # at most d of them when more rows than columns were stacked
    learned = variance - 1.0 / (nonzero + 1.0 / variance)
    return float(variance - learned.sum() / d)


def _require(sigma: float, releases: int) -> None:
    if not (sigma > 0.0 and releases >= 1):
        raise ValueError(f"need a positive sigma and a release, got {sigma} and {releases}")
