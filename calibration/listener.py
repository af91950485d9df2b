# SPDX-License-Identifier: Apache-2.0
"""An operator's client: hears every topic of the broker and keeps when it heard what.

Connects once; the demo's broker lives on this machine and a lost connection ends the demo.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from wire.topics import ROOT

if TYPE_CHECKING:
    from types import TracebackType

    from calibration.pki import CertPaths

CONNECT_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as it arrived."""

    topic: str
    body: bytes
    time_s: float  # unix seconds

    @property
    def kind(self) -> str:
        """The topic's last level: vectors, events, state or status."""
        return self.topic.rpartition("/")[2]


class Listener:
    """Subscribed when `with Listener(port, certificates) as listener:` is entered."""

    def __init__(self, port: int, certificates: CertPaths) -> None:
        self._port = port
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.tls_set(
            ca_certs=str(certificates.ca),
            certfile=str(certificates.cert),
            keyfile=str(certificates.key),
        )
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def next(self, timeout_s: float) -> Heard | None:
        """The oldest message not yet taken, or None when none came in time."""
        try:
            return self._heard.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def __enter__(self) -> Listener:
        self._client.connect("localhost", self._port)
        self._client.loop_start()
        if not self._subscribed.wait(CONNECT_TIMEOUT_S):
            self._client.loop_stop()
            raise TimeoutError("the broker did not answer the operator")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:  # noqa: ANN401  paho's signature
        client.subscribe(f"{ROOT}/#", qos=1)

    def _on_subscribe(self, *_: Any) -> None:  # noqa: ANN401  paho's signature
        self._subscribed.set()

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self._heard.put(Heard(message.topic, bytes(message.payload), time.time()))
