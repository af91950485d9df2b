# SPDX-License-Identifier: Apache-2.0
"""Scripted tracks of probabilities and the changes of phase that they must and must not bring."""

import dataclasses
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_bridge.alarm_parameters import AlarmParameters, alarm_parameters
from cloud_bridge.alarms import Alarms, OpenEvent
from cloud_bridge.errors import ConfigError
from cloud_bridge.windows import Span
from tests.cloud_bridge.scene import THRESHOLDS
from wire.events import PHASES

STEP_S = 0.5
START_S = 1.9e9
QUIET = {"present": 0.95, "fall": 0.02, "down": 0.02, "fight": 0.02}
EMPTY = {"present": 0.02, "fall": 0.02, "down": 0.02, "fight": 0.02}
FALLING = {**QUIET, "fall": 0.9, "down": 0.3}
DOWN = {**QUIET, "fall": 0.1, "down": 0.9}
LYING = {**QUIET, "down": 0.9}
FIGHT = {**QUIET, "fight": 0.9}
SHORT = AlarmParameters(overstay_s=100, presence_gap_s=10)


def play(alarms, *scenes, start=START_S, onset_s=0.0):
    """scenes: (seconds, probabilities); onset_s: what the network's onset head says throughout."""
    found, time_s = [], start
    for seconds, probabilities in scenes:
        for _ in range(round(seconds / STEP_S)):
            time_s += STEP_S
            span = Span(time_s - 2, time_s, 20, 0, ("device-1/hall",))
            found += alarms.step(time_s, probabilities, onset_s, span)
    return found


def phases(found, kind=None):
    return [f"{t.kind} {t.phase}" for t in found if kind in {None, t.kind}]


FALL = ["fall suspected", "fall confirmed", "fall cleared"]
TABLE = {
    "nothing": ([(60, EMPTY)], []),
    "an ordinary visit": ([(10, EMPTY), (40, QUIET), (10, EMPTY)], []),
    "a fall, then up again": ([(5, QUIET), (1, FALLING), (6, DOWN), (12, QUIET)], FALL),
    "a stumble": (
        [(5, QUIET), (1, FALLING), (10, QUIET)],
        ["fall suspected", "fall cleared"],
    ),
    "a fall and no getting up": (
        [(5, QUIET), (1, FALLING), (30, DOWN)],
        ["fall suspected", "fall confirmed", "person_down suspected", "person_down confirmed"],
    ),
    "a fall seen badly, told by what follows": (
        [(5, QUIET), (1.5, {**QUIET, "fall": 0.45}), (7, DOWN), (12, QUIET)],
        FALL,
    ),
    "weak evidence adds up": (
        [(5, QUIET), (1, FALLING), (14, {**QUIET, "down": 0.75}), (8, QUIET)],
        [
            "fall suspected",
            "person_down suspected",
            "fall confirmed",
            "fall cleared",
            "person_down cleared",
        ],
    ),
    "too weak to confirm": (
        [(5, QUIET), (1, FALLING), (30, {**QUIET, "down": 0.45})],
        ["fall suspected", "fall cleared"],
    ),
    "lying down without a fall": (
        [(5, QUIET), (30, LYING), (12, QUIET)],
        ["person_down suspected", "person_down confirmed", "person_down cleared"],
    ),
    "bending down": ([(5, QUIET), (5, LYING), (20, QUIET)], []),
    "who lies already cannot fall": (
        [(5, QUIET), (30, LYING), (1, FALLING | {"down": 0.9}), (5, LYING)],
        ["person_down suspected", "person_down confirmed"],
    ),
    "a flicker of down interrupts nothing": (
        [(5, QUIET), (8, LYING), (2, QUIET), (10, LYING)],
        ["person_down suspected", "person_down confirmed"],
    ),
    "a fight": (
        [(5, QUIET), (8, FIGHT), (12, QUIET)],
        ["fight suspected", "fight confirmed", "fight cleared"],
    ),
    "a hug": ([(5, QUIET), (0.5, FIGHT), (10, QUIET)], []),
    "a scuffle, unclear for long": (
        [(5, QUIET), (40, {**QUIET, "fight": 0.55}), (10, QUIET)],
        ["fight suspected", "fight cleared"],
    ),
    "a scuffle that turns into a fight": (
        [(5, QUIET), (40, {**QUIET, "fight": 0.55}), (10, FIGHT), (12, QUIET)],
        ["fight suspected", "fight cleared", "fight suspected", "fight confirmed", "fight cleared"],
    ),
    "one fight with a pause is one event": (
        [(5, QUIET), (8, FIGHT), (3, QUIET), (8, FIGHT), (12, QUIET)],
        ["fight suspected", "fight confirmed", "fight cleared"],
    ),
    "two fights are two": (
        [(5, QUIET), (8, FIGHT), (30, QUIET), (8, FIGHT), (12, QUIET)],
        ["fight suspected", "fight confirmed", "fight cleared"] * 2,
    ),
    "carried away": (
        [(5, QUIET), (1, FALLING), (6, DOWN), (20, EMPTY)],
        FALL,
    ),
    "overstay": (
        [(5, EMPTY), (110, QUIET), (20, EMPTY)],
        ["overstay suspected", "overstay confirmed", "overstay cleared"],
    ),
    "overstay in spite of short losses": (
        [(5, EMPTY), (50, QUIET), (5, EMPTY), (55, QUIET)],
        ["overstay suspected", "overstay confirmed"],
    ),
    "two visits are no overstay": ([(60, QUIET), (15, EMPTY), (60, QUIET)], []),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_scripted_track_brings_these_changes_and_no_others(name):
    scenes, expected = TABLE[name]
    assert phases(play(Alarms(THRESHOLDS, SHORT), *scenes)) == expected


def test_a_fall_is_suspected_within_3_s_and_confirmed_within_20_s():
    found = play(Alarms(THRESHOLDS, SHORT), (5, QUIET), (1, FALLING), (20, DOWN))
    by_phase = {t.phase: t.detection_time - START_S - 5 for t in found if t.kind == "fall"}
    assert by_phase["suspected"] <= 3
    assert by_phase["confirmed"] <= 20


def test_all_phases_share_id_and_onset_and_carry_the_evidence():
    found = play(Alarms(THRESHOLDS), *TABLE["a fall, then up again"][0])
    assert len({t.event_id for t in found}) == 1
    assert len({t.onset_time for t in found}) == 1
    assert found[0].onset_time == pytest.approx(START_S + 5, abs=1)
    assert all(t.evidence.end == t.detection_time for t in found)


ONSETS = {
    "sure of a fall": ({**DOWN, "fall": 0.9}, "fall", 4.0),
    "sure that somebody is down, not of the fall": ({**DOWN, "fall": 0.6}, "fall", 4.0),
    "unsure of a fall: when it rose": ({**QUIET, "fall": 0.7}, "fall", 0.0),
    "sure of a fight": (FIGHT, "fight", 4.0),
    "unsure of a fight: when it rose": ({**QUIET, "fight": 0.7}, "fight", 0.5),
}


@pytest.mark.parametrize("name", ONSETS)
def test_the_networks_own_onset_is_believed_once_it_is_sure(name):
    probabilities, kind, before_s = ONSETS[name]
    parameters = dataclasses.replace(SHORT, smoothing_s=0)
    found = play(Alarms(THRESHOLDS, parameters), (5, QUIET), (3, probabilities), onset_s=4.0)
    first = next(change for change in found if change.kind == kind)
    assert first.detection_time - first.onset_time == pytest.approx(before_s)


def test_person_down_began_when_the_person_went_down():
    found = play(Alarms(THRESHOLDS), (5, QUIET), (30, LYING))
    assert all(t.onset_time == pytest.approx(START_S + 5, abs=2) for t in found)
    confirmed = found[-1].detection_time - found[-1].onset_time
    assert confirmed == pytest.approx(AlarmParameters().down_limit_s, abs=1)


def test_a_place_without_beds_may_take_any_going_down_for_a_fall():
    scenes = [(5, QUIET), (12, LYING), (12, QUIET)]
    assert phases(play(Alarms(THRESHOLDS, SHORT), *scenes), "fall") == []
    bold = dataclasses.replace(SHORT, fall_from_down=0.8)
    assert phases(play(Alarms(THRESHOLDS, bold), *scenes), "fall") == FALL


def test_unseen_time_is_no_evidence():
    alarms = Alarms(THRESHOLDS, SHORT)
    play(alarms, (5, QUIET), (1, FALLING), (1, DOWN))
    later = play(alarms, (0.5, DOWN), start=START_S + 300)
    assert "fall confirmed" not in phases(later)
    assert "person_down confirmed" not in phases(later)


def test_a_presence_does_not_last_through_a_long_unseen_stretch():
    alarms = Alarms(THRESHOLDS, SHORT)
    play(alarms, (30, QUIET))
    assert phases(play(alarms, (10, QUIET), start=START_S + 300)) == []


def test_a_clock_set_back_neither_ends_nor_begins_anything():
    alarms = Alarms(THRESHOLDS, SHORT)
    play(alarms, (5, QUIET), (1, FALLING), (6, DOWN))
    before = alarms.open_events
    assert play(alarms, (0.5, DOWN), start=START_S - 4000) == []
    assert alarms.open_events == before


def test_open_events_go_on_after_a_restart():
    event = OpenEvent("11111111-2222-4333-8444-555555555555", "person_down", "confirmed", 1e9)
    alarms = Alarms(THRESHOLDS, SHORT, [event])
    assert play(alarms, (20, LYING)) == []
    found = play(alarms, (10, QUIET), start=START_S + 20)
    assert [(t.event_id, t.phase, t.onset_time) for t in found] == [
        (event.event_id, "cleared", 1e9)
    ]


def test_control_without_the_open_event_it_is_reported_anew():
    assert "person_down confirmed" in phases(play(Alarms(THRESHOLDS, SHORT), (20, LYING)))


def legal(found):
    """Never two open events of a kind; suspected, then perhaps confirmed, then cleared."""
    history = defaultdict(list)
    open_ids = {}
    for change in found:
        history[change.event_id].append(change.phase)
        if open_ids.setdefault(change.kind, change.event_id) != change.event_id:
            return False
        if change.phase == "cleared":
            del open_ids[change.kind]
    allowed = [list(PHASES[:n]) for n in (1, 2, 3)] + [["suspected", "cleared"]]
    return all(phase_list in allowed for phase_list in history.values())


PROBABILITY = st.sampled_from([0.0, 0.05, 0.3, 0.49, 0.5, 0.55, 0.7, 0.95, 1.0])
PROBABILITIES = st.fixed_dictionaries(dict.fromkeys(QUIET, PROBABILITY))
SCENE = st.tuples(st.sampled_from([0.0, 0.1, 0.5, 3.0, 90.0, -50.0]), PROBABILITIES)
FAST = AlarmParameters(
    confirm_within_s=3,
    recover_s=0.5,
    absent_s=1,
    refractory_s=0.5,
    down_limit_s=2,
    overstay_s=10,
    presence_gap_s=2,
    fight_hold_s=0,
    fall_excess_s=0.3,
    fight_excess_s=0.3,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(SCENE, max_size=80), st.sampled_from([FAST, SHORT]))
def test_any_track_brings_phases_in_legal_order_only(scenes, parameters):
    alarms, time_s, found = Alarms(THRESHOLDS, parameters), START_S, []
    for passed, probabilities in scenes:
        time_s += passed
        new = alarms.step(time_s, probabilities, 0.0, Span(time_s, time_s, 1, 0, ()))
        found += new
        assert all(0 <= t.probability <= 1 and t.detection_time == time_s for t in new)
    assert legal(found)
    opened = {t.event_id for t in found} - {t.event_id for t in found if t.phase == "cleared"}
    assert {event.event_id for event in alarms.open_events} == opened


def test_control_the_judge_of_order_notices_an_illegal_one():
    found = play(Alarms(THRESHOLDS, SHORT), *TABLE["a fight"][0])
    assert legal(found)
    assert not legal(found[::-1])
    assert not legal([found[0], dataclasses.replace(found[0], event_id="other")])


def test_parameters_are_layered_and_checked():
    assert alarm_parameters({"overstay_s": 60}, {"overstay_s": 70}).overstay_s == 70
    with pytest.raises(ConfigError, match=r"alarms.overstay_s must be from 10 to 86400"):
        alarm_parameters({"overstay_s": 1})
    with pytest.raises(ConfigError, match=r"alarms.overstay is unknown"):
        alarm_parameters({"overstay": 60})


@pytest.mark.parametrize(("warm_up", "opened"), [(0.0, True), (15.0, False)])
def test_a_stream_that_has_only_begun_raises_no_alarm(warm_up, opened):
    alarms = Alarms(THRESHOLDS, alarm_parameters({"warm_up_vectors": warm_up}))
    found = [
        change
        for step in range(10)
        for change in alarms.step(
            step / 2,
            {"present": 1.0, "fall": 0.0, "down": 0.0, "fight": 0.9},
            0.0,
            Span(0.0, step / 2, 10, 0, ()),
        )
    ]
    assert bool(found) is opened
