# SPDX-License-Identifier: Apache-2.0
"""The one connection to the broker: MQTT 5 on paho, TLS verified, session kept.

The session outlives the connection and the process (clean start off, session expiry), so
vectors sent while the bridge was away are delivered afterwards. Messages are acknowledged by
hand, after the loop has made their admission durable. Subscribes on every connect. Waits and
tries again for ever when the broker is away; a broker that refuses us is told in the log.
"""

import logging
import ssl
import sys
import threading
from collections import deque

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from cloud_bridge.config import Broker
from cloud_bridge.errors import BrokerError, ConfigError
from cloud_bridge.inbox import RECEIVE_MAXIMUM, Inbox, Received
from wire.topics import ALL_VECTORS

log = logging.getLogger(__name__)

KEEPALIVE_S = 30
CONNECT_TIMEOUT_S = 10.0
BACK_OFF_S = (1, 30)
MAX_PACKET_BYTES = 65536  # the broker keeps anything larger from us


class Connection:
    """Callbacks run on paho's thread and touch only the inbox and two small structures."""

    def __init__(self, broker: Broker, inbox: Inbox) -> None:
        """Raises ConfigError if certificates cannot be used; connects nowhere yet."""
        self._broker, self._inbox = broker, inbox
        self._number = 0
        self._answers: deque[tuple[int, bool]] = deque()
        self._connected = threading.Event()
        self._fatal = ""
        self._client = self._make_client()

    @property
    def connected(self) -> bool:
        """Connected and subscribed."""
        return self._connected.is_set()

    def check(self) -> None:
        """Raise BrokerError if waiting would not help."""
        if self._fatal:
            raise BrokerError(self._fatal)

    def start(self) -> None:
        """Connect in the background and stay connected."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._broker.session_expiry_s
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        self._client.connect_async(
            self._broker.host,
            self._broker.port,
            KEEPALIVE_S,
            clean_start=False,
            properties=properties,
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye; the session stays at the broker."""
        self._inbox.close()  # else the network thread might wait for room for ever
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, body: bytes, *, retain: bool) -> int:
        """Send at QoS 1; the number returned comes back in `answers`."""
        return self._client.publish(topic, body, qos=1, retain=retain).mid

    def answers(self) -> list[tuple[int, bool]]:
        """(number, accepted) of what the broker has answered since the last call."""
        return [self._answers.popleft() for _ in range(len(self._answers))]

    def acknowledge(self, messages: list[Received]) -> None:
        """Release these messages at the broker; their admission is durable or was refused."""
        for message in messages:
            # A number of an earlier connection may by now belong to another message.
            if message.qos and message.connection == self._number:
                self._client.ack(message.mid, message.qos)

    def _make_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._broker.client_id,
            protocol=mqtt.MQTTv5,
            manual_ack=True,
        )
        if self._broker.tls:
            client.tls_set_context(_tls_context(self._broker))
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.reconnect_delay_set(*BACK_OFF_S)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _on_connect(
        self,
        client: mqtt.Client,
        _data: object,
        flags: mqtt.ConnectFlags,
        code: ReasonCode,
        _properties: object,
    ) -> None:
        if code.is_failure:
            log.error("the broker refuses the connection: %s", code)
            return
        self._number += 1
        if flags.session_present:
            self._inbox.forget_redelivered()
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        client.subscribe(ALL_VECTORS, options=options)
        log.info("connected to %s:%d", self._broker.host, self._broker.port)

    def _on_subscribe(
        self, _client: mqtt.Client, _data: object, _mid: int, codes: list[ReasonCode], _p: object
    ) -> None:
        if any(code.is_failure for code in codes):
            reasons = ", ".join(str(code) for code in codes)
            self._fatal = f"the broker refuses the subscription to {ALL_VECTORS}: {reasons}"
            return
        self._connected.set()

    def _on_connect_fail(self, _client: mqtt.Client, _data: object) -> None:
        # paho calls this from its handler of the error and does not pass it on.
        reason = sys.exc_info()[1]
        log.warning("no connection to %s:%d: %s", self._broker.host, self._broker.port, reason)

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _data: object,
        _flags: object,
        code: ReasonCode,
        _properties: object,
    ) -> None:
        self._connected.clear()
        if code.is_failure:
            log.warning("connection lost: %s", code)

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # rule 1 will refuse it
        self._inbox.put(
            Received(topic, bytes(message.payload), message.qos, message.mid, self._number)
        )

    def _on_publish(
        self, _client: mqtt.Client, _data: object, mid: int, code: ReasonCode, _properties: object
    ) -> None:
        self._answers.append((mid, not code.is_failure))


def _tls_context(broker: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(broker.ca) if broker.ca else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if broker.certificate and broker.key:
            context.load_cert_chain(broker.certificate, broker.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"broker: ca, certificate or key cannot be used: {error}") from error
    return context
