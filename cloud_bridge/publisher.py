# SPDX-License-Identifier: Apache-2.0
"""Results to the broker: events through the outbox, states retained.

An event is durable before it is sent and stays until the broker has accepted it; at most
`IN_FLIGHT` are under way. A state is only worth its newest version: it is sent when the broker
is there and the sensor's previous one has been answered, and never queued.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from cloud_bridge.alarms import Transition
from cloud_bridge.outbox import Outbox
from cloud_bridge.registry import Sensor
from wire.events import Event, SensorState
from wire.topics import SensorTopics

log = logging.getLogger(__name__)

IN_FLIGHT = 16
RETRY_S = 10.0  # after the broker has refused an event


class Link(Protocol):
    """What the publisher needs of a connection; `publish` returns a number for `answers`."""

    @property
    def connected(self) -> bool: ...  # noqa: D102 - see the class
    def publish(self, topic: str, body: bytes, *, retain: bool) -> int: ...  # noqa: D102
    def answers(self) -> list[tuple[int, bool]]: ...  # noqa: D102


class Publisher:
    """Used by the loop alone."""

    def __init__(self, link: Link, outbox: Outbox, clock: Callable[[], float]) -> None:
        """clock: monotonic seconds."""
        self._link, self._outbox, self._clock = link, outbox, clock
        self._events: dict[int, int] = {}  # number under way -> number in the outbox
        self._states: dict[int, str] = {}  # number under way -> topic
        self._retry_at = 0.0

    @property
    def waiting(self) -> int:
        """Events that the broker has not accepted yet."""
        return len(self._outbox)

    def announce(self, sensor: Sensor, change: Transition, event: Event) -> None:
        """Make the event durable, to go out in the name of `sensor`; `pump` sends it."""
        dropped = self._outbox.dropped
        self._outbox.record(sensor, change, SensorTopics(*sensor).events, event.to_json())
        if self._outbox.dropped > dropped:
            log.error("too many events wait for the broker; dropped %d so far", dropped + 1)
        log.info(
            "%s %s %s (%s), probability %.2f",
            "/".join(sensor),
            change.kind,
            change.phase,
            change.event_id,
            change.probability,
        )

    def pump(self) -> None:
        """Take in answers, send what may be sent."""
        self._settle()
        if len(self._outbox) <= len(self._events) or not self._link.connected:
            return
        if self._clock() < self._retry_at:
            return
        under_way = set(self._events.values())
        for event in self._outbox.pending(IN_FLIGHT):
            if event.number not in under_way:
                number = self._link.publish(event.topic, event.body, retain=False)
                self._events[number] = event.number

    def publish_state(self, state: SensorState) -> bool:
        """Send a sensor's state; False if that has to wait."""
        topic = SensorTopics(state.site, state.device, state.sensor).state
        if not self._link.connected or topic in self._states.values():
            return False
        self._states[self._link.publish(topic, state.to_json(), retain=True)] = topic
        return True

    def idle(self) -> bool:
        """Nothing is under way."""
        self._settle()
        return not self._events and not self._states

    def _settle(self) -> None:
        accepted = []
        for number, ok in self._link.answers():
            self._states.pop(number, None)
            event = self._events.pop(number, None)
            if event is not None and ok:
                accepted.append(event)
            elif not ok:
                self._retry_at = self._clock() + RETRY_S
                log.error("the broker refuses a result; may the bridge write its topics?")
        self._outbox.remove(accepted)
