# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate crossvalidate`: figures on people and cameras that training never saw.

Fold by fold: train without the held-out group, quantise, and send the held-out clips through the
deployed path (INT8 engine, integer release with real noise, recogniser, alarms). The outcomes of
all folds are pooled, so every clip is judged once by a model that knew neither its people nor its
camera. The trunk is trained once per fold, at the first cap; projection and recogniser at each cap.
A fold and cap whose models are in the output folder already is judged without training again, so a
run that was interrupted goes on where it stopped.
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
from calibration.evaluate import (
    describe,
    replay_one,
    shipped_models,
    table,
)
from calibration.folds import FOLDS, split
from calibration.footage import Footage, load_footage
from calibration.learning import Model, train_head
from calibration.quantise import ship
from calibration.replay import Station
from calibration.report import Outcome, Report, build_report
from calibration.training import (
    add_arguments as add_training_arguments,
)
from calibration.training import (
    fit_trunk,
    grouped,
    load_clips,
    load_model,
    recipe_of,
    save_model,
    watch_groups,
)

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate crossvalidate`: those of `train`, and these."""
    add_training_arguments(parser)
    parser.add_argument("--caps", type=float, nargs="+", default=[8.0, 16.0, 32.0], metavar="BITS")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)), metavar="K")
    parser.add_argument("--repeat", type=int, default=4, help="draws of the noise per clip")
    parser.add_argument("--json", type=Path, required=True, help="where the report is written")


def run(args: argparse.Namespace) -> int:
    """Train and judge every fold; write one report per cap into one JSON file."""
    torch.set_num_threads(args.threads)
    clips = load_clips(args.data)
    footage = {item.clip.name: item for item in load_footage(clips)}
    outcomes: dict[float, list[Outcome]] = {cap: [] for cap in args.caps}
    described: dict[float, list[Report]] = {cap: [] for cap in args.caps}
    for fold in args.folds:
        train, held = split(clips, fold)
        log.info("fold %d: %d clips to train on, %d held out", fold, len(train), len(held))
        for cap, judged, models in _fold(args, fold, [footage[c.name] for c in train], held):
            outcomes[cap] += judged
            described[cap].append(models)
    # The folds differ in their weights only, so what the first says of the mechanism holds for all.
    reports = {
        f"{cap:g}": build_report(outcomes[cap], args.repeat)
        | {"profile": described[cap][0]["profile"], "models": described[cap]}
        for cap in args.caps
    }
    args.json.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    for name, report in reports.items():
        print(f"\nat most {name} leaked bits per 2 s, folds {args.folds}\n{table(report)}")
    return 0


def _fold(
    args: argparse.Namespace, fold: int, train: Sequence[Footage], held: Sequence[Clip]
) -> list[tuple[float, list[Outcome], Report]]:
    folders = {cap: args.out / f"fold{fold}-bits{cap:g}" for cap in args.caps}
    missing = [cap for cap in args.caps if not (folders[cap] / "profile.json").exists()]
    if missing:
        _train_fold(args, fold, train, {cap: folders[cap] for cap in missing})
    return [(cap, *_judge(folders[cap], held, args.repeat)) for cap in args.caps]


def _train_fold(
    args: argparse.Namespace, fold: int, train: Sequence[Footage], folders: dict[float, Path]
) -> None:
    model = load_model(args.start) if args.start else Model()
    groups = grouped(train)
    fit_trunk(model, groups, recipe_of(args, args.bits))
    trunk, watched = model.state(), watch_groups(model, groups)
    for cap, folder in folders.items():
        model.load(trunk)
        train_head(model, watched, recipe_of(args, cap))
        save_model(model, folder / "model.pt")
        ship(model, [f.planes for f in train], folder, name=f"fold-{fold}-{cap:g}", bits=cap)


def _judge(folder: Path, held: Sequence[Clip], draws: int) -> tuple[list[Outcome], Report]:
    with closing(Station(shipped_models(folder, None))) as station:
        return [replay_one(station, clip, draws) for clip in held], describe(station)
