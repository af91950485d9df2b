# SPDX-License-Identifier: Apache-2.0
"""What is true at each time step of a clip, and what nobody can say."""

from pathlib import Path

import numpy as np
import pytest

from calibration.data import Clip, Interval
from calibration.rooms.track import Posture
from calibration.train.targets import KINDS, POSTURES, Bodies, Targets, concatenate, targets

PRESENT, FALL, DOWN, FIGHT = range(len(KINDS))


def clip(*intervals: Interval, set_: str = "rooms_train") -> Clip:
    return Clip(Path("c"), "c", set_, "s", "r", intervals)


def steps_where(column: np.ndarray) -> tuple[int, int]:
    """First and one-past-last step; there must be no gap."""
    where = np.flatnonzero(column)
    assert len(where) == where[-1] - where[0] + 1
    return int(where[0]), int(where[-1]) + 1


def bodies(posture: list[list[int]], pixels: list[list[int]]) -> Bodies:
    ids = tuple(range(70, 70 + len(posture[0])))
    return Bodies(ids, np.array(posture, np.uint8), np.array(pixels, np.uint16))


def test_a_fall_without_an_impact_is_first_falling_then_down() -> None:
    found = targets(clip(Interval("walk", 0, 2), Interval("fall", 2, 6)), 80)
    assert steps_where(found.behaviours[:, FALL]) == (22, 42)
    assert steps_where(found.behaviours[:, DOWN]) == (33, 60)
    assert steps_where(found.known[:, FALL] == 0) == (18, 22)
    assert list(np.flatnonzero(found.known[:, DOWN] == 0)) == [*range(20, 33), *range(60, 70)]
    assert not found.behaviours[:, FIGHT].any()


@pytest.mark.parametrize(("impact", "falls_until", "down_from"), [(2.6, 42, 29), (4.4, 49, 47)])
def test_an_impact_says_from_when_somebody_is_down(
    impact: float, falls_until: int, down_from: int
) -> None:
    found = targets(clip(Interval("fall", 2, 8, onset_s=2.0, impact_s=impact)), 80)
    assert steps_where(found.behaviours[:, FALL]) == (22, falls_until)
    assert steps_where(found.behaviours[:, DOWN]) == (down_from, 80)
    assert steps_where(found.known[:, DOWN] == 0) == (20, down_from)


def test_who_certainly_lies_is_not_made_doubtful_by_who_falls_next() -> None:
    first, second = Interval("fall", 1, 9, person="b1"), Interval("fall", 5, 9, person="b2")
    both, one = targets(clip(first, second), 90), targets(clip(second), 90)
    assert not one.known[50:63, DOWN].any()
    assert both.known[50:63, DOWN].all()
    assert both.behaviours[50:63, DOWN].all()


def test_what_looks_like_a_fall_weighs_more_but_not_during_one() -> None:
    found = targets(clip(Interval("sit", 0, 4), Interval("fall", 3, 6)), 60)
    assert (found.known[:28, FALL] > 1).all()
    assert (found.known[32:, FALL] == 1).all()
    assert (found.known[:, PRESENT] == 1).all()


def test_a_fight_does_not_say_who_lies_but_a_labelled_fall_does() -> None:
    fight, fall = Interval("fight", 0, 6), Interval("fall", 3, 6, 3.0, 3.6)
    assert not targets(clip(fight), 60).known[:, FALL : DOWN + 1].any()
    found = targets(clip(fight, fall), 60)
    assert found.behaviours[:, FIGHT].all()
    assert not found.known[:30, DOWN].any()
    assert found.known[39:, DOWN].all()
    assert found.behaviours[39:, DOWN].all()


def test_empty_hidden_and_silent() -> None:
    found = targets(clip(Interval("empty", 0, 1), Interval("hidden", 2, 3)), 40)
    assert steps_where(found.behaviours[:, PRESENT] == 0) == (0, 10)
    assert steps_where((found.known == 0).all(axis=1)) == (20, 30)
    silent = targets(clip(Interval("fight", 0, 2), set_="surv_fight"), 20)
    assert not silent.known[:, PRESENT].any()
    assert silent.known[:, FIGHT].all()


def test_a_posture_is_true_of_anybody_seen_and_unknown_of_who_is_hardly_seen() -> None:
    run, squat, lie = Posture.RUN, Posture.SQUAT, Posture.LIE
    found = targets(clip(), 3, bodies([[run, lie], [squat, squat], [run, lie]],
                                      [[60, 59], [60, 30], [60, 11]]))  # fmt: skip
    walk, low, on_purpose = (POSTURES.index(name) for name in ("walk", "low", "lie"))
    assert list(found.postures[:, walk]) == [1, 0, 1]
    assert list(found.postures[:, low]) == [0, 1, 0]
    assert not found.postures[:, on_purpose].any()
    assert list(found.postures_known[:, on_purpose]) == [0, 1, 1]
    assert found.postures_known[1].all()


def test_who_fell_shows_no_posture() -> None:
    found = targets(clip(), 2, bodies([[Posture.FALLING], [Posture.DOWN]], [[200], [200]]))
    assert not found.postures.any()
    assert found.postures_known.all()


def test_counts_stop_at_four_and_are_unknown_with_somebody_hardly_seen() -> None:
    stand = [[int(Posture.STAND)] * 6] * 4
    pixels = [[0] * 6, [60, 11, 0, 0, 0, 0], [60, 12, 0, 0, 0, 0], [60, 60, 60, 60, 60, 12]]
    found = targets(clip(), 4, bodies(stand, pixels))
    assert list(found.count) == [0, 1, 1, 4]
    assert list(found.count_known) == [1, 1, 0, 1]


def test_a_person_is_known_only_alone() -> None:
    stand = [[int(Posture.STAND)] * 2] * 4
    found = targets(clip(), 4, bodies(stand, [[5, 80], [80, 12], [80, 80], [0, 0]]))
    assert list(found.person) == [71, -1, -1, -1]
    nobody = Bodies((), np.zeros((3, 0), np.uint8), np.zeros((3, 0), np.uint16))
    assert list(targets(clip(), 3, nobody).person) == [-1, -1, -1]


def test_labels_say_postures_of_real_clips() -> None:
    said = (Interval("walk", 0, 1), Interval("fall", 2, 4))
    lone, other = targets(clip(*said, set_="gmdcsa24"), 40), targets(clip(*said, set_="home"), 40)
    walk, stand, crawl = (POSTURES.index(name) for name in ("walk", "stand", "crawl"))
    assert steps_where(lone.postures[:, walk]) == (0, 10)
    assert steps_where(lone.postures_known[:, stand]) == (0, 10)
    assert not lone.postures_known[:, crawl].any()
    assert steps_where(other.postures_known[:, walk]) == (0, 10)
    assert not other.postures_known[:, stand].any()
    assert lone.count_known.all()
    assert lone.count.all()
    assert not other.count_known.any()


def test_the_latest_onset_counts_for_twenty_seconds() -> None:
    fight, fall = Interval("fight", 1, 9), Interval("fall", 4, 9, 4.5, 5.0)
    onset = targets(clip(fight, fall), 300).onset
    assert np.isnan(onset[:10]).all()
    assert onset[10:45] == pytest.approx(np.arange(35) / 10)
    assert onset[45:246] == pytest.approx(np.arange(201) / 10)
    assert np.isnan(onset[246:]).all()


def test_a_clip_that_begins_inside_a_fight_has_no_onset() -> None:
    assert np.isnan(targets(clip(Interval("fight", 0, 2)), 20).onset).all()
    assert not np.isnan(targets(clip(Interval("fight", 0.1, 2)), 20).onset).all()


def test_parts_are_joined_and_taken_apart() -> None:
    parts = [targets(clip(Interval("fall", k, 6)), 60 + k) for k in (1, 2)]
    whole = concatenate(parts)
    assert len(whole) == 123
    again: Targets = whole.at(slice(61, None))
    assert np.array_equal(again.behaviours, parts[1].behaviours)
    assert np.array_equal(again.onset, parts[1].onset, equal_nan=True)
    assert not np.array_equal(whole.at(slice(62)).behaviours, parts[1].behaviours)
