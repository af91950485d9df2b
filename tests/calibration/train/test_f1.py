# SPDX-License-Identifier: Apache-2.0
"""Macro-F1 by hand, its threshold by brute force, its interval, and the deployed path's words."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.data import Clip, Interval
from calibration.train import f1
from calibration.train.targets import KINDS
from cloud_bridge.card import KINDS as BRIDGE_KINDS

PRESENT, FALL, DOWN, FIGHT = range(4)


def clip(n, scene=None, intervals=()):
    return Clip(Path("x"), f"x{n}", "s", f"p{n}", scene or f"r{n}", intervals)


def lone(true, scores):
    """One stretch a clip, one draw, the same for every kind."""
    true = np.repeat(np.array(true, bool)[:, None], 4, axis=1)
    scores = np.repeat(np.array(scores, float)[:, None], 4, axis=1)
    return f1.Trials(np.arange(len(true)), true, np.ones_like(true), scores[None])


def test_a_bridge_speaks_of_the_same_kinds():
    assert tuple(BRIDGE_KINDS) == KINDS


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(10, []), (11, [(0, 11)]), (30, [(0, 20)]), (31, [(0, 20), (20, 31)])],
)
def test_what_is_left_at_the_end_counts_if_it_is_longer_than_half(steps, expected):
    assert [(s.start, s.stop) for s in f1.stretches(steps)] == expected


def test_answers_true_in_one_step_false_in_all_or_not_asked():
    behaviours, known = np.zeros((60, 4), np.float32), np.ones((60, 4), np.float32)
    behaviours[5, FALL] = 1
    known[6, FALL] = 0  # a doubt beside what is true
    known[25, FALL] = 0  # and one in a stretch where nothing is
    behaviours[45, FIGHT], known[45, FIGHT] = 1, 0  # said, and not to be believed
    one = f1.answers(behaviours, known)
    assert one.true[:, FALL].tolist() == [True, False, False]
    assert one.asked[:, FALL].tolist() == [True, False, True]
    assert not one.true[:, FIGHT].any()
    assert one.asked[:, FIGHT].tolist() == [True, True, False]
    assert one.asked[:, PRESENT].all()


def test_labels_answer_as_the_targets_do():
    fall = Interval("fall", 4.0, 8.0, onset_s=4.0, impact_s=5.0)
    one = f1.told(clip(0, intervals=(fall, Interval("walk", 0, 4))), 100)
    assert one.true[:, FALL].tolist() == [False, False, True, True, False]
    assert one.true[:, DOWN].tolist() == [False, False, True, True, False]
    assert one.asked[:, DOWN].tolist() == [True, True, True, True, False]  # who gets up


def test_scores_are_peaks_of_steps_and_of_words():
    steps = np.zeros((2, 31, 4))
    steps[0, 19, FALL], steps[1, 20, FALL] = 0.9, 0.8
    assert f1.peaks(steps)[:, :, FALL].tolist() == [[0.9, 0], [0, 0.8]]
    words = np.zeros((3, 4))
    words[:, FALL] = 0.3, 0.7, 0.5
    said = f1.verdict_peaks([0.4, 1.9, 2.0], words, 50)
    assert said[:, FALL].tolist() == [0.7, 0.5]  # the last ten steps are no stretch
    with pytest.raises(ValueError, match="a word at step 4 or 20 of a clip of 20"):
        f1.verdict_peaks([0.4, 1.9, 2.0], words, 20)


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.1, 0.25, 0.4, 0.6, 0.9])),
        min_size=1,
        max_size=9,
    )
)
def test_the_threshold_is_the_best_there_is(pairs):
    true, scores = zip(*pairs, strict=True)
    found = f1.best_thresholds(lone(true, scores))["fall"]
    if not any(true):
        assert found is None
        return
    best = max(score_of(true, scores, t) for t in (0.05, 0.2, 0.3, 0.5, 0.7))
    assert score_of(true, scores, found) == pytest.approx(best)
    assert found not in scores  # room on both sides


def score_of(true, scores, threshold):
    hit = sum(t and s >= threshold for t, s in zip(true, scores, strict=True))
    return 2 * hit / (sum(s >= threshold for s in scores) + sum(true))


def test_f1_by_hand_is_the_mean_over_kinds_and_draws():
    true = np.zeros((4, 4), bool)
    true[:2, FALL] = True
    true[0, FIGHT] = True
    asked = np.ones_like(true)
    asked[3] = False  # nobody knows: a score there is no error
    scores = np.zeros((2, 4, 4))
    scores[0, :, FALL] = 0.9, 0.1, 0.8, 0.9  # one found, one missed, one false
    scores[1, :, FALL] = 0.9, 0.9, 0.1, 0.9  # all found
    scores[:, 0, FIGHT] = 0.9  # all found
    trials = f1.Trials(np.arange(4), true, asked, scores)
    thresholds = {"present": 0.5, "fall": 0.5, "down": None, "fight": 0.5}
    found = f1.summarise(trials, thresholds, [clip(n) for n in range(4)])
    assert found["kinds"]["fall"]["f1"] == pytest.approx((0.5 + 1) / 2)
    assert found["kinds"]["fall"]["positives"] == 2
    assert found["kinds"]["fall"]["negatives"] == 1
    assert found["kinds"]["fall"]["auc"] == pytest.approx((0.5 + 1) / 2)
    assert found["kinds"]["present"]["f1"] is None  # never true here
    assert found["macro_over"] == ["fall", "fight"]
    assert found["f1"] == pytest.approx((0.75 + 1) / 2)
    assert found["f1_interval"] is None  # two clips with a positive say nothing of others


def test_a_threshold_from_the_clips_themselves_flatters():
    random = np.random.default_rng(0)
    true = random.random(40) < 0.2
    chance = lone(true, random.random(40))
    strangers = lone(true, random.random(40))
    clips = [clip(n) for n in range(40)]
    own = f1.summarise(chance, f1.best_thresholds(chance), clips)["f1"]
    taken = f1.summarise(chance, f1.best_thresholds(strangers), clips)["f1"]
    assert own > taken


def test_the_interval_covers_the_figure_and_shrinks_with_scenes_not_with_clips():
    random = np.random.default_rng(1)

    def width(scenes, each):
        skill = np.repeat(random.random(scenes) < 0.7, each)  # a scene is easy or it is not
        true = np.tile([True, False], scenes * each // 2)
        clips = [clip(n, scene=f"r{n // each}") for n in range(scenes * each)]
        clips = [Clip(c.path, c.name, c.set, c.scene, c.scene, ()) for c in clips]
        found = f1.summarise(
            lone(true, np.where(skill, true, ~true)), dict.fromkeys(KINDS, 0.5), clips
        )
        low, high = found["f1_interval"]
        assert low < found["f1"] < high
        assert found["interval_over"] == "scenes"
        return high - low

    few, many = width(20, 4), width(160, 4)
    assert 1.8 < few / many < 4.5  # 8 ** -.5, about
    assert width(20, 16) > 0.6 * few  # the control: more clips of the same scenes say little more


def test_few_scenes_with_positives_resample_clips():
    clips = [clip(n, scene=f"r{n % 2}") for n in range(40)]
    found = f1.summarise(
        lone([n % 3 == 0 for n in range(40)], np.linspace(0, 1, 40)),
        dict.fromkeys(KINDS, 0.5),
        [Clip(c.path, c.name, c.set, "", c.scene, ()) for c in clips],
    )
    assert found["interval_over"] == "clips"


def test_trials_of_some_clips_only():
    parts = [lone([True, False], [0.9, 0.1]), lone([True], [0.2])]
    joined = f1.together([parts[0], parts[1]])
    assert joined.clip.tolist() == [0, 0, 1]
    second = joined.of([1])
    found = f1.summarise(second, dict.fromkeys(KINDS, 0.5), [clip(0), clip(1)])
    assert found["f1"] == 0.0
    assert f1.summarise(joined, dict.fromkeys(KINDS, 0.5), [clip(0), clip(1)])["f1"] > 0.5
