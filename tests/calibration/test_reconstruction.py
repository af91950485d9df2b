# SPDX-License-Identifier: Apache-2.0
"""Floors of reconstruction where the best attacker is known: a linear map and Gaussian noise."""

import numpy as np
import pytest

from calibration.reconstruction import dfil, van_trees_floor

K, D, SIGMA, TAU = 3, 12, 0.7, 0.4
J = np.random.default_rng(5).normal(size=(K, D))


@pytest.mark.parametrize("n", [1, 10, 60, 600])
def test_the_best_attacker_of_a_linear_channel_stands_on_the_floor(n):
    """x ~ N(0, tau^2 I), z = J x + noise: the posterior's covariance, by the full inverse."""
    posterior = np.linalg.inv(n * J.T @ J / SIGMA**2 + np.eye(D) / TAU**2)
    assert van_trees_floor([J], SIGMA, TAU, n) == pytest.approx(np.trace(posterior) / D)


def test_the_posterior_mean_reaches_the_floor_and_nobody_else_does():
    random = np.random.default_rng(6)
    n, trials = 10, 40_000
    x = TAU * random.standard_normal((trials, D))
    z = x @ J.T + SIGMA / np.sqrt(n) * random.standard_normal((trials, K))  # the mean suffices
    gain = TAU**2 * J.T @ np.linalg.inv(TAU**2 * J @ J.T + SIGMA**2 / n * np.eye(K))
    floor = van_trees_floor([J], SIGMA, TAU, n)
    errors = {scale: np.square(scale * z @ gain.T - x).mean() for scale in (0.9, 1.0, 1.1)}
    assert errors[1.0] == pytest.approx(floor, rel=0.01)
    assert min(errors[0.9], errors[1.1]) > floor
    assert np.square(z @ gain.T - x).mean() < van_trees_floor([J], 3 * SIGMA, TAU, n)  # control
    assert np.square(x).mean() > floor  # the blind attacker


def test_what_k_coordinates_cannot_reach_stays():
    kept = van_trees_floor([J], 1e-6, TAU, 10**6) / TAU**2
    assert kept == pytest.approx((D - K) / D, abs=1e-9)
    assert van_trees_floor([J * 0.0], SIGMA, TAU) == pytest.approx(TAU**2)


def test_several_jacobians_are_averaged_as_information():
    other = np.random.default_rng(7).normal(size=(K, D))
    mean = (J.T @ J + other.T @ other) / 2
    floor = np.trace(np.linalg.inv(mean / SIGMA**2 + np.eye(D) / TAU**2)) / D
    assert van_trees_floor([J, other], SIGMA, TAU) == pytest.approx(floor)
    assert van_trees_floor([J] * 9, SIGMA, TAU) == pytest.approx(van_trees_floor([J], SIGMA, TAU))


def test_dfil_is_the_mean_of_the_fisher_matrix_and_grows_with_n():
    fisher = J.T @ J / SIGMA**2
    assert dfil(J, SIGMA) == pytest.approx(np.trace(fisher) / D)
    assert dfil(J, SIGMA, 60) == pytest.approx(60 * dfil(J, SIGMA))
    square = np.linalg.qr(np.random.default_rng(8).normal(size=(D, D)))[0] * 2.0
    unbiased = np.trace(np.linalg.inv(square.T @ square / SIGMA**2)) / D  # least squares, K = d
    assert unbiased == pytest.approx(1 / dfil(square, SIGMA))


@pytest.mark.parametrize(("sigma", "n", "tau"), [(0.0, 1, 1.0), (1.0, 0, 1.0), (1.0, 1, 0.0)])
def test_senseless_figures_are_refused(sigma, n, tau):
    with pytest.raises(ValueError, match="need"):
        van_trees_floor([J], sigma, tau, n)
    with pytest.raises(ValueError, match="need"):
        van_trees_floor([], 1.0, 1.0)
