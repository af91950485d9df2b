# SPDX-License-Identifier: Apache-2.0
"""What waits in the outbox arrives, in order, whatever happens to the broker."""

import logging
import signal
import socket
import threading
import time

import pytest

from calibration.broker import Broker
from edge.errors import ConfigError, EdgeError
from edge.outbox import Outbox
from edge.publisher import BACKOFF_MAX_S, Publisher, backoff_s
from edge.session import IN_FLIGHT, Report
from edge.tls import client_context
from tests.edge.listening import Listener, broker_config, link_to, until

KILL = signal.SIGKILL
TOPIC = "lethe/v1/home/device-1/door/vectors"


@pytest.fixture
def outbox(tmp_path):
    opened = Outbox(tmp_path / "outbox", 2000, 600.0)
    yield opened
    opened.close()


def put(outbox, numbers):
    for number in numbers:
        outbox.put(TOPIC, b"%d" % number, time.time_ns() // 1000)


class Device:
    """A publisher whose mode the test turns."""

    def __init__(self, link, outbox):
        self.mode = "full"
        self.publisher = Publisher(link, outbox, self.describe)

    def describe(self, status):
        return Report(f"{status} {self.mode}".encode(), self.mode)

    def __enter__(self):
        self.publisher.start()
        return self

    def __exit__(self, *_):
        self.publisher.stop(flush_s=5.0)


def numbers(bodies):
    return [int(body) for body in bodies]


def first_arrivals(bodies):
    """Numbers in the order in which a bridge would admit them: repetitions are refused there."""
    return list(dict.fromkeys(numbers(bodies)))


def test_everything_arrives_in_order_and_leaves_the_outbox(broker, outbox):
    put(outbox, range(100))
    with Listener(broker) as listener, Device(link_to(broker), outbox) as device:
        until(lambda: len(outbox) == 0)
        put(outbox, range(100, 200))
        device.publisher.notify()
        until(lambda: len(listener.bodies("vectors")) == 200)
        assert numbers(listener.bodies("vectors")) == list(range(200))
    assert outbox.dropped == 0


def test_birth_change_and_goodbye_are_told_and_retained(broker, outbox):
    with Listener(broker) as listener:
        with Device(link_to(broker), outbox) as device:
            until(lambda: b"online full" in listener.bodies("device-1/status"))
            device.mode = "repeating"
            until(lambda: b"online repeating" in listener.bodies("device-1/status"))
        until(lambda: b"offline repeating" in listener.bodies("device-1/status"))
        assert listener.bodies("device-1/status")[-2:] == [
            b"stopping repeating",
            b"offline repeating",
        ]
    with Listener(broker) as late:
        until(lambda: late.bodies("device-1/status") == [b"offline repeating"])


def test_the_will_speaks_for_a_device_that_died(outbox):
    with Broker() as own, Listener(own) as listener:
        device = Device(link_to(own), outbox)
        device.publisher.start()
        until(lambda: b"online full" in listener.bodies("status"))
        device.publisher._session._client.socket().shutdown(socket.SHUT_RDWR)  # no goodbye
        until(lambda: b"offline full" in listener.bodies("status"))
        device.publisher.stop()


@pytest.fixture
def held(monkeypatch):
    """A gate in front of every new attempt, so that the listener can be there first.

    Else it would miss what a broker without subscribers rightly acknowledges.
    """
    gate, pause = threading.Event(), Publisher._pause
    monkeypatch.setattr(
        Publisher, "_pause", lambda self, delay_s: (pause(self, delay_s), gate.wait(300.0))
    )
    return gate


def outage(outbox, seconds, with_signal, gate):
    """Messages all the time, the broker away for some of it; numbers admitted, and how many."""
    with Broker() as own, Listener(own) as listener:
        listener.forget_connection()
        with Device(link_to(own), outbox) as device:
            count = stream(device, outbox, 0, 1.0)
            # What a broker acknowledged and then forgot is beyond a device: killed, it has nothing.
            until(lambda: len(listener.bodies("vectors")) >= (count if with_signal == KILL else 1))
            own.stop(with_signal)
            count = stream(device, outbox, count, seconds)
            own.start()
            listener.wait_subscribed()
            gate.set()
            count = stream(device, outbox, count, 1.0)
            until(lambda: len(outbox) == 0, 2 * BACKOFF_MAX_S)
            until(lambda: len(first_arrivals(listener.bodies("vectors"))) >= count)
        return first_arrivals(listener.bodies("vectors")), count


def stream(device, outbox, number, seconds, rate_hz=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        put(outbox, [number])
        device.publisher.notify()
        number += 1
        time.sleep(1 / rate_hz)
    return number


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, KILL])
def test_nothing_is_lost_or_out_of_order_over_an_outage(outbox, held, with_signal):
    arrived, count = outage(outbox, 3.0, with_signal, held)
    assert arrived == list(range(count))
    assert outbox.dropped == 0


@pytest.mark.slow
def test_nothing_is_lost_or_out_of_order_over_a_minute_without_a_broker(outbox, held):
    arrived, count = outage(outbox, 60.0, KILL, held)
    assert count > 500
    assert arrived == list(range(count))
    assert outbox.dropped == 0


def test_never_more_in_flight_than_allowed_and_no_queue_in_the_library(broker, outbox):
    put(outbox, range(400))
    with Device(link_to(broker), outbox) as device:
        most = 0
        while len(outbox):
            session = device.publisher._session
            if session is not None:
                most = max(most, len(session._client._out_messages))
    assert most <= IN_FLIGHT + 4


def test_without_a_broker_it_waits_warns_and_stops_quickly(broker, outbox, caplog):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        put(outbox, range(3))
        with caplog.at_level(logging.WARNING):
            device = Device(link_to(broker, port=closed.getsockname()[1]), outbox)
            device.publisher.start()
            until(lambda: caplog.records)
            device.publisher.check()
            start = time.monotonic()
            device.publisher.stop()
            assert time.monotonic() - start < 3.0
    assert "3 messages wait, next attempt in" in caplog.text
    assert not device.publisher.connected
    assert len(outbox) == 3


def refused(link, outbox, caplog):
    """What the log says about a broker that must not be talked to; nothing may leave."""
    put(outbox, [1])
    with caplog.at_level(logging.WARNING):
        device = Device(link, outbox)
        device.publisher.start()
        until(lambda: caplog.records)
        device.publisher.stop()
    assert len(outbox) == 1
    return caplog.text


def test_a_broker_of_another_authority_gets_nothing(broker, outbox, caplog):
    with Broker() as other:
        link = link_to(broker, port=other.port)
        assert "certificate verify failed" in refused(link, outbox, caplog)


def test_a_broker_with_another_name_gets_nothing(broker, outbox, caplog):
    link = link_to(broker, host="127.0.0.2")
    assert "certificate verify failed" in refused(link, outbox, caplog) or "refused" in caplog.text


def test_without_our_certificate_we_are_refused(broker, outbox, caplog):
    bare = broker_config(broker, "device-1")
    context = client_context(type(bare)(bare.url, ca_file=bare.ca_file))
    assert "next attempt" in refused(link_to(broker, tls=context), outbox, caplog)


def test_a_message_that_the_access_list_forbids_does_not_block_the_others(broker, outbox, caplog):
    outbox.put("lethe/v1/home/somebody-else/door/vectors", b"0", time.time_ns() // 1000)
    put(outbox, [1, 2])
    with Listener(broker) as listener, Device(link_to(broker), outbox):
        until(lambda: len(outbox) == 0)
        until(lambda: numbers(listener.bodies("device-1/door/vectors"))[-2:] == [1, 2])
    assert outbox.dropped == 1
    assert "access list" in caplog.text


def test_what_expires_at_the_broker_is_what_would_expire_here(broker, outbox):
    with Listener(broker) as listener, Device(link_to(broker), outbox) as device:
        put(outbox, [7])
        device.publisher.notify()
        until(lambda: listener.bodies("vectors"))
        message = next(m for m in listener.heard if m.topic == TOPIC)
        assert 590 <= message.properties.MessageExpiryInterval <= 600


def test_a_fault_in_the_thread_is_noticed(broker, outbox, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def fault(_):
        raise RuntimeError("fault")

    publisher = Publisher(link_to(broker), outbox, fault)
    publisher.start()
    publisher._thread.join(30.0)
    with pytest.raises(EdgeError, match="fault"):
        publisher.check()


def test_back_off_grows_to_a_minute_and_is_never_the_same():
    for failures in range(1, 40):
        drawn = {backoff_s(failures) for _ in range(50)}
        assert min(drawn) >= 1.0
        assert max(drawn) <= BACKOFF_MAX_S
        assert len(drawn) > 40
    assert max(backoff_s(1) for _ in range(50)) <= 2.0
    assert min(backoff_s(10) for _ in range(50)) >= BACKOFF_MAX_S / 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ca_file": "missing"}, "ca_file .*missing: No such file"),
        ({"ca_file": "empty"}, "ca_file"),
        ({"key_file": None}, "given together"),
        ({"cert_file": "missing"}, "cert_file .*missing"),
        ({"key_file": "empty"}, "cert_file"),
    ],
)
def test_files_that_cannot_be_used_are_named(broker, tmp_path, changes, says):
    (tmp_path / "empty").touch()
    good = broker_config(broker, "device-1")
    values = {name: getattr(good, name) for name in ("url", "ca_file", "cert_file", "key_file")}
    for name, value in changes.items():
        values[name] = None if value is None else tmp_path / value
    with pytest.raises(ConfigError, match=says):
        client_context(type(good)(**values))
