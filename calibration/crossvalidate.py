# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate crossvalidate`: figures on people and cameras that training never saw.

The trunk learns on rendered people once; then, fold by fold, it goes on without the held-out real
group, projection and family learn at every leaked-bit cap, the models are quantised, and the
held-out clips take the deployed path (INT8 engine, integer release with real noise, family,
alarms). The outcomes of all folds are pooled, so every real clip is judged once by a model that
knew neither its people nor its camera. The cap `none` is the least noise that a profile can have.
Whatever is in the output folder already is not trained again, so a run that was interrupted goes on
where it stopped.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import torch

from calibration.data import Clip
from calibration.evaluate import describe, replay_one, shipped_models, table
from calibration.folds import FOLDS, split
from calibration.quantise import draw_frames, ship
from calibration.replay import Station
from calibration.report import Outcome, Report, build_report
from calibration.train import recipe as steps
from calibration.train.batches import Embedded
from calibration.train.command import (
    add_common,
    bits_of,
    load_clips,
    packed_clips,
    recipe_of,
    trunk_of,
)
from calibration.train.normal import normal_life
from calibration.train.packed import Packed
from calibration.train.people import People
from calibration.train.recipe import Lesson
from calibration.train.trunk import Model

Caps = Sequence[float | None]
DEFAULT_CAPS = (None, 32.0, 16.0, 8.0, 4.0)

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate crossvalidate`: those of `train`, and these."""
    add_common(parser)
    add = parser.add_argument
    add("--caps", type=bits_of, nargs="+", default=list(DEFAULT_CAPS), metavar="BITS")
    add("--folds", type=int, nargs="+", default=list(range(FOLDS)), metavar="K")
    add("--repeat", type=int, default=4, help="draws of the noise per clip")
    add("--json", type=Path, required=True, help="where the report is written")


def run(args: argparse.Namespace) -> int:
    """Train and judge every fold; write one report per cap into one JSON file."""
    torch.set_num_threads(args.threads)
    packed, people = packed_clips(args)
    outcomes: dict[str, list[Outcome]] = {named(cap): [] for cap in args.caps}
    described: dict[str, list[Report]] = {named(cap): [] for cap in args.caps}
    for fold in args.folds:
        held = [clip for clip in split(load_clips(args.data), fold)[1] if not clip.rendered]
        log.info("fold %d: %d clips held out", fold, len(held))
        train_fold(args, packed, people, fold)
        for cap in args.caps:
            judged, models = _judge(folder_of(args.out, fold, cap), held, args.repeat)
            outcomes[named(cap)] += judged
            described[named(cap)].append(models)
    # The folds differ in their weights only, so what the first says of the mechanism holds for all.
    reports = {
        cap: build_report(found, args.repeat)
        | {"profile": described[cap][0]["profile"], "models": described[cap]}
        for cap, found in outcomes.items()
    }
    args.json.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    for cap, report in reports.items():
        print(f"\nat most {cap} leaked bits per 2 s, folds {args.folds}\n{table(report)}")
    return 0


def named(cap: float | None) -> str:
    """A cap as text."""
    return "none" if cap is None else f"{cap:g}"


def folder_of(out: Path, fold: int, cap: float | None) -> Path:
    """Where the models of a fold and cap are."""
    return out / f"fold{fold}" / f"bits-{named(cap)}"


def train_fold(args: argparse.Namespace, packed: Packed, people: People, fold: int) -> None:
    """Train and ship every cap of a fold whose models are not there yet."""
    missing = [c for c in args.caps if not (folder_of(args.out, fold, c) / "profile.json").exists()]
    if not missing:
        return
    trunk, to = trunk_of(args, packed, people, fold, args.out / f"fold{fold}")
    embedded = steps.embedded_once(packed, trunk)
    for cap in missing:
        folder = folder_of(args.out, fold, cap)
        model, _ = steps.finish(embedded, to, recipe_of(args, cap), trunk, folder)
        ship_model(model, embedded, to, folder, name=f"fold-{fold}-{named(cap)}", bits=cap)


def ship_model(
    model: Model, embedded: Embedded, to: Lesson, folder: Path, *, name: str, bits: float | None
) -> None:
    """Quantise and write a model; normal life is that of the clips that taught and judged."""
    packed = embedded.packed
    taught = [clip for group in to.heads for clip in group.clips]
    judged = [clip for clips in to.judge.groups.values() for clip in clips]
    life = normal_life(model, packed, embedded.of, taught, judged)
    ship(model, draw_frames(packed, taught), life, folder, name=name, bits=bits)


def _judge(folder: Path, held: Sequence[Clip], draws: int) -> tuple[list[Outcome], Report]:
    with closing(Station(shipped_models(folder, None))) as station:
        return [replay_one(station, clip, draws) for clip in held], describe(station)
