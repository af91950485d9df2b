# SPDX-License-Identifier: Apache-2.0
"""The loop: take, admit, make durable, acknowledge, recognise, announce, tell the state.

One thread does all of it. A vector is used only after its admission is on disk, an event is
sent only after it is on disk, and a message is acknowledged only after its admission is.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from cloud_bridge.admit import Admission, Admitted
from cloud_bridge.alarm_parameters import alarm_parameters
from cloud_bridge.alarms import Transition
from cloud_bridge.config import Config
from cloud_bridge.connection import Connection
from cloud_bridge.errors import Refused, StoreError
from cloud_bridge.freshness import Freshness
from cloud_bridge.inbox import RECEIVE_MAXIMUM, Inbox, Received
from cloud_bridge.outbox import Outbox
from cloud_bridge.publisher import Publisher
from cloud_bridge.recogniser import Recogniser
from cloud_bridge.registry import Place, Sensor
from cloud_bridge.states import States
from cloud_bridge.tally import Tally
from cloud_bridge.watch import Watch
from wire.events import Event, Evidence

log = logging.getLogger(__name__)

WAIT_S = 0.2  # longest rest of the loop
GOODBYE_S = 3.0  # longest wait for the broker's answers at the end


class Service:
    """Everything that runs, put together once."""

    def __init__(self, config: Config) -> None:
        """Raises BridgeError if the configuration, the model or the store cannot be used."""
        recogniser = Recogniser(config.model.card, config.model.threads)
        directory = _make_directory(config.state_directory)
        self._recogniser, self._model_id = recogniser, recogniser.card.model_id
        self._registry = config.registry
        self._inbox = Inbox()
        self._connection = Connection(config.broker, self._inbox)
        self._freshness = Freshness(directory / "freshness.sqlite3")
        self._outbox = Outbox(directory / "outbox.sqlite3")
        self._admission = Admission(
            config.registry,
            self._freshness,
            time.time,
            config.admission.max_age_s,
            config.admission.max_ahead_s,
        )
        self._tally = Tally(config.registry.sensors, time.monotonic)
        self._watch = Watch(
            recogniser,
            config.registry,
            {**recogniser.card.thresholds, **config.thresholds},
            alarm_parameters(recogniser.card.alarms, config.alarms),
            open_events=self._outbox.open_events(),
            step_s=config.step_s,
        )
        self._publisher = Publisher(self._connection, self._outbox, time.monotonic)
        self._states = States(config, self._watch, self._tally, self._model_id)

    def run(self, stopping: Callable[[], bool]) -> None:
        """Until `stopping` says so; raises BridgeError if it cannot go on."""
        for sensor, place, change in self._watch.superseded(time.time()):
            self._announce(sensor, place, change)
        self._connection.start()
        try:
            while not stopping():
                self._connection.check()
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        batch = self._inbox.take(RECEIVE_MAXIMUM, WAIT_S)
        self._tally.note_dropped(self._inbox.dropped)
        admitted = [item for message in batch if (item := self._admit(message)) is not None]
        self._freshness.commit()  # before anything is used
        self._connection.acknowledge(batch)
        for place, change in self._watch.follow(admitted):
            self._announce(place.speaker, place, change)
        self._publisher.pump()
        for state in self._states.due(time.monotonic(), time.time()):
            self._states.told(state, ok=self._publisher.publish_state(state))

    def _admit(self, message: Received) -> Admitted | None:
        try:
            admitted = self._admission.admit(message.topic, message.body)
        except Refused as refused:
            self._tally.count_refused(message.topic, refused)
            return None
        self._tally.count_admitted(admitted.sensor)
        self._states.seen(admitted.sensor, time.monotonic())
        return admitted

    def _announce(self, sensor: Sensor, place: Place, change: Transition) -> None:
        """In the name of `sensor`, which lies in `place`."""
        device = self._registry.find(sensor[0], sensor[1])
        if device is None:
            raise KeyError(sensor)
        span = change.evidence
        event = Event(
            event_id=change.event_id,
            kind=change.kind,
            phase=change.phase,
            probability=change.probability,
            onset_time=change.onset_time,
            detection_time=change.detection_time,
            site=sensor[0],
            device=sensor[1],
            sensor=sensor[2],
            room=place.name,
            model_id=self._model_id,
            profile_id=device.profile.id,
            evidence=Evidence(span.start, span.end, span.vectors, span.gaps, span.sensors),
        )
        self._publisher.announce(sensor, change, event)

    def _close(self) -> None:
        """Tell that nobody listens any more, wait briefly for answers, close the files."""
        self._inbox.close()
        until = time.monotonic() + GOODBYE_S
        left = self._states.farewell(time.time())
        while self._connection.connected and time.monotonic() < until:
            left = [state for state in left if not self._publisher.publish_state(state)]
            if self._publisher.idle() and not left:
                break
            time.sleep(0.02)
        self._connection.stop()
        self._outbox.close()
        self._freshness.close()
        log.info(
            "stopped; refused by rule: %s; dropped: %d; windows by exit: %s",
            self._tally.totals,
            self._inbox.dropped,
            self._recogniser.left,
        )


def _make_directory(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"state_directory {path}: {error}") from error
    return path
