# SPDX-License-Identifier: Apache-2.0
"""The shipped broker configuration: who gets in, who may write what, what survives a restart."""

import shutil
import socket
import ssl
import subprocess
import threading
import time

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from calibration.broker import Broker, BrokerError, with_setting
from calibration.pki import Authority

TIMEOUT_S = 20.0
NOT_AUTHORISED = 135  # MQTT 5, table 2-6


class Client:
    """One MQTT 5 client that keeps what it hears."""

    def __init__(self, broker, name, session=""):
        """`session` is a client id under which the broker keeps what is missed."""
        self.heard = []
        self.session_present = False
        self._acks = {}
        self._news = threading.Condition()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=session, protocol=mqtt.MQTTv5
        )
        paths = broker.client(name)
        self._client.tls_set(
            ca_certs=str(paths.ca), certfile=str(paths.cert), keyfile=str(paths.key)
        )
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_publish = lambda _c, _u, mid, reason, _p: self._note(mid, reason.value)
        self._client.on_subscribe = lambda _c, _u, mid, _r, _p: self._note(mid, 0)
        kept = Properties(PacketTypes.CONNECT)
        kept.SessionExpiryInterval = 600 if session else 0
        self._client.connect("localhost", broker.port, clean_start=not session, properties=kept)
        self._client.loop_start()
        self._wait_for("connected")

    def _on_connect(self, _client, _userdata, flags, _reason, _properties):
        self.session_present = flags.session_present
        self._note("connected", 0)

    def _note(self, key, value):
        with self._news:
            self._acks[key] = value
            self._news.notify_all()

    def _on_message(self, _client, _userdata, message):
        with self._news:
            self.heard.append((message.topic, message.payload))
            self._news.notify_all()

    def _wait_for(self, key):
        with self._news:
            assert self._news.wait_for(lambda: key in self._acks, TIMEOUT_S)
        return self._acks[key]

    def publish(self, topic, body, retain=False):
        """The reason code of the acknowledgement."""
        return self._wait_for(self._client.publish(topic, body, qos=1, retain=retain).mid)

    def subscribe(self, pattern):
        return self._wait_for(self._client.subscribe(pattern, qos=1)[1])

    def hears(self, body):
        with self._news:
            return self._news.wait_for(lambda: body in [b for _, b in self.heard], TIMEOUT_S)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@pytest.fixture
def operator(broker):
    with Client(broker, "operator") as client:
        client.subscribe("lethe/v1/#")
        yield client


WRITES = [
    ("device-1", "lethe/v1/home/device-1/door/vectors", True),
    ("device-1", "lethe/v1/home/device-1/status", True),
    ("device-1", "lethe/v1/home/device-2/door/vectors", False),
    ("device-1", "lethe/v1/home/device-2/status", False),
    ("device-1", "lethe/v1/home/device-1/door/events", False),
    ("device-1", "lethe/v1/home/device-1/door/state", False),
    ("device-1", "lethe/v1/home/device-1/door/deeper/vectors", False),
    ("bridge", "lethe/v1/home/device-1/door/events", True),
    ("bridge", "lethe/v1/home/device-1/door/state", True),
    ("bridge", "lethe/v1/home/device-1/door/vectors", False),
    ("bridge", "lethe/v1/home/bridge/door/vectors", False),
    ("operator", "lethe/v1/home/device-1/door/events", False),
    ("operator", "lethe/v1/home/operator/door/vectors", False),
    ("operator", "lethe/v1/home/operator/status", False),
    ("device-1", "elsewhere", False),
]


@pytest.mark.parametrize(("name", "topic", "allowed"), WRITES)
def test_who_may_write(broker, operator, name, topic, allowed):
    body = f"{name} {topic} {time.time()}".encode()
    with Client(broker, name) as client:
        reason = client.publish(topic, body)
    with Client(broker, "bridge") as bridge:  # the marker comes after whatever was delivered before
        bridge.publish("lethe/v1/home/device-1/door/events", b"marker" + body)
    assert operator.hears(b"marker" + body)
    assert (reason < 128) is allowed
    assert (reason == NOT_AUTHORISED) is not allowed
    assert (body in [heard for _, heard in operator.heard]) is allowed


@pytest.mark.parametrize(
    ("reader", "allowed"), [("bridge", True), ("operator", True), ("device-2", False)]
)
def test_who_may_read_vectors(broker, operator, reader, allowed):
    body = f"vector for {reader} {time.time()}".encode()
    with Client(broker, reader) as client:
        client.subscribe("lethe/v1/#")
        with Client(broker, "device-1") as device:
            device.publish("lethe/v1/home/device-1/door/vectors", body)
        assert operator.hears(body)
        if allowed:
            assert client.hears(body)
        else:
            time.sleep(0.5)  # the operator has it already; this is the other one's chance
            assert not client.heard


def connect_and_ask(port, context):
    """What a client gets that only opens the connection and sends CONNECT; b"" if thrown out."""
    connect = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as plain:
            if context is None:
                plain.sendall(connect)
                return plain.recv(64)
            with context.wrap_socket(plain, server_hostname="localhost") as wrapped:
                wrapped.sendall(connect)
                return wrapped.recv(64)
    except (ssl.SSLError, ConnectionError):
        return b""


def trusting(broker):
    return ssl.create_default_context(cafile=str(broker.ca))


def test_a_certificate_of_ours_gets_in(broker):
    """The control of the tests below: the same bytes, with a certificate, are answered."""
    context = trusting(broker)
    paths = broker.client("device-1")
    context.load_cert_chain(paths.cert, paths.key)
    assert connect_and_ask(broker.port, context)[:1] == b"\x20"


def test_plain_tcp_is_refused(broker):
    assert connect_and_ask(broker.port, None) == b""


def test_no_certificate_is_refused(broker):
    assert connect_and_ask(broker.port, trusting(broker)) == b""


def test_a_stranger_with_the_right_name_is_refused(broker, tmp_path):
    stranger = Authority(tmp_path).client("operator")
    context = trusting(broker)
    context.load_cert_chain(stranger.cert, stranger.key)
    assert connect_and_ask(broker.port, context) == b""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(broker):
    context = trusting(broker)
    paths = broker.client("device-1")
    context.load_cert_chain(paths.cert, paths.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert connect_and_ask(broker.port, context) == b""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert connect_and_ask(broker.port, context)[:1] == b"\x20"


def test_retained_messages_outlive_a_restart_and_nothing_outlives_close():
    broker = Broker()
    with broker:
        with Client(broker, "bridge") as bridge:
            bridge.publish("lethe/v1/home/device-1/door/state", b"kept", retain=True)
        port, folder = broker.port, broker.ca.parent
        broker.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        broker.start()
        assert broker.port == port
        with Client(broker, "operator") as reader:
            reader.subscribe("lethe/v1/#")
            assert reader.hears(b"kept")
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)


def test_a_stolen_session_reveals_nothing(broker, operator):
    """A device that takes the bridge's client id gets its session, but none of its messages."""
    body = f"secret {time.time()}".encode()
    with Client(broker, "bridge", session="kept") as bridge:
        bridge.subscribe("lethe/v1/+/+/+/vectors")
    with Client(broker, "device-1") as device:
        device.publish("lethe/v1/home/device-1/door/vectors", body)
        with Client(broker, "device-2", session="kept") as thief:
            assert thief.session_present
            device.publish("lethe/v1/home/device-1/door/vectors", body + b" live")
            assert operator.hears(body + b" live")
            time.sleep(0.5)  # the operator has both already; this is the thief's chance
            assert not thief.heard


def test_mosquitto_sub_reads_as_the_operator(broker):
    program = shutil.which("mosquitto_sub")
    if program is None:
        pytest.skip("mosquitto_sub is not installed (package mosquitto-clients)")
    with Client(broker, "device-1") as device:
        device.publish("lethe/v1/home/device-1/status", b"here I am", retain=True)
        paths = broker.client("operator")
        certificates = ["--cafile", paths.ca, "--cert", paths.cert, "--key", paths.key]
        where = ["-h", "localhost", "-p", str(broker.port), "-V", "mqttv5"]
        topic = ["-t", "lethe/v1/home/+/status", "-v", "-C", "1", "-W", "20"]
        done = subprocess.run(
            [program, *where, *certificates, *topic], capture_output=True, timeout=60, check=True
        )
        device.publish("lethe/v1/home/device-1/status", b"", retain=True)
    assert done.stdout == b"lethe/v1/home/device-1/status here I am\n"


def test_keys_are_for_the_owner_only(broker):
    assert broker.client("device-1").key.stat().st_mode & 0o077 == 0


def test_a_setting_that_is_not_there_once_is_an_error():
    assert with_setting("a 1\nb 2", "b", "3") == "a 1\nb 3"
    for text in ("a 1", "b 1\nb 2"):
        with pytest.raises(BrokerError, match="lines of b"):
            with_setting(text, "b", "3")
