# SPDX-License-Identifier: Apache-2.0
"""All sensors together: admitted vectors in, changes of their events out.

One inference for all windows that a batch made due, whichever sensors they belong to; then
each sensor's alarms see its verdicts in the order of its vectors.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from cloud_bridge.admit import Admitted
from cloud_bridge.alarm_parameters import AlarmParameters
from cloud_bridge.alarms import Alarms, OpenEvent, Transition
from cloud_bridge.card import Card, Threshold
from cloud_bridge.errors import ModelError
from cloud_bridge.recogniser import Recogniser
from cloud_bridge.registry import Registry
from cloud_bridge.track import STEP_S, Due, Track

Sensor = tuple[str, str, str]


class Watch:
    """A track for every registered sensor, and the recogniser that they share."""

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
        """Raises ModelError if a device's profile is none the recogniser was trained for."""
        self._recogniser = recogniser
        check_profiles(recogniser.card, registry)
        self.tracks = {
            sensor: Track(
                recogniser.card,
                Alarms(thresholds, parameters, open_events.get(sensor, [])),
                step_s,
            )
            for sensor in registry.sensors
        }

    def follow(self, batch: Iterable[Admitted]) -> list[tuple[Sensor, Transition]]:
        """Judge whatever these vectors made due; the batch's size bounds the memory used."""
        due = self._append(batch)
        if not due:
            return []
        verdicts = self._recogniser.infer(np.stack([window.tensor for _, window in due]))
        return [
            (sensor, transition)
            for (sensor, window), verdict in zip(due, verdicts, strict=True)
            for transition in self.tracks[sensor].conclude(window, verdict)
        ]

    def _append(self, batch: Iterable[Admitted]) -> list[tuple[Sensor, Due]]:
        found = ((item.sensor, self.tracks[item.sensor].append(item.message)) for item in batch)
        return [(sensor, window) for sensor, window in found if window is not None]


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
