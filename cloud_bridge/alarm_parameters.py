# SPDX-License-Identifier: Apache-2.0
"""The numbers of the alarm rules: defaults, ranges, and how they are overridden.

Order of precedence: the operator's configuration, then the recogniser's card (values tuned
together with the network), then the defaults here. Unknown names and values out of range are
refused with name and range.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from cloud_bridge.errors import ConfigError

RANGES: dict[str, tuple[float, float]] = {
    "warm_up_vectors": (0.0, 1000.0),
    "smoothing_s": (0.0, 10.0),
    "hysteresis": (0.1, 1.0),
    "fall_memory_s": (0.5, 20.0),
    "fall_from_down": (0.0, 1.0),
    "fall_excess_s": (0.1, 30.0),
    "fight_hold_s": (0.0, 30.0),
    "fight_excess_s": (0.1, 30.0),
    "confirm_within_s": (1.0, 120.0),
    "recover_s": (0.5, 60.0),
    "absent_s": (0.5, 300.0),
    "refractory_s": (0.0, 600.0),
    "down_limit_s": (2.0, 3600.0),
    "overstay_s": (10.0, 86400.0),
    "presence_gap_s": (1.0, 3600.0),
    "max_step_s": (0.1, 10.0),
}


@dataclass(frozen=True, slots=True)
class AlarmParameters:
    """Times in seconds. An excess is the integral of (probability - threshold) over time."""

    warm_up_vectors: float = 0.0  # a stream that has only begun raises no alarm
    smoothing_s: float = 0.5  # time constant of the exponential smoothing
    hysteresis: float = 0.7  # a state ends below this part of the threshold that began it
    fall_memory_s: float = 4.0  # time constant with which a peak of `fall` fades
    fall_from_down: float = 0.0  # weight with which `down`, newly risen, counts as `fall`
    fall_excess_s: float = 1.5  # of `down` above its confirm threshold: confirms a fall
    fight_hold_s: float = 1.0  # `fight` above its suspect threshold: suspects a fight
    fight_excess_s: float = 1.5  # of `fight` above its confirm threshold: confirms a fight
    confirm_within_s: float = 20.0  # an unconfirmed suspicion is cleared after this
    recover_s: float = 5.0  # present and no longer down (or fighting) for this long: cleared
    absent_s: float = 10.0  # the same with nobody seen
    refractory_s: float = 10.0  # after an event, before the next of its kind
    down_limit_s: float = 15.0  # down for this long without getting up: person_down
    overstay_s: float = 1800.0  # present for this long: overstay
    presence_gap_s: float = 60.0  # a presence survives shorter losses
    max_step_s: float = 1.0  # more time than this between two windows counts as this much

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ConfigError(f"alarms.{name} must be a number from {low:g} to {high:g}")
            if not low <= value <= high:
                raise ConfigError(f"alarms.{name} must be from {low:g} to {high:g}, got {value}")


def alarm_parameters(*layers: Mapping[str, float]) -> AlarmParameters:
    """Later layers win over earlier ones, and all of them over the defaults."""
    known = {field.name for field in dataclasses.fields(AlarmParameters)}
    merged = {name: value for layer in layers for name, value in layer.items()}
    for name in merged:
        if name not in known:
            raise ConfigError(f"alarms.{name} is unknown; known are {', '.join(sorted(known))}")
    return AlarmParameters(**merged)
