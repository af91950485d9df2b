# SPDX-License-Identifier: Apache-2.0
"""A client of the test broker that waits instead of sleeping, and a bridge as a process."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.cloud_bridge.scene import write_config

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


def wait_for(condition, what):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.02)


class Peer:
    """Connected as `name`; keeps what it receives."""

    def __init__(self, broker, name, subscribe=()):
        paths = broker.client(name)
        context = ssl.create_default_context(cafile=str(broker.ca))
        context.load_cert_chain(paths.cert, paths.key)
        self.received = []
        self._ready = threading.Event()
        self._topics = subscribe
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"test-{name}", protocol=mqtt.MQTTv5
        )
        self._client.tls_set_context(context)
        self._client.max_inflight_messages_set(1000)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _c, _d, m: self.received.append(m)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.connect_async("localhost", broker.port)
        self._client.loop_start()
        assert self._ready.wait(PATIENCE_S)

    def _on_connect(self, client, _data, _flags, code, _properties):
        assert not code.is_failure, code
        if self._topics:
            client.subscribe([(topic, 1) for topic in self._topics])
        else:
            self._ready.set()

    def publish(self, topic, bodies, qos=1):
        """Returns when the broker has them all."""
        wait_for(self._client.is_connected, "the connection")
        sent = [self._client.publish(topic, body, qos=qos) for body in bodies]
        for item in sent:
            item.wait_for_publish(PATIENCE_S)
            assert item.is_published()

    def on(self, ending):
        """(topic, body) of what was received on topics with this ending, in order."""
        return [(m.topic, m.payload) for m in list(self.received) if m.topic.endswith(ending)]

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


class Bridge:
    """`lethe-bridge run` as a process; its log is on disk."""

    def __init__(self, folder, broker, more="", prelude="", rooms=""):
        paths = broker.client("bridge")
        text = f"""url = "{broker.url}"
ca = "{broker.ca}"
certificate = "{paths.cert}"
key = "{paths.key}"
"""
        self.config = write_config(folder, text, more, rooms)
        self._log = folder / "bridge.log"
        self._prelude = prelude
        self._process = None

    def start(self):
        code = f"{self._prelude}\nimport sys\nfrom cloud_bridge.__main__ import main\n"
        code += f"sys.exit(main(['run', '--config', {str(self.config)!r}]))"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        lines = self.log().count("connected to")
        wait_for(lambda: self.log().count("connected to") > lines or self.dead(), "the bridge")
        assert not self.dead(), self.log()

    def dead(self):
        return self._process.poll() is not None

    def log(self):
        return self._log.read_text()

    def stop(self, with_signal=signal.SIGTERM):
        """The exit status."""
        self._process.send_signal(with_signal)
        return self._process.wait(PATIENCE_S)

    def close(self):
        if self._process is not None and not self.dead():
            self._process.kill()
            self._process.wait()
