# SPDX-License-Identifier: Apache-2.0
"""One room, followed: its sensors' vectors into windows, due windows out, judgements into alarms.

Everything goes by capture time. The room's time is that of the newest vector of any sensor; the
windows of all are cut out of one grid at that step, and what a sensor has not sent (yet) is rows
of zeros there. So a sensor that is late, silent or gone stops nothing, and what it sends late is
seen at the next judgement. A burst that catches up after an outage is judged along the way,
every `step_s` of its own time, exactly as if it had arrived live. Repeated vectors carry
nothing new: a stream of them freezes the alarms as silence does.
"""

import heapq
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud_bridge.admit import Admitted
from cloud_bridge.alarms import Alarms, Transition
from cloud_bridge.card import KINDS, UNUSUAL, Card
from cloud_bridge.clocks import Clocks
from cloud_bridge.recogniser import Judgement
from cloud_bridge.registry import Place, Sensor, label
from cloud_bridge.windows import Placed, Span, Window

log = logging.getLogger(__name__)

STEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Due:
    """A window that is to be judged now."""

    time_s: float  # capture time of its newest vector, unix s
    tensor: NDArray[np.float32]  # (N, T, K+1)
    span: Span


class Room:
    """The windows, the rhythm and the alarms of one room."""

    def __init__(self, card: Card, place: Place, alarms: Alarms, step_s: float = STEP_S) -> None:
        """card: shape of the windows; step_s: capture time between two judgements."""
        self.place, self.alarms = place, alarms
        self._card = card
        self._windows = {
            sensor: Window(card.window, card.released_dim, card.rate_hz, card.sigmas)
            for sensor in place.sensors
        }
        self._clocks = Clocks(place.sensors, card.window / card.rate_hz)
        # Capture times jitter around the grid: half a step early is in time.
        self._step_us = round((step_s - 0.5 / card.rate_hz) * 1e6)
        self._half_us = round(0.5e6 / card.rate_hz)
        self._window_us = round(1e6 * card.window / card.rate_hz)
        self._newest_us = self._newest_step = -1  # the room's time
        self._judged_us = 0
        self._called_by: Sensor | None = None  # whose vector made the window due
        self.probabilities: Mapping[str, float] = {}  # of the last judgement, by kind
        self.persons: int | None = None
        self.sensors: tuple[str, ...] = ()  # that took part in it

    def last_vector_time(self, sensor: Sensor) -> float | None:
        """Capture time of this sensor's newest vector, unix s."""
        newest = self._windows[sensor].newest_us
        return newest / 1e6 if newest >= 0 else None

    def follow(self, batch: Iterable[Admitted]) -> list[Due]:
        """Take admitted vectors of this room's sensors; the windows that they make due."""
        due = []
        for item in _by_time(batch):
            if self._called_by is not None and self._is_past(item):
                due.append(self._cut())
            self._take(item)
        if self._called_by is not None:
            due.append(self._cut())
        return due

    def conclude(self, due: Due, judgement: Judgement) -> list[Transition]:
        """What the judgement of the window in `due` changes."""
        behaviours = dict(zip(KINDS, judgement.behaviours.tolist(), strict=True))
        postures = dict(zip(self._card.postures, judgement.postures.tolist(), strict=True))
        unusual = {} if judgement.unusual is None else {UNUSUAL: judgement.unusual}
        self.probabilities = {**behaviours, **postures, **unusual}
        self.persons, self.sensors = judgement.persons, due.span.sensors
        return self.alarms.step(due.time_s, behaviours, judgement.onset_s, due.span)

    def _is_past(self, item: Admitted) -> bool:
        """Whether it belongs to a later step than the window that is due.

        What other sensors saw at the same moment, and arrived together, is judged together.
        """
        later = item.message.capture_time_us > self._newest_us + self._half_us
        return later or item.sensor == self._called_by

    def _take(self, item: Admitted) -> None:
        message, window = item.message, self._windows[item.sensor]
        placed = window.append(
            message.capture_time_us, message.vector, message.noise_level, repeated=message.repeated
        )
        self._set_time(item)
        if placed is Placed.LATE or message.repeated or self._clocks.is_out(item.sensor):
            return
        in_sight = window.newest_step > self._newest_step - self._card.window
        if in_sight and self._newest_us - self._judged_us >= self._step_us:
            self._judged_us = self._newest_us
            self._called_by = item.sensor

    def _set_time(self, item: Admitted) -> None:
        """The room's time goes on; back only as a window's does, or with whoever is left out."""
        capture_s = item.message.capture_time_us / 1e6
        changed = self._clocks.hear(item.sensor, capture_s, item.received_s)
        self._tell(changed)
        leader = max(
            (self._windows[sensor] for sensor in self._clocks.leading(item.received_s)),
            key=lambda window: window.newest_us,
        )
        behind_us = self._newest_us - leader.newest_us
        left = any(self._clocks.is_out(sensor) for sensor in changed)
        if left or behind_us > self._window_us:
            self._judged_us, self._called_by = 0, None
        elif behind_us > 0:
            return
        self._newest_us, self._newest_step = leader.newest_us, leader.newest_step

    def _cut(self) -> Due:
        """The joint window at the room's time."""
        self._called_by = None
        tensor = np.stack(
            [
                np.zeros_like(rows) if self._clocks.is_out(sensor) else rows
                for sensor, window in self._windows.items()
                for rows in [window.tensor(self._newest_step)]
            ]
        )
        return Due(self._newest_us / 1e6, tensor, self._span(tensor[:, :, -1] > 0))

    def _span(self, seen: NDArray[np.bool_]) -> Span:
        """seen (N, T): where each sensor has a new vector."""
        steps, rate = self._card.window, self._card.rate_hz
        sensors = [one for one, rows in zip(self._windows, seen, strict=True) if rows.any()]
        end = self._newest_us / 1e6
        first = min((self._windows[one].first_us / 1e6 for one in sensors), default=end)
        start = min(end, max(first, end - (steps - 1) / rate))
        vectors = int(seen.any(axis=0).sum())
        covered = min(steps, round((end - start) * rate) + 1)
        return Span(
            start, end, vectors, max(0, covered - vectors), tuple(label(one) for one in sensors)
        )

    def _tell(self, changed: list[Sensor]) -> None:
        for sensor in changed:
            if self._clocks.is_out(sensor):
                log.warning(
                    "room %s: the clock of %s runs ahead of the others; it is left out until it"
                    " agrees",
                    self.place.title,
                    label(sensor),
                )
            else:
                log.info("room %s: the clock of %s agrees again", self.place.title, label(sensor))


def _by_time(batch: Iterable[Admitted]) -> Iterable[Admitted]:
    """In order of capture, but no sensor's vectors in another order than they came."""
    queues: dict[Sensor, list[Admitted]] = {}
    for item in batch:
        queues.setdefault(item.sensor, []).append(item)
    return heapq.merge(*queues.values(), key=lambda item: item.message.capture_time_us)
