# SPDX-License-Identifier: Apache-2.0
"""Figures of merit, each against a published value or a second route."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.metrics import auc, auc_interval, poisson_rate_interval, wilson


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
        (low, high), method = auc_interval(scores.tolist(), labels)
        assert method == "clips"
        covered += low <= true_area <= high
    assert 0.91 <= covered / 400 <= 0.985  # the control: an interval too narrow falls below


def test_interval_by_scene_is_wider_where_clips_of_a_scene_agree():
    random = np.random.default_rng(6)
    scores, labels, scenes = [], [], []
    for scene in range(12):
        shift = random.normal(0, 1)
        for clip in range(20):
            labels.append(clip % 2 == 0)
            scores.append(0.6 * labels[-1] + shift * (1 if scene % 2 else -1) * labels[-1])
            scores[-1] += random.normal(0, 0.5)
            scenes.append(scene)
    (low, high), method = auc_interval(scores, labels, scenes, seed=1)
    (naive_low, naive_high), _ = auc_interval(scores, labels)
    assert method == "scenes"
    assert high - low > 1.5 * (naive_high - naive_low)


def test_interval_by_scene_is_reproduced_by_its_seed():
    scores = np.random.default_rng(1).normal(size=60).tolist()
    labels, scenes = [i % 3 == 0 for i in range(60)], [i // 6 for i in range(60)]
    assert auc_interval(scores, labels, scenes, 7) == auc_interval(scores, labels, scenes, 7)
    assert auc_interval(scores, labels, scenes, 7) != auc_interval(scores, labels, scenes, 8)


def test_few_scenes_with_events_are_not_resampled():
    scores, labels = [0.9, 0.8, 0.1, 0.3, 0.2, 0.85], [True, True, False, False, False, False]
    assert auc_interval(scores, labels, ["a", "a", "b", "c", "d", "e"])[1] == "clips"


def test_separated_scores_do_not_pretend_certainty():
    (low, high), _ = auc_interval([0.9, 0.8, 0.7, 0.1, 0.2, 0.3], [True] * 3 + [False] * 3)
    assert high == 1.0
    assert low < 0.6


def test_one_class_has_no_interval():
    assert auc_interval([0.1, 0.2], [True, True])[0] is None
