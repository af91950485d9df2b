# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate tune`: choose the alarm thresholds of a recogniser and write them to its card.

Clips go once through the deployed path; what varies is only what the alarm rules make of the
verdicts. Falls and fights are tuned apart, because their rules never meet. Chosen is the setting
with the largest utility: recall of `suspected` plus recall of `confirmed`, less what false alarms
cost: PATIENCE gives how many per hour are worth one whole recall. Use clips that neither training
nor evaluation uses.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.checksums import write_sums
from calibration.data import Clip, load_labels
from calibration.evaluate import choose, shipped_models
from calibration.outcomes import KINDS, Kind, negative_seconds, tally
from calibration.replay import Station, Verdict, raise_alarms
from cloud_bridge.alarm_parameters import alarm_parameters
from cloud_bridge.alarms import Alarms
from cloud_bridge.card import Threshold

# False alarms per hour that cost one recall. A suspicion is cheap, that is what the second stage is
# for; both are what the first models can keep, not what a ward can bear.
PATIENCE = {"suspected": 600.0, "confirmed": 60.0}
PRESENT = Threshold(0.5, 0.7)
WARM_UP_VECTORS = 15.0  # half a second less than the shortest clips that are judged

GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "fall": {
        "suspect": (0.15, 0.2, 0.25, 0.35, 0.5, 0.65),
        "down_suspect": (0.3, 0.4, 0.6),
        "down_confirm": (0.3, 0.4, 0.5, 0.6, 0.7),
        "fall_from_down": (0.0, 0.6, 0.9),
        "fall_excess_s": (1.0, 2.0),
    },
    "fight": {
        "suspect": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        "confirm": (0.5, 0.6, 0.7, 0.8),
        "fight_hold_s": (0.5, 1.0, 2.0),
        "fight_excess_s": (0.5, 1.0),
    },
}
ALARM_KEYS = frozenset({"fall_from_down", "fall_excess_s", "fight_hold_s", "fight_excess_s"})

Setting = dict[str, float]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """One clip under one draw of the noise."""

    clip: Clip
    seconds: float
    verdicts: list[Verdict]


def settings(kind: str) -> Iterator[Setting]:
    """Every setting of a kind's grid."""
    grid = GRIDS[kind]
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def rules(kind: str, setting: Setting) -> Alarms:
    """Alarm rules with one setting of one kind; the other kind never fires."""
    never = Threshold(1.0, 1.0)
    thresholds = {"present": PRESENT, "fall": never, "down": never, "fight": never}
    if kind == "fight":
        thresholds["fight"] = Threshold(setting["suspect"], setting["confirm"])
    else:
        thresholds["fall"] = Threshold(setting["suspect"], setting["suspect"])
        thresholds["down"] = Threshold(setting["down_suspect"], setting["down_confirm"])
    parameters = {key: value for key, value in setting.items() if key in ALARM_KEYS}
    return Alarms(thresholds, alarm_parameters(parameters, {"warm_up_vectors": WARM_UP_VECTORS}))


def utility(kind: Kind, setting: Setting, watched: Sequence[Watched]) -> float:
    """Recalls less the price of false alarms, over all clips and draws."""
    alarms = [raise_alarms(rules(kind.name, setting), item.verdicts) for item in watched]
    hours = sum(negative_seconds(kind, i.clip, i.seconds) for i in watched) / 3600
    total = 0.0
    for phase, patience in PATIENCE.items():
        tallies = [
            tally(kind, phase, item.clip, found)
            for item, found in zip(watched, alarms, strict=True)
        ]
        events = sum(one.events for one in tallies)
        false = sum(one.false_alarms for one in tallies)
        total += sum(one.found for one in tallies) / max(events, 1)
        total -= false / max(hours, 1e-9) / patience
    return total


def best(kind: str, watched: Sequence[Watched]) -> Setting:
    """The setting with the largest utility; the first of equals."""
    of = next(one for one in KINDS if one.name == kind)
    scored = [(utility(of, setting, watched), setting) for setting in settings(kind)]
    value, chosen = max(scored, key=lambda pair: pair[0])
    log.info("%s: utility %.3f with %s", kind, value, chosen)
    return chosen


def watch(station: Station, clips: Sequence[Clip], draws: int) -> list[Watched]:
    """Every clip through the deployed path, `draws` times from the release on."""
    watched = []
    for number, clip in enumerate(clips, 1):
        embeddings = station.embed(clip.path)
        seconds = len(embeddings) / station.profile.rate_hz
        for _ in range(draws):
            verdicts = station.verdicts(station.release(embeddings))
            watched.append(Watched(clip, seconds, verdicts))
        log.info("%d/%d %s", number, len(clips), clip.name)
    return watched


def card_with(card: dict[str, Any], fall: Setting, fight: Setting) -> dict[str, Any]:
    """The card with the chosen thresholds and alarm parameters."""
    thresholds = {
        "present": {"suspect": PRESENT.suspect, "confirm": PRESENT.confirm},
        "fall": {"suspect": fall["suspect"], "confirm": fall["suspect"]},
        "down": {"suspect": fall["down_suspect"], "confirm": fall["down_confirm"]},
        "fight": {"suspect": fight["suspect"], "confirm": fight["confirm"]},
    }
    chosen = {key: value for key, value in (fall | fight).items() if key in ALARM_KEYS}
    chosen["warm_up_vectors"] = WARM_UP_VECTORS
    return card | {"thresholds": thresholds, "alarms": chosen}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate tune`."""
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv")
    parser.add_argument("--models", type=Path, required=True, help="folder whose card is written")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="SET[/SCENE]", help="tune on these clips only"
    )
    parser.add_argument("--repeat", type=int, default=3, help="draws of the noise per clip")


def run(args: argparse.Namespace) -> int:
    """Watch the clips, search both grids, write the card and the sums."""
    clips = choose(load_labels(args.data), args.only)
    with closing(Station(shipped_models(args.models, None))) as station:
        watched = watch(station, clips, args.repeat)
    path = args.models / "recogniser.json"
    card = card_with(json.loads(path.read_text()), best("fall", watched), best("fight", watched))
    path.write_text(json.dumps(card, indent=2) + "\n")
    write_sums(args.models)
    return 0
