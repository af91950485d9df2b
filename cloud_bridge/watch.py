# SPDX-License-Identifier: Apache-2.0
"""All rooms together: admitted vectors in, changes of their events out.

One inference for all windows that a batch made due, of whichever rooms with as many sensors;
then each room's alarms see its judgements in the order of its vectors.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from cloud_bridge.admit import Admitted
from cloud_bridge.alarm_parameters import AlarmParameters
from cloud_bridge.alarms import Alarms, OpenEvent, Transition, clear_unseen
from cloud_bridge.card import CAMERA, Card, Threshold
from cloud_bridge.errors import ModelError
from cloud_bridge.recogniser import Judgement, Recogniser
from cloud_bridge.registry import Place, Registry, Sensor
from cloud_bridge.room import STEP_S, Due, Room


class Watch:
    """Every registered room, and the recogniser that they share."""

    def __init__(
        self,
        recogniser: Recogniser,
        registry: Registry,
        thresholds: Mapping[str, Threshold],
        parameters: AlarmParameters,
        *,
        open_events: Mapping[Sensor, list[OpenEvent]],
        step_s: float = STEP_S,
    ) -> None:
        """open_events: by the sensor in whose name they were published; their rooms go on.

        Raises ModelError if the recogniser was not trained for a device's profile or a room's size.
        """
        self._recogniser = recogniser
        check_profiles(recogniser.card, registry)
        check_rooms(recogniser.card, registry)
        self.rooms: dict[Sensor, Room] = {}  # of each sensor
        self._superseded: list[tuple[Sensor, Place, OpenEvent]] = []
        for place in registry.places:
            kept = self._inherit(place, open_events)
            room = Room(recogniser.card, place, Alarms(thresholds, parameters, kept), step_s)
            self.rooms.update(dict.fromkeys(place.sensors, room))

    def superseded(self, time_s: float) -> list[tuple[Sensor, Place, Transition]]:
        """What ends at time_s because its sensor has joined a room that has such an event open."""
        return [
            (sensor, place, clear_unseen(event, time_s))
            for sensor, place, event in self._superseded
        ]

    def follow(self, batch: Iterable[Admitted]) -> list[tuple[Place, Transition]]:
        """Judge whatever these vectors made due; the batch's size bounds the memory used."""
        by_room: dict[Place, list[Admitted]] = {}
        for item in batch:
            by_room.setdefault(self.rooms[item.sensor].place, []).append(item)
        due = [
            (room, window)
            for place, items in by_room.items()
            for room in [self.rooms[place.speaker]]
            for window in room.follow(items)
        ]
        return [
            (room.place, transition)
            for (room, window), judgement in zip(
                due, judge(self._recogniser, [window for _, window in due]), strict=True
            )
            for transition in room.conclude(window, judgement)
        ]

    def _inherit(
        self, place: Place, open_events: Mapping[Sensor, list[OpenEvent]]
    ) -> list[OpenEvent]:
        """The open events of all its sensors, one of a kind: confirmed before suspected, older."""
        found = [
            (sensor, event) for sensor in place.sensors for event in open_events.get(sensor, [])
        ]
        found.sort(key=lambda pair: (pair[1].phase != "confirmed", pair[1].onset_time))
        kept: dict[str, OpenEvent] = {}
        for sensor, event in found:
            if kept.setdefault(event.kind, event) is not event:
                self._superseded.append((sensor, place, event))
        return list(kept.values())


def judge(recogniser: Recogniser, windows: list[Due]) -> list[Judgement]:
    """One judgement for each window, in order; windows of as many sensors go together."""
    found: dict[int, Judgement] = {}
    for size in sorted({len(window.tensor) for window in windows}):
        rows = [row for row, window in enumerate(windows) if len(window.tensor) == size]
        batch = np.stack([windows[row].tensor for row in rows])
        camera = recogniser.card.modalities.index(CAMERA)
        modality = np.full(batch.shape[:2], camera, np.int64)
        found.update(zip(rows, recogniser.infer(batch, modality), strict=True))
    return [found[row] for row in range(len(windows))]


def check_profiles(card: Card, registry: Registry) -> None:
    """Refuse a device whose vectors this recogniser cannot read."""
    for device in registry.devices:
        profile = device.profile
        if profile.id not in card.profile_ids:
            raise ModelError(
                f"device {device.site}/{device.name}: model {card.model_id} was not trained"
                f" for its profile {profile.name} ({profile.id.hex()}); name one that fits"
            )
        shape = (profile.released_dim, profile.sigmas, profile.rate_hz)
        if shape != (card.released_dim, card.sigmas, card.rate_hz):
            raise ModelError(f"profile {profile.name} and the card of {card.model_id} disagree")


def check_rooms(card: Card, registry: Registry) -> None:
    """Refuse a room of more sensors than this recogniser was trained for."""
    for place in registry.places:
        if len(place.sensors) > card.sensors_max:
            raise ModelError(
                f"room {place.title} has {len(place.sensors)} sensors; model {card.model_id} takes"
                f" at most {card.sensors_max}"
            )
