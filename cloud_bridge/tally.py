# SPDX-License-Identifier: Apache-2.0
"""What was admitted and refused, counted by rule, and told without flooding the log.

Counters exist for registered sensors and for the rules; a stranger's message, whatever its
topic, is counted under one common heading. Per heading and rule one line is logged per
`LOG_EVERY_S`, with the number of refusals since the last line.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable

from cloud_bridge.admit import RULES
from cloud_bridge.errors import Refused
from cloud_bridge.registry import Sensor
from wire.errors import BadTopic
from wire.topics import parse_vectors

log = logging.getLogger(__name__)

LOG_EVERY_S = 10.0
STRANGERS = ("", "", "")


class Tally:
    """Counters of one run of the bridge; memory is bounded by sensors times rules."""

    def __init__(self, sensors: Iterable[Sensor], clock: Callable[[], float]) -> None:
        """clock: monotonic seconds."""
        self._refused: dict[Sensor, Counter[int]] = {
            sensor: Counter() for sensor in (*sensors, STRANGERS)
        }
        self._admitted: Counter[Sensor] = Counter()
        self._clock = clock
        self._dropped = (-math.inf, 0)  # when told, how many
        self._told: dict[tuple[Sensor, int], tuple[float, int]] = {}

    def admitted(self, sensor: Sensor) -> int:
        """Vectors of this sensor admitted so far."""
        return self._admitted[sensor]

    def refused(self, sensor: Sensor) -> dict[str, int]:
        """Messages on this sensor's topic refused so far, by rule. The topic is untrusted."""
        return {str(rule): count for rule, count in sorted(self._refused[sensor].items())}

    @property
    def totals(self) -> dict[int, int]:
        """Refused messages by rule, strangers included."""
        totals: Counter[int] = Counter()
        for counts in self._refused.values():
            totals.update(counts)
        return dict(sorted(totals.items()))

    def count_admitted(self, sensor: Sensor) -> None:
        """One vector was admitted."""
        self._admitted[sensor] += 1

    def count_refused(self, topic: str, refused: Refused) -> None:
        """One message was refused."""
        sensor = self._heading(topic)
        counts = self._refused[sensor]
        counts[refused.rule] += 1
        self._tell(sensor, refused, counts[refused.rule])

    def note_dropped(self, count: int) -> None:
        """So many messages have been dropped for lack of room since the start."""
        now = self._clock()
        told_at, told_count = self._dropped
        if count > told_count and now - told_at >= LOG_EVERY_S:
            self._dropped = (now, count)
            log.warning("no room for %d messages, %d in all", count - told_count, count)

    def _heading(self, topic: str) -> Sensor:
        try:
            topics = parse_vectors(topic)
        except BadTopic:
            return STRANGERS
        sensor = (topics.site, topics.device, topics.sensor)
        return sensor if sensor in self._refused else STRANGERS

    def _tell(self, sensor: Sensor, refused: Refused, count: int) -> None:
        now = self._clock()
        told_at, told_count = self._told.get((sensor, refused.rule), (-math.inf, 0))
        if now - told_at < LOG_EVERY_S:
            return
        self._told[sensor, refused.rule] = (now, count)
        log.warning(
            "refused %s: rule %d (%s): %s; %d since the last line, %d in all",
            "/".join(sensor) if sensor != STRANGERS else "an unknown sensor",
            refused.rule,
            RULES[refused.rule],
            refused.reason,
            count - told_count,
            count,
        )
