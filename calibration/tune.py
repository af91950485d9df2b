# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate tune`: choose gates, thresholds and alarm parameters; write them to the card.

Clips go once through the deployed path, to every exit of the family. First the gates are chosen
(`calibration.exits`), then, on what the gated family says, the alarm rules: what varies is only
what the rules make of the same verdicts. Falls with lying, and fights, are tuned apart, because
their rules never meet. Chosen is a setting with the largest utility: for each kind and phase the
recall in time, less a price for every false alarm per day of footage in which there is no such
event. The search climbs along one axis of a grid at a time, from three places.

So a threshold is lowered as long as each further false alarm a day brings at least its price of
recall: by default a twentieth for a confirmed one, of which a day of ordinary life may bring one,
and a three-hundredth for a suspicion, which calls nobody. Use clips that neither training nor
evaluation uses, and as much ordinary life among them as there is.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.checksums import write_sums
from calibration.data import Clip, load_labels
from calibration.evaluate import choose, shipped_models
from calibration.exits import Comparison, Watched, costs_ms, leave, table, watch
from calibration.outcomes import KINDS, PHASES, negative_seconds, tally
from calibration.replay import Models, Verdict, raise_alarms
from cloud_bridge.alarm_parameters import alarm_parameters
from cloud_bridge.alarms import Alarms
from cloud_bridge.card import KINDS as BEHAVIOURS
from cloud_bridge.card import Threshold

# Recall that one false alarm per day may cost. A suspicion is cheap: it is what confirms it later
# that calls somebody.
PRICES = {"suspected": 0.003, "confirmed": 0.05}
PRESENT = Threshold(0.5, 0.7)
WARM_UP_VECTORS = 15.0  # half a second less than the shortest clips that are judged
DAY_S = 86400.0

# What is tuned together: the kinds of events, and the behaviours that can raise one.
GROUPS = {"fall": ("fall", "person_down"), "fight": ("fight",)}
GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "fall": {
        "suspect": (0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.65, 0.8, 0.9),
        "down_suspect": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        "down_confirm": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        "fall_from_down": (0.0, 0.3, 0.6, 0.9),
        "fall_excess_s": (0.5, 1.0, 2.0, 3.0, 5.0, 8.0),
    },
    "fight": {
        "suspect": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        "confirm": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        "fight_hold_s": (0.5, 1.0, 2.0, 3.0),
        "fight_excess_s": (0.5, 1.0, 2.0, 4.0, 8.0),
    },
}
ALARM_KEYS = frozenset({"fall_from_down", "fall_excess_s", "fight_hold_s", "fight_excess_s"})

Setting = dict[str, float]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """One clip under one draw of the noise, as the gated family judges it."""

    clip: Clip
    seconds: float
    verdicts: Sequence[Verdict]
    peaks: Mapping[str, float]  # the largest probability of each behaviour


def heard(watched: Watched, gates: Sequence[float]) -> Heard:
    """What leaves at these gates."""
    leaves = leave(watched.behaviours, gates)
    peaks = dict(zip(BEHAVIOURS, watched.said(leaves).max(axis=0).tolist(), strict=True))
    return Heard(watched.clip, watched.seconds, watched.verdicts(leaves), peaks)


def rules(group: str, setting: Setting) -> Alarms:
    """Alarm rules with one setting of one group; the other never fires."""
    never = Threshold(1.0, 1.0)
    thresholds = {"present": PRESENT, "fall": never, "down": never, "fight": never}
    if group == "fight":
        thresholds["fight"] = Threshold(setting["suspect"], setting["confirm"])
    else:
        thresholds["fall"] = Threshold(setting["suspect"], setting["suspect"])
        thresholds["down"] = Threshold(setting["down_suspect"], setting["down_confirm"])
    parameters = {key: value for key, value in setting.items() if key in ALARM_KEYS}
    return Alarms(thresholds, alarm_parameters(parameters, {"warm_up_vectors": WARM_UP_VECTORS}))


def is_quiet(group: str, setting: Setting, item: Heard) -> bool:
    """Whether no probability reaches what an alarm takes: smoothed ones never exceed the peaks."""
    peaks = item.peaks
    if group == "fight":
        return peaks["fight"] < min(setting["suspect"], setting["confirm"])
    lying = peaks["down"] < setting["down_suspect"]
    return lying and max(peaks["fall"], peaks["down"]) < setting["suspect"]


def utility(
    group: str, setting: Setting, items: Sequence[Heard], prices: Mapping[str, float]
) -> float:
    """Recalls in time less the price of false alarms, over all clips and draws."""
    alarms = [
        [] if is_quiet(group, setting, item) else raise_alarms(rules(group, setting), item.verdicts)
        for item in items
    ]
    total = 0.0
    for kind in (one for one in KINDS if one.name in GROUPS[group]):
        days = sum(negative_seconds(kind, i.clip, i.seconds) for i in items) / DAY_S
        for phase in PHASES:
            tallies = [
                tally(kind, phase, item.clip, found)
                for item, found in zip(items, alarms, strict=True)
            ]
            events = sum(one.events for one in tallies)
            false = sum(one.false_alarms for one in tallies)
            total += sum(one.in_time for one in tallies) / max(events, 1)
            total -= prices[phase] * false / max(days, 1e-9)
    return total


def search(
    grid: Mapping[str, Sequence[float]], value: Callable[[Setting], float]
) -> tuple[Setting, float]:
    """The best of three climbs, which begin at the lowest, middle and highest of all axes."""
    starts = [
        {axis: values[place(len(values))] for axis, values in grid.items()}
        for place in (lambda _: 0, lambda n: n // 2, lambda _: -1)
    ]
    return max((_climb(start, grid, value) for start in starts), key=lambda pair: pair[1])


def _climb(
    start: Setting, grid: Mapping[str, Sequence[float]], value: Callable[[Setting], float]
) -> tuple[Setting, float]:
    """Along one axis at a time, until none is better."""
    found, best = start, value(start)
    improved = True
    while improved:
        improved = False
        for axis, values in grid.items():
            others = [found | {axis: one} for one in values if one != found[axis]]
            scored = [(value(other), other) for other in others]
            most, setting = max(scored, key=lambda pair: pair[0])
            if most > best:
                best, found, improved = most, setting, True
    return found, best


def best_setting(group: str, items: Sequence[Heard], prices: Mapping[str, float]) -> Setting:
    """What the search finds for one group, said in the log."""
    found, value = search(GRIDS[group], lambda setting: utility(group, setting, items, prices))
    log.info("%s: utility %.3f with %s", group, value, found)
    return found


def card_with(
    card: dict[str, Any], fall: Setting, fight: Setting, gates: Sequence[float]
) -> dict[str, Any]:
    """The card with the chosen thresholds, alarm parameters and gates."""
    thresholds = {
        "present": {"suspect": PRESENT.suspect, "confirm": PRESENT.confirm},
        "fall": {"suspect": fall["suspect"], "confirm": fall["suspect"]},
        "down": {"suspect": fall["down_suspect"], "confirm": fall["down_confirm"]},
        "fight": {"suspect": fight["suspect"], "confirm": fight["confirm"]},
    }
    chosen = {key: value for key, value in (fall | fight).items() if key in ALARM_KEYS}
    chosen["warm_up_vectors"] = WARM_UP_VECTORS
    *gated, last = card["exits"]
    exits = [exit_ | {"gate": gate} for exit_, gate in zip(gated, gates, strict=True)]
    return card | {"thresholds": thresholds, "alarms": chosen, "exits": [*exits, last]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate tune`."""
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders with labels.csv"
    )
    parser.add_argument("--models", type=Path, required=True, help="folder whose card is written")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="SET[/SCENE]", help="tune on these clips only"
    )
    parser.add_argument("--repeat", type=int, default=2, help="draws of the noise per clip")
    for phase, price in PRICES.items():
        parser.add_argument(
            f"--{phase}-price",
            type=float,
            default=price,
            metavar="RECALL",
            help=f"of one {phase} false alarm per day (default: {price:g})",
        )


def run(args: argparse.Namespace) -> int:
    """Watch the clips, choose gates and settings, write the card and the sums, print the table."""
    clips = choose([clip for folder in args.data for clip in load_labels(folder)], args.only)
    models = shipped_models(args.models, None)
    card = json.loads(models.card.read_text(encoding="utf-8"))
    names = [exit_["name"] for exit_ in card["exits"]]
    watched = _watched(models, clips, args.repeat)
    comparison = Comparison(watched, names, costs_ms(models))
    gates, row = comparison.gates()
    print(table([*comparison.alone(), row], names))  # noqa: T201 - what the command is asked for
    items = [heard(one, gates) for draws in watched for one in draws]
    prices = {phase: getattr(args, f"{phase}_price") for phase in PRICES}
    fall, fight = (best_setting(group, items, prices) for group in ("fall", "fight"))
    entry = card_with(card, fall, fight, gates)
    models.card.write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")
    write_sums(args.models)
    return 0


def _watched(models: Models, clips: Sequence[Clip], draws: int) -> list[list[Watched]]:
    found = []
    for number, one in enumerate(watch(models, clips, draws), 1):
        log.info("%d/%d %s", number, len(clips), one[0].clip.name)
        found.append(one)
    return found
