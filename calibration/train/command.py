# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate train`: learn encoder, projection and family from rendered and real clips.

The clips are packed once into flat files, the trunk learns on rendered people alone and then on
both, projection and family learn on the frozen trunk with several seeds, and the best by the clips
that only judge is kept. Every step goes on where it was interrupted. One fold of real people and
cameras can be held out (`--fold`); what `evaluate` says of it is then said of strangers.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from calibration.data import Clip, load_labels
from calibration.folds import FOLDS
from calibration.train import recipe as steps
from calibration.train.heads import HeadSettings
from calibration.train.loop import save_whole
from calibration.train.packed import Packed, pack
from calibration.train.people import People, read_people
from calibration.train.recipe import Recipe
from calibration.train.trunk import Model, TrunkSettings, model_of, state_of

MODEL_FILE = "model.pt"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate train`."""
    add_common(parser)
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="held out; default: none")
    parser.add_argument(
        "--bits", type=bits_of, default=16.0, help="leaked-bit cap per 2 s, or none"
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """Options of every command that trains."""
    default = Recipe()
    add = parser.add_argument
    add("--data", type=Path, nargs="+", required=True, help="labels.csv folders")
    add("--pack", type=Path, required=True, help="folder for the packed clips, 20 kB a frame")
    add("--out", type=Path, required=True, help="folder for models and states of runs")
    add("--rendered-steps", type=int, default=default.rendered.steps, help="of the trunk, alone")
    add(
        "--mixed-steps", type=int, default=default.mixed.steps, help="of the trunk, with real clips"
    )
    add("--head-steps", type=int, default=default.heads.steps)
    add("--against", type=float, default=default.mixed.against, help="weight of the adversary")
    add("--seeds", type=int, nargs="+", default=list(default.seeds), help="of stage two")
    add("--threads", type=int, default=1, help="CPU threads; two runs beside each other are faster")


def bits_of(text: str) -> float | None:
    """A number of bits, or `none`."""
    if text == "none":
        return None
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("bits must be positive, or none")
    return value


def recipe_of(args: argparse.Namespace, bits: float | None) -> Recipe:
    """The recipe that the options ask for, at a leaked-bit cap."""
    default = Recipe()
    return Recipe(
        bits=bits,
        rendered=TrunkSettings(args.rendered_steps, default.rendered.rate, args.against),
        mixed=TrunkSettings(args.mixed_steps, default.mixed.rate, args.against),
        heads=HeadSettings(args.head_steps, default.heads.rate),
        seeds=tuple(args.seeds),
    )


def load_clips(folders: Sequence[Path]) -> list[Clip]:
    """All clips of all folders; DataError if a list cannot be used."""
    return [clip for folder in folders for clip in load_labels(folder)]


def packed_clips(args: argparse.Namespace) -> tuple[Packed, People]:
    """What is trained on, packed if it is not yet, and who is in it."""
    listed = load_clips(args.data)
    packed = Packed.open(args.pack) if args.pack.exists() else pack(listed, args.pack, log.info)
    bodies = (p for one in packed.clips if one.clip.set == steps.RENDERED for p in one.people)
    return packed, People(read_people(args.data), bodies)


def trunk_of(
    args: argparse.Namespace, packed: Packed, people: People, fold: int | None, folder: Path
) -> tuple[Model, steps.Lesson]:
    """Stage one; the part on rendered people alone is done once for all folds.

    Its noise is that of the default cap: a trunk for that one serves the others, too.
    """
    recipe, to = recipe_of(args, Recipe().bits), steps.lesson(packed, fold)
    start = steps.pretrain(packed, to, people, recipe, args.out)
    return steps.fine_tune(packed, to, people, recipe, start, folder), to


def save_model(model: Model, path: Path) -> None:
    """Write all weights and the noise they were trained for."""
    save_whole(path, state_of(model))


def load_model(path: Path) -> Model:
    """A model that `save_model` wrote."""
    return model_of(torch.load(path, weights_only=True))


def run(args: argparse.Namespace) -> int:
    """Train every stage, write the model, print what the judge says of it."""
    torch.set_num_threads(args.threads)
    packed, people = packed_clips(args)
    trunk, to = trunk_of(args, packed, people, args.fold, args.out)
    embedded = steps.embedded_once(packed, trunk)
    model, scores = steps.finish(embedded, to, recipe_of(args, args.bits), trunk, args.out)
    save_model(model, args.out / MODEL_FILE)
    for line in steps.told(model, embedded, to, scores):
        print(line)
    return 0
