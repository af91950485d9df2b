# SPDX-License-Identifier: Apache-2.0
"""Which sensors of a room tell the same time.

A vector's lag is the bridge's clock at its arrival less its capture time: the way that it went,
plus the error of its device's clock. Ways take time and never give any, so a sensor whose lag
is smaller than the truest one's, by more than networks vary, runs ahead. Its vectors would
push the room's time into the future and everybody else's out of the window: it is left out
until it agrees. A clock that runs behind needs no rule: its vectors come late, and fill what of the
window they reach, as those of a sensor that catches up after an outage do.

Pure: the time of arrival is an argument. Truest is the lag nearest to zero among the sensors
that were heard within `patience_s`; so the last one heard is never left out for long.
"""

from collections.abc import Iterable

from cloud_bridge.registry import Sensor

AHEAD_S = 2.0  # further ahead of the truest: left out
BACK_S = 1.0  # no further ahead than this: it agrees again


class Clocks:
    """The clocks of one room's sensors; memory is fixed by their number."""

    def __init__(self, sensors: Iterable[Sensor], patience_s: float) -> None:
        self._patience_s = patience_s
        self._lag_s: dict[Sensor, float] = {}
        self._heard_s: dict[Sensor, float] = {}
        self._out = dict.fromkeys(sensors, False)

    def hear(self, sensor: Sensor, capture_s: float, received_s: float) -> list[Sensor]:
        """A vector arrived, both times in unix s; whoever has just been left out or taken back."""
        self._lag_s[sensor] = received_s - capture_s
        self._heard_s[sensor] = received_s
        heard = self._within_patience(received_s)
        truest = min((self._lag_s[one] for one in heard), key=abs)
        changed = []
        for one in heard:
            ahead_s = truest - self._lag_s[one]
            out = ahead_s > (BACK_S if self._out[one] else AHEAD_S)
            if out != self._out[one]:
                self._out[one] = out
                changed.append(one)
        return changed

    def is_out(self, sensor: Sensor) -> bool:
        """Whether its vectors take no part now."""
        return self._out[sensor]

    def leading(self, received_s: float) -> list[Sensor]:
        """Those whose vectors may say what time it is in the room: heard of late, and not out."""
        return [one for one in self._within_patience(received_s) if not self._out[one]]

    def _within_patience(self, received_s: float) -> list[Sensor]:
        return [
            one
            for one, heard_s in self._heard_s.items()
            if received_s - heard_s <= self._patience_s
        ]
