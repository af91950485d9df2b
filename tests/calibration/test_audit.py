# SPDX-License-Identifier: Apache-2.0
"""The audit of the two worst vectors: below the claim, close to it, and it convicts a cheat."""

import argparse
import json
import math

import numpy as np
import pytest
from scipy.stats import beta, norm

from calibration import audit as command
from calibration.audit import audit, releaser_sampler, table_sampler, upper_limit
from kernels.bounds import zcdp_rho

KEY = bytes(range(32))
C, K = 256, 8
TRIALS = 400_000


@pytest.mark.parametrize("sigma", [128, 244, 344, 1032])
def test_the_sampler_is_within_its_claim_and_the_claim_is_tight(sigma):
    result = audit(table_sampler(sigma, KEY), C, sigma, K, trials=TRIALS)
    assert result.rho_claimed == zcdp_rho(C, sigma)
    assert result.within_claim
    assert 0.7 <= result.tightness <= 1.0


@pytest.mark.parametrize("sigma", [128, 244, 344, 1032])
def test_a_sigma_that_is_20_percent_too_small_is_convicted(sigma):
    result = audit(table_sampler(round(0.8 * sigma), KEY), C, sigma, K, trials=TRIALS)
    assert not result.within_claim
    assert result.tightness > 1.2


def test_the_whole_release_is_within_its_claim_and_tight():
    honest = audit(releaser_sampler(C, 244, KEY), C, 244, K, trials=6000)
    assert honest.within_claim
    assert honest.tightness >= 0.7
    assert not audit(releaser_sampler(C, 195, KEY), C, 244, K, trials=6000).within_claim


def test_vectors_that_the_clip_let_grow_are_convicted():
    grown = table_sampler(244, KEY)
    assert not audit(lambda v, n: grown(v * 5 // 4, n), C, 244, K, trials=TRIALS).within_claim


@pytest.mark.parametrize("make", [table_sampler, lambda s, k: releaser_sampler(C, s, k)])
def test_no_release_repeats_the_noise_of_another(make):
    """What the audit cannot see from one coordinate's signs."""
    sampler = make(244, KEY)
    pole = np.array([C] + [0] * (K - 1), dtype=np.int32)
    noise = np.concatenate([sampler(pole, 500) - pole, sampler(-pole, 500) + pole])
    assert len(np.unique(noise, axis=0)) == 1000
    again = make(244, KEY)(pole, 500) - pole
    assert (again == noise[:500]).all()


def test_too_few_trials_conclude_nothing():
    assert audit(table_sampler(244, KEY), C, 244, K, trials=5).rho_lower == 0.0
    with pytest.raises(ValueError, match="trial"):
        audit(table_sampler(244, KEY), C, 244, K, trials=0)


@pytest.mark.parametrize("sigma", [128, 244, 1032])
def test_the_test_statistic_of_the_discrete_gaussian_is_that_of_the_claim(sigma):
    """Exact error rates at the audit's threshold, summed: mu differs from 2C / sigma by little."""
    x = np.arange(-12 * sigma, 12 * sigma + 1)
    weights = np.exp(-(x.astype(float) ** 2) / (2.0 * sigma**2))
    weights /= math.fsum(weights)
    false_positive, false_negative = weights[x > C].sum(), weights[x <= -C].sum()
    mu = norm.isf(false_positive) - norm.ppf(false_negative)
    assert mu == pytest.approx(2 * C / sigma, rel=1e-4)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (9, 10), (0, 10**6), (158_655, 10**6)])
@pytest.mark.parametrize("risk", [0.025, 5e-5])
def test_upper_limit_is_clopper_pearson(k, n, risk):
    assert upper_limit(k, n, risk) == pytest.approx(beta.isf(risk, k + 1, n - k), rel=1e-8)
    assert upper_limit(n, n, risk) == 1.0
    with pytest.raises(ValueError, match="must lie"):
        upper_limit(n + 1, n, risk)


def answer(capsys, *words):
    """-> exit status, what was printed."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words)), capsys.readouterr().out


def test_the_command_audits_every_level_of_the_shipped_profile(capsys):
    status, out = answer(capsys, "--trials", "60000", "--release-trials", "500", "--json")
    rows = json.loads(out)
    levels = [("draws", 244), ("draws", 732), ("release", 244), ("release", 732)]
    assert [(row["what"], row["sigma"]) for row in rows] == levels
    assert [row["passed"] for row in rows[:2]] == [True, True]
    assert all(row["honest"]["rho_lower"] <= row["honest"]["rho_claimed"] for row in rows)
    assert status == command.EXIT_CONVICTED  # 500 whole releases are too few


def test_a_release_with_too_little_noise_fails_the_command(capsys, monkeypatch):
    honest = command.table_sampler
    monkeypatch.setattr(command, "table_sampler", lambda s, key: honest(round(0.9 * s), key))
    status, out = answer(capsys, "--trials", "20000", "--release-trials", "100")
    assert status == command.EXIT_CONVICTED
    assert "FAILED" in out.splitlines()[1]


def test_a_control_that_is_not_caught_fails_the_command(capsys, monkeypatch):
    monkeypatch.setattr(command, "FAULT", 1.0)
    status, out = answer(capsys, "--trials", "20000", "--release-trials", "100")
    assert status == command.EXIT_CONVICTED
    assert "NOT CAUGHT  FAILED" in out
