# SPDX-License-Identifier: Apache-2.0
"""Alarms against labels: which events were found, how late, and which alarms were false.

An alarm finds a labelled event if it is of the event's kind and its detection time lies between
LEAD_S before the event's start and GRACE_S[phase] after its end. An alarm that finds neither an
event nor a stretch that is neutral for its kind is false. Footage is negative for a kind wherever
nothing is labelled that is an event of the kind or neutral for it; any label may occur. Times are
seconds of clip time; nothing here reads a clock.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calibration.data import Clip
from calibration.metrics import (
    Bounds,
    auc,
    auc_interval,
    poisson_rate_interval,
    wilson,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event, and how labels speak of it."""

    name: str
    score: str  # the recogniser's probability that ranks clips for this kind
    events: tuple[str, ...]  # labels that mark an event
    neutral: tuple[str, ...]  # labels under which an alarm is neither found nor false


# The interval of a fall contains the lying that follows. Lying for less than PERSON_DOWN_S is no
# person_down event yet, and an alarm then is not wrong either.
PERSON_DOWN_S = 15.0
KINDS = (
    Kind("fall", "fall", ("fall",), ("person_down", "down")),
    Kind("fight", "fight", ("fight",), ()),
    Kind("person_down", "down", ("person_down", "down"), ("fall",)),
)
PHASES = ("suspected", "confirmed")

LEAD_S = 0.5  # labels are made by eye
GRACE_S = {"suspected": 3.0, "confirmed": 20.0}  # the delays that the alarms are built for


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


@dataclass(frozen=True, slots=True)
class Tally:
    """One kind and phase in one clip: events, how many were found, delays in s, false alarms."""

    events: int
    found: int
    delays_s: tuple[float, ...]
    false_alarms: int


def event_spans(kind: Kind, clip: Clip) -> list[Bounds]:
    """(start_s, end_s) of every event of the kind in the clip."""
    spans = clip.spans(kind.events)
    if kind.name == "person_down":
        spans += [s for s in clip.spans(["fall"]) if s[1] - s[0] >= PERSON_DOWN_S]
    return sorted(spans)


def tally(kind: Kind, phase: str, clip: Clip, alarms: Sequence[Alarm]) -> Tally:
    """Match the alarms of one kind and phase with the clip's events of that kind."""
    spans = event_spans(kind, clip)
    excused = spans + clip.spans(kind.neutral)
    times = sorted(a.detection_s for a in alarms if (a.kind, a.phase) == (kind.name, phase))
    found = [[t for t in times if _finds(t, span, phase)] for span in spans]
    return Tally(
        events=len(spans),
        found=sum(bool(hits) for hits in found),
        delays_s=tuple(hits[0] - span[0] for hits, span in zip(found, spans, strict=True) if hits),
        false_alarms=sum(not any(_finds(t, span, phase) for span in excused) for t in times),
    )


def negative_seconds(kind: Kind, clip: Clip, seconds: float) -> float:
    """Seconds of the clip outside every event and neutral stretch; overlaps count once."""
    covered, reached = 0.0, 0.0
    for start, end in sorted(event_spans(kind, clip) + clip.spans(kind.neutral)):
        covered += max(0.0, min(end, seconds) - max(start, reached))
        reached = max(reached, min(end, seconds))
    return max(0.0, seconds - covered)


def summarise(
    kind: Kind, clips: Sequence[Clip], replays: Sequence[Sequence[Replay]], seed: int
) -> dict[str, object]:
    """Every figure of one kind over clips; replays (R draws, N clips).

    Each figure is taken per draw of the noise and then averaged over the draws: averaging scores
    first would remove the very noise that is under test.
    """
    hours = sum(
        negative_seconds(kind, c, r.seconds) for c, r in zip(clips, replays[0], strict=True)
    )
    summary: dict[str, object] = {
        "events": sum(len(event_spans(kind, clip)) for clip in clips),
        "negative_hours": hours / 3600,
        "auc": summarise_auc(kind, clips, replays, seed),
    }
    for phase in PHASES:
        summary[phase] = _phase(kind, phase, clips, replays, hours / 3600)
    return summary


def summarise_auc(
    kind: Kind, clips: Sequence[Clip], replays: Sequence[Sequence[Replay]], seed: int
) -> dict[str, object]:
    """AUC over clips: a clip's score is the peak of the kind's probability after the warm-up.

    Positive are clips with a label of the kind; for person_down also those with a fall, because
    who fell is down afterwards, for however short a time.
    """
    wanted = kind.events + kind.neutral if kind.name == "person_down" else kind.events
    labels = [bool(clip.spans(wanted)) for clip in clips]
    places = [clip.place for clip in clips]
    values, bounds, method = [], [], ""
    for draw in replays:
        scores = [replay.peaks[kind.score] for replay in draw]
        values.append(auc(scores, labels))
        interval, method = auc_interval(scores, labels, places, seed)
        bounds.append(interval)
    return {
        "value": _mean([v for v in values if v is not None]),
        "interval": _mean_bounds([b for b in bounds if b is not None]),
        "interval_over": method,
        "positive_clips": sum(labels),
        "negative_clips": len(labels) - sum(labels),
    }


def _phase(
    kind: Kind,
    phase: str,
    clips: Sequence[Clip],
    replays: Sequence[Sequence[Replay]],
    hours: float,
) -> dict[str, object]:
    tallies = [
        [tally(kind, phase, clip, replay.alarms) for clip, replay in zip(clips, draw, strict=True)]
        for draw in replays
    ]
    every = [one for draw in tallies for one in draw]
    delays = [delay for one in every for delay in one.delays_s]
    draws = len(replays)
    events = sum(one.events for one in tallies[0])
    found = sum(one.found for one in every) / draws
    false_alarms = sum(one.false_alarms for one in every) / draws
    return {
        "recall": found / events if events else None,
        "recall_interval": wilson(found, events) if events else None,
        "found": found,
        "median_delay_s": statistics.median(delays) if delays else None,
        "false_alarms": false_alarms,
        "false_alarms_per_hour": false_alarms / hours if hours else None,
        "false_alarms_per_hour_interval": poisson_rate_interval(false_alarms, hours)
        if hours
        else None,
    }


def _finds(time_s: float, span: tuple[float, float], phase: str) -> bool:
    return span[0] - LEAD_S <= time_s <= span[1] + GRACE_S[phase]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _mean_bounds(bounds: Sequence[Bounds]) -> Bounds | None:
    if not bounds:
        return None
    return sum(b[0] for b in bounds) / len(bounds), sum(b[1] for b in bounds) / len(bounds)
