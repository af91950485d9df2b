# SPDX-License-Identifier: Apache-2.0
"""All rooms followed together: the same events however vectors arrive; silence freezes."""

import dataclasses
import itertools

import numpy as np
import pytest

from cloud_bridge.alarm_parameters import AlarmParameters
from cloud_bridge.config import load_config
from cloud_bridge.errors import ModelError
from cloud_bridge.recogniser import Recogniser
from cloud_bridge.registry import Registry
from cloud_bridge.states import States
from cloud_bridge.tally import Tally
from cloud_bridge.watch import Watch
from tests.cloud_bridge.scene import (
    RATE,
    THRESHOLDS,
    UNUSUAL,
    admitted,
    make_profile,
    make_registry,
    make_senders,
    vector,
    write_config,
    write_model,
)

QUIET, FALLING = vector(present=3.0), vector(present=3.0, fall=3.0)
DOWN, FIGHTING = vector(present=3.0, down=3.0), vector(present=3.0, fight=3.0)
STORIES = {
    "hall": [(5, QUIET), (1.5, FALLING), (7, DOWN), (12, QUIET)],
    "bath": [(25.5, QUIET)],
    "main": [(5, QUIET), (9, FIGHTING), (11.5, QUIET)],
}


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory):
    return Recogniser(write_model(tmp_path_factory.mktemp("model")))


def make(recogniser, registry=None):
    registry = registry or make_registry()
    return Watch(recogniser, registry, THRESHOLDS, AlarmParameters(), open_events={})


def interleaved():
    """All three stories, a step of each sensor at a time."""
    tracks = [
        [
            admitted(sender, step, values)
            for step, values in enumerate(
                value
                for seconds, value in STORIES[sender.sensor]
                for _ in range(round(seconds * RATE))
            )
        ]
        for sender in make_senders()
    ]
    return [item for step in zip(*tracks, strict=True) for item in step]


def told(changes):
    return sorted(
        (place.speaker, t.kind, t.phase, t.onset_time, t.detection_time, round(t.probability, 4))
        for place, t in changes
    )


def follow(watch, items, size):
    changes = []
    for first in range(0, len(items), size):
        changes += watch.follow(items[first : first + size])
    return told(changes)


@pytest.mark.parametrize("size", [3, 50, 256, 10_000])
def test_a_burst_brings_the_same_events_as_a_live_stream(recogniser, size):
    items = interleaved()
    live = follow(make(recogniser), items, 1)
    assert [(sensor[2], kind, phase) for sensor, kind, phase, *_ in live] == [
        ("hall", "fall", "cleared"),
        ("hall", "fall", "confirmed"),
        ("hall", "fall", "suspected"),
        ("main", "fight", "cleared"),
        ("main", "fight", "confirmed"),
        ("main", "fight", "suspected"),
    ]
    assert follow(make(recogniser), items, size) == live


def test_each_room_is_judged_at_most_every_half_second(recogniser):
    watch = make(recogniser)
    judged = []
    for room in watch.rooms.values():
        conclude = room.conclude
        room.conclude = lambda due, found, c=conclude: judged.append(due) or c(due, found)
    follow(watch, interleaved(), 40)
    seconds = sum(seconds for seconds, _ in STORIES["bath"])
    assert len(judged) == 3 * round(seconds / 0.5)


def test_repeated_vectors_freeze_the_alarms_as_silence_does(recogniser):
    watch, sender = make(recogniser), make_senders()[0]
    falling = [(2, QUIET), (1.5, FALLING), (1, DOWN)]
    values = [value for seconds, value in falling for _ in range(round(seconds * RATE))]
    begun = watch.follow([admitted(sender, step, value) for step, value in enumerate(values)])
    assert [change.phase for _, change in begun] == ["suspected"]
    step = len(values)
    repeats = [admitted(sender, step + n, DOWN, repeated=True) for n in range(60 * RATE)]
    assert watch.follow(repeats) == []
    room = watch.rooms[begun[0][0].speaker]
    assert [event.phase for event in room.alarms.open_events] == ["suspected"]
    assert room.last_vector_time(begun[0][0].speaker) > begun[0][1].detection_time + 55
    # Control: new vectors go on where it stopped.
    step += len(repeats)
    more = watch.follow([admitted(sender, step + n, DOWN) for n in range(8 * RATE)])
    assert "confirmed" in [change.phase for _, change in more]


def test_evidence_shows_the_gap(recogniser):
    watch, sender = make(recogniser), make_senders()[0]
    watch.follow([admitted(sender, step, QUIET) for step in range(20)])
    found = watch.follow([admitted(sender, step, FALLING) for step in range(26, 40)])
    evidence = found[0][1].evidence
    assert evidence.gaps == 6
    assert evidence.vectors + evidence.gaps == 20
    assert evidence.sensors == ("device-1/hall",)


def test_a_device_with_a_profile_the_model_does_not_know_is_refused(recogniser):
    devices = make_registry().devices
    strange = dataclasses.replace(devices[0], profile=make_profile("strange"))
    with pytest.raises(ModelError, match="home/device-1: model test-family-1 was not trained"):
        make(recogniser, Registry([strange, devices[1]]))


def test_a_long_stream_grows_nothing(recogniser):
    watch, sender = make(recogniser), make_senders()[0]
    room = watch.rooms["home", "device-1", "hall"]
    (window,) = room._windows.values()
    for step in range(20):
        watch.follow([admitted(sender, step, QUIET)])
    shape = window._rows.shape
    for first in range(20, 2000, 100):
        watch.follow([admitted(sender, step, QUIET) for step in range(first, first + 100)])
    assert window._rows.shape == shape
    assert np.isfinite(window._rows).all()
    assert set(room.probabilities) == {*THRESHOLDS, "stand", "lie", "unusual"}


class TestStates:
    @pytest.fixture
    def config(self, tmp_path):
        return load_config(write_config(tmp_path, 'url = "mqtt://localhost:1"'))

    @pytest.fixture
    def watch(self, recogniser):
        return make(recogniser)

    @pytest.fixture
    def states(self, config, watch):
        tally = Tally(config.registry.sensors, lambda: 0.0)
        return States(config, watch, tally, "test-family-1")

    def test_before_the_first_judgement_nothing_is_said_of_the_room(self, states):
        for state in states.due(0.0, 1.9e9):
            assert (state.probabilities, state.persons, state.sensors) == ({}, None, ())

    def tell(self, states, now):
        """-> {sensor: stream} of what is published at `now`."""
        due = states.due(now, 1.9e9)
        for state in due:
            states.told(state, ok=True)
        return {state.sensor: state.stream for state in due}

    def test_a_sensor_is_stalled_until_something_is_admitted_and_after_silence(self, states):
        assert self.tell(states, 0.0) == dict.fromkeys(("hall", "bath", "main"), "stalled")
        assert self.tell(states, 0.1) == {}
        states.seen(("home", "device-1", "hall"), 0.2)
        assert self.tell(states, 0.3) == {"hall": "live"}
        # stalled_after_s = 2, state_every_s = 1
        assert self.tell(states, 1.5)["hall"] == "live"
        assert self.tell(states, 2.25) == {"hall": "stalled"}

    def test_what_could_not_be_published_is_due_again(self, states):
        for state in states.due(0.0, 1.9e9):
            states.told(state, ok=False)
        assert len(self.tell(states, 0.01)) == 3
        assert self.tell(states, 0.02) == {}

    def test_a_change_is_told_at_once_and_only_of_its_sensor(self, states, watch):
        self.tell(states, 0.0)
        sender = make_senders()[0]
        one = vector(present=3.0, persons=1)
        watch.follow([admitted(sender, step, one) for step in range(10)])
        (changed,) = states.due(0.1, 1.9e9)
        assert (changed.sensor, changed.present, changed.room) == ("hall", True, None)
        assert (changed.persons, changed.sensors) == (1, ("device-1/hall",))
        assert changed.probabilities["unusual"] in UNUSUAL.values()
        assert changed.probabilities["lie"] == pytest.approx(0.5)

    def test_at_the_end_every_sensor_is_stalled(self, states):
        for sensor in itertools.islice(make_senders(), 3):
            states.seen((sensor.site, sensor.device, sensor.sensor), 0.0)
        assert set(self.tell(states, 0.1).values()) == {"live"}
        assert [state.stream for state in states.farewell(1.9e9)] == ["stalled"] * 3
