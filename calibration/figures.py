# SPDX-License-Identifier: Apache-2.0
"""Figures of a trial: recall, delay, false alarms, curves and tables, with what they rest on.

A trial is a number of clips and their replays, one per draw of the noise. N clips, R draws.
Each figure is taken per draw and then averaged over the draws: averaging scores first would remove
the very noise that is under test. A figure that nothing defines (a recall without events, a rate
without footage) is None, never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.clusters import (
    Clusters,
    cluster,
    proportion_interval,
    quantile_interval,
    ranking_interval,
    rate_interval,
)
from calibration.data import Clip
from calibration.metrics import Bounds, auc
from calibration.outcomes import (
    KINDS,
    PHASES,
    Alarm,
    Kind,
    Replay,
    Tally,
    covered,
    events_of,
    held_seconds,
    lying,
    negative_seconds,
    tally,
)
from calibration.sweep import SHIFTS

DAY_H = 24
A_STEP_S = 0.5  # a bridge's verdicts are so far apart
UNTOLD = "not told"

Figures = dict[str, object]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trial:
    """clips (N,), replays (R, N) and how they may be resampled."""

    clips: Sequence[Clip]
    replays: Sequence[Sequence[Replay]]
    clusters: Clusters


def trial(clips: Sequence[Clip], replays: Sequence[Sequence[Replay]], seed: int) -> Trial:
    """A trial whose resamplings are drawn from `seed`."""
    return Trial(clips, replays, cluster(clips, seed))


def summarise(kind: Kind, of: Trial) -> Figures:
    """Every figure of one kind of event."""
    hours = _hours(kind, of)
    summary: Figures = {
        "events": sum(len(events_of(kind, clip)) for clip in of.clips),
        "negative_hours": float(hours.sum()),
        "auc": summarise_auc(kind, of),
    }
    for phase in PHASES:
        tallies = _tallies(kind, phase, of, _shipped)
        summary[phase] = (
            _recalls(tallies, of.clusters)
            | _delays(tallies, of.clusters)
            | _rate(tallies, hours, of.clusters)
        )
    return summary


def summarise_auc(kind: Kind, of: Trial) -> Figures:
    """AUC over clips: a clip's score is the peak of the kind's probability after the warm-up.

    Positive are clips with a label of the kind; for person_down also those with a fall, because
    who fell is down afterwards, for however short a time.
    """
    wanted = kind.events + kind.neutral if kind.name == "person_down" else kind.events
    labels = [bool(clip.spans(wanted)) for clip in of.clips]
    values, bounds, method = [], [], ""
    for draw in of.replays:
        scores = [replay.peaks[kind.score] for replay in draw]
        values.append(auc(scores, labels))
        interval, method = ranking_interval(scores, labels, of.clusters)
        bounds.append(interval)
    return {
        "value": _mean([v for v in values if v is not None]),
        "interval": _mean_bounds([b for b in bounds if b is not None]),
        "interval_over": method,
        "positive_clips": sum(labels),
        "negative_clips": len(labels) - sum(labels),
    }


def normal_life(of: Trial) -> Figures:
    """False alarms of any kind in the clips in which nothing happens that is one's business."""
    calm = np.array([not any(c.spans(k.events + k.neutral) for k in KINDS) for c in of.clips], bool)
    hours = np.array([r.seconds / 3600 for r in of.replays[0]]) * calm
    found: Figures = {"clips": int(calm.sum())}
    for phase in PHASES:
        count = [
            [[a for a in r.alarms if a.phase == phase and a.kind in _NAMES] for r in draw]
            for draw in of.replays
        ]
        false = np.mean([[len(alarms) for alarms in draw] for draw in count], axis=0) * calm
        found[phase] = _per_hour(false, hours, of.clusters)
    return found


def stays_down(of: Trial) -> Figures:
    """Whether somebody who lies stays detected, from the time when that must be confirmed.

    `kept` counts those who were from then on without a gap, `share` is of their time.
    """
    spans = [
        [s for s in lying(c) if s[0] < of.replays[0][n].seconds] for n, c in enumerate(of.clips)
    ]
    number = np.array([len(some) for some in spans], float)
    seconds, kept = 0.0, np.zeros(len(spans))
    for draw in of.replays:
        for n, (some, replay) in enumerate(zip(spans, draw, strict=True)):
            for start, end in some:
                wanted = min(end, replay.seconds) - start
                held = held_seconds((start, start + wanted), replay.alarms)
                seconds += held / len(of.replays)
                kept[n] += (held >= wanted - A_STEP_S) / len(of.replays)
    ends = zip(spans, of.replays[0], strict=True)
    total = sum(min(end, r.seconds) - start for some, r in ends for start, end in some)
    bounds = proportion_interval(kept, number, of.clusters) if number.sum() else (None, None)
    return {
        "events": int(number.sum()),
        "seconds": total,
        "share": seconds / total if total else None,
        "kept": float(kept.sum()),
        "kept_share": float(kept.sum() / number.sum()) if number.sum() else None,
        "kept_share_interval": bounds[0],
        "interval_over": bounds[1],
    }


def curve(kind: Kind, phase: str, of: Trial) -> list[Figures]:
    """Recall in time against false alarms per hour, one point per shift of the thresholds."""
    hours, points = _hours(kind, of), []
    for index, shift in enumerate(SHIFTS):
        tallies = _tallies(kind, phase, of, _at(index))
        found = _recalls(tallies, of.clusters) | _rate(tallies, hours, of.clusters)
        kept = ("recall_in_time", "recall_in_time_interval", "false_alarms_per_hour")
        points.append(
            {"shift": shift}
            | {key: found[key] for key in (*kept, "false_alarms_per_hour_interval")}
        )
    return points


def by_act(of: Trial) -> dict[str, dict[str, float]]:
    """What people were doing when a false alarm was raised; an alarm counts for each such act."""
    hours: dict[str, float] = {}
    for clip, replay in zip(of.clips, of.replays[0], strict=True):
        for label in clip.labels:
            seconds = covered(clip.spans([label]), replay.seconds)
            hours[label] = hours.get(label, 0.0) + seconds / 3600
    table: dict[str, dict[str, float]] = {
        act: {"hours": h} | {f"{k.name} {phase}": 0.0 for k in KINDS for phase in PHASES}
        for act, h in [*sorted(hours.items()), (UNTOLD, 0.0)]
    }
    for kind, phase, clip, alarm in false_alarms(of):
        for act in acts_at(clip, alarm):
            table[act][f"{kind} {phase}"] += 1 / len(of.replays)
    return table


def acts_at(clip: Clip, alarm: Alarm) -> list[str]:
    """What is labelled between the alarm's onset and its detection."""
    begin, end = min(alarm.onset_s, alarm.detection_s), alarm.detection_s
    acts = {i.label for i in clip.intervals if i.start_s <= end and i.end_s >= begin}
    return sorted(acts) or [UNTOLD]


def false_alarms(of: Trial) -> Iterator[tuple[str, str, Clip, Alarm]]:
    """Every false alarm of every draw: kind, phase, clip, alarm."""
    for kind in KINDS:
        for phase in PHASES:
            for draw in _tallies(kind, phase, of, _shipped):
                for clip, one in zip(of.clips, draw, strict=True):
                    yield from ((kind.name, phase, clip, alarm) for alarm in one.wrong)


def by_way(kind: Kind, of: Trial) -> dict[str, dict[str, float]]:
    """Events by how they happened: how many, and how many were found in time in each phase."""
    table: dict[str, dict[str, float]] = {}
    for phase in PHASES:
        for draw in _tallies(kind, phase, of, _shipped):
            for clip, one in zip(of.clips, draw, strict=True):
                for event, prompt in zip(events_of(kind, clip), one.prompt, strict=True):
                    row = table.setdefault(event.how or UNTOLD, {"events": 0.0} | _NOTHING)
                    row["events"] += 1 / len(of.replays) / len(PHASES)
                    row[phase] += prompt / len(of.replays)
    return {
        how: {key: round(value, 6) for key, value in row.items()}
        for how, row in sorted(table.items())
    }


_NAMES = frozenset(kind.name for kind in KINDS)
_NOTHING = dict.fromkeys(PHASES, 0.0)


def _hours(kind: Kind, of: Trial) -> Floats:
    """(N,): footage of each clip that is negative for the kind."""
    pairs = zip(of.clips, of.replays[0], strict=True)
    return np.array([negative_seconds(kind, clip, r.seconds) / 3600 for clip, r in pairs], float)


def _shipped(replay: Replay) -> Sequence[Alarm]:
    return replay.alarms


def _at(index: int) -> Callable[[Replay], Sequence[Alarm]]:
    return lambda replay: replay.sweep[index]


def _tallies(
    kind: Kind, phase: str, of: Trial, alarms: Callable[[Replay], Sequence[Alarm]]
) -> list[list[Tally]]:
    """(R, N) tallies of the alarms that `alarms` takes from a replay."""
    return [
        [tally(kind, phase, clip, alarms(r)) for clip, r in zip(of.clips, draw, strict=True)]
        for draw in of.replays
    ]


def _recalls(tallies: Sequence[Sequence[Tally]], clusters: Clusters) -> Figures:
    events = _per_clip(tallies, lambda one: one.events)
    found = _per_clip(tallies, lambda one: one.found)
    prompt = _per_clip(tallies, lambda one: one.in_time)
    figures: Figures = {"found": float(found.sum()), "in_time": float(prompt.sum())}
    for name, part in (("recall", found), ("recall_in_time", prompt)):
        some = bool(events.sum())
        bounds = proportion_interval(part, events, clusters) if some else (None, None)
        figures[name] = float(part.sum() / events.sum()) if some else None
        figures[f"{name}_interval"], figures["recall_interval_over"] = bounds
    return figures


def _delays(tallies: Sequence[Sequence[Tally]], clusters: Clusters) -> Figures:
    delays = [d for draw in tallies for one in draw for d in one.delays_s]
    owners = [n for draw in tallies for n, one in enumerate(draw) for _ in one.delays_s]
    figures: Figures = {}
    for name, share in (("median", 0.5), ("p90", 0.9)):
        figures[f"{name}_delay_s"] = float(np.quantile(delays, share)) if delays else None
        bound = quantile_interval(delays, owners, share, clusters) if delays else None
        figures[f"{name}_delay_s_interval"] = bound
    return figures


def _rate(tallies: Sequence[Sequence[Tally]], hours: Floats, clusters: Clusters) -> Figures:
    false = _per_clip(tallies, lambda one: one.false_alarms)
    repeats = float(_per_clip(tallies, lambda one: one.repeats).sum())
    return _per_hour(false, hours, clusters) | {"repeats": repeats}


def _per_hour(false: Floats, hours: Floats, clusters: Clusters) -> Figures:
    total = float(hours.sum())
    bounds, over = rate_interval(false, hours, clusters) if total else (None, None)
    rate = float(false.sum()) / total if total else None
    return {
        "hours": total,
        "false_alarms": float(false.sum()),
        "false_alarms_per_hour": rate,
        "false_alarms_per_hour_interval": bounds,
        "false_alarms_per_day": None if rate is None else rate * DAY_H,
        "false_alarms_per_day_interval": bounds and (bounds[0] * DAY_H, bounds[1] * DAY_H),
        "rate_interval_over": over,
    }


def _per_clip(tallies: Sequence[Sequence[Tally]], of: Callable[[Tally], int]) -> Floats:
    """(N,): a number of each clip, mean over the draws."""
    table = np.array([[of(one) for one in draw] for draw in tallies], float)
    return np.asarray(table.mean(axis=0), dtype=np.float64)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _mean_bounds(bounds: Sequence[Bounds]) -> Bounds | None:
    if not bounds:
        return None
    return sum(b[0] for b in bounds) / len(bounds), sum(b[1] for b in bounds) / len(bounds)
