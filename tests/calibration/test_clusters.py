# SPDX-License-Identifier: Apache-2.0
"""Intervals over scenes and people: closed forms, a peer, and what one over clips would miss."""

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from calibration.clusters import (
    cluster,
    people,
    proportion_interval,
    quantile_interval,
    ranking_interval,
    rate_interval,
)
from calibration.data import Clip
from calibration.metrics import Z95, auc_interval, poisson_rate_interval, wilson


def clip(scene, subject):
    return Clip(Path("x"), "x", "s", subject, scene, ())


def width(bounds):
    return bounds[1] - bounds[0]


def test_who_is_in_a_clip():
    assert people(clip("r1", "b1+b2")) == ("s/b1", "s/b2")
    assert people(clip("r1", "")) == ("s/r1",)


def test_one_clip_per_scene_gives_the_binomial_interval():
    n, k = 200, 60
    found = np.array([1.0] * k + [0.0] * (n - k))
    clusters = cluster([clip(f"r{i}", f"p{i}") for i in range(n)], 1)
    bounds, over = proportion_interval(found, np.ones(n), clusters)
    half = Z95 * math.sqrt(k / n * (1 - k / n) / n)
    assert over == "scenes"
    assert bounds == pytest.approx((k / n - half, k / n + half), abs=0.006)


def test_whole_scenes_agree_with_a_peer():
    random = np.random.default_rng(3)
    scenes = random.integers(0, 8, 30)  # found of 8 events in each of 30 scenes
    found = np.repeat(scenes / 8, 8)
    clusters = cluster([clip(f"r{i // 8}", f"p{i // 8}") for i in range(240)], 1)
    (low, high), _ = proportion_interval(found, np.ones(240), clusters)
    peer = scipy.stats.bootstrap(
        (scenes / 8,), np.mean, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=0.012)
    # The control: clips taken as independent would claim more than they know.
    alone = wilson(float(found.sum()), 240)
    assert width((low, high)) > 1.4 * width(alone)


def test_scenes_crossed_with_people_have_the_variance_of_the_pigeonhole_bootstrap():
    random = np.random.default_rng(5)
    rooms, bodies = random.normal(0, 1, 40), random.normal(0, 1, 30)
    clips = [clip(f"r{i}", f"b{j}") for i in range(40) for j in range(30)]
    values = (10 + rooms[:, None] + bodies[None, :]).ravel()
    clusters = cluster(clips, 2)
    assert clusters.over == "scenes and people"
    drawn = (clusters.weights @ values) / clusters.weights.sum(axis=1)
    expected = math.sqrt(rooms.var() / 40 + bodies.var() / 30)
    assert drawn.std() == pytest.approx(expected, rel=0.06)
    over_scenes_only = cluster([clip(c.scene, c.scene) for c in clips], 2)
    narrow = (over_scenes_only.weights @ values) / over_scenes_only.weights.sum(axis=1)
    assert narrow.std() < 0.8 * drawn.std()  # the control


def test_the_coarser_of_nested_units_is_drawn_alone():
    assert cluster([clip(f"r{i}", f"p{i // 3}") for i in range(12)], 0).over == "people"
    assert cluster([clip(f"r{i // 3}", f"p{i}") for i in range(12)], 0).over == "scenes"


def test_what_was_never_seen_is_not_excluded():
    clusters = cluster([clip(f"r{i}", f"p{i}") for i in range(10)], 0)
    none, ones, hours = np.zeros(10), np.ones(10), np.full(10, 0.5)
    assert proportion_interval(ones, ones, clusters)[0] == wilson(10, 10)
    assert rate_interval(none, hours, clusters)[0] == poisson_rate_interval(0, 5.0)


def test_alarms_that_come_in_one_scene_widen_the_rate():
    count, hours = np.zeros(20), np.ones(20)
    count[3] = 20
    clusters = cluster([clip(f"r{i}", f"p{i}") for i in range(20)], 0)
    bounds, over = rate_interval(count, hours, clusters)
    spread = rate_interval(np.ones(20), hours, clusters)[0]
    assert over == "scenes"
    assert bounds[0] == 0.0
    assert width(bounds) > 2 * width(spread)


def test_few_scenes_fall_back_and_say_so():
    clusters = cluster([clip(f"r{i}", "p") for i in range(4)], 0)
    found, events = np.array([1.0, 0, 1, 1]), np.ones(4)
    assert proportion_interval(found, events, clusters) == (wilson(3, 4), "events")
    assert quantile_interval([1.0, 2.0], [0, 1], 0.5, clusters) is None


def test_a_quantile_has_the_interval_of_its_order_statistics():
    values = np.random.default_rng(6).exponential(size=400)
    clusters = cluster([clip(f"r{i}", f"p{i}") for i in range(400)], 0)
    low, high = quantile_interval(values.tolist(), range(400), 0.5, clusters)
    ranks = scipy.stats.binom.ppf([0.025, 0.975], 400, 0.5).astype(int)
    assert (low, high) == pytest.approx(tuple(np.sort(values)[ranks]), abs=0.04)


def test_the_seed_decides():
    clips = [clip(f"r{i}", f"p{i}") for i in range(10)]
    assert np.array_equal(cluster(clips, 1).weights, cluster(clips, 1).weights)
    assert not np.array_equal(cluster(clips, 1).weights, cluster(clips, 2).weights)


def test_nothing_at_all_has_no_units():
    assert cluster([], 0).weights.shape == (2000, 0)


def test_the_auc_interval_is_wider_where_clips_of_a_scene_agree():
    random = np.random.default_rng(6)
    scores, labels, clips = [], [], []
    for scene in range(12):
        shift = random.normal(0, 1)
        for number in range(20):
            labels.append(number % 2 == 0)
            scores.append(0.6 * labels[-1] + shift * (1 if scene % 2 else -1) * labels[-1])
            scores[-1] += random.normal(0, 0.5)
            clips.append(clip(f"r{scene}", f"p{scene}"))
    bounds, over = ranking_interval(scores, labels, cluster(clips, 1))
    assert over == "scenes"
    assert width(bounds) > 1.5 * width(auc_interval(scores, labels))


def test_few_scenes_with_events_are_not_resampled():
    scores, labels = [0.9, 0.8, 0.1, 0.3, 0.2, 0.85], [True, True, False, False, False, False]
    clusters = cluster([clip(scene, scene) for scene in "aabcde"], 0)
    assert ranking_interval(scores, labels, clusters) == (auc_interval(scores, labels), "clips")
