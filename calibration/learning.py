# SPDX-License-Identifier: Apache-2.0
"""Train the trunk under noise, then the release's projection and the recogniser on long windows.

Two stages, because they see different lengths of time. Stage one learns from pixels over short
windows, end to end through the noise. Stage two freezes the trunk, watches every clip once in a
few augmented variants, and learns projection and recogniser over windows as long as the bridge's,
where a time step costs a small part of one of pixels. Weights are averaged over steps (EMA).

Letters: B windows, T time steps, D embedding size, Q kinds.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from calibration.footage import Footage
from calibration.networks import RECOGNISER_WINDOW, Encoder, Recogniser, Release, rows

EMA = 0.995
# Of the windows in stage two that begin with their stream. Half of the two-second clips are fights;
# without young windows of every other kind a stream that has just begun would look like one.
YOUNG_SHARE = 0.6
WARM_UP = 0.05  # of the steps, for the learning rate
QUIET = 0.25  # of the steps, until the noise is at its full strength
PROGRESS_EVERY_S = 15.0
SHIFT_PIXELS = 6.0
SCALE_MEAN = -0.15  # of the logarithm: people across a room are smaller than most clips show
SCALE_SPREAD = 0.25
GAIN_SPREAD = 0.25
EMBED_BATCH = 256
# Per kind: falls are rare in time, and presence is easy and must not use up the norm.
POSITIVE_WEIGHT = (1.0, 4.0, 2.0, 1.5)
KIND_WEIGHT = (0.2, 1.0, 1.0, 1.0)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run. `noise_ratio` is sigma / C."""

    noise_ratio: float
    trunk_steps: int = 1500
    trunk_windows: int = 30
    trunk_length: int = 16
    trunk_rate: float = 2e-3
    head_steps: int = 500
    head_windows: int = 48
    head_rate: float = 1e-3
    weight_decay: float = 0.02
    seed: int = 1


@dataclass(slots=True)
class Model:
    """The three parts that are trained together."""

    encoder: Encoder = field(default_factory=Encoder)
    release: Release = field(default_factory=Release)
    recogniser: Recogniser = field(default_factory=Recogniser)

    def parts(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """Encoder, release, recogniser."""
        return self.encoder, self.release, self.recogniser

    def state(self) -> list[dict[str, Tensor]]:
        """A copy of all weights."""
        return [copy.deepcopy(part.state_dict()) for part in self.parts()]

    def load(self, state: Sequence[dict[str, Tensor]]) -> None:
        """Take over weights that `state` gave."""
        for part, weights in zip(self.parts(), state, strict=True):
            part.load_state_dict(weights)


# One group of clips and its share of every batch.
Groups = Sequence[tuple[Sequence[Footage], float]]


class _Average:
    """Exponential moving average of several modules' weights."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._modules = modules
        self._shadow = [copy.deepcopy(m.state_dict()) for m in modules]
        self._updates = 0

    def update(self) -> None:
        self._updates += 1
        keep = min(EMA, self._updates / (self._updates + 10))  # a short run forgets its start too
        for module, shadow in zip(self._modules, self._shadow, strict=True):
            for name, value in module.state_dict().items():
                if value.dtype.is_floating_point:
                    shadow[name].lerp_(value, 1.0 - keep)
                else:
                    shadow[name].copy_(value)

    def apply(self) -> None:
        for module, shadow in zip(self._modules, self._shadow, strict=True):
            module.load_state_dict(shadow)


def augment(planes: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """(T, 3, 64, 80) -> the same shape: mirrored, moved, scaled, other contrast; one draw per call.

    Motion and its history share one gain, because one is made from the other.
    """
    h, w = planes.shape[-2:]
    scale = math.exp(rng.normal(SCALE_MEAN, SCALE_SPREAD))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    dx, dy = rng.uniform(-SHIFT_PIXELS, SHIFT_PIXELS, 2)
    a, b = scale * mirror, scale
    move = np.array([[a, 0, (1 - a) * w / 2 + dx], [0, b, (1 - b) * h / 2 + dy]])
    motion, shape = np.exp(rng.normal(0.0, GAIN_SPREAD, 2))
    gains = np.array([motion, motion, shape], np.float32)
    out = np.empty_like(planes)
    for frame, target in zip(planes, out, strict=True):
        moved = cv2.warpAffine(np.ascontiguousarray(frame.transpose(1, 2, 0)), move, (w, h))
        target[:] = np.minimum(moved * gains, 255.0).transpose(2, 0, 1)
    return out


def _pick(groups: Groups, rng: np.random.Generator) -> Footage:
    shares = np.array([share for _, share in groups])
    clips = groups[int(rng.choice(len(groups), p=shares / shares.sum()))][0]
    return clips[int(rng.integers(len(clips)))]


def _cut(steps: int, length: int, rng: np.random.Generator) -> tuple[int, int]:
    """First step and number of steps of a window inside a clip of `steps`."""
    if steps <= length:
        return 0, steps
    return int(rng.integers(0, steps - length + 1)), length


@dataclass(frozen=True, slots=True)
class _Batch:
    """x (B, T, ...), truth and known (B, T, Q), weight (B, T): 0 before a short clip begins."""

    x: Tensor
    truth: Tensor
    known: Tensor
    weight: Tensor


def _trunk_batch(groups: Groups, recipe: Recipe, rng: np.random.Generator) -> _Batch:
    shape = (recipe.trunk_windows, recipe.trunk_length)
    first = groups[0][0][0]
    x = np.zeros((*shape, *first.planes.shape[1:]), np.uint8)
    truth = np.zeros((*shape, first.truth.shape[1]), np.float32)
    known, weight = np.zeros_like(truth), np.zeros(shape, np.float32)
    for b in range(shape[0]):
        clip = _pick(groups, rng)
        start, n = _cut(len(clip.planes), shape[1], rng)
        x[b, -n:] = augment(clip.planes[start : start + n], rng)
        truth[b, -n:], known[b, -n:] = clip.truth[start : start + n], clip.known[start : start + n]
        weight[b, -n:] = 1
    return _Batch(*(torch.from_numpy(a) for a in (x, truth, known, weight)))


def _loss(logits: Tensor, batch: _Batch) -> Tensor:
    loss = nn.functional.binary_cross_entropy_with_logits(
        logits, batch.truth, reduction="none", pos_weight=torch.tensor(POSITIVE_WEIGHT)
    )
    share = batch.known * torch.tensor(KIND_WEIGHT)
    return (loss * share).sum() / share.sum().clamp(min=1.0)


def train_trunk(
    model: Model,
    groups: Groups,
    recipe: Recipe,
    check: Callable[[int], None] | None = None,
) -> None:
    """Stage one, in place. `check(step)` is called about every tenth of the steps."""

    def step(rng: np.random.Generator, strength: float) -> Tensor:
        batch = _trunk_batch(groups, recipe, rng)
        planes = batch.x.flatten(0, 1).float().contiguous(memory_format=torch.channels_last)
        embedding = model.encoder(planes).unflatten(0, batch.weight.shape)
        ratio = recipe.noise_ratio * strength
        z = model.release(embedding, ratio)
        return _loss(model.recogniser(rows(z, recipe.noise_ratio, batch.weight)), batch)

    _optimise(model.parts(), step, recipe.trunk_steps, recipe.trunk_rate, recipe, check)


def _optimise(
    modules: Sequence[nn.Module],
    step: Callable[[np.random.Generator, float], Tensor],
    steps: int,
    rate: float,
    recipe: Recipe,
    check: Callable[[int], None] | None = None,
) -> None:
    rng = np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)
    weights = [p for m in modules for p in m.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=WARM_UP)
    average = _Average(modules)
    said, running = time.monotonic(), 0.0
    for module in modules:
        module.train()
    for number in range(steps):
        loss = step(rng, min(1.0, 0.2 + 0.8 * number / (QUIET * steps)))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        schedule.step()
        average.update()
        running = 0.98 * running + 0.02 * float(loss.detach()) if number else float(loss.detach())
        if time.monotonic() - said > PROGRESS_EVERY_S:
            said = time.monotonic()
            log.info("step %d of %d, loss %.3f", number + 1, steps, running)
        if check and (number + 1) % max(1, steps // 10) == 0:
            check(number + 1)
    average.apply()
    for module in modules:
        module.eval()


@dataclass(frozen=True, slots=True)
class Watched:
    """A clip after the frozen trunk: variants of its embeddings, (V, N, D) float32.

    Variant 0 is the clip as it is.
    """

    footage: Footage
    embedding: npt.NDArray[np.float32]


def embed(encoder: Encoder, planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """planes (N, 3, 64, 80) -> embeddings (N, D)."""
    encoder.eval()
    with torch.inference_mode():
        parts = [
            encoder(
                torch.from_numpy(planes[i : i + EMBED_BATCH])
                .float()
                .contiguous(memory_format=torch.channels_last)
            )
            for i in range(0, len(planes), EMBED_BATCH)
        ]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)


def watch_all(
    encoder: Encoder, footage: Sequence[Footage], variants: int, seed: int = 2
) -> list[Watched]:
    """Embed every clip as it is and in `variants` - 1 augmented forms."""
    rng = np.random.default_rng(seed)
    watched = []
    for item in footage:
        views = [item.planes, *(augment(item.planes, rng) for _ in range(variants - 1))]
        watched.append(Watched(item, np.stack([embed(encoder, v) for v in views])))
    return watched


WatchedGroups = Sequence[tuple[Sequence[Watched], float]]


def _head_batch(groups: WatchedGroups, recipe: Recipe, rng: np.random.Generator) -> _Batch:
    shape = (recipe.head_windows, RECOGNISER_WINDOW)
    first = groups[0][0][0]
    x = np.zeros((*shape, first.embedding.shape[2]), np.float32)
    truth = np.zeros((*shape, first.footage.truth.shape[1]), np.float32)
    known, weight = np.zeros_like(truth), np.zeros(shape, np.float32)
    shares = np.array([share for _, share in groups])
    for b in range(shape[0]):
        clips = groups[int(rng.choice(len(groups), p=shares / shares.sum()))][0]
        clip = clips[int(rng.integers(len(clips)))]
        start, n = _cut(len(clip.footage.planes), shape[1], rng)
        n = max(1, int(n * rng.random() ** 3)) if rng.random() < YOUNG_SHARE else n
        at = slice(start, start + n)
        x[b, -n:] = clip.embedding[int(rng.integers(len(clip.embedding))), at]
        truth[b, -n:], known[b, -n:] = clip.footage.truth[at], clip.footage.known[at]
        weight[b, -n:] = 1
    return _Batch(*(torch.from_numpy(a) for a in (x, truth, known, weight)))


def train_head(model: Model, groups: WatchedGroups, recipe: Recipe) -> None:
    """Stage two, in place: projection and recogniser on the frozen trunk's embeddings."""

    def step(rng: np.random.Generator, strength: float) -> Tensor:
        batch = _head_batch(groups, recipe, rng)
        z = model.release(batch.x, recipe.noise_ratio * strength)
        return _loss(model.recogniser(rows(z, recipe.noise_ratio, batch.weight)), batch)

    parts = (model.release, model.recogniser)
    _optimise(parts, step, recipe.head_steps, recipe.head_rate, recipe)


def probabilities(
    model: Model, embedding: npt.NDArray[np.float32], noise_ratio: float, draws: int, seed: int = 3
) -> npt.NDArray[np.float32]:
    """embedding (N, D) -> probability per draw of the noise and time step, (draws, N, Q)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        v = model.release.clean(torch.from_numpy(embedding)).expand(draws, -1, -1)
        z = v + noise_ratio * torch.randn(v.shape, generator=generator)
        weight = torch.ones(z.shape[:2])
        logits = model.recogniser(rows(z, noise_ratio, weight))
    return np.asarray(torch.sigmoid(logits).numpy(), dtype=np.float32)
