# SPDX-License-Identifier: Apache-2.0
"""Other inputs and other releases than the shipped ones, trained and judged alike.

Every row is trained by the same trainer for as many steps on the same clips, and judged on the same
others: one for each input of `calibration.train.inputs`, at the shipped noise and without. "grey"
is no desensitisation at all, "small" and "blur" are what is usual instead. Beside them stand two
that are no inputs: a skeleton from the rendered joints, which is an oracle, and one message for
each 2 s in place of twenty, at the same cap. No row is stopped early: what is compared is the
input, not the luck of a stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch

from calibration.data import DataError
from calibration.folds import split
from calibration.train import f1
from calibration.train.batches import Embedded, Group
from calibration.train.heads import LAST, HeadSettings, train_heads
from calibration.train.inputs import INPUTS, Choice
from calibration.train.judge import probabilities
from calibration.train.lineup import WINDOW, Lineup, Place, lineup, places
from calibration.train.loop import save_whole
from calibration.train.networks import RELEASED_DIM
from calibration.train.packed import Packed
from calibration.train.people import People, read_people
from calibration.train.pooled import pooled, pooled_ratio
from calibration.train.recipe import RENDERED, VARIANTS, Lesson, embedded_once, lesson, noise_ratio
from calibration.train.recognised import Figures
from calibration.train.skeleton import SkeletonRelease, joints_of
from calibration.train.stranger import attacked, clean, folders_of, look
from calibration.train.trunk import Model, TrunkSettings, model_of, state_of, train_trunk

SHIPPED = "motion+history+foreground"
JOINTS, POOLED = "skeleton", "pooled"
SEED = 1

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what is shown, and leaked bits per 2 s, None for no noise."""

    shown: str
    bits: float | None

    @property
    def name(self) -> str:
        """For the table and for files."""
        return f"{self.shown}, {'no noise' if self.bits is None else f'{self.bits:g} bits'}"


def rows(bits: float) -> list[Row]:
    """Every line, the shipped input first: what is pooled is embedded as it is."""
    inputs = [SHIPPED, *(name for name in INPUTS if name != SHIPPED), JOINTS]
    both = [Row(name, cap) for name in inputs for cap in (bits, None)]
    return [*both, Row(POOLED, bits)]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all rows have in common."""

    packed: Packed
    lesson: Lesson
    people: People  # whom the adversary of a training is asked about
    shown: Lineup
    strangers: People  # whom an attacker is asked about
    judged: Mapping[str, Sequence[int]]  # val, test, real: clips by index
    steps: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, the clips as it sees them, and the same at 10 steps a second, where that differs."""

    model: Model
    embedded: Embedded
    fine: Embedded

    @property
    def coarse(self) -> bool:
        """A step is a stretch of 2 s."""
        return self.fine is not self.embedded


def bench(packed: Packed, fold: int, people: int, steps: int, folder: Path) -> Bench:
    """Deal the clips. Raises DataError if too few people are in them."""
    shown = lineup(places(packed, []), people, SEED)
    listed = read_people(folders_of(packed))
    taught = {p for one in packed.clips if one.clip.set == RENDERED for p in one.people}
    return Bench(
        packed=packed,
        lesson=lesson(packed, fold),
        people=People(listed, taught),
        shown=shown,
        strangers=People(listed, {place.person for place in shown["test"]}),
        judged=_judged(packed, fold),
        steps=steps,
        folder=folder,
    )


def thinned(packed: Packed, clips: int) -> Packed:
    """The same with at most so many clips to learn from, of whole moments; the rest stays."""
    teach = [m for m in packed.moments() if m[0].clip.set == RENDERED]
    every = max(1, -(-sum(len(moment) for moment in teach) // clips))
    kept = {one.start for moment in teach[::every] for one in moment}
    left = [c for c in packed.clips if c.clip.set != RENDERED or c.start in kept]
    return replace(packed, clips=tuple(left))


def figures(row: Row, on: Bench) -> Figures:
    """Train one row and judge it."""
    trained = _trained(row, on)
    found = {name: _trials(trained, clips) for name, clips in on.judged.items() if clips}
    if row.shown == JOINTS:
        found.pop("real", None)  # nobody knows their joints
    thresholds = f1.best_thresholds(found["val"])
    return {
        "noise_ratio": trained.model.noise_ratio,
        "identity": _identity(trained, on),
    } | {
        name: f1.summarise(one, thresholds, [on.packed.clips[n].clip for n in on.judged[name]])
        for name, one in found.items()
    }


def _trials(trained: Trained, clips: Sequence[int]) -> f1.Trials:
    """The stretches of some clips, each clip by one camera."""
    torch.manual_seed(SEED)
    model, packed, parts = trained.model, trained.embedded.packed, []
    for n in clips:
        span = packed.clips[n].span
        truth, seen = packed.targets.at(span), trained.embedded.variants[0, span]
        said = probabilities(
            model.release, model.family, seen.astype(np.float32), model.noise_ratio, LAST
        )
        if trained.coarse:
            asked, true = truth.known > 0, truth.behaviours > 0
            whose = np.zeros(len(true), np.intp)
            parts.append(f1.Trials(whose, true, asked, said.astype(np.float64)))
        else:
            one = f1.answers(truth.behaviours, truth.known)
            parts.append(replace(one, scores=f1.peaks(said)))
    return f1.together(parts)


def _identity(trained: Trained, on: Bench) -> Figures:
    seen = trained.fine.variants[0]

    def vectors(place: Place) -> F32:
        window = seen[place.first : place.first + WINDOW].astype(np.float32)
        return clean(trained.model, window.mean(0, keepdims=True) if trained.coarse else window)

    return attacked(look(on.shown, vectors, on.strangers), trained.model.noise_ratio)


class _Shown:
    """Planes of another input, made when they are looked at: they stand in for an array."""

    def __init__(self, packed: Packed, choose: Choice) -> None:
        self._packed, self._choose = packed, choose
        self.shape = packed.planes.shape

    def __len__(self) -> int:
        return len(self._packed.planes)

    def __getitem__(self, steps: slice | npt.NDArray[np.integer]) -> U8:
        return self._choose(self._packed.planes[steps], self._packed.canvas[steps])


def shown_as(packed: Packed, name: str) -> Packed:
    """The packed set with the planes of an input of INPUTS."""
    return replace(packed, planes=cast("U8", _Shown(packed, INPUTS[name])))


def _trained(row: Row, on: Bench) -> Trained:
    if row.shown == JOINTS:
        return _joints(row, on)
    if row.shown == POOLED:
        return _pooled(row, on)
    trunk = _trunk(row, on)
    embedded = embedded_once(shown_as(on.packed, row.shown), trunk)
    model = _fresh(noise_ratio(row.bits, RELEASED_DIM), trunk)
    _heads(row, on, model, embedded, on.lesson.heads)
    return Trained(model, embedded, embedded)


def _joints(row: Row, on: Bench) -> Trained:
    joints = Embedded(on.packed, joints_of(on.packed, VARIANTS))
    model = _fresh(noise_ratio(row.bits, RELEASED_DIM))
    model.release = SkeletonRelease()
    _heads(row, on, model, joints, on.lesson.rendered)
    return Trained(model, joints, joints)


def _pooled(row: Row, on: Bench) -> Trained:
    trunk = _trunk(Row(SHIPPED, row.bits), on)
    fine = embedded_once(on.packed, trunk)
    coarse = pooled(fine)
    model = _fresh(pooled_ratio(row.bits, RELEASED_DIM), trunk)
    _heads(row, on, model, coarse, on.lesson.heads)
    return Trained(model, coarse, fine)


def _trunk(row: Row, on: Bench) -> Model:
    """Stage one, unless it is done."""
    path = on.folder / f"{row.name}.pt"
    if not path.exists():
        model = _fresh(noise_ratio(row.bits, RELEASED_DIM))
        train_trunk(
            model,
            shown_as(on.packed, row.shown),
            on.lesson.trunk,
            on.people,
            TrunkSettings(steps=on.steps),
            state_file=path.with_suffix(".run"),
        )
        save_whole(path, state_of(model))
    return model_of(torch.load(path, weights_only=True))


def _fresh(ratio: float, trunk: Model | None = None) -> Model:
    """A model of its own, with the encoder and projection of a trunk."""
    torch.manual_seed(SEED)
    model = Model(ratio)
    if trunk is not None:
        model.encoder.load_state_dict(trunk.encoder.state_dict())
        model.release.load_state_dict(trunk.release.state_dict())
    return model


def _heads(row: Row, on: Bench, model: Model, embedded: Embedded, groups: Sequence[Group]) -> None:
    """Stage two, in place."""
    settings, state = HeadSettings(steps=on.steps), on.folder / f"{row.name}.heads"
    train_heads(model, embedded, groups, settings, state_file=state)


def _judged(packed: Packed, fold: int) -> dict[str, list[int]]:
    """Clips that no row learns from. The thresholds of all come from `val`."""
    clips = [one.clip for one in packed.clips]
    held = {c.path for c in split([c for c in clips if not c.rendered], fold)[1]}
    found: dict[str, list[int]] = {"val": [], "test": [], "real": []}
    for n, clip in enumerate(clips):
        if clip.path in held:
            found["real"].append(n)
        elif clip.set in {"rooms_val", "rooms_test"}:
            found[clip.set.removeprefix("rooms_")].append(n)
    if not found["val"] or not found["test"]:
        raise DataError("no clips of the sets rooms_val and rooms_test: pack a rendered set")
    return found
