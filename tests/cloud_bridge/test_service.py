# SPDX-License-Identifier: Apache-2.0
"""The bridge as a process on a real broker: two devices and three sensors in, results out."""

import contextlib
import json
import re
import signal
import time
from collections import Counter

import jsonschema
import pytest

from calibration.broker import Broker
from tests.cloud_bridge.peer import Bridge, Peer, wait_for
from tests.cloud_bridge.scene import RATE, SITE, key_of, make_senders, vector
from tests.wire.mutations import mutations
from wire.events import Event, SensorState, schema

QUIET = vector(present=3.0)
FALLING = vector(present=3.0, fall=3.0, onset=2.0)
DOWN = vector(present=3.0, down=3.0, onset=2.0)
FIGHTING = vector(present=3.0, fight=3.0, onset=2.0)
FALL = [(5, QUIET), (1.5, FALLING), (7, DOWN), (12, QUIET)]
VISIT = [(25, QUIET)]
FIGHT = [(5, QUIET), (9, FIGHTING), (11, QUIET)]


@pytest.fixture(scope="module")
def broker():
    with Broker() as running:
        yield running


@pytest.fixture
def start(tmp_path, broker):
    """Start a bridge; closed at the end, however that comes."""
    with contextlib.ExitStack() as stack:

        def started(more="", rooms=""):
            found = Bridge(
                tmp_path, broker, more=f"[alarms]\nrefractory_s = 1\n{more}", rooms=rooms
            )
            stack.callback(found.close)
            found.start()
            return found

        yield started


@pytest.fixture
def bridge(start):
    return start()


@pytest.fixture
def operator(broker):
    peer = Peer(broker, "operator", ["lethe/v1/#"])
    yield peer
    peer.close()


@pytest.fixture
def devices(broker):
    peers = {name: Peer(broker, name) for name in ("device-1", "device-2")}
    yield peers
    for peer in peers.values():
        peer.close()


def senders():
    """Numbered from the clock on, as devices do: every test is a later start of the daemons."""
    found = make_senders()
    for sender in found:
        sender.epoch = time.time_ns()
    return found


def story(sender, scenes, start_s):
    """scenes: (seconds, vector) -> sealed messages, captured from start_s on."""
    values = [value for seconds, value in scenes for _ in range(round(seconds * RATE))]
    return [
        sender.sealed(round((start_s + step / RATE) * 1e6), value)
        for step, value in enumerate(values)
    ]


def events(operator, sensor=None):
    found = [Event.from_json(body) for _, body in operator.on("/events")]
    return [event for event in found if sensor in {None, event.sensor}]


def phases(operator, sensor):
    return [f"{event.kind} {event.phase}" for event in events(operator, sensor)]


def state(operator, sensor):
    found = [body for topic, body in operator.on("/state") if f"/{sensor}/" in topic]
    return SensorState.from_json(found[-1]) if found else None


def wait_admitted(operator, sensor, count):
    def reached():
        now = state(operator, sensor)
        return now is not None and now.admitted >= count

    wait_for(reached, f"{count} vectors of {sensor}")


CLEARED = {"hall": ["fall suspected", "fall confirmed", "fall cleared"]}
CLEARED["main"] = [phase.replace("fall", "fight") for phase in CLEARED["hall"]]


def test_vectors_of_three_sensors_become_events_and_states(bridge, operator, devices):
    hall, bath, main = senders()
    start_s = time.time() - 30
    for sender, scenes in ((hall, FALL), (bath, VISIT), (main, FIGHT)):
        devices[sender.device].publish(sender.topic, story(sender, scenes, start_s))
    wait_for(lambda: phases(operator, "hall") == CLEARED["hall"], "the fall")
    wait_for(lambda: phases(operator, "main") == CLEARED["main"], "the fight")
    wait_admitted(operator, "bath", 25 * RATE)
    assert phases(operator, "bath") == []
    for event in events(operator):
        assert event.onset_time == pytest.approx(start_s + 5, abs=2)
        assert event.onset_time <= event.detection_time <= start_s + 26
        assert event.evidence.window_end == pytest.approx(event.detection_time, abs=0.002)
        assert event.evidence.gaps == 0
    assert len({event.event_id for event in events(operator)}) == 2
    suspected, confirmed = events(operator, "hall")[:2]
    assert suspected.detection_time <= start_s + 5 + 3
    assert confirmed.detection_time <= start_s + 5 + 20
    now = state(operator, "bath")
    assert now.present
    assert now.open_events == ()
    assert now.last_vector_time == pytest.approx(start_s + 24.9, abs=0.002)
    wait_for(lambda: state(operator, "bath").stream == "stalled", "the end of the stream")
    check_schemas(operator)


def check_schemas(operator):
    """Every published result validates; a result with a picture in it would not."""
    count = Counter()
    for name in ("event", "state"):
        ending = "/events" if name == "event" else "/state"
        validator = jsonschema.Draft202012Validator(
            schema(name), format_checker=jsonschema.FormatChecker()
        )
        for _, body in operator.on(ending):
            validator.validate(json.loads(body))
            assert not validator.is_valid({**json.loads(body), "picture": "AAAA"})
            count[name] += 1
    assert count["event"] >= 6
    assert count["state"] >= 6


ROOM = """
[[rooms]]
site = "home"
name = "flat"
sensors = ["device-1/hall", "device-2/main"]
"""
WEAK = dict.fromkeys(("present", "fall", "down", "fight"), -0.3)
HALF = [
    (5, QUIET),
    (2, vector(**{**WEAK, "fall": 0.3})),
    (9, vector(**{**WEAK, "down": 0.4})),
]


def test_two_sensors_of_a_room_speak_with_one_voice(start, operator, devices):
    bridge = start("fall_excess_s = 0.3\n", ROOM)
    hall, bath, main = senders()
    start_s = time.time() - 30
    both = [(one, story(one, HALF, start_s)) for one in (hall, main)]
    for first in range(0, 160, 5):  # by turns, half a second each
        for sender, sealed in both:
            devices[sender.device].publish(sender.topic, sealed[first : first + 5])
    # The same in a room of its own is not enough.
    devices[bath.device].publish(bath.topic, story(bath, HALF, start_s))
    wait_admitted(operator, "bath", 160)
    wait_for(lambda: phases(operator, "hall") == CLEARED["hall"][:2], "the fall")
    assert "fall confirmed" not in phases(operator, "bath")
    assert phases(operator, "main") == []
    assert {event.room for event in events(operator, "hall")} == {"flat"}
    assert {event.room for event in events(operator, "bath")} == {None}
    assert events(operator, "hall")[-1].evidence.sensors == ("device-1/hall", "device-2/main")
    wait_admitted(operator, "main", 160)
    for sensor in ("hall", "main"):
        now = state(operator, sensor)
        assert (now.room, now.sensors) == ("flat", ("device-1/hall", "device-2/main"))
        assert [event.kind for event in now.open_events] == ["fall"]
        assert now.admitted == 160
    # The room is taken apart: the open event goes on in the name in which it was published.
    bridge.stop()
    bridge.config.write_text(bridge.config.read_text().replace(ROOM, ""))
    bridge.start()
    wait_for(lambda: state(operator, "hall").room is None, "a state of the new bridge")
    assert [event.kind for event in state(operator, "hall").open_events] == ["fall"]
    assert state(operator, "main").open_events == ()
    bridge.stop()
    assert re.search(r"windows by exit: \{'s': \d+, 'm': \d+, 'l': \d+\}", bridge.log())


def test_an_event_that_has_no_place_in_a_new_room_is_cleared(bridge, operator, devices):
    hall, _, main = senders()
    start_s = time.time() - 30
    for sender, scenes in ((hall, [*FALL[:2], (1, DOWN)]), (main, FALL[:3])):
        devices[sender.device].publish(sender.topic, story(sender, scenes, start_s))
    wait_for(lambda: phases(operator, "hall") == CLEARED["hall"][:1], "a suspicion")
    wait_for(lambda: phases(operator, "main") == CLEARED["hall"][:2], "a fall")
    bridge.stop()
    bridge.config.write_text(bridge.config.read_text() + ROOM)
    bridge.start()
    # The confirmed one is the room's now; the other ends under its own name and id.
    wait_for(lambda: phases(operator, "hall")[1:] == ["fall cleared"], "its end")
    assert len({event.event_id for event in events(operator, "hall")}) == 1
    ids = {event.event_id for event in events(operator, "main")}
    wait_for(lambda: state(operator, "hall").room == "flat", "the new room")
    assert {event.event_id for event in state(operator, "hall").open_events} == ids
    rest = [(2, DOWN), (12, QUIET)]
    devices[main.device].publish(main.topic, story(main, rest, start_s + 13.5))
    wait_for(lambda: phases(operator, "hall")[2:] == ["fall cleared"], "the end of the fall")
    assert events(operator, "hall")[-1].event_id in ids
    bridge.stop()


def test_states_are_retained_and_events_are_not(bridge, operator, devices, broker):
    hall = senders()[0]
    devices["device-1"].publish(hall.topic, story(hall, FALL, time.time() - 30))
    wait_for(lambda: phases(operator, "hall") == CLEARED["hall"], "the fall")
    late = Peer(broker, "operator", ["lethe/v1/#"])
    wait_for(lambda: len(late.on("/state")) >= 3, "retained states")
    assert late.on("/events") == []
    late.close()


def test_refused_messages_bring_no_result(bridge, operator, devices, broker):
    hall, bath, _ = senders()
    sealed = story(hall, FALL, time.time() - 30)
    devices["device-1"].publish(hall.topic, sealed[:1])
    wait_admitted(operator, "hall", 1)
    stranger = make_senders()[0]
    stranger.key, stranger.epoch = key_of(9), hall.epoch
    bad = [*story(stranger, FALL, time.time() - 30), *sealed[:1] * 20]
    bad += [
        body for _, topic, body in mutations(sealed[0], hall.topic, 1, 500) if topic == hall.topic
    ]
    devices["device-1"].publish(hall.topic, bad)
    devices["device-1"].publish(bath.topic, sealed)
    wait_for(lambda: sum(state(operator, "hall").refused.values()) == len(bad), "refusals of hall")
    wait_for(lambda: state(operator, "bath").refused == {"4": len(sealed)}, "refusals of bath")
    assert events(operator) == []
    assert state(operator, "hall").admitted == 1
    assert set(state(operator, "hall").refused) == {"4", "9"}
    # Control: the same story, not refused, does bring its events.
    devices["device-1"].publish(hall.topic, sealed[1:])
    wait_for(lambda: phases(operator, "hall") == CLEARED["hall"], "the fall")


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_freshness_open_events_and_what_was_sent_meanwhile(
    bridge, operator, devices, with_signal
):
    hall = senders()[0]
    start_s = time.time() - 40
    first = story(hall, FALL[:3], start_s)
    rest = story(hall, [(1, DOWN), (12, QUIET)], start_s + 13.5)
    devices["device-1"].publish(hall.topic, first)
    wait_for(lambda: phases(operator, "hall") == CLEARED["hall"][:2], "the fall")
    wait_admitted(operator, "hall", len(first))
    status = bridge.stop(with_signal)
    assert status == (0 if with_signal == signal.SIGTERM else -signal.SIGKILL)
    devices["device-1"].publish(hall.topic, first)  # replayed while nobody listens
    devices["device-1"].publish(hall.topic, rest)
    before = {event.event_id for event in events(operator)}
    operator.received.clear()
    bridge.start()
    wait_admitted(operator, "hall", len(rest))
    # After SIGKILL, what the broker had not seen answered comes again, in both directions.
    wait_for(lambda: phases(operator, "hall")[-1:] == ["fall cleared"], "its end")
    assert {event.event_id for event in events(operator)} == before
    now = state(operator, "hall")
    assert now.admitted == len(rest)
    assert list(now.refused) == ["9"]
    assert now.refused["9"] >= len(first)


def test_a_clean_stop_says_that_nobody_listens(bridge, operator, devices):
    hall = senders()[0]
    devices["device-1"].publish(hall.topic, story(hall, [(1, QUIET)], time.time() - 1))
    wait_for(lambda: (now := state(operator, "hall")) and now.stream == "live", "a live stream")
    assert bridge.stop() == 0
    wait_for(lambda: state(operator, "hall").stream == "stalled", "the farewell")
    assert "stopped; refused by rule" in bridge.log()


def test_it_goes_on_after_the_broker_was_away(bridge, operator, devices, broker):
    hall = senders()[0]
    start_s = time.time() - 30
    sealed = story(hall, FALL, start_s)
    devices["device-1"].publish(hall.topic, sealed[:100])
    wait_admitted(operator, "hall", 100)
    broker.stop()
    broker.start()
    devices["device-1"].publish(hall.topic, sealed[100:])
    wait_for(lambda: phases(operator, "hall")[-1:] == ["fall cleared"], "the fall")
    found = {(event.event_id, event.phase) for event in events(operator, "hall")}
    assert len(found) == 3
    assert {event.site for event in events(operator)} == {SITE}
