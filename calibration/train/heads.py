# SPDX-License-Identifier: Apache-2.0
"""Stage two: projection and family on the frozen encoder, over windows as long as the bridge's.

Every clip is embedded once as it is and once for each further variant, augmented as a whole. A step
of embeddings costs a thousandth of one of pixels, so the family sees every clip many times, under
ever new noise, losses and companies of cameras.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from calibration.train.augment import augment
from calibration.train.batches import Embedded, Group, Streams
from calibration.train.family import WINDOW, rows
from calibration.train.judge import F32, Judge, embed
from calibration.train.loop import Plan, Run
from calibration.train.networks import Encoder
from calibration.train.objective import family_loss
from calibration.train.packed import Packed
from calibration.train.trunk import Model

WINDOWS = 24  # of a step
LAST = "l"
PROGRESS_EVERY_S = 15.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """How projection and family are trained."""

    steps: int = 3000
    rate: float = 1e-3
    seed: int = 1


def embed_all(encoder: Encoder, packed: Packed, variants: int, seed: int = 2) -> Embedded:
    """The whole set in `variants` forms, (V, F, D) float16, with a line of progress."""
    rng, frames = np.random.default_rng(seed), len(packed.planes)
    dim = encoder.out.out_features
    found = np.zeros((variants, frames, dim), np.float16)
    said, done = time.monotonic(), 0
    for clip in packed.clips:
        span = slice(clip.start, clip.start + clip.steps)
        for v in range(variants):
            planes = packed.planes[span]
            found[v, span] = embed(encoder, augment(planes, rng) if v else planes)
        done += clip.steps
        if time.monotonic() - said > PROGRESS_EVERY_S:
            said = time.monotonic()
            log.info("embedded %d of %d frames", done, frames)
    return Embedded(packed, found)


def train_heads(
    model: Model,
    embedded: Embedded,
    groups: Sequence[Group],
    settings: HeadSettings,
    *,
    judge: Judge | None = None,
    state_file: Path | None = None,
) -> list[tuple[int, float]]:
    """In place: release and family -> what the judge said on the way, (step, score)."""
    streams = Streams(embedded, groups, WINDOW)

    def step(rng: np.random.Generator, strength: float) -> Tensor:
        batch = streams.batch(rng, WINDOWS)
        clean = model.release.clean(batch.embedding)
        window = received(clean, batch.weight, model.noise_ratio, strength)
        modality = torch.zeros(window.shape[:2], dtype=torch.long)
        return family_loss(model.family(window, modality), batch.truth)

    plan = Plan("heads", settings.steps, settings.rate, settings.seed)
    run = Run(plan, (model.release, model.family), state_file)
    vectors = None if judge is None else judged_vectors(embedded, judge)
    run.go(
        step,
        None
        if judge is None or vectors is None
        else lambda: judge.of_embeddings(model, vectors, LAST),
    )
    return run.history


def received(clean: Tensor, weight: Tensor, noise_ratio: float, strength: float = 1.0) -> Tensor:
    """Clean vectors (..., K) and weights (...) -> rows (..., K+1) as the bridge would hold them.

    A weight below 1 is that of a vector with more noise: its standard deviation is larger by the
    weight's inverse root.
    """
    ratio = noise_ratio * strength / torch.sqrt(weight.clamp(min=1e-3))
    z = clean + ratio[..., None] * torch.randn_like(clean)
    return rows(z, noise_ratio, weight)


def judged_vectors(embedded: Embedded, judge: Judge) -> Mapping[int, F32]:
    """Embeddings of the clips that judge, by index."""
    clips = {clip for clips in judge.groups.values() for clip in clips}
    return {clip: embedded.of(embedded.packed.clips[clip]) for clip in clips}
