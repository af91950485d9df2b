# SPDX-License-Identifier: Apache-2.0
"""One sensor, followed: vectors into its window, due windows out, verdicts into its alarms.

Everything goes by capture time, so a burst that catches up after an outage is judged along the
way, every `step_s` of its own time, exactly as if it had arrived live. Repeated vectors carry
nothing new: a stream of them freezes the alarms as silence does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud_bridge.alarms import Alarms, Transition
from cloud_bridge.card import KINDS, Card
from cloud_bridge.windows import Placed, Span, Window
from wire.message import VectorMessage

STEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Due:
    """A window that is to be judged now."""

    time_s: float  # capture time of its newest vector, unix s
    tensor: NDArray[np.float32]  # (T, K+1)
    span: Span


class Track:
    """The window, the rhythm and the alarms of one sensor."""

    def __init__(self, card: Card, alarms: Alarms, step_s: float = STEP_S) -> None:
        """card: shape of the window; step_s: capture time between two verdicts."""
        self._window = Window(card.window, card.released_dim, card.rate_hz, card.sigmas)
        self.alarms = alarms
        # Capture times jitter around the grid: half a step early is in time.
        self._step_us = round((step_s - 0.5 / card.rate_hz) * 1e6)
        self._judged_us = 0
        self.probabilities: Mapping[str, float] = {}

    @property
    def last_vector_time(self) -> float | None:
        """Capture time of the newest vector, unix s."""
        newest = self._window.newest_us
        return newest / 1e6 if newest >= 0 else None

    def append(self, message: VectorMessage) -> Due | None:
        """Take an admitted vector; the window, if it is due now."""
        time_us = message.capture_time_us
        placed = self._window.append(
            time_us, message.vector, message.noise_level, repeated=message.repeated
        )
        if placed is Placed.RESTARTED:
            self._judged_us = 0
        elapsed_us = time_us - self._judged_us
        if placed is Placed.LATE or message.repeated or elapsed_us < self._step_us:
            return None
        self._judged_us = time_us
        return Due(time_us / 1e6, self._window.tensor(), self._window.span())

    def conclude(self, due: Due, verdict: NDArray[np.float32]) -> list[Transition]:
        """Verdict: (4,) probabilities of KINDS for the window in `due`."""
        self.probabilities = dict(zip(KINDS, verdict.tolist(), strict=True))
        return self.alarms.step(due.time_s, self.probabilities, due.span)
