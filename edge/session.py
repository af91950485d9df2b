# SPDX-License-Identifier: Apache-2.0
"""One connection to the broker, from the first byte to its loss.

Order: connect (TLS verified, client certificate, will), birth status, then messages from the
outbox, oldest first, while fewer than IN_FLIGHT wait for their acknowledgement; only an
acknowledgement takes a message out of the outbox. The library's client is driven from here and
dies with the connection, so it never holds messages of its own.
"""

from __future__ import annotations

import logging
import os
import select
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.outbox import Outbox

IN_FLIGHT = 16  # vectors; with statuses below every broker's usual receive maximum of 20
STATUS_RESERVE = 4
KEEPALIVE_S = 10
CONNECT_TIMEOUT_S = 5.0
STATUS_PERIOD_S = 10.0
STATUS_LOOK_S = 1.0  # how often a change of mode is looked for
GOODBYE_S = 0.3  # after the flush, for the last status
REFUSED_FOR_GOOD = frozenset({0x87, 0x90, 0x99})  # not authorized, topic name, payload format

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """How the broker is reached. `tls` is None only for this very machine."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    client_id: str
    status_topic: str


@dataclass(frozen=True, slots=True)
class Report:
    """A status message, and what of it is worth telling at once when it changes."""

    body: bytes
    headline: str


class LinkLost(Exception):
    """The connection ended; the reason is for the log. Never leaves this module."""


class Session:
    """One connection, from the first byte to its loss. Raises LinkLost, OSError or ValueError."""

    def __init__(
        self, link: Link, outbox: Outbox, describe: Callable[[str], Report], wake: int
    ) -> None:
        self.accepted = False
        self.acknowledged = False  # the broker took at least one message
        self._link = link
        self._outbox = outbox
        self._describe = describe
        self._wake = wake
        self._handed = 0  # number of the newest message handed over
        self._in_flight: dict[int, int] = {}  # packet id -> number in the outbox
        self._limit = IN_FLIGHT
        self._lost: str | None = None
        self._headline = ""
        self._next_look = self._next_status = 0.0
        self._client = self._new_client()

    def run(self, stop_by: Callable[[], float | None]) -> None:
        """Serve until stopped; return only after a clean goodbye."""
        link = self._link
        self._client.connect(
            link.host, link.port, keepalive=KEEPALIVE_S, clean_start=True, properties=None
        )
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        while not self.accepted:
            if time.monotonic() > min(deadline, stop_by() or deadline):
                raise LinkLost("no answer to the connection request")
            self._turn(0.2)
        while (end := stop_by()) is None:
            self._report()
            self._hand_over()
            self._turn(0.5)
        self._goodbye(end)

    def close(self) -> None:
        """Drop the connection if it is still there; idempotent."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _new_client(self) -> Client:
        link = self._link
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=link.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(
            IN_FLIGHT + STATUS_RESERVE
        )  # room for a status beside the vectors
        client.will_set(link.status_topic, self._describe("offline").body, qos=1, retain=True)
        if link.tls is not None:
            client.tls_set_context(link.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _turn(self, timeout_s: float) -> None:
        """Wait for the socket or for `notify`, then let the library read and write."""
        client = self._client
        sock = self._socket()
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        poll.register(self._wake, select.POLLIN)
        ready = dict(poll.poll(0 if pending else timeout_s * 1000))
        if ready.pop(self._wake, 0):
            os.eventfd_read(self._wake)
        if ready or pending:
            self._check(client.loop_read(IN_FLIGHT))
        if client.want_write():
            self._check(client.loop_write())
        self._check(client.loop_misc())
        if self._lost is not None:
            raise LinkLost(self._lost)

    def _socket(self) -> ssl.SSLSocket:
        sock = self._client.socket()
        if sock is None:
            raise LinkLost(self._lost or "connection lost")
        return sock  # type: ignore[return-value]  # or a plain socket; both have fileno

    def _check(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkLost(self._lost or f"connection lost ({code.name})")

    def _hand_over(self) -> None:
        while len(self._in_flight) < self._limit:
            waiting = self._outbox.after(self._handed)
            if waiting is None:
                return
            expiry = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            expiry.MessageExpiryInterval = self._outbox.remaining_s(waiting)
            info = self._client.publish(waiting.topic, waiting.body, qos=1, properties=expiry)
            self._check(info.rc)
            self._handed = waiting.number
            self._in_flight[info.mid] = waiting.number

    def _report(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + STATUS_LOOK_S
        report = self._describe("online")
        if report.headline != self._headline or now >= self._next_status:
            if report.headline != self._headline:
                log.info("status: %s", report.headline)
            self._headline = report.headline
            self._next_status = now + STATUS_PERIOD_S
            self._publish_status(report)

    def _publish_status(self, report: Report) -> int:
        info = self._client.publish(self._link.status_topic, report.body, qos=1, retain=True)
        self._check(info.rc)
        return info.mid

    def _goodbye(self, end: float) -> None:
        self._publish_status(self._describe("stopping"))
        while time.monotonic() < end and len(self._outbox) > 0:
            self._hand_over()
            self._turn(0.1)
        last = self._publish_status(self._describe("offline"))
        self._in_flight[last] = 0
        while time.monotonic() < end + GOODBYE_S and last in self._in_flight:
            self._turn(0.1)
        self._client.disconnect()

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._lost = f"connection refused: {reason}"
            return
        offered = getattr(properties, "ReceiveMaximum", IN_FLIGHT + STATUS_RESERVE)
        self._limit = max(1, min(IN_FLIGHT, offered - STATUS_RESERVE))
        self.accepted = True
        log.info("connected to broker %s:%d", self._link.host, self._link.port)

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.accepted = False
        self._lost = self._lost or f"connection lost: {reason}"

    def _on_publish(
        self,
        _client: Client,
        _userdata: object,
        packet: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        number = self._in_flight.pop(packet, 0)
        self.acknowledged = self.acknowledged or not reason.is_failure
        if not reason.is_failure or reason.value in REFUSED_FOR_GOOD:
            self._outbox.acknowledge(number, delivered=not reason.is_failure)
        if reason.is_failure:
            log.error("broker refuses a message: %s; check its access list", reason)
            if reason.value not in REFUSED_FOR_GOOD:
                self._lost = f"message refused: {reason}"
