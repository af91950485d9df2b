# SPDX-License-Identifier: Apache-2.0
"""An event is on disk before it is sent and until it is accepted; a state is never queued."""

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from cloud_bridge.alarms import OpenEvent, Transition
from cloud_bridge.errors import StoreError
from cloud_bridge.outbox import Outbox
from cloud_bridge.publisher import IN_FLIGHT, RETRY_S, Publisher
from cloud_bridge.windows import Span
from tests.cloud_bridge.scene import PROFILE
from wire.events import Event, Evidence, SensorState

ROOT = Path(__file__).resolve().parents[2]
SENSOR = ("home", "device-1", "hall")
SPAN = Span(1.9e9, 1.9e9 + 2, 20, 1, ("device-1/hall",))
EVENTS = "lethe/v1/home/device-1/hall/events"


class Link:
    """A broker in memory: answers when told to, with what it is told to."""

    def __init__(self):
        self.connected = True
        self.sent = []
        self._unanswered = []

    def publish(self, topic, body, *, retain):
        self.sent.append((topic, body, retain))
        self._unanswered.append(len(self.sent))
        return len(self.sent)

    ok = True
    answering = True

    def answers(self):
        if not self.answering:
            return []
        answered, self._unanswered = self._unanswered, []
        return [(number, self.ok) for number in answered]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def change(number=1, phase="suspected", kind="fall"):
    event_id = f"{number:08x}-2222-4333-8444-555555555555"
    return Transition(event_id, kind, phase, 0.75, 1.9e9, 1.9e9 + 2, SPAN)


def event(found):
    return Event(
        event_id=found.event_id,
        kind=found.kind,
        phase=found.phase,
        probability=found.probability,
        onset_time=found.onset_time,
        detection_time=found.detection_time,
        site=SENSOR[0],
        device=SENSOR[1],
        sensor=SENSOR[2],
        room="bath",
        model_id="m",
        profile_id=PROFILE.id,
        evidence=Evidence(*dataclasses.astuple(SPAN)),
    )


def state():
    return SensorState(
        site=SENSOR[0],
        device=SENSOR[1],
        sensor=SENSOR[2],
        room="bath",
        stream="live",
        present=True,
        probabilities={"fall": 0.5},
        persons=1,
        open_events=(),
        sensors=("device-1/hall",),
        last_vector_time=1.9e9,
        admitted=3,
        refused={},
        updated_time=1.9e9,
        model_id="m",
        profile_id=PROFILE.id,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.sqlite3"


@pytest.fixture
def outbox(path):
    store = Outbox(path)
    yield store
    store.close()


@pytest.fixture
def link():
    return Link()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def publisher(link, outbox, clock):
    return Publisher(link, outbox, clock)


def announce(publisher, *changes):
    for found in changes:
        publisher.announce(SENSOR, found, event(found))


def test_an_accepted_event_leaves_the_disk(publisher, link):
    announce(publisher, change())
    publisher.pump()
    assert publisher.waiting == 1
    publisher.pump()
    assert publisher.waiting == 0
    assert [(topic, Event.from_json(body).phase, retain) for topic, body, retain in link.sent] == [
        (EVENTS, "suspected", False)
    ]


def test_while_the_broker_is_away_events_wait_in_order(publisher, link):
    link.connected = False
    announce(publisher, change(1), change(2), change(3))
    publisher.pump()
    assert link.sent == []
    link.connected = True
    publisher.pump()
    ids = [Event.from_json(body).event_id[:8] for _, body, _ in link.sent]
    assert ids == ["00000001", "00000002", "00000003"]


def test_what_is_under_way_is_not_sent_twice_and_bounded(publisher, link):
    link.answering = False
    announce(publisher, *(change(number) for number in range(2 * IN_FLIGHT)))
    for _ in range(3):
        publisher.pump()
    assert len(link.sent) == IN_FLIGHT
    link.answering = True
    publisher.pump()
    assert len(link.sent) == 2 * IN_FLIGHT
    publisher.pump()
    assert publisher.waiting == 0


def test_a_refused_event_is_kept_and_tried_again_later(publisher, link, clock):
    link.ok = False
    announce(publisher, change())
    publisher.pump()
    publisher.pump()
    assert publisher.waiting == 1
    assert len(link.sent) == 1
    link.ok = True
    clock.now = RETRY_S
    publisher.pump()
    publisher.pump()
    assert publisher.waiting == 0


def test_a_state_waits_for_the_answer_to_the_one_before(publisher, link):
    link.answering = False
    assert publisher.publish_state(state())
    assert not publisher.publish_state(state())
    link.answering = True
    assert publisher.idle()
    assert publisher.publish_state(state())
    assert [retain for _, _, retain in link.sent] == [True, True]
    link.connected = False
    assert not publisher.publish_state(state())


def test_events_and_what_is_open_survive_a_restart(publisher, link, outbox, path, clock):
    link.connected = False
    announce(publisher, change(1), change(2, kind="fight"), change(1, "confirmed"))
    outbox.close()
    again = Outbox(path)
    assert again.open_events() == {
        SENSOR: [
            OpenEvent(change(1).event_id, "fall", "confirmed", 1.9e9),
            OpenEvent(change(2).event_id, "fight", "suspected", 1.9e9),
        ]
    }
    link.connected = True
    Publisher(link, again, clock).pump()
    assert len(link.sent) == 3
    again.record(SENSOR, change(2, "cleared", "fight"), EVENTS, b"{}")
    assert [found.kind for found in again.open_events()[SENSOR]] == ["fall"]
    again.close()


# As the first bridges wrote it, with one event open that was published in a sensor's own name.
BEFORE_ROOMS = """
CREATE TABLE outgoing (
  number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE open_event (
  site TEXT, device TEXT, sensor TEXT, kind TEXT,
  event_id TEXT NOT NULL, phase TEXT NOT NULL, onset REAL NOT NULL,
  PRIMARY KEY (site, device, sensor, kind)) WITHOUT ROWID;
"""
SPEAKER = ("home", "device-2", "main")


def test_a_file_of_a_bridge_that_knew_no_rooms_is_gone_on_with(path):
    with closing(sqlite3.connect(path)) as store:
        store.executescript(BEFORE_ROOMS)
        store.execute("INSERT INTO outgoing (topic, body) VALUES (?, ?)", (EVENTS, b"{}"))
        row = (*SENSOR, "fall", change().event_id, "suspected", 1.9e9)
        store.execute("INSERT INTO open_event VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        store.commit()
    outbox = Outbox(path)
    opened = OpenEvent(change().event_id, "fall", "suspected", 1.9e9)
    assert outbox.open_events() == {SENSOR: [opened]}
    assert [item.topic for item in outbox.pending(10)] == [EVENTS]
    # The sensor has joined a room since, in which another one speaks.
    outbox.record(SPEAKER, change(1, "confirmed"), EVENTS, b"{}")
    assert outbox.open_events() == {SPEAKER: [dataclasses.replace(opened, phase="confirmed")]}
    outbox.record(SPEAKER, change(1, "cleared"), EVENTS, b"{}")
    assert outbox.open_events() == {}
    outbox.close()


def test_control_an_event_of_another_id_stays_open(outbox):
    outbox.record(SENSOR, change(1), EVENTS, b"{}")
    outbox.record(SPEAKER, change(2), EVENTS, b"{}")
    outbox.record(SPEAKER, change(2, "cleared"), EVENTS, b"{}")
    assert list(outbox.open_events()) == [SENSOR]


def test_the_oldest_are_dropped_and_counted(path):
    outbox = Outbox(path, max_events=3)
    for number in range(5):
        outbox.record(SENSOR, change(number), EVENTS, b"%d" % number)
    assert [item.body for item in outbox.pending(10)] == [b"2", b"3", b"4"]
    assert (len(outbox), outbox.dropped) == (3, 2)
    outbox.remove([1])  # accepted only after it had been dropped
    assert len(outbox) == 3
    outbox.close()


def test_a_file_that_is_no_store_is_refused(path):
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        Outbox(path)


CHILD = textwrap.dedent("""
    import sys
    from cloud_bridge.outbox import Outbox
    from tests.cloud_bridge.test_publisher import EVENTS, SENSOR, change
    outbox, number = Outbox(sys.argv[1]), 0
    while True:
        outbox.record(SENSOR, change(number), EVENTS, b"%d" % number)
        print(number, flush=True)
        number += 1
""")


def test_what_was_recorded_survives_sigkill(path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    lines = [child.stdout.readline() for _ in range(12)]
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.readlines()
    child.stdout.close()
    child.wait()
    last = int([line for line in lines if line.endswith(b"\n")][-1])
    outbox = Outbox(path)
    bodies = [item.body for item in outbox.pending(10**6)]
    assert bodies[: last + 1] == [b"%d" % number for number in range(last + 1)]
    outbox.close()
