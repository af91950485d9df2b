# SPDX-License-Identifier: Apache-2.0
"""When to tell a sensor's state, and what it is: its own stream, and what its room knows.

Told when its stream, presence or open events change, and every `state_every_s` besides. A
sensor from which nothing was admitted for `stalled_after_s` is stalled, and so is every sensor
of a bridge that has just started or is about to stop.
"""

import math

from cloud_bridge.config import Config
from cloud_bridge.registry import Sensor
from cloud_bridge.tally import Tally
from cloud_bridge.watch import Watch
from wire.events import OpenEvent, SensorState


class States:
    """What was last told of each registered sensor."""

    def __init__(self, config: Config, watch: Watch, tally: Tally, model_id: str) -> None:
        self._watch, self._tally, self._model_id = watch, tally, model_id
        self._stalled_after_s, self._every_s = config.stalled_after_s, config.state_every_s
        self._profile_ids = {
            (device.site, device.name): device.profile.id for device in config.registry.devices
        }
        self._seen: dict[Sensor, float] = {}  # monotonic s of the last admission
        self._told: dict[Sensor, tuple[object, float]] = {}  # what, monotonic s
        self._now = 0.0

    def seen(self, sensor: Sensor, now: float) -> None:
        """A vector of this sensor was admitted at `now`, monotonic s."""
        self._seen[sensor] = now

    def due(self, now: float, unix_s: float) -> list[SensorState]:
        """The states to publish now; `told` says what became of each."""
        self._now = now
        return [self._state(sensor, unix_s) for sensor in self._watch.rooms if self._is_due(sensor)]

    def told(self, state: SensorState, *, ok: bool) -> None:
        """Remember what was published; what was not is due again at once."""
        if ok:
            sensor = (state.site, state.device, state.sensor)
            self._told[sensor] = (self._essence(sensor), self._now)

    def farewell(self, unix_s: float) -> list[SensorState]:
        """Every sensor, stalled."""
        self._seen.clear()
        return [self._state(sensor, unix_s) for sensor in self._watch.rooms]

    def _is_due(self, sensor: Sensor) -> bool:
        essence, at = self._told.get(sensor, (None, -math.inf))
        return self._now - at >= self._every_s or essence != self._essence(sensor)

    def _essence(self, sensor: Sensor) -> object:
        alarms = self._watch.rooms[sensor].alarms
        return self._stream(sensor), alarms.present, alarms.open_events

    def _stream(self, sensor: Sensor) -> str:
        seen = self._seen.get(sensor, -math.inf)
        return "live" if self._now - seen < self._stalled_after_s else "stalled"

    def _state(self, sensor: Sensor, unix_s: float) -> SensorState:
        site, device, name = sensor
        room = self._watch.rooms[sensor]
        return SensorState(
            site=site,
            device=device,
            sensor=name,
            room=room.place.name,
            stream=self._stream(sensor),
            present=room.alarms.present,
            probabilities=room.probabilities,
            persons=room.persons,
            open_events=tuple(
                OpenEvent(event.event_id, event.kind, event.phase)
                for event in room.alarms.open_events
            ),
            sensors=room.sensors,
            last_vector_time=room.last_vector_time(sensor),
            admitted=self._tally.admitted(sensor),
            refused=self._tally.refused(sensor),
            updated_time=unix_s,
            model_id=self._model_id,
            profile_id=self._profile_ids[site, device],
        )
