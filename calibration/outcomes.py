# SPDX-License-Identifier: Apache-2.0
"""Alarms against labels: which events were found, how late, and which alarms were false.

An alarm may find a labelled event of its kind if its detection time lies between LEAD_S before the
event's onset and GRACE_S[phase] after its end; in time is at most LIMIT_S[phase] after the onset.
Each alarm finds at most one event (`calibration.matching`). An alarm that lies neither in an event
nor in a stretch that is neutral for its kind is false; a further alarm inside an event that was
found already is a repeat, neither found nor false. Footage is negative for a kind wherever nothing
is labelled that is an event of the kind or neutral for it; any label may occur. Times are seconds
of clip time; nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calibration.data import Clip, Interval
from calibration.matching import Window, match


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event, and how labels speak of it."""

    name: str
    score: str  # the recogniser's probability that ranks clips for this kind
    events: tuple[str, ...]  # labels that mark an event
    neutral: tuple[str, ...]  # labels under which an alarm is neither found nor false
    after_s: float = 0.0  # what lasts less than this is no event yet


# The interval of a fall contains the lying that follows. Lying for less than PERSON_DOWN_S is no
# person_down event yet, and an alarm then is not wrong either.
PERSON_DOWN_S = 15.0
KINDS = (
    Kind("fall", "fall", ("fall",), ("person_down", "down")),
    Kind("fight", "fight", ("fight",), ()),
    Kind("person_down", "down", ("person_down", "down"), ("fall",), PERSON_DOWN_S),
)
DOWN = ("fall", "person_down", "down")  # labels under which somebody lies after a while
PHASES = ("suspected", "confirmed")

LEAD_S = 0.5  # labels are made by eye
GRACE_S = {"suspected": 3.0, "confirmed": 20.0}  # the delays that the alarms are built for
LIMIT_S = {"suspected": 3.0, "confirmed": 20.0}  # after the onset; later is too late


@dataclass(frozen=True, slots=True)
class Alarm:
    """One result as the bridge would publish it, in clip time."""

    kind: str
    phase: str
    onset_s: float
    detection_s: float


@dataclass(frozen=True, slots=True)
class Replay:
    """What one clip gave under one draw of the noise."""

    seconds: float
    vectors: int
    peaks: Mapping[str, float]  # kind of the recogniser -> highest probability after the warm-up
    alarms: tuple[Alarm, ...]
    sweep: tuple[tuple[Alarm, ...], ...] = ()  # alarms at each of calibration.sweep.SHIFTS
    stretches: tuple[tuple[float, ...], ...] = ()  # scores (S, 4) of calibration.train.f1


@dataclass(frozen=True, slots=True)
class Tally:
    """One kind and phase in one clip. Per event: its delay in s, or None, and whether in time."""

    delays: tuple[float | None, ...]
    prompt: tuple[bool, ...]
    wrong: tuple[Alarm, ...]
    repeats: int

    @property
    def events(self) -> int:
        """Labelled events."""
        return len(self.delays)

    @property
    def delays_s(self) -> tuple[float, ...]:
        """Delays of the events that were found."""
        return tuple(delay for delay in self.delays if delay is not None)

    @property
    def found(self) -> int:
        """Events that were found, however late."""
        return len(self.delays_s)

    @property
    def in_time(self) -> int:
        """Events that were found in time."""
        return sum(self.prompt)

    @property
    def false_alarms(self) -> int:
        """Alarms for which there was no reason."""
        return len(self.wrong)


def events_of(kind: Kind, clip: Clip) -> list[Interval]:
    """Every event of the kind in the clip, by start."""
    found = clip.labelled(kind.events)
    if kind.name == "person_down":
        found += [i for i in clip.labelled(["fall"]) if i.end_s - i.start_s >= kind.after_s]
    return sorted(found, key=lambda i: (i.start_s, i.end_s))


def onset(event: Interval) -> float:
    """When the event began."""
    return event.start_s if event.onset_s is None else event.onset_s


def tally(kind: Kind, phase: str, clip: Clip, alarms: Sequence[Alarm]) -> Tally:
    """Match the alarms of one kind and phase with the clip's events of that kind."""
    events = events_of(kind, clip)
    ours = sorted(
        (a for a in alarms if (a.kind, a.phase) == (kind.name, phase)),
        key=lambda alarm: alarm.detection_s,
    )
    if not ours:  # as in most clips, at most thresholds
        return Tally((None,) * len(events), (False,) * len(events), (), 0)
    windows = [(onset(e) - LEAD_S, e.end_s + GRACE_S[phase]) for e in events]
    limits = [onset(e) + kind.after_s + LIMIT_S[phase] for e in events]
    early = [(a, min(b, limit)) for (a, b), limit in zip(windows, limits, strict=True)]
    neutral = [(a - LEAD_S, b + GRACE_S[phase]) for a, b in clip.spans(kind.neutral)]
    times = [alarm.detection_s for alarm in ours]
    matched = match(times, windows)
    return Tally(
        delays=tuple(
            None if t is None else t - onset(e) for t, e in zip(matched, events, strict=True)
        ),
        prompt=tuple(t is not None for t in match(times, early)),
        wrong=tuple(a for a in ours if not _inside(a.detection_s, windows + neutral)),
        repeats=sum(_inside(t, windows) for t in times) - sum(t is not None for t in matched),
    )


def lying(clip: Clip) -> list[Window]:
    """From when to when each person who fell, or is down, must have been confirmed; if ever."""
    down = [(onset(i) + LIMIT_S["confirmed"], i.end_s) for i in clip.labelled(DOWN)]
    return [(start, end) for start, end in down if end > start]


def held_seconds(span: Window, alarms: Sequence[Alarm]) -> float:
    """Seconds of `span` in which a confirmed fall or person_down stood and was not cleared."""
    stood = []
    for kind in ("fall", "person_down"):
        since: float | None = None
        for alarm in (a for a in alarms if a.kind == kind):
            if alarm.phase == "confirmed":
                since = alarm.detection_s
            elif alarm.phase == "cleared" and since is not None:
                stood.append((since, alarm.detection_s))
                since = None
        if since is not None:
            stood.append((since, span[1]))
    inside = [(max(a, span[0]), b) for a, b in stood if b > span[0]]
    return covered([(a - span[0], b - span[0]) for a, b in inside], span[1] - span[0])


def negative_seconds(kind: Kind, clip: Clip, seconds: float) -> float:
    """Seconds of the clip outside every event and neutral stretch; overlaps count once."""
    events = [(event.start_s, event.end_s) for event in events_of(kind, clip)]
    return max(0.0, seconds - covered(events + clip.spans(kind.neutral), seconds))


def covered(spans: Sequence[Window], seconds: float) -> float:
    """Seconds of a clip that lie in any of the spans."""
    total, reached = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, min(end, seconds) - max(start, reached))
        reached = max(reached, min(end, seconds))
    return total


def _inside(time_s: float, windows: Sequence[Window]) -> bool:
    return any(start <= time_s <= end for start, end in windows)
