# SPDX-License-Identifier: Apache-2.0
"""A subscriber with the operator's certificate, and a device's configuration for a test broker."""

import itertools
import ssl
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.config import BrokerConfig
from edge.session import Link
from edge.tls import client_context

TIMEOUT_S = 60.0
NUMBERS = itertools.count()  # a name used twice would be given what the first one has missed


class Listener:
    """Keeps what it hears; its session at the broker outlives connections, as a bridge's does."""

    def __init__(self, broker, name="operator"):
        self.heard = []
        self._ready = threading.Event()
        paths = broker.client(name)
        context = ssl.create_default_context(cafile=paths.ca)
        context.load_cert_chain(paths.cert, paths.key)
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"test-{name}-{next(NUMBERS)}",
            protocol=mqtt.MQTTv5,
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.tls_set_context(context)
        self._client.on_connect = lambda client, *_: client.subscribe("lethe/v1/#", qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _c, _u, message: self.heard.append(message)
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = 600
        self._client.connect_async("localhost", broker.port, clean_start=False, properties=lasting)
        self._client.loop_start()
        assert self._ready.wait(TIMEOUT_S)

    def forget_connection(self):
        """From now on `wait_subscribed` waits for the next subscription."""
        self._ready.clear()

    def wait_subscribed(self):
        assert self._ready.wait(TIMEOUT_S)

    def bodies(self, end):
        """Payloads heard on topics that end like this."""
        return [message.payload for message in list(self.heard) if message.topic.endswith(end)]

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def until(condition, timeout_s=TIMEOUT_S):
    """Poll until the condition holds; fail after the time-out."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


def broker_config(broker, name):
    paths = broker.client(name)
    return BrokerConfig(broker.url, paths.ca, paths.cert, paths.key)


def link_to(broker, name="device-1", port=None, **changes):
    """The link of a device called `name`."""
    values = {
        "host": "localhost",
        "port": port or broker.port,
        "tls": client_context(broker_config(broker, name)),
        "client_id": f"lethe-edge-home-{name}-door",
        "status_topic": f"lethe/v1/home/{name}/status",
    }
    return Link(**{**values, **changes})
