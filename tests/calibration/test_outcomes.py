# SPDX-License-Identifier: Apache-2.0
"""Alarms against labels: every rule of matching, and figures that are known by hand."""

from pathlib import Path

import pytest

from calibration.data import Clip, Interval
from calibration.figures import summarise, trial
from calibration.outcomes import (
    GRACE_S,
    KINDS,
    PERSON_DOWN_S,
    Alarm,
    Replay,
    events_of,
    held_seconds,
    lying,
    negative_seconds,
    tally,
)

KIND = {kind.name: kind for kind in KINDS}
NOBODY = {"present": 0.0, "fall": 0.0, "down": 0.0, "fight": 0.0}


def clip(*intervals, scene="r1"):
    found = tuple(Interval(*interval) for interval in intervals)
    return Clip(Path("x.mp4"), "x.mp4", "s", "p", scene, found)


def alarm(kind, phase, at):
    return Alarm(kind, phase, at - 0.5, at)


def replay(*alarms, seconds=60.0, **peaks):
    return Replay(seconds, int(seconds * 10), NOBODY | peaks, alarms)


def test_an_alarm_in_time_finds_the_event():
    result = tally(
        KIND["fall"], "suspected", clip(("fall", 10, 20)), [alarm("fall", "suspected", 12)]
    )
    assert (result.events, result.found, result.delays_s, result.false_alarms) == (1, 1, (2,), 0)


@pytest.mark.parametrize("phase", ["suspected", "confirmed"])
def test_grace_ends(phase):
    where, late = clip(("fall", 10, 20)), 20 + GRACE_S[phase]
    inside = tally(KIND["fall"], phase, where, [alarm("fall", phase, late)])
    outside = tally(KIND["fall"], phase, where, [alarm("fall", phase, late + 0.1)])
    assert (inside.found, inside.false_alarms) == (1, 0)
    assert (outside.found, outside.false_alarms) == (0, 1)


def test_an_alarm_before_the_event_or_of_another_kind_or_phase_does_not_count():
    where = clip(("fall", 10, 20), ("walk", 0, 10))
    early = tally(KIND["fall"], "suspected", where, [alarm("fall", "suspected", 9)])
    other = [alarm("fight", "suspected", 12), alarm("fall", "confirmed", 12)]
    assert (early.found, early.false_alarms) == (0, 1)
    assert tally(KIND["fall"], "suspected", where, other).found == 0


def test_two_alarms_find_one_event_once():
    twice = [alarm("fight", "suspected", 1), alarm("fight", "suspected", 2)]
    once = tally(KIND["fight"], "suspected", clip(("fight", 0, 5)), twice)
    assert (once.found, once.false_alarms, once.delays_s, once.repeats) == (1, 0, (1,), 1)


def test_two_people_who_fall_need_an_alarm_each():
    where = clip(("fall", 0, 9), ("fall", 3, 9))
    one = tally(KIND["fall"], "suspected", where, [alarm("fall", "suspected", 4)])
    assert (one.found, one.in_time, one.false_alarms) == (1, 1, 0)
    assert one.prompt == (False, True)  # 4 s is too late for the first and in time for the second
    both = [alarm("fall", "suspected", 1), alarm("fall", "suspected", 4)]
    two = tally(KIND["fall"], "suspected", where, both)
    assert (two.found, two.in_time, two.delays, two.repeats) == (2, 2, (1, 1), 0)


@pytest.mark.parametrize(("phase", "limit"), [("suspected", 3.0), ("confirmed", 20.0)])
def test_late_is_found_and_not_in_time(phase, limit):
    where = clip(("fall", 10, 60))
    for at, prompt in ((10 + limit, 1), (10 + limit + 0.1, 0)):
        result = tally(KIND["fall"], phase, where, [alarm("fall", phase, at)])
        assert (result.found, result.in_time, result.false_alarms) == (1, prompt, 0)


def test_the_onset_counts_where_it_is_known():
    where = Clip(Path("x"), "x", "s", "p", "r", (Interval("fall", 10, 60, onset_s=14.0),))
    result = tally(KIND["fall"], "suspected", where, [alarm("fall", "suspected", 16)])
    assert (result.delays, result.in_time) == ((2.0,), 1)
    early = tally(KIND["fall"], "suspected", where, [alarm("fall", "suspected", 12)])
    assert (early.found, early.false_alarms) == (0, 1)


def test_person_down_has_the_time_that_makes_it_one():
    where = clip(("down", 10, 80))
    for at, prompt in ((28.0, 1), (28.1, 0)):
        alarms = [alarm("person_down", "suspected", at)]
        assert tally(KIND["person_down"], "suspected", where, alarms).in_time == prompt


def test_a_clip_with_unknown_labels_or_none_is_negative():
    for where in (clip(("moonwalk", 0, 9)), clip()):
        result = tally(KIND["fall"], "suspected", where, [alarm("fall", "suspected", 4)])
        assert (result.events, result.false_alarms) == (0, 1)
        assert negative_seconds(KIND["fall"], where, 9.0) == 9.0


def test_negative_footage_counts_overlaps_once_and_ends_with_the_clip():
    where = clip(("fall", 10, 20), ("fall", 15, 25), ("walk", 0, 60), ("fall", 50, 99))
    assert negative_seconds(KIND["fall"], where, 60.0) == pytest.approx(35.0)
    assert negative_seconds(KIND["fight"], where, 60.0) == 60.0


def test_who_lies_after_a_fall_is_down_only_after_a_while():
    short, long = clip(("fall", 5, 9)), clip(("fall", 5, 5 + PERSON_DOWN_S))
    assert events_of(KIND["person_down"], short) == []
    assert events_of(KIND["person_down"], long) == [Interval("fall", 5, 20)]
    result = tally(KIND["person_down"], "suspected", short, [alarm("person_down", "suspected", 9)])
    assert result.false_alarms == 0
    elsewhere = [alarm("person_down", "suspected", 40)]
    assert tally(KIND["person_down"], "suspected", short, elsewhere).false_alarms == 1


def test_summary_by_hand():
    clips = [clip(("fall", 10, 20)), clip(("fall", 10, 20)), clip(("walk", 0, 60)), clip()]
    draw = [
        replay(alarm("fall", "suspected", 12), alarm("fall", "confirmed", 18), fall=0.9),
        replay(fall=0.4),
        replay(alarm("fall", "suspected", 30), fall=0.6),
        replay(fall=0.1),
    ]
    found = summarise(KIND["fall"], trial(clips, [draw], 0))
    hours = (60 * 4 - 20) / 3600
    assert found["events"] == 2
    assert found["negative_hours"] == pytest.approx(hours)
    assert found["suspected"]["recall"] == 0.5
    assert found["suspected"]["median_delay_s"] == 2
    assert found["suspected"]["false_alarms_per_hour"] == pytest.approx(1 / hours)
    assert found["confirmed"]["false_alarms"] == 0
    assert found["auc"]["value"] == 0.75
    assert (found["auc"]["positive_clips"], found["auc"]["negative_clips"]) == (2, 2)


def test_draws_are_averaged_as_figures_and_not_as_scores():
    clips = [clip(("fight", 0, 9)), clip()]
    first = [replay(fight=0.9), replay(fight=0.8)]
    second = [replay(fight=0.2), replay(fight=0.25)]
    area = summarise(KIND["fight"], trial(clips, [first, second], 0))["auc"]["value"]
    assert area == 0.5  # the control: averaged scores would rank 0.55 above 0.525 and give 1


def test_nothing_to_measure_is_none_and_not_zero():
    found = summarise(KIND["fight"], trial([], [[]], 0))
    assert found["auc"]["value"] is None
    assert found["suspected"]["recall"] is None
    assert found["suspected"]["false_alarms_per_hour"] is None


def test_who_lies_must_be_known_after_the_time_to_confirm():
    assert lying(clip(("fall", 5, 20), ("fall", 5, 90), ("down", 0, 70), ("lie", 0, 90))) == [
        (20.0, 70),
        (25.0, 90),
    ]


def test_what_is_cleared_no_longer_stands():
    span = (25.0, 85.0)
    assert held_seconds(span, []) == 0.0
    assert held_seconds(span, [alarm("fall", "suspected", 10)]) == 0.0  # the control
    fall = [alarm("fall", "confirmed", 10), alarm("fall", "cleared", 40)]
    assert held_seconds(span, fall) == 15.0
    down = [alarm("person_down", "confirmed", 35)]
    assert held_seconds(span, [*fall, *down]) == 60.0  # one takes over from the other
    gap = [alarm("person_down", "confirmed", 50), alarm("person_down", "cleared", 60)]
    assert held_seconds(span, [*fall, *gap]) == 25.0
    assert held_seconds(span, [alarm("fight", "confirmed", 10)]) == 0.0
    assert held_seconds(span, [alarm("fall", "confirmed", 90)]) == 0.0
    over = [alarm("fall", "confirmed", 1), alarm("fall", "cleared", 9)]
    assert held_seconds(span, over) == 0.0
