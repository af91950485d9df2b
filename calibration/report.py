# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation, as it is written to JSON: figures first, then every clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from calibration.data import Clip
from calibration.figures import (
    Trial,
    acts_at,
    by_act,
    by_way,
    curve,
    normal_life,
    stays_down,
    summarise,
    trial,
)
from calibration.outcomes import KINDS, PHASES, Replay, events_of, onset, tally
from calibration.replay import WAYS, way
from calibration.rooms.track import RATE_HZ
from calibration.train import f1

BOOTSTRAP_SEED = 0
ORIGINS = ("rendered", "real")

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One clip: its replays, one per draw of the noise, and what is wrong with it, if anything."""

    clip: Clip
    replays: tuple[Replay, ...]
    failure: str = ""


def build_report(
    outcomes: Sequence[Outcome], draws: int, thresholds: f1.Thresholds | None = None
) -> Report:
    """Figures over all replayed clips, by origin and by set; failures; one row per clip.

    With `thresholds`, which belong to other clips, also F1; those of these clips are told for use
    elsewhere.
    """
    good = [outcome for outcome in outcomes if not outcome.failure]
    sets: dict[str, list[Outcome]] = {}
    for outcome in good:
        sets.setdefault(outcome.clip.set, []).append(outcome)
    origins = {
        name: [o for o in good if o.clip.rendered == (name == ORIGINS[0])] for name in ORIGINS
    }
    ways = Counter(way(outcome.clip.path) for outcome in good)
    return {
        "draws": draws,
        "clips_evaluated": len(good),
        "clips_by_way": {name: ways[name] for name in WAYS},
        "clips_failed": [{"clip": o.clip.name, "reason": o.failure} for o in outcomes if o.failure],
        "hours": sum(outcome.replays[0].seconds for outcome in good) / 3600,
        "kinds": figures(_trial(good, draws)),
        "origins": {
            name: in_depth(_trial(members, draws)) | _f1(members, thresholds)
            for name, members in origins.items()
            if members
        },
        "f1_thresholds": f1.best_thresholds(stretches(good)) if good else {},
        "sets": {name: figures(_trial(members, draws)) for name, members in sorted(sets.items())},
        "errors": [error for outcome in good for error in errors(outcome)],
        "clips": [row(outcome) for outcome in good],
    }


def figures(of: Trial) -> Report:
    """Recall, delay, false alarms and AUC of every kind of event."""
    return {kind.name: summarise(kind, of) for kind in KINDS}


def in_depth(of: Trial) -> Report:
    """The figures, and what is behind them: curves, normal life, acts, ways of falling."""
    return {
        "clips": len(of.clips),
        "resampled": of.clusters.over,
        "kinds": figures(of),
        "normal_life": normal_life(of),
        "stays_down": stays_down(of),
        "curves": {k.name: {phase: curve(k, phase, of) for phase in PHASES} for k in KINDS},
        "false_alarms_by_act": by_act(of),
        "found_in_time_by_way": {kind.name: by_way(kind, of) for kind in KINDS},
    }


def stretches(outcomes: Sequence[Outcome]) -> f1.Trials:
    """What labels and verdicts say of every stretch of 2 s of every clip; at least one clip."""
    parts = []
    for outcome in outcomes:
        answers = f1.told(outcome.clip, round(outcome.replays[0].seconds * RATE_HZ))
        scores = np.array([replay.stretches for replay in outcome.replays], np.float64)
        parts.append(replace(answers, scores=scores.reshape(-1, *answers.true.shape)))
    return f1.together(parts)


def errors(outcome: Outcome) -> list[Report]:
    """False alarms, and events that were missed or found too late, under the first draw."""
    clip, found = outcome.clip, []
    for kind in KINDS:
        for phase in PHASES:
            one = tally(kind, phase, clip, outcome.replays[0].alarms)
            about = {"clip": clip.name, "kind": kind.name, "phase": phase}
            found += [
                about | {"error": "missed", "at_s": onset(event), "what": event.how or event.label}
                for event, prompt in zip(events_of(kind, clip), one.prompt, strict=True)
                if not prompt
            ]
            found += [
                about
                | {"error": "false", "at_s": a.detection_s, "what": ", ".join(acts_at(clip, a))}
                for a in one.wrong
            ]
    return found


def row(outcome: Outcome) -> Report:
    """What one clip gave: peaks and alarms per draw of the noise."""
    clip, first = outcome.clip, outcome.replays[0]
    return {
        "clip": clip.name,
        "set": clip.set,
        "subject": clip.subject,
        "scene": clip.scene,
        "rendered": clip.rendered,
        "way": way(clip.path),
        "labels": list(clip.labels),
        "seconds": first.seconds,
        "vectors": first.vectors,
        "peaks": [dict(replay.peaks) for replay in outcome.replays],
        "alarms": [[asdict(alarm) for alarm in replay.alarms] for replay in outcome.replays],
    }


def _f1(outcomes: Sequence[Outcome], thresholds: f1.Thresholds | None) -> Report:
    if thresholds is None:
        return {}
    clips = [outcome.clip for outcome in outcomes]
    return {"f1": f1.summarise(stretches(outcomes), thresholds, clips)}


def _trial(outcomes: Sequence[Outcome], draws: int) -> Trial:
    replays = [[outcome.replays[draw] for outcome in outcomes] for draw in range(draws)]
    return trial([outcome.clip for outcome in outcomes], replays, BOOTSTRAP_SEED)
