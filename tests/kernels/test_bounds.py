# SPDX-License-Identifier: Apache-2.0
"""The bounds of one release against direct summation and against the true capacity."""

import math

import numpy as np
import pytest

from kernels.bounds import capacity_bits, leak_bits, zcdp_rho
from kernels.errors import ReleaseError

SIGMAS = [1, 2, 5, 12]
SHIFTS = [1, 3, 8]


def pmf(sigma, shift=0, reach=400):
    """The discrete Gaussian on -reach .. reach, far enough to be whole in double precision."""
    x = np.arange(-reach, reach + 1) - shift
    weights = np.exp(-(x.astype(float) ** 2) / (2.0 * sigma**2))
    return weights / weights.sum()


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("shift", SHIFTS)
def test_divergence_of_a_shift_is_exactly_the_quadratic(sigma, shift):
    x = np.arange(-400, 401).astype(float)
    log_ratio = (x**2 - (x - shift) ** 2) / (2.0 * sigma**2)
    nats = (pmf(sigma, shift) * log_ratio).sum()
    assert nats / math.log(2) == pytest.approx(leak_bits(shift, sigma), rel=1e-9)
    half_way = (pmf(sigma, shift) * log_ratio * (np.abs(x) < sigma)).sum()
    assert half_way / math.log(2) != pytest.approx(leak_bits(shift, sigma), rel=1e-3)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("alpha", [1.01, 1.5, 2.0, 3.3, 8.0])
def test_renyi_divergence_of_opposite_poles_is_at_most_alpha_rho(sigma, alpha):
    C = 4
    x = np.arange(-400, 401).astype(float)
    exponent = (alpha * -((x - C) ** 2) + (alpha - 1.0) * (x + C) ** 2) / (2.0 * sigma**2)
    log_weights = np.log(np.exp(-(x**2) / (2.0 * sigma**2)).sum())
    top = exponent.max()
    divergence = (top + np.log(np.exp(exponent - top).sum()) - log_weights) / (alpha - 1.0)
    assert divergence <= alpha * zcdp_rho(C, sigma) * (1 + 1e-9)
    assert divergence >= 0.8 * alpha * zcdp_rho(C, sigma)
    assert divergence > alpha * zcdp_rho(C, sigma + 1)


def true_capacity_bits(C, sigma, rounds=3000):
    """Blahut-Arimoto for one coordinate: inputs -C .. C, discrete Gaussian noise. Lower, upper."""
    channel = np.stack([pmf(sigma, v) for v in range(-C, C + 1)])
    weights = np.full(len(channel), 1.0 / len(channel))
    logs = np.log(np.maximum(channel, 1e-300))
    for _ in range(rounds):
        output = weights @ channel
        gains = np.exp((channel * (logs - np.log(np.maximum(output, 1e-300)))).sum(axis=1))
        weights = weights * gains / (weights @ gains)
    return math.log2(weights @ gains), math.log2(gains.max())


@pytest.mark.parametrize(("C", "sigma"), [(4, 2), (8, 8), (10, 5), (6, 12), (1, 1)])
def test_capacity_bounds_the_true_capacity_of_one_coordinate(C, sigma):
    lower, upper = true_capacity_bits(C, sigma)
    assert upper <= capacity_bits(C, sigma, 1) < leak_bits(C, sigma)
    assert lower > 0.6 * capacity_bits(C, sigma, 1)
    assert lower > capacity_bits(C, 2 * sigma, 1)


@pytest.mark.parametrize("K", [1, 2, 8, 64, 1024])
@pytest.mark.parametrize("ratio", [0.25, 1.0, 3.0])
def test_capacity_grows_with_k_towards_the_leak(K, ratio):
    C, sigma = 256, round(256 * ratio)
    assert capacity_bits(C, sigma, K) < capacity_bits(C, sigma, 2 * K) < leak_bits(C, sigma)
    assert capacity_bits(C, sigma, 10**9) == pytest.approx(leak_bits(C, sigma), rel=1e-6)


def test_the_published_example():
    """K = 8, sigma = 0.30 C: 5.0 instead of 8 bits."""
    assert capacity_bits(10, 3, 8) == pytest.approx(5.0, abs=0.05)
    assert leak_bits(10, 3) == pytest.approx(8.0, abs=0.05)


@pytest.mark.parametrize("sigma", [2, 3, 8, 50])
def test_the_variance_of_the_discrete_gaussian_is_that_of_its_parameter(sigma):
    """What lets sigma^2 stand for the variance in the capacity; sigma = 0.4 is the control."""
    x = np.arange(-1000, 1001).astype(float)
    variance = (pmf(sigma, reach=1000) * x**2).sum()
    assert variance == pytest.approx(sigma**2, rel=1e-12)
    assert (pmf(0.4, reach=1000) * x**2).sum() < 0.95 * 0.4**2


@pytest.mark.parametrize("bad", [(0, 1), (1, 0), (-1, 5)])
def test_senseless_parameters_are_refused(bad):
    for bound in (leak_bits, zcdp_rho, lambda c, s: capacity_bits(c, s, 4)):
        with pytest.raises(ReleaseError):
            bound(*bad)
    with pytest.raises(ReleaseError):
        capacity_bits(256, 244, 0)
