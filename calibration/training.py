# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate train`: learn encoder, projection and recogniser from labelled clips.

One fold of people and cameras is held out and never seen (`--fold`); what `evaluate` says of it is
then said of strangers. `--start` goes on from an earlier model, for instance one trained on
rendered rooms only, which every fold may share.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from calibration.accounting import sigma_for
from calibration.data import Clip, load_labels
from calibration.folds import FOLDS, split
from calibration.footage import Footage, load_footage, total_seconds
from calibration.learning import (
    Groups,
    Model,
    Recipe,
    Watched,
    train_head,
    train_trunk,
    watch_all,
)
from calibration.networks import RELEASED_DIM
from calibration.rooms.track import RATE_HZ

WINDOW_S = 2
CLIP_NORM = 256
# Share of a set in every batch; a set that is not named gets OTHER_SHARE.
SHARES = {"rooms_train": 0.5, "surv_fight": 0.32, "gmdcsa24": 0.12, "intel": 0.06}
OTHER_SHARE = 0.1
# Stage two: the trunk knows the rendered people by now, and two seconds of a fight weigh little
# in a window of ten.
HEAD_SHARES = {**SHARES, "rooms_train": 0.32, "surv_fight": 0.5}
ENOUGH_S = 3600.0  # of footage: beyond this a set need not be watched twice
VARIANTS = 4

log = logging.getLogger(__name__)


def noise_ratio(bits: float) -> float:
    """sigma / C for a leaked-bit cap per 2 s, with the integers that the profile will have."""
    sigma = sigma_for(bits, WINDOW_S * RATE_HZ, CLIP_NORM, RELEASED_DIM, "leak")
    return sigma / CLIP_NORM


def load_clips(folders: Sequence[Path]) -> list[Clip]:
    """All clips of all folders; DataError if a list cannot be used."""
    return [clip for folder in folders for clip in load_labels(folder)]


def grouped(footage: Sequence[Footage]) -> list[tuple[list[Footage], float]]:
    """Footage by set, each with its share of a batch; clips without a frame are left out."""
    sets: dict[str, list[Footage]] = {}
    for item in footage:
        if len(item.planes):
            sets.setdefault(item.clip.set, []).append(item)
    return [(items, SHARES.get(name, OTHER_SHARE)) for name, items in sets.items()]


def fit_trunk(model: Model, groups: Groups, recipe: Recipe) -> None:
    """Stage one, with a line that says what it learns from."""
    for items, share in groups:
        name, hours = items[0].clip.set, total_seconds(items) / 3600
        log.info("%s: %d clips, %.2f h, share %.2f", name, len(items), hours, share)
    train_trunk(model, groups, recipe)


def watch_groups(model: Model, groups: Groups) -> list[tuple[list[Watched], float]]:
    """Every group after the frozen trunk; a small set is also watched in augmented forms."""
    watched = []
    for items, _ in groups:
        variants = VARIANTS if total_seconds(items) < ENOUGH_S else 1
        share = HEAD_SHARES.get(items[0].clip.set, OTHER_SHARE)
        watched.append((watch_all(model.encoder, items, variants), share))
    return watched


def load_model(path: Path) -> Model:
    """A model that `save_model` wrote."""
    model = Model()
    model.load(torch.load(path, weights_only=True))
    return model


def save_model(model: Model, path: Path) -> None:
    """Write all weights; nothing else is in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state(), path)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate train`."""
    default = Recipe(noise_ratio=1.0)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labels.csv folders")
    parser.add_argument("--out", type=Path, required=True, help="model file to write (model.pt)")
    parser.add_argument("--start", type=Path, help="model file to go on from")
    parser.add_argument("--fold", type=int, default=0, choices=range(FOLDS), help="held out")
    parser.add_argument("--bits", type=float, default=16.0, help="leaked-bit cap per 2 s")
    parser.add_argument("--trunk-steps", type=int, default=default.trunk_steps)
    parser.add_argument("--trunk-rate", type=float, default=default.trunk_rate)
    parser.add_argument("--head-steps", type=int, default=default.head_steps)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")


def recipe_of(args: argparse.Namespace, bits: float) -> Recipe:
    """The recipe that the options ask for, at a leaked-bit cap."""
    return Recipe(
        noise_ratio=noise_ratio(bits),
        trunk_steps=args.trunk_steps,
        trunk_rate=args.trunk_rate,
        head_steps=args.head_steps,
        seed=args.seed,
    )


def run(args: argparse.Namespace) -> int:
    """Watch the clips, train both stages, write the model."""
    torch.set_num_threads(args.threads)
    train, held = split(load_clips(args.data), args.fold)
    log.info("training on %d clips, holding out %d", len(train), len(held))
    model = load_model(args.start) if args.start else Model()
    groups = grouped(load_footage(train))
    recipe = recipe_of(args, args.bits)
    fit_trunk(model, groups, recipe)
    train_head(model, watch_groups(model, groups), recipe)
    save_model(model, args.out)
    return 0
