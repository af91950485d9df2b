# SPDX-License-Identifier: Apache-2.0
"""The recipe: which clips teach, which stop, and in which order the stages run.

Rendered clips belong to the split that their set is named after. Of the real ones one fold of
subjects and cameras is held out (`calibration.folds`), or none; of a set with enough groups every
fifth group of the rest only says when to stop. What is held out is never looked at here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from calibration.accounting import sigma_for
from calibration.folds import FOLDS, assign, group
from calibration.rooms.track import RATE_HZ
from calibration.train.batches import Embedded, Group
from calibration.train.family import MEMBERS
from calibration.train.heads import HeadSettings, embed_all, judged_vectors, train_heads
from calibration.train.judge import Judge
from calibration.train.loop import TrainingError, save_whole
from calibration.train.packed import Packed
from calibration.train.people import People
from calibration.train.targets import KINDS
from calibration.train.trunk import Model, TrunkSettings, model_of, state_of, train_trunk

WINDOW_S = 2
CLIP_NORM = 256
NO_NOISE_SIGMA = 1  # the least there is: what "none" means
# Share of a set in every batch; a set that is not named gets OTHER_SHARE.
RENDERED = "rooms_train"
SHARES = {RENDERED: 0.6, "surv_fight": 0.28, "gmdcsa24": 0.08, "intel": 0.04}
HEAD_SHARES = {**SHARES, RENDERED: 0.72, "surv_fight": 0.18, "gmdcsa24": 0.06, "intel": 0.04}
OTHER_SHARE = 0.08
STOPS = 5  # every fifth group stops
STOPPING_GROUPS = 10  # a set with fewer groups than that teaches with all of them
JUDGED_CLIPS = 240  # rendered ones, at most
VARIANTS = 2

log = logging.getLogger(__name__)


def noise_ratio(bits: float | None, released_dim: int) -> float:
    """sigma / C for a leaked-bit cap per 2 s, with the integers of the profile; None: no noise."""
    if bits is None:
        return NO_NOISE_SIGMA / CLIP_NORM
    return sigma_for(bits, WINDOW_S * RATE_HZ, CLIP_NORM, released_dim, "leak") / CLIP_NORM


@dataclass(frozen=True, slots=True)
class Lesson:
    """Groups that teach each stage, and the judge."""

    rendered: tuple[Group, ...]
    trunk: tuple[Group, ...]
    heads: tuple[Group, ...]
    judge: Judge


def lesson(packed: Packed, fold: int | None) -> Lesson:
    """Deal the packed clips; `fold` of the real ones is held out. Raises TrainingError."""
    clips = [entry.clip for entry in packed.clips]
    real = [clip for clip in clips if not clip.rendered]
    held = {name for name, k in assign(real, FOLDS).items() if k == fold}
    stop = {name for name in _stopping(sorted({group(c) for c in real} - held)) if name}
    teach: dict[str, list[int]] = {}
    judged: dict[str, list[int]] = {"rendered": [], "real": []}
    for k, clip in enumerate(clips):
        if clip.set == "rooms_val":
            judged["rendered"].append(k)
        elif not clip.rendered and group(clip) in stop:
            judged["real"].append(k)
        elif clip.set == RENDERED or (not clip.rendered and group(clip) not in held):
            teach.setdefault(clip.set, []).append(k)
    if RENDERED not in teach or not judged["rendered"]:
        raise TrainingError("no clips of the sets rooms_train and rooms_val: name a rendered set")
    judged["rendered"] = judged["rendered"][:JUDGED_CLIPS]
    return Lesson(
        rendered=_groups({RENDERED: teach[RENDERED]}, SHARES),
        trunk=_groups(teach, SHARES),
        heads=_groups(teach, HEAD_SHARES),
        judge=Judge(packed, {name: found for name, found in judged.items() if found}),
    )


def _stopping(names: Sequence[str]) -> list[str]:
    sets = {name.split("/")[0] for name in names}
    return [
        name
        for of in sorted(sets)
        for members in [[name for name in names if name.split("/")[0] == of]]
        if len(members) >= STOPPING_GROUPS
        for name in members[::STOPS]
    ]


def _groups(teach: dict[str, list[int]], shares: dict[str, float]) -> tuple[Group, ...]:
    return tuple(
        Group(name, tuple(clips), shares.get(name, OTHER_SHARE)) for name, clips in teach.items()
    )


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training, apart from its data."""

    bits: float | None = 16.0
    rendered: TrunkSettings = TrunkSettings(steps=8000)  # noqa: RUF009 - frozen
    mixed: TrunkSettings = TrunkSettings(steps=2000, rate=8e-4)  # noqa: RUF009 - frozen
    heads: HeadSettings = HeadSettings()  # noqa: RUF009 - frozen
    seeds: tuple[int, ...] = (1, 2, 3)


def pretrain(packed: Packed, to: Lesson, people: People, recipe: Recipe, folder: Path) -> Model:
    """Stage one on rendered people alone; every fold may start from it."""
    model = Model(_ratio(recipe.bits))
    return _stage(model, folder / "rendered.pt", packed, to.rendered, people, recipe.rendered, to)


def fine_tune(
    packed: Packed, to: Lesson, people: People, recipe: Recipe, start: Model, folder: Path
) -> Model:
    """Stage one goes on with rendered and real people."""
    model = model_of(state_of(start))
    return _stage(model, folder / "trunk.pt", packed, to.trunk, people, recipe.mixed, to)


def finish(
    embedded: Embedded, to: Lesson, recipe: Recipe, trunk: Model, folder: Path
) -> tuple[Model, list[tuple[int, float]]]:
    """Stage two with every seed -> the best by the judge, and (seed, score) of each."""
    scores, best = [], None
    for seed in recipe.seeds:
        path = folder / f"heads-{seed}.pt"
        model, score = _heads(embedded, to, recipe, trunk, seed, path)
        scores.append((seed, score))
        if best is None or score > max(found for _, found in scores[:-1]):
            best = model
    if best is None:
        raise TrainingError("no seed was given")
    return best, scores


def _heads(
    embedded: Embedded, to: Lesson, recipe: Recipe, trunk: Model, seed: int, path: Path
) -> tuple[Model, float]:
    if path.exists():
        state = torch.load(path, weights_only=True)
        return model_of(state["model"]), float(state["score"])
    model = Model(_ratio(recipe.bits))
    model.encoder.load_state_dict(trunk.encoder.state_dict())
    model.release.load_state_dict(trunk.release.state_dict())
    settings = replace(recipe.heads, seed=seed)
    history = train_heads(
        model, embedded, to.heads, settings, judge=to.judge, state_file=path.with_suffix(".run")
    )
    score = max(found for _, found in history)
    save_whole(path, {"model": state_of(model), "score": score})
    return model, score


def _stage(
    model: Model,
    path: Path,
    packed: Packed,
    groups: Sequence[Group],
    people: People,
    settings: TrunkSettings,
    to: Lesson,
) -> Model:
    if path.exists():
        return model_of(torch.load(path, weights_only=True))
    for one in groups:
        hours = sum(packed.clips[k].steps for k in one.clips) / RATE_HZ / 3600
        log.info("%s: %d clips, %.1f h, share %.2f", one.name, len(one.clips), hours, one.share)
    train_trunk(
        model, packed, groups, people, settings, judge=to.judge, state_file=path.with_suffix(".run")
    )
    save_whole(path, state_of(model))
    return model


def embedded_once(packed: Packed, trunk: Model, variants: int = VARIANTS) -> Embedded:
    """Stage two's input."""
    return embed_all(trunk.encoder, packed, variants)


def _ratio(bits: float | None) -> float:
    return noise_ratio(bits, Model(1.0).release.projection.out_features)


def told(
    model: Model, embedded: Embedded, to: Lesson, scores: Sequence[tuple[int, float]]
) -> list[str]:
    """A table for a terminal: AUC of every member on the clips that judge, and the seeds."""
    vectors = judged_vectors(embedded, to.judge)
    lines = [f"{'clips':10}{'member':>8}" + "".join(f"{kind:>10}" for kind in KINDS)]
    for member in MEMBERS:
        for name, areas in to.judge.areas(model, vectors, member).items():
            cells = (f"{areas[k]:>10.3f}" if k in areas else f"{'-':>10}" for k in KINDS)
            lines.append(f"{name:10}{member:>8}" + "".join(cells))
    seeds = ", ".join(f"{seed}: {score:.4f}" for seed, score in scores)
    return [*lines, f"mean AUC by seed: {seeds}"]
