# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402 - what is imported below needs the packages that are asked for first
"""Unusual is what lies far from normal life, as a rank. Needs the train extra."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytestmark = pytest.mark.train

from calibration.train.unusual import (
    LEAST_STEPS,
    LEVELS,
    NormalLife,
    Unusual,
    UnusualError,
    fit_unusual,
    shrunk_covariance,
)

CHANNELS = 6
SHAPE = np.array([3.0, 1.0, 1.0, 0.5, 0.2, 0.1])


def normal(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Normal life whose channels have unequal spread and go together."""
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(CHANNELS, CHANNELS)))[0]
    return ((rng.normal(size=(steps, CHANNELS)) * SHAPE) @ turn + 2).astype(np.float32)


def scores(unusual: Unusual, features: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return unusual(torch.from_numpy(features.astype(np.float32))).numpy()


@pytest.fixture(scope="module")
def unusual() -> Unusual:
    rng = np.random.default_rng(0)
    return fit_unusual(NormalLife(normal(rng, 4000), normal(rng, 4000)))


def test_the_score_is_the_share_of_normal_steps_that_are_nearer(unusual: Unusual) -> None:
    found = scores(unusual, normal(np.random.default_rng(1), 20_000))
    for level in (0.5, 0.9, 0.99):
        assert np.mean(found <= level) == pytest.approx(level, abs=0.02)


def test_what_is_far_is_unusual_and_what_is_far_only_where_life_varies_is_not(
    unusual: Unusual,
) -> None:
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(CHANNELS, CHANNELS)))[0]
    step = 1.5
    along, across = turn[0] * step + 2, turn[-1] * step + 2
    assert scores(unusual, np.stack([across, along])) == pytest.approx([1.0, 0.1], abs=0.25)
    assert scores(unusual, across[None] + 100) == 1.0


def test_control_without_the_covariance_both_are_equally_far() -> None:
    plain = Unusual(np.full(CHANNELS, 2.0), np.eye(CHANNELS), np.linspace(0.1, 10, len(LEVELS)))
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(CHANNELS, CHANNELS)))[0]
    found = scores(plain, np.stack([turn[0] * 1.5 + 2, turn[-1] * 1.5 + 2]))
    assert found[0] == pytest.approx(found[1], abs=1e-3)


def test_the_score_never_falls_with_the_distance(unusual: Unusual) -> None:
    ray = np.linspace(0, 40, 400)[:, None] * np.ones(CHANNELS) + 2
    found = scores(unusual, ray)
    assert (np.diff(found) >= 0).all()
    assert found[0] >= 0
    assert found[-1] == 1


def test_few_steps_are_shrunk_far_and_many_hardly() -> None:
    rng = np.random.default_rng(2)

    def eigenvalues(steps: int) -> np.ndarray:
        given = normal(rng, steps).astype(np.float64)
        return np.linalg.eigvalsh(shrunk_covariance(given - given.mean(axis=0)))

    assert eigenvalues(100_000) == pytest.approx(np.sort(SHAPE**2), rel=0.05, abs=0.005)
    assert eigenvalues(4)[0] > 0.1  # of four steps in six directions the sample has rank 3


def test_a_direction_without_variance_does_not_stand_in_the_way() -> None:
    rng = np.random.default_rng(3)
    flat = normal(rng, 2000)
    flat[:, 0] = -flat[:, 1:].sum(axis=1)
    found = scores(fit_unusual(NormalLife(flat[:1000], flat[1000:])), flat)
    assert np.isfinite(found).all()
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)


def test_equal_distances_have_a_score_too() -> None:
    same = np.ones((LEAST_STEPS, CHANNELS), np.float32)
    spread = normal(np.random.default_rng(4), LEAST_STEPS)
    assert np.isfinite(scores(fit_unusual(NormalLife(spread, same)), same)).all()


def test_too_little_normal_life_is_refused() -> None:
    some = normal(np.random.default_rng(5), LEAST_STEPS)
    with pytest.raises(UnusualError, match=str(LEAST_STEPS - 1)):
        fit_unusual(NormalLife(some, some[1:]))
