# SPDX-License-Identifier: Apache-2.0
"""Figures of merit, each against a published value or a second route."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.metrics import auc, auc_interval, poisson_rate_interval, weighted_auc, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 14), (1, 14), (11, 14), (14, 14), (150, 300)])
def test_wilson_equals_scipy(k, n):
    expected = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_of_nothing_knows_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (math.nan, 3)])
def test_wilson_refuses_what_is_no_proportion(k, n):
    with pytest.raises(ValueError, match="k must lie"):
        wilson(k, n)


@pytest.mark.parametrize("k", [0, 1, 2, 7, 60, 900])
def test_poisson_interval_equals_chi_square_form(k):
    low, high = poisson_rate_interval(k, 2.5)
    expected_low = scipy.stats.chi2.ppf(0.025, 2 * k) / 2 if k else 0.0
    expected_high = scipy.stats.chi2.ppf(0.975, 2 * k + 2) / 2
    assert low * 2.5 == pytest.approx(expected_low, rel=1e-9)
    assert high * 2.5 == pytest.approx(expected_high, rel=1e-9)


def test_poisson_interval_of_a_mean_encloses_both_neighbours():
    low, high = poisson_rate_interval(1.4, 1.0)
    assert low == poisson_rate_interval(1, 1.0)[0]
    assert high == poisson_rate_interval(2, 1.0)[1]


@pytest.mark.parametrize(("k", "hours"), [(-1, 1.0), (1, 0.0), (1, math.nan)])
def test_poisson_interval_refuses_no_footage(k, hours):
    with pytest.raises(ValueError, match="hours"):
        poisson_rate_interval(k, hours)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_auc_equals_mann_whitney(pairs):
    scores, labels = [float(s) for s, _ in pairs], [b for _, b in pairs]
    positive = [s for s, b in zip(scores, labels, strict=True) if b]
    negative = [s for s, b in zip(scores, labels, strict=True) if not b]
    if not positive or not negative:
        assert auc(scores, labels) is None
        return
    u = scipy.stats.mannwhitneyu(positive, negative).statistic
    assert auc(scores, labels) == pytest.approx(u / (len(positive) * len(negative)))


@pytest.mark.parametrize("scores", [[0.1], [0.1, math.nan], [0.1, math.inf]])
def test_auc_refuses_scores_that_cannot_be_ranked(scores):
    with pytest.raises(ValueError, match="score"):
        auc(scores, [True, False])


def test_delong_interval_covers_as_often_as_it_says():
    random = np.random.default_rng(5)
    true_area = scipy.stats.norm.cdf(1 / math.sqrt(2))
    labels = [True] * 40 + [False] * 40
    covered = 0
    for _ in range(400):
        scores = np.concatenate([random.normal(1, 1, 40), random.normal(0, 1, 40)])
        low, high = auc_interval(scores.tolist(), labels)
        covered += low <= true_area <= high
    assert 0.91 <= covered / 400 <= 0.985  # the control: an interval too narrow falls below


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1))
def test_a_weighted_auc_is_that_of_clips_repeated(triples):
    scores, labels = [float(s) for s, _, _ in triples], [b for _, b, _ in triples]
    repeated = [(s, b) for (_, b, n), s in zip(triples, scores, strict=True) for _ in range(n)]
    expected = auc([s for s, _ in repeated], [b for _, b in repeated])
    (found,) = weighted_auc(scores, labels, np.array([[float(n) for _, _, n in triples]]))
    assert math.isnan(found) if expected is None else found == pytest.approx(expected)


def test_separated_scores_do_not_pretend_certainty():
    low, high = auc_interval([0.9, 0.8, 0.7, 0.1, 0.2, 0.3], [True] * 3 + [False] * 3)
    assert high == 1.0
    assert low < 0.6


def test_one_class_has_no_interval():
    assert auc_interval([0.1, 0.2], [True, True]) is None
