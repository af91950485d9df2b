# SPDX-License-Identifier: Apache-2.0
"""The connection to a real broker that stops, hangs and comes back."""

import dataclasses
import signal
import threading
import time

import pytest

from calibration.broker import Broker
from cloud_bridge import config
from cloud_bridge.connection import Connection
from cloud_bridge.errors import ConfigError
from cloud_bridge.inbox import CAPACITY, RECEIVE_MAXIMUM, Inbox
from tests.cloud_bridge.peer import Peer, wait_for

VECTORS = "lethe/v1/home/device-1/hall/vectors"
EVENTS = "lethe/v1/home/device-1/hall/events"


@pytest.fixture
def broker():
    with Broker() as running:
        yield running


@pytest.fixture
def settings(broker):
    paths = broker.client("bridge")
    return config.Broker(
        host="localhost",
        port=broker.port,
        tls=True,
        ca=broker.ca,
        certificate=paths.cert,
        key=paths.key,
        client_id="lethe-bridge",
        session_expiry_s=3600,
    )


@pytest.fixture
def link(settings):
    inbox = Inbox()
    connection = Connection(settings, inbox)
    connection.inbox = inbox
    connection.start()
    wait_for(lambda: connection.connected, "the connection")
    yield connection
    connection.stop()


def test_what_was_under_way_when_the_broker_died_is_answered_after_it_is_back(broker, link):
    broker._process.send_signal(signal.SIGSTOP)
    numbers = [link.publish(EVENTS, b"%d" % n, retain=False) for n in range(5)]
    assert link.answers() == []
    broker.stop(signal.SIGKILL)
    broker.start()
    operator = Peer(broker, "operator", [EVENTS])
    found = []
    wait_for(lambda: found.extend(link.answers()) or len(found) >= 5, "answers")
    assert sorted(found) == [(number, True) for number in numbers]
    link.publish(EVENTS, b"later", retain=False)
    wait_for(lambda: (EVENTS, b"later") in operator.on("/events"), "a later event")
    operator.close()


def test_it_subscribes_again_to_a_broker_that_has_forgotten_everything(broker, link):
    broker.stop(signal.SIGKILL)
    broker.start()
    device = Peer(broker, "device-1")
    wait_for(lambda: link.connected, "the connection")
    device.publish(VECTORS, [b"hello"])
    wait_for(lambda: [m.body for m in link.inbox.take(1, 0.1)] == [b"hello"], "a vector")
    device.close()


def test_a_slow_loop_loses_nothing_and_keeps_memory_bounded(broker, link):
    device = Peer(broker, "device-1")
    count = 6 * CAPACITY
    sender = threading.Thread(
        target=device.publish, args=[VECTORS, [b"%d" % n for n in range(count)]], daemon=True
    )
    sender.start()
    found = []
    while len(found) < count:
        batch = link.inbox.take(RECEIVE_MAXIMUM, 30)
        assert batch
        time.sleep(0.03)  # the disk, the recogniser
        assert len(link.inbox._waiting) <= CAPACITY
        link.acknowledge(batch)
        found += [int(message.body) for message in batch]
    sender.join(30)
    assert found == list(range(count))
    assert link.inbox.dropped == 0
    device.close()


def test_what_was_taken_but_not_acknowledged_comes_again_to_the_next_process(broker, settings):
    first = Connection(settings, inbox := Inbox())
    first.start()
    wait_for(lambda: first.connected, "the connection")
    device = Peer(broker, "device-1")
    device.publish(VECTORS, [b"one", b"two"])
    taken = []
    wait_for(lambda: taken.extend(inbox.take(2, 0.1)) or len(taken) == 2, "two vectors")
    first.acknowledge(taken[:1])
    first.stop()
    second = Connection(settings, inbox := Inbox())
    second.start()
    assert [message.body for message in inbox.take(2, 30)] == [b"two"]
    second.stop()
    device.close()


def test_a_broker_with_another_authority_is_not_spoken_to(settings, caplog):
    with Broker() as other:
        connection = Connection(dataclasses.replace(settings, ca=other.ca), Inbox())
        connection.start()
        wait_for(lambda: "no connection to localhost" in caplog.text, "the refusal")
        assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
        assert not connection.connected
        connection.stop()


def test_a_certificate_that_cannot_be_read_is_refused(settings, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    wrong = dataclasses.replace(settings, ca=broken)
    with pytest.raises(ConfigError, match="ca, certificate or key cannot be used"):
        Connection(wrong, Inbox())
