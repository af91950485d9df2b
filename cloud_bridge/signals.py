# SPDX-License-Identifier: Apache-2.0
"""What the alarm rules look at: smoothed probabilities turned into conditions with memory.

Pure: time is an argument, and only differences of it are used, so that a device's clock that
is set back ends nothing and starts nothing. Each signal answers, per step: may an event of
this kind start, is it confirmed, is it over.

Evidence adds up as a cumulative sum: the integral of (probability - threshold), never below
zero. A short peak cannot confirm; a long weak excess can. This is why a fall needs two
stages under a small leak budget: the fall itself carries too few bits, what follows carries
enough (docs/privacy.md, evidence).
"""

import math
from dataclasses import dataclass

from cloud_bridge.alarm_parameters import AlarmParameters
from cloud_bridge.card import Threshold

ONSET_LIMIT_S = 5.0  # a rise is never dated further back than this before the start
ONSET_SURE = 0.8  # probability of an event from which the network's own onset is believed


@dataclass(frozen=True, slots=True)
class Signal:
    """The conditions of one kind of event at one step."""

    start: bool
    confirm: bool
    over: bool
    probability: float
    onset: float  # unix s


@dataclass(frozen=True, slots=True)
class Step:
    """One step in time: capture time, what counts of it, the network's onset, probabilities."""

    time_s: float
    counted_s: float  # at most max_step_s: unseen time is no evidence
    passed_s: float
    began_s: float | None  # unix s: when the latest fall or fight began, if there was one
    fall: float
    down: float
    fight: float
    present: float


class Hold:
    """On from `high`; off after `patience_s` below `low`, or after an unseen stretch as long."""

    def __init__(self, high: float, low: float) -> None:
        self._high, self._low = high, low
        self._below_s = 0.0
        self.on = False
        self.since = 0.0  # unix s
        self._on_s = 0.0
        self._sum = 0.0

    @property
    def lasted_s(self) -> float:
        """Time seen since it went on; losses count once they are over."""
        return self._on_s - self._below_s

    @property
    def mean(self) -> float:
        """Mean probability since it went on."""
        return self._sum / self._on_s if self._on_s else self._high

    def begin(self, time_s: float) -> None:
        """Go on now."""
        self.on, self.since = True, time_s
        self._on_s = self._below_s = self._sum = 0.0

    def step(self, time_s: float, counted_s: float, value: float, patience_s: float) -> None:
        """Follow `value` for counted_s seconds."""
        if not self.on:
            if value >= self._high:
                self.begin(time_s)
            return
        self._on_s += counted_s
        self._sum += value * counted_s
        self._below_s = self._below_s + counted_s if value < self._low else 0.0
        self.on = self._below_s < patience_s


class Excess:
    """A cumulative sum of (value - threshold) dt that never falls below zero."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self.seconds = 0.0

    def step(self, counted_s: float, value: float) -> None:
        """Add counted_s seconds of `value`."""
        self.seconds = max(0.0, self.seconds + (value - self._threshold) * counted_s)


class Rise:
    """When an event began.

    The network says so itself, but only means something once there is an event: it is believed
    from ONSET_SURE on. Until then it is when the present excursion above half of the threshold
    began.
    """

    def __init__(self, threshold: float) -> None:
        self._half = threshold / 2
        self._since: float | None = None

    def step(self, now: Step, value: float, sure: float) -> float:
        """Return the onset, unix s: now, if there is no excursion. `sure`: that it happened."""
        time_s = now.time_s
        if value < self._half:
            self._since = None
        elif self._since is None or self._since > time_s:
            self._since = time_s
        if now.began_s is not None and sure >= ONSET_SURE:
            return now.began_s
        return time_s if self._since is None else max(self._since, time_s - ONSET_LIMIT_S)


class FallSignal:
    """Suspected by `fall` or by what makes it likely, confirmed by `down` that lasts.

    Likely makes it a weaker `fall` followed by `down`, and, as far as `fall_from_down` says,
    `down` newly risen.
    """

    def __init__(self, fall: Threshold, down: Threshold, parameters: AlarmParameters) -> None:
        self._suspect, self._parameters = fall.suspect, parameters
        self._low = down.suspect * parameters.hysteresis
        self._excess = Excess(down.confirm)
        self._rise = Rise(fall.suspect)
        self._peak = 0.0
        self._quiet_s = 0.0

    def step(self, now: Step, down: Hold, *, is_open: bool, present: bool) -> Signal:
        """`down` is the person's state; someone who already lies there cannot fall."""
        p = self._parameters
        self._peak = max(now.fall, self._peak * math.exp(-now.passed_s / p.fall_memory_s))
        risen = p.fall_from_down * now.down
        score = max(now.fall, math.sqrt(self._peak * now.down), risen)
        lying = down.on and down.lasted_s > 2 * p.fall_memory_s
        start = score >= self._suspect and not lying
        if is_open:
            self._excess.step(now.counted_s, now.down)
        else:
            self._excess.seconds = 0.0
        calm = now.down < self._low and now.fall < self._suspect
        self._quiet_s = self._quiet_s + now.counted_s if calm and is_open else 0.0
        return Signal(
            start=start,
            confirm=self._excess.seconds >= p.fall_excess_s,
            over=self._quiet_s >= (p.recover_s if present else p.absent_s),
            probability=max(score, now.down) if is_open else score,
            onset=self._rise.step(now, score, max(now.fall, now.down)),
        )


class FightSignal:
    """Suspected by a sustained `fight`, confirmed by its excess, over when it has ceased."""

    def __init__(self, fight: Threshold, parameters: AlarmParameters) -> None:
        self._suspect, self._parameters = fight.suspect, parameters
        self._low = fight.suspect * parameters.hysteresis
        self._excess = Excess(fight.confirm)
        self._rise = Rise(fight.suspect)
        self._above_s = 0.0
        self._quiet_s = 0.0

    def step(self, now: Step, *, present: bool) -> Signal:
        """Follow `fight` for one step."""
        p = self._parameters
        above = now.fight >= self._suspect
        self._above_s = self._above_s + now.counted_s if above else 0.0
        self._quiet_s = self._quiet_s + now.counted_s if now.fight < self._low else 0.0
        self._excess.step(now.counted_s, now.fight)
        over = self._quiet_s >= (p.recover_s if present else p.absent_s)
        if over:
            self._excess.seconds = 0.0
        return Signal(
            start=above and self._above_s >= p.fight_hold_s,
            confirm=self._excess.seconds >= p.fight_excess_s,
            over=over,
            probability=now.fight,
            onset=self._rise.step(now, now.fight, now.fight),
        )


def down_signal(now: Step, down: Hold, confirm: float, limit_s: float) -> Signal:
    """Suspected after half of the limit, confirmed at the limit if `down` was clear enough."""
    return Signal(
        start=down.on and down.lasted_s >= limit_s / 2,
        confirm=down.on and down.lasted_s >= limit_s and down.mean >= confirm,
        over=not down.on,
        probability=down.mean if down.on else now.down,
        onset=down.since if down.on else now.time_s,
    )


def overstay_signal(now: Step, present: Hold, limit_s: float) -> Signal:
    """Suspected and confirmed at once: a time is measured, not guessed."""
    reached = present.on and present.lasted_s >= limit_s
    return Signal(
        start=reached,
        confirm=reached,
        over=not present.on,
        probability=present.mean if present.on else now.present,
        onset=present.since if present.on else now.time_s,
    )
