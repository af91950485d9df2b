# SPDX-License-Identifier: Apache-2.0
"""From probabilities to events: suspected, confirmed, cleared. Pure: no clock, no IO.

`Alarms.step` takes the capture time of a window's newest vector and what the recogniser says,
and returns what changed. Rules:

- A kind has at most one open event. Its phases come in this order only: suspected,
  confirmed, cleared; a suspicion may be cleared directly. All share one event id. What is
  measured rather than guessed (overstay) is suspected and confirmed in the same step.
- A suspicion of a fall or fight that is not confirmed within `confirm_within_s` is cleared.
- After an event, its kind rests for `refractory_s` and until its start condition has been
  false once: one happening gives one event.
- Whoever does not step the alarms freezes them: nothing begins or ends unseen.
"""

import math
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cloud_bridge.alarm_parameters import AlarmParameters
from cloud_bridge.card import KINDS, Threshold
from cloud_bridge.signals import (
    FallSignal,
    FightSignal,
    Hold,
    Signal,
    Step,
    down_signal,
    overstay_signal,
)
from cloud_bridge.windows import Span
from wire.events import KINDS as EVENTS


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """An event that has not been cleared; enough to go on with it after a restart."""

    event_id: str
    kind: str
    phase: str
    onset_time: float  # unix s


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of phase. Times are capture times in unix s; the evidence is the window's."""

    event_id: str
    kind: str
    phase: str
    probability: float
    onset_time: float
    detection_time: float
    evidence: Span


def clear_unseen(event: OpenEvent, time_s: float) -> Transition:
    """The end of an event that nobody follows any more; no window speaks for it."""
    nothing = Span(time_s, time_s, 0, 0, ())
    return Transition(event.event_id, event.kind, "cleared", 0.0, event.onset_time, time_s, nothing)


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclass(slots=True)
class _Machine:
    """The phases of one kind."""

    kind: str
    expires_s: float  # longest time in `suspected`
    refractory_s: float
    new_id: Callable[[], str]
    event: OpenEvent | None = None
    in_phase_s: float = field(default=0.0)
    armed: bool = True
    rested_s: float = math.inf

    def step(self, now: Step, signal: Signal, evidence: Span) -> list[Transition]:
        """Return the changes of phase that this step brings: none, one, or both of a start."""
        self.in_phase_s += now.counted_s
        self.rested_s += now.counted_s
        return [self._enter(phase, now, signal, evidence) for phase in self._due(signal)]

    def _due(self, signal: Signal) -> list[str]:
        if self.event is None:
            self.armed = self.armed or not signal.start
            if not self._may_open(signal):
                return []
            self.event = OpenEvent(self.new_id(), self.kind, "", signal.onset)
            return ["suspected", "confirmed"] if signal.confirm else ["suspected"]
        suspected = self.event.phase == "suspected"
        if suspected and signal.confirm and not signal.over:
            return ["confirmed"]
        expired = suspected and self.in_phase_s >= self.expires_s
        return ["cleared"] if signal.over or expired else []

    def _may_open(self, signal: Signal) -> bool:
        # Overwhelming evidence opens an event even if the start condition never went away
        # since the last suspicion: a long weak scuffle must not hide the blow that follows.
        wanted = (signal.start and self.armed) or signal.confirm
        return wanted and not signal.over and self.rested_s >= self.refractory_s

    def _enter(self, phase: str, now: Step, signal: Signal, evidence: Span) -> Transition:
        event = self.event
        if event is None:
            raise RuntimeError("no event is open")
        onset = event.onset_time
        self.event = OpenEvent(event.event_id, self.kind, phase, onset)
        self.in_phase_s = 0.0
        if phase == "cleared":
            self.event, self.armed, self.rested_s = None, False, 0.0
        probability = min(1.0, max(0.0, signal.probability))
        return Transition(
            event.event_id, self.kind, phase, probability, onset, now.time_s, evidence
        )


class Alarms:
    """The alarm rules of one room."""

    def __init__(
        self,
        thresholds: Mapping[str, Threshold],
        parameters: AlarmParameters | None = None,
        open_events: Iterable[OpenEvent] = (),
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        """thresholds for each of KINDS; open_events are gone on with (after a restart)."""
        self._thresholds = dict(thresholds)
        p = self._parameters = parameters or AlarmParameters()
        down, present = thresholds["down"], thresholds["present"]
        self._down = Hold(down.suspect, down.suspect * p.hysteresis)
        self._present = Hold(present.suspect, present.suspect * p.hysteresis)
        self._fall = FallSignal(thresholds["fall"], down, p)
        self._fight = FightSignal(thresholds["fight"], p)
        expiry = {"fall": p.confirm_within_s, "fight": p.confirm_within_s}
        self._machines = {
            kind: _Machine(kind, expiry.get(kind, math.inf), p.refractory_s, new_id)
            for kind in EVENTS
        }
        self._smooth: dict[str, float] = {}
        self._time_s = math.nan
        for event in open_events:
            self._resume(event)

    @property
    def open_events(self) -> list[OpenEvent]:
        """What has been reported and not cleared, at most one of each kind."""
        return [machine.event for machine in self._machines.values() if machine.event]

    @property
    def present(self) -> bool:
        """Whether somebody is there, with short losses bridged by hysteresis only."""
        smooth = self._smooth.get("present", 0.0)
        return smooth >= self._thresholds["present"].suspect

    def step(
        self,
        time_s: float,
        probabilities: Mapping[str, float],
        onset_s: float | None,
        evidence: Span,
    ) -> list[Transition]:
        """One window: its newest capture time, what was said of it, its span.

        Said was a probability for each of KINDS, and how many seconds before time_s the latest
        fall or fight began.
        """
        if evidence.vectors < self._parameters.warm_up_vectors:
            return []
        now = self._advance(time_s, probabilities, onset_s)
        p, seen = self._parameters, self.present
        patience = p.recover_s if seen else p.absent_s
        self._down.step(now.time_s, now.counted_s, now.down, patience)
        self._present.step(now.time_s, now.passed_s, now.present, p.presence_gap_s)
        fall_open = self._machines["fall"].event is not None
        confirm = self._thresholds["down"].confirm
        signals = {
            "fall": self._fall.step(now, self._down, is_open=fall_open, present=seen),
            "fight": self._fight.step(now, present=seen),
            "person_down": down_signal(now, self._down, confirm, p.down_limit_s),
            "overstay": overstay_signal(now, self._present, p.overstay_s),
        }
        return [
            transition
            for kind, machine in self._machines.items()
            for transition in machine.step(now, signals[kind], evidence)
        ]

    def _advance(
        self, time_s: float, probabilities: Mapping[str, float], onset_s: float | None
    ) -> Step:
        p = self._parameters
        first = math.isnan(self._time_s)
        passed = 0.0 if first else max(0.0, time_s - self._time_s)
        self._time_s = time_s
        keep = math.exp(-passed / p.smoothing_s) if p.smoothing_s and not first else 0.0
        for kind in KINDS:
            value = float(probabilities[kind])
            before = self._smooth.get(kind, value)
            # A repeated time (passed 0) leaves the smoothed value where it was.
            self._smooth[kind] = keep * before + (1 - keep) * value
        if passed > p.presence_gap_s:
            self._present.on = False  # unseen for too long to call it one stay
        counted_s = min(passed, p.max_step_s)
        began_s = None if onset_s is None else time_s - onset_s
        return Step(time_s, counted_s, passed, began_s, **self._smooth)

    def _resume(self, event: OpenEvent) -> None:
        self._machines[event.kind].event = event
        hold = {"person_down": self._down, "overstay": self._present}.get(event.kind)
        if hold is not None:
            hold.begin(event.onset_time)
