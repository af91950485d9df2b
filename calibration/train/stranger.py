# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate identity`: whether a stranger can tell from released vectors who was there.

Fresh attackers (`calibration.train.attackers`) learn rendered persons from windows of 2 s in which
each is alone, and are tested on windows of other moments of the same persons
(`calibration.train.lineup`). Beside what is released stands what it would be without its noise: a
release that hides somebody from attackers who read nothing in the clear has shown nothing.

Letters: W windows, T steps of one, K released size, D embedding size.

What the release must keep: the strongest attacker's rank-1 over 2 s at most MARGIN above chance,
and the status is 1 if it does not.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from calibration.data import DataError
from calibration.metrics import Bounds
from calibration.train.attackers import TEACHERS, Course, Windows, heard
from calibration.train.command import load_model
from calibration.train.judge import embed
from calibration.train.lineup import WINDOW, Lineup, Place, lineup, places
from calibration.train.packed import Packed
from calibration.train.people import People, read_people
from calibration.train.recognised import UNITS, Figures, Trial
from calibration.train.trunk import Model
from edge.encoders import open_encoder
from kernels.reference import clip, project, quantise
from wire.profile import Profile

PEOPLE = 100
MARGIN = 0.03
SEEDS = (1, 2, 3)
DRAWS = 4  # of the test windows' noise, for each seed
WHO = "person"
PROGRESS_EVERY_S = 15.0
LEVEL = 0  # the profile's finest noise

log = logging.getLogger(__name__)

F32 = npt.NDArray[np.float32]
Vectors = Callable[[Place], F32]  # a window's vectors (T, K) before their noise, in units of C


def of_model(model: Model, packed: Packed) -> Vectors:
    """What the float twin would release."""

    def vectors(place: Place) -> F32:
        found = embed(model.encoder, packed.planes[place.first : place.first + WINDOW])
        return clean(model, found)

    return vectors


def clean(model: Model, embedding: F32) -> F32:
    """(T, D) -> (T, K) before the noise."""
    with torch.inference_mode():
        return np.asarray(model.release.clean(torch.from_numpy(embedding)).numpy(), np.float32)


def of_shipped(folder: Path, packed: Packed) -> tuple[Vectors, float]:
    """What a device with the models of `folder` would release, in its integers, and sigma / C.

    Raises what reading them raises: BadProfile, EncoderError.
    """
    profile = Profile.load(folder / "profile.json")
    encoder = open_encoder("openvino", folder / "encoder.onnx", threads=1)
    projection, row = profile.projection_matrix(), np.zeros(encoder.dim, np.float32)

    def vectors(place: Place) -> F32:
        out = np.zeros((WINDOW, profile.released_dim), np.float32)
        for planes, v in zip(packed.planes[place.first : place.first + WINDOW], out, strict=True):
            encoder.embed(planes, row)
            u = project(projection, quantise(row, profile.embedding_scale))
            v[:] = clip(u, profile.clip_norm, profile.full_scale) / profile.clip_norm
        return out

    return vectors, profile.sigmas[LEVEL] / profile.clip_norm


def attack(shown: Lineup, vectors: Vectors, people: People, noise_ratio: float) -> Figures:
    """Every attacker, taught and tested with noise and without it."""
    seen = look(shown, vectors, people)
    return {
        "people": len({place.person for place in shown["test"]}),
        "windows": {part: len(found) for part, found in shown.items()},
        "moments": {part: len({p.moment for p in found}) for part, found in shown.items()},
        "noise_ratio": noise_ratio,
        "released": attacked(seen, noise_ratio),
        "without_noise": attacked(seen, 0.0),
    }


@dataclass(frozen=True, slots=True)
class Seen:
    """Windows by part of a line-up, what is asked about them, and how answers are counted."""

    parts: Mapping[str, Windows]
    questions: Mapping[str, int]
    trial: Trial


def look(shown: Lineup, vectors: Vectors, people: People) -> Seen:
    """Everything that an attacker will see, before its noise."""
    parts = {
        part: _windows(part, found, vectors, people.answers([p.person for p in found]))
        for part, found in shown.items()
    }
    truth = {question: of.numpy() for question, of in parts["test"].answers.items()}
    return Seen(parts, people.tasks, Trial(shown["test"], truth))


def attacked(seen: Seen, noise_ratio: float) -> Figures:
    """Question -> chance, and of every attacker its share found by window and by stay."""
    parts, questions, trial = seen.parts, seen.questions, seen.trial
    course = Course(parts["learn"], parts["stop"], noise_ratio, questions)
    hits = {name: [trial.none() for _ in questions] for name in TEACHERS}
    for name, teach in TEACHERS.items():
        for seed in SEEDS:
            random = torch.Generator().manual_seed(seed)
            attacker = teach(course, random)
            for _ in range(DRAWS):
                told = attacker(heard(parts["test"].clean, noise_ratio, random))
                for table, question in zip(hits[name], questions, strict=True):
                    trial.add(table, told[question].numpy(), question)
            log.info("sigma / C %.3g: %s, seed %d", noise_ratio, name, seed)
    found: Figures = {}
    for k, question in enumerate(questions):
        by = {name: trial.figures(tables[k], question) for name, tables in hits.items()}
        found[question] = {
            "chance": 1 / trial.answers_to(question),
            "strongest": max(one["window"] for one in by.values()),
            "strongest_stay": max(one["stay"] for one in by.values()),
            "attackers": by,
        }
    return found


def excess(of: Figures) -> float:
    """Rank-1 over 2 s of the strongest attacker, less chance; `of` is released or without_noise."""
    return float(of[WHO]["strongest"] - of[WHO]["chance"])


def _windows(
    part: str, found: Sequence[Place], vectors: Vectors, answers: Mapping[str, torch.Tensor]
) -> Windows:
    told, rows = time.monotonic(), []
    for number, place in enumerate(found, 1):
        rows.append(vectors(place))
        if time.monotonic() - told > PROGRESS_EVERY_S:
            told = time.monotonic()
            log.info("%s: %d of %d windows", part, number, len(found))
    return Windows(torch.from_numpy(np.stack(rows)), answers)


def folders_of(packed: Packed) -> list[Path]:
    """Where the rendered clips of a packed set came from, with their people.csv."""
    clips = (one.clip for one in packed.clips if one.clip.rendered)
    return sorted({clip.path.parents[len(Path(clip.name).parts) - 1] for clip in clips})


def table(figures: Figures) -> str:
    """For a terminal: a line for every question and attacker."""
    head = f"{'question':10}{'chance':>8}  {'attacker':20}{'2 s':>21}{'whole stay':>21}"
    lines = []
    for way in ("released", "without_noise"):
        lines += [f"{way}, {100 * excess(figures[way]):+.1f} points from chance over 2 s", head]
        for question, of in figures[way].items():
            for name, by in of["attackers"].items():
                shares = "".join(_with_interval(by[u], by[f"{u}_interval"]) for u in UNITS)
                lines.append(f"{question:10}{of['chance']:>8.3f}  {name:20}{shares}")
    return "\n".join(lines)


def _with_interval(value: float, bounds: Bounds) -> str:
    return f"{value:>7.3f} [{bounds[0]:.3f}, {bounds[1]:.3f}]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate identity`."""
    parser.add_argument("--pack", type=Path, required=True, help="packed clips (see train)")
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument("--models", type=Path, help="folder of shipped models: their integers")
    of.add_argument("--model", type=Path, help="model.pt: its float twin")
    parser.add_argument("--people", type=int, default=PEOPLE, help="the ones met most often")
    parser.add_argument("--sets", nargs="+", default=[], help="of these sets only")
    parser.add_argument("--seed", type=int, default=1, help="who and what is shown in which part")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")


def run(args: argparse.Namespace) -> int:
    """Attack, print and write the figures; 1 if somebody can be recognised."""
    if args.json and not args.json.parent.is_dir():
        raise DataError(f"{args.json.parent}: no such folder")
    torch.set_num_threads(args.threads)
    packed = Packed.open(args.pack)
    shown = lineup(places(packed, args.sets), args.people, args.seed)
    if args.models:
        vectors, ratio = of_shipped(args.models, packed)
    else:
        model = load_model(args.model)
        vectors, ratio = of_model(model, packed), model.noise_ratio
    people = People(read_people(folders_of(packed)), (p.person for p in shown["test"]))
    figures = attack(shown, vectors, people, ratio)
    print(table(figures))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if excess(figures["released"]) <= MARGIN else 1
