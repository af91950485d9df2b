# SPDX-License-Identifier: Apache-2.0
"""Stage one: the encoder, end to end through the noise, on short windows, against an adversary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from calibration.train.batches import EVERY, Draw, Group, PixelBatch, pixel_batch
from calibration.train.family import ANSWERS, Family, rows, split
from calibration.train.judge import Judge
from calibration.train.loop import Plan, Run
from calibration.train.networks import Adversary, Coach, Encoder, Opposed, Release, clipped, noisy
from calibration.train.objective import COACH_WEIGHT, adversary_loss, overshoot, task_loss
from calibration.train.packed import Packed
from calibration.train.people import People

WINDOWS, LENGTH = 48, 30  # of a step: 480 frames
FIRST = "s"  # the member that sees no more than such a window
# The adversary reads vectors whose noise is so much weaker: as if a visit's worth were averaged.
ADVERSARY_NOISE = 0.25


@dataclass(slots=True)
class Model:
    """Everything that is trained; the adversary is not shipped."""

    noise_ratio: float
    encoder: Encoder = field(default_factory=Encoder)
    release: Release = field(default_factory=Release)
    family: Family = field(init=False)

    def __post_init__(self) -> None:
        self.family = Family(scale=min(1.0, self.noise_ratio))

    def parts(self) -> tuple[nn.Module, ...]:
        """Encoder, release, family."""
        return self.encoder, self.release, self.family


@dataclass(frozen=True, slots=True)
class TrunkSettings:
    """How the trunk is trained; `against` is the weight of the adversary's reversed gradient."""

    steps: int = 3000
    rate: float = 2e-3
    against: float = 0.3
    seed: int = 1


def train_trunk(
    model: Model,
    packed: Packed,
    groups: Sequence[Group],
    people: People,
    settings: TrunkSettings,
    *,
    judge: Judge | None = None,
    state_file: Path | None = None,
) -> list[tuple[int, float]]:
    """In place -> what the judge said on the way, (step, score)."""
    draw = Draw(packed, groups)
    adversary, coach = Adversary(people.tasks), Coach(ANSWERS)

    def step(rng: np.random.Generator, strength: float) -> Tensor:
        batch = pixel_batch(packed, draw, rng, WINDOWS, LENGTH)
        embedding = embedded(model.encoder, batch)
        coached = task_loss(split(coach(embedding)), batch.truth.every(EVERY))
        projected = model.release.projection(embedding.repeat_interleave(EVERY, dim=1))
        clean, betrayed = Opposed.apply(clipped(projected), settings.against * strength)
        ratio = model.noise_ratio
        window = rows(noisy(clean, ratio * strength), ratio, batch.weight)[:, None]
        modality = torch.zeros(window.shape[:2], dtype=torch.long)
        _, heads = model.family(window, modality, FIRST)[FIRST]
        heard = noisy(betrayed, ADVERSARY_NOISE * ratio) * batch.weight[..., None]
        guesses = adversary_loss(adversary(heard), people.answers(batch.persons))
        task = task_loss(heads, batch.truth) + COACH_WEIGHT * coached
        return task + overshoot(projected) + guesses

    plan = Plan("trunk", settings.steps, settings.rate, settings.seed)
    run = Run(plan, (*model.parts(), adversary, coach), state_file)
    run.go(step, None if judge is None else lambda: judge.of_pixels(model, FIRST))
    return run.history


def embedded(encoder: Encoder, batch: PixelBatch) -> Tensor:
    """-> (B, T / EVERY, D)."""
    planes = batch.planes.flatten(0, 1).float().contiguous(memory_format=torch.channels_last)
    found: Tensor = encoder(planes).unflatten(0, batch.planes.shape[:2])
    return found


def state_of(model: Model) -> Mapping[str, object]:
    """What is saved of a model; `model_of` makes it again."""
    return {
        "noise_ratio": model.noise_ratio,
        "parts": [part.state_dict() for part in model.parts()],
    }


def model_of(state: Mapping[str, object]) -> Model:
    """The model that `state_of` described."""
    ratio, parts = state["noise_ratio"], state["parts"]
    if not isinstance(ratio, float) or not isinstance(parts, list):
        raise TypeError("not the state of a model")
    model = Model(ratio)
    for part, weights in zip(model.parts(), parts, strict=True):
        part.load_state_dict(weights)
    return model
