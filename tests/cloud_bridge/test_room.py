# SPDX-License-Identifier: Apache-2.0
"""Sensors that share a room are judged together: late, missing, dead and misdated ones too."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from cloud_bridge.alarm_parameters import AlarmParameters
from cloud_bridge.alarms import Alarms, OpenEvent
from cloud_bridge.card import load_card
from cloud_bridge.errors import ConfigError, ModelError
from cloud_bridge.recogniser import Recogniser
from cloud_bridge.registry import Place
from cloud_bridge.room import Room
from cloud_bridge.watch import Watch
from tests.cloud_bridge.scene import (
    KINDS,
    RATE,
    SITE,
    START_US,
    STEPS,
    THRESHOLDS,
    admitted,
    card_values,
    make_registry,
    make_senders,
    sensor_of,
    vector,
    write_model,
)

HALL, BATH, MAIN = (sensor_of(sender) for sender in make_senders())
WARD = Place(SITE, "ward", (HALL, MAIN))
QUIET, FALLING = vector(present=3.0), vector(present=3.0, fall=3.0)
DOWN = vector(present=3.0, down=3.0)
# Says next to nothing, either way; and what is too little for one to confirm, not for two.
BLIND = vector(**dict.fromkeys(KINDS, -0.3))
HALF_FALLING = vector(**{**dict.fromkeys(KINDS, -0.3), "fall": 0.3})
HALF_DOWN = vector(**{**dict.fromkeys(KINDS, -0.3), "down": 0.4})
STORY = [(3, QUIET), (2, HALF_FALLING), (8, HALF_DOWN)]


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def recogniser(card):
    return Recogniser(card)


def make(recogniser, *rooms, open_events=None):
    return Watch(
        recogniser,
        make_registry(rooms),
        THRESHOLDS,
        AlarmParameters(fall_excess_s=0.3),
        open_events=open_events or {},
    )


def scene(sender, *parts, start=0, **how):
    """parts: (seconds, vector); None: nothing is sent."""
    values = [value for seconds, value in parts for _ in range(round(seconds * RATE))]
    return [
        admitted(sender, start + step, value, **how)
        for step, value in enumerate(values)
        if value is not None
    ]


def arriving(*scenes):
    """In the order of arrival."""
    return sorted(itertools.chain(*scenes), key=lambda item: item.received_s)


def follow(watch, items, size=1):
    changes = []
    for first in range(0, len(items), size):
        changes += watch.follow(items[first : first + size])
    return changes


def phases(changes):
    return [f"{change.kind} {change.phase}" for _, change in changes]


def spy(watch, sensor=HALL):
    """The windows of this sensor's room, as they are judged."""
    room, judged = watch.rooms[sensor], []
    conclude = room.conclude
    room.conclude = lambda due, found: judged.append(due) or conclude(due, found)
    return judged


def seconds(due):
    """Since the start, by capture time."""
    return due.time_s - START_US / 1e6


def seen(due):
    """(N, T): where there is a vector."""
    return due.tensor[:, :, -1] > 0


def test_two_sensors_confirm_together_what_neither_does_alone(recogniser):
    hall, _, main = make_senders()
    together = follow(
        make(recogniser, WARD), arriving(scene(hall, *STORY), scene(main, *STORY, way_s=0.06))
    )
    assert phases(together) == ["fall suspected", "fall confirmed"]
    assert {place.name for place, _ in together} == {"ward"}
    assert together[-1][1].evidence.sensors == ("device-1/hall", "device-2/main")
    for sender in (hall, main):
        alone = follow(make(recogniser, WARD), scene(sender, *STORY))
        assert "fall confirmed" not in phases(alone)
    # Nor do they side by side, in no common room.
    apart = follow(make(recogniser), arriving(scene(hall, *STORY), scene(main, *STORY)))
    assert "fall confirmed" not in phases(apart)


@pytest.mark.parametrize("size", [1, 7, 256])
def test_a_burst_of_all_sensors_is_judged_along_the_way(recogniser, size):
    hall, _, main = make_senders()
    items = arriving(scene(hall, *STORY), scene(main, *STORY, way_s=0.06))
    watch = make(recogniser, WARD)
    judged = spy(watch)
    assert phases(follow(watch, items, size)) == ["fall suspected", "fall confirmed"]
    assert len(judged) == 26
    assert np.allclose(np.diff([seconds(due) for due in judged]), 0.5, atol=0.11)


def test_a_burst_of_one_sensor_after_the_other_is_put_in_order(recogniser):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    judged = spy(watch)
    outage = [*scene(hall, *STORY, way_s=60.0), *scene(main, *STORY, way_s=60.0)]
    assert phases(watch.follow(outage)) == ["fall suspected", "fall confirmed"]
    assert all(seen(due)[0].tolist() == seen(due)[1].tolist() for due in judged)


def test_what_sensors_saw_at_one_moment_and_arrived_together_is_judged_together(recogniser):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    judged = spy(watch)
    pairs = zip(scene(hall, (3, QUIET)), scene(main, (3, QUIET)), strict=True)
    for pair in pairs:
        watch.follow(pair)
    assert all(seen(due)[:, -1].all() for due in judged)


def test_a_late_sensor_is_zeros_and_filled_in_before_it_is_judged_again(recogniser):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    judged = spy(watch)
    late = scene(main, (1.7, QUIET), way_s=0.75)
    follow(watch, arriving(scene(hall, (2, QUIET)), late))
    newest_of_main = [STEPS - 1 - np.flatnonzero(seen(due)[1])[-1] for due in judged[2:]]
    # At 1 s, 1.5 s: what was sent 0.75 s later has come up to eight steps before.
    assert newest_of_main == [8, 8]
    assert all(seen(due)[0, -1] for due in judged)
    # All of it is there in time for the next judgement.
    follow(watch, scene(hall, (0.3, QUIET), start=24))
    last = seen(judged[-1])
    assert seconds(judged[-1]) == pytest.approx(2.4)
    steps = np.arange(STEPS) + 24 - STEPS + 1
    assert last[1].tolist() == [0 <= step < 17 for step in steps]
    assert last[0].tolist() == [0 <= step < 20 or step == 24 for step in steps]


def test_evidence_that_comes_late_counts_when_it_comes(recogniser):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    blind = scene(hall, (12, BLIND))
    fall = scene(main, (3, QUIET), (2, FALLING), (7, DOWN), way_s=1.2)
    assert "fall confirmed" in phases(follow(watch, arriving(blind, fall)))
    # Control: without the late ones there is nothing.
    assert follow(make(recogniser, WARD), blind) == []


def test_a_sensor_that_dies_stops_nothing(recogniser):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    judged = spy(watch)
    both = arriving(scene(hall, (4, QUIET)), scene(main, (4, QUIET), (2, FALLING), (7, DOWN)))
    assert phases(follow(watch, both)) == ["fall suspected", "fall confirmed"]
    assert np.allclose(np.diff([seconds(due) for due in judged]), 0.5, atol=0.11)
    assert judged[-1].span.sensors == ("device-2/main",)
    assert judged[4].span.sensors == ("device-1/hall", "device-2/main")
    room = watch.rooms[MAIN]
    assert room is watch.rooms[HALL]
    assert room.sensors == ("device-2/main",)
    assert room.last_vector_time(HALL) == pytest.approx(START_US / 1e6 + 3.9)


def test_a_sensor_that_never_sent_is_missing_from_the_evidence(recogniser):
    main = make_senders()[2]
    watch = make(recogniser, WARD)
    judged = spy(watch)
    changes = follow(watch, scene(main, (4, QUIET), (2, FALLING), (7, DOWN)))
    assert phases(changes) == ["fall suspected", "fall confirmed"]
    assert all(change.evidence.sensors == ("device-2/main",) for _, change in changes)
    assert all(due.tensor.shape[0] == 2 and not due.tensor[0].any() for due in judged)


def test_repeated_vectors_of_all_sensors_freeze_and_one_that_is_new_does_not(recogniser):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    judged = spy(watch)
    follow(watch, arriving(scene(hall, (2, QUIET)), scene(main, (2, QUIET))))
    count = len(judged)
    still = [scene(one, (5, QUIET), start=20, repeated=True) for one in (hall, main)]
    follow(watch, arriving(*still))
    assert len(judged) == count
    follow(
        watch,
        arriving(
            scene(hall, (5, QUIET), start=70, repeated=True), scene(main, (5, QUIET), start=70)
        ),
    )
    assert len(judged) == count + 10


WRONG = {
    "a bit ahead": 3.0,
    "ahead by more than a window": 20.0,
    "ahead by minutes": 300.0,
    "behind by minutes": -300.0,
    "behind by more than a window": -20.0,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("first", ["right", "wrong"])
def test_a_wrong_clock_does_not_blind_the_room(recogniser, name, first, caplog):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    judged = spy(watch)
    right = scene(main, (3, QUIET), (2, FALLING), (7, DOWN), way_s=0.05)
    way_s = 0.06 if first == "right" else 0.04
    wrong = scene(hall, (12, QUIET), wrong_s=WRONG[name], way_s=way_s)
    changes = follow(watch, arriving(right, wrong))
    assert phases(changes) == ["fall suspected", "fall confirmed"]
    suspected = changes[0][1].detection_time - START_US / 1e6
    assert 3 <= suspected <= 5
    # Judged twice a second, all along, by the clock that is right.
    after = [due for due in judged if abs(seconds(due) - 6) <= 6]
    assert len(after) >= 23
    assert all(due.span.sensors == ("device-2/main",) for due in after[1:])
    assert ("left out" in caplog.text) == (WRONG[name] > 0)
    assert len(caplog.records) <= 1


def test_control_a_right_clock_takes_part(recogniser, caplog):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    judged = spy(watch)
    follow(watch, arriving(scene(hall, (5, QUIET), wrong_s=0.2), scene(main, (5, QUIET))))
    assert judged[-1].span.sensors == ("device-1/hall", "device-2/main")
    assert caplog.records == []


def test_a_clock_that_was_set_right_takes_part_again(recogniser):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    judged = spy(watch)
    wrong = scene(hall, (4, QUIET), wrong_s=300.0)
    right = scene(hall, (4, QUIET), start=4 * RATE)
    follow(watch, arriving(wrong, right, scene(main, (8, QUIET))))
    assert judged[4].span.sensors == ("device-2/main",)
    assert judged[-1].span.sensors == ("device-1/hall", "device-2/main")


@pytest.mark.parametrize("wrong_s", [-300.0, -20.0, 20.0, 300.0])
def test_a_wrong_clock_leads_once_it_is_alone(recogniser, wrong_s):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    judged = spy(watch)
    alone = scene(hall, (4 + STEPS / RATE + 12, QUIET), wrong_s=wrong_s)
    follow(watch, arriving(scene(main, (4, QUIET)), alone))
    last = judged[-1]
    assert last.span.sensors == ("device-1/hall",)
    assert seconds(last) == pytest.approx(4 + 2 + 12 + wrong_s, abs=0.6)


def test_the_span_tells_what_was_seen_by_anybody(recogniser):
    hall, _, main = make_senders()
    watch = make(recogniser, WARD)
    judged = spy(watch)
    holes = [(0.5, QUIET), (0.5, None), (0.5, QUIET)]
    follow(watch, arriving(scene(hall, *holes), scene(main, (0.7, QUIET), start=2)))
    span = judged[-1].span
    assert (span.vectors, span.gaps) == (10, 1)
    assert span.end - span.start == pytest.approx(1.0)
    # Steps 0-4 and 10-14 of one, 2-8 of the other; the last judgement was at step 10.
    assert seconds(judged[-1]) == pytest.approx(1.0)


def test_rooms_of_different_size_are_judged_in_one_go(recogniser):
    hall, bath, main = make_senders()
    items = arriving(
        scene(hall, *STORY), scene(main, *STORY), scene(bath, (3, QUIET), (2, FALLING), (8, DOWN))
    )
    changes = follow(make(recogniser, WARD), items, 100)
    assert sorted({(place.name or "", *place.speaker) for place, _ in changes}) == [
        ("", *BATH),
        ("ward", *HALL),
    ]


class TestRestart:
    IDS = tuple(f"{number}1111111-2222-4333-8444-555555555555" for number in range(3))

    def test_open_events_of_a_room_go_on(self, recogniser):
        event = OpenEvent(self.IDS[0], "fall", "confirmed", 1e9)
        watch = make(recogniser, WARD, open_events={HALL: [event]})
        assert watch.rooms[MAIN].alarms.open_events == [event]
        assert watch.superseded(2e9) == []

    def test_open_events_of_sensors_that_joined_a_room_go_on_or_end(self, recogniser):
        suspected = OpenEvent(self.IDS[0], "fall", "suspected", 1e9)
        confirmed = OpenEvent(self.IDS[1], "fall", "confirmed", 1e9 + 5)
        fight = OpenEvent(self.IDS[2], "fight", "suspected", 1e9)
        watch = make(recogniser, WARD, open_events={HALL: [suspected], MAIN: [confirmed, fight]})
        assert watch.rooms[HALL].alarms.open_events == [confirmed, fight]
        ((sensor, place, change),) = watch.superseded(2e9)
        assert (sensor, place) == (HALL, WARD)
        assert (change.event_id, change.kind, change.phase) == (self.IDS[0], "fall", "cleared")
        assert (change.onset_time, change.detection_time) == (1e9, 2e9)

    def test_control_apart_they_both_go_on(self, recogniser):
        events = [OpenEvent(number, "fall", "suspected", 1e9) for number in self.IDS[:2]]
        watch = make(recogniser, open_events={HALL: events[:1], MAIN: events[1:]})
        assert watch.rooms[HALL].alarms.open_events == events[:1]
        assert watch.rooms[MAIN].alarms.open_events == events[1:]
        assert watch.superseded(2e9) == []


class TestTime:
    """A room by itself, with a window longer than the clocks' tolerance."""

    LONG = 6 * RATE

    @pytest.fixture
    def room(self, card):
        long = dataclasses.replace(load_card(card), window=self.LONG)
        return Room(long, WARD, Alarms(THRESHOLDS))

    @pytest.fixture
    def alone(self, card):
        place = make_registry().places[0]
        return Room(load_card(card), place, Alarms(THRESHOLDS))

    def due(self, room, items, size=1):
        batches = [items[first : first + size] for first in range(0, len(items), size)]
        return [due for batch in batches for due in room.follow(batch)]

    def test_a_clock_ahead_by_less_than_a_window_holds_nothing_up(self, room):
        hall, _, main = make_senders()
        ahead = scene(hall, (8, QUIET), wrong_s=4.0, way_s=0.04)
        found = self.due(room, arriving(ahead, scene(main, (8, QUIET))))
        # The wrong one was heard first, and believed until the right one spoke.
        assert [round(seconds(due), 1) for due in found[:3]] == [4.0, 0.0, 0.5]
        assert all(due.span.sensors == ("device-2/main",) for due in found[1:])
        assert len(found) == 17

    def test_time_does_not_go_back_when_the_leader_falls_silent(self, room):
        hall, _, main = make_senders()
        leader = scene(hall, (3, QUIET), wrong_s=1.5)
        found = self.due(room, arriving(leader, scene(main, (12, QUIET))))
        times = [seconds(due) for due in found]
        assert times == sorted(times)
        assert max(np.diff(times)) < 0.5 + 1.5 + 0.1
        assert times[-1] == pytest.approx(11.9, abs=0.5)

    def test_what_is_too_old_for_the_window_calls_for_no_judgement(self, room):
        hall, _, main = make_senders()
        self.due(room, scene(hall, (1, QUIET)))
        still = scene(hall, (3, QUIET), start=10, repeated=True)
        old = scene(main, (2, QUIET), start=-100, way_s=12.0)
        assert self.due(room, arriving(still, old)) == []
        # Control: what the window still reaches does.
        late = scene(main, (2, QUIET), start=10, way_s=2.5)
        assert self.due(room, late) != []

    @pytest.mark.parametrize("size", [2, 5, 100])
    def test_a_source_faster_than_the_grid_is_judged_alike_in_a_burst(self, alone, size):
        sender = make_senders()[0]
        items = [admitted(sender, step / 2, QUIET) for step in range(100)]
        twin = Room(alone._card, alone.place, Alarms(THRESHOLDS))
        live, burst = self.due(alone, items), self.due(twin, items, size)
        assert [due.span for due in live] == [due.span for due in burst]
        assert all(np.array_equal(a.tensor, b.tensor) for a, b in zip(live, burst, strict=True))


REFUSED = {
    "unknown": ([Place(SITE, "a", (HALL, (SITE, "device-3", "main")))], "no sensor device-3/main"),
    "another site": (
        [Place("away", "a", (("away", "device-2", "main"),))],
        "registered at away; it is at home, and a room lies in one site",
    ),
    "two rooms": (
        [Place(SITE, "a", (HALL,)), Place(SITE, "b", (MAIN, HALL))],
        "sensor device-1/hall is in the rooms home/a and home/b",
    ),
    "one name": ([Place(SITE, "a", (HALL,)), Place(SITE, "a", (MAIN,))], "home/a occurs twice"),
    "five": ([Place(SITE, "a", (HALL, MAIN, BATH, HALL, MAIN))], "more than 4 sensors"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_rooms_that_do_not_fit_are_refused(name):
    rooms, message = REFUSED[name]
    with pytest.raises(ConfigError, match=message):
        make_registry(rooms)


def test_every_sensor_lies_in_exactly_one_place():
    places = make_registry((WARD,)).places
    assert places == [WARD, Place(SITE, None, (BATH,))]
    assert [place.title for place in places] == ["home/ward", "home/device-1/bath"]
    assert [place.speaker for place in make_registry().places] == [HALL, BATH, MAIN]


def test_a_room_that_is_too_large_for_the_model_is_refused(card):
    path = card.with_name("alone.json")
    path.write_text(json.dumps(card_values(sensors_max=1)))
    with pytest.raises(ModelError, match="room home/ward has 2 sensors; model test-family-1 takes"):
        make(Recogniser(path), WARD)
    make(Recogniser(path))  # the control: every sensor by itself
