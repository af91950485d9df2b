# SPDX-License-Identifier: Apache-2.0
"""What is trained before the recogniser: encoder trunk, release layer, and their adversary.

Letters: B windows, T time steps, D embedding size, K released size.

The release layer is the differentiable twin of `kernels.reference`: the same projection, the same
clip to a ball, Gaussian noise of the same ratio sigma / C. Training sees the noise it will meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

PLANES = 3
EMBEDDING_DIM = 64
RELEASED_DIM = 12
CHANNELS = (32, 64, 96)
ADVERSARY_WIDTH, COACH_WIDTH = 96, 64


def _conv(inputs: int, outputs: int, stride: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Encoder(nn.Module):
    """planes (N, 3, 64, 80) in 0..255 -> embedding (N, D), every coordinate in (-1, 1)."""

    def __init__(self, dim: int = EMBEDDING_DIM) -> None:
        super().__init__()
        a, b, c = CHANNELS
        self.stem = nn.Sequential(_conv(PLANES, a, 4, kernel=6), _conv(a, b, 2))
        self.body = _conv(b, b, 1)
        self.deep = nn.Sequential(_conv(b, c, 2), _conv(c, c, 1))
        self.squeeze = nn.Sequential(nn.Conv2d(c, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(24 * 4 * 5, dim)

    def forward(self, planes: Tensor) -> Tensor:
        """(N, 3, 64, 80) -> (N, D)."""
        x = self.stem(planes * (1.0 / 255.0))
        x = x + self.body(x)
        x = self.squeeze(self.deep(x))
        embedding: Tensor = torch.tanh(self.out(self.drop(x.flatten(1))))
        return embedding


class Release(nn.Module):
    """embedding (..., D) -> noisy vector in units of C (..., K): project, clip, add noise.

    u = P e;  v = u / max(||u||, 1);  z = v + (sigma / C) g  (design of `kernels.reference`).
    """

    def __init__(self, dim: int = EMBEDDING_DIM, released: int = RELEASED_DIM) -> None:
        super().__init__()
        self.projection = nn.Linear(dim, released, bias=False)

    def clean(self, embedding: Tensor) -> Tensor:
        """The clipped vector before noise, norm at most 1."""
        return clipped(self.projection(embedding))

    def forward(self, embedding: Tensor, noise_ratio: float) -> Tensor:
        """noise_ratio = sigma / C."""
        return noisy(self.clean(embedding), noise_ratio)


def clipped(projected: Tensor) -> Tensor:
    """(..., K) -> (..., K), into the ball of radius 1."""
    norm = torch.sqrt(projected.square().sum(-1, keepdim=True) + 1e-9)
    return projected / norm.clamp(min=1.0)


def noisy(clean: Tensor, noise_ratio: float) -> Tensor:
    """What is released of a clean vector: (..., K) -> (..., K)."""
    return clean + noise_ratio * torch.randn_like(clean)


class Coach(nn.Module):
    """Answers from single embeddings without noise: (B, T, D) -> (B, T, answers). Not shipped.

    Through the noise a single frame hardly says what was right about it; the coach tells sooner.
    """

    def __init__(self, answers: int, dim: int = EMBEDDING_DIM) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, COACH_WIDTH), nn.ReLU())
        self.leave = nn.Linear(COACH_WIDTH, answers)

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, answers), as logits."""
        found: Tensor = self.leave(self.layers(embedding))
        return found


class Opposed(torch.autograd.Function):
    """One tensor for two readers: what serves the first is learned, what serves the second undone.

    Backward, the second's gradient is turned round (Ganin and Lempitsky 2015, section 3) and
    scaled to `strength` times the norm of the first's: an adversary that guesses badly, or one with
    more questions, weighs no more than another.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - torch's own
        """(...) -> the same, twice."""
        ctx.strength = strength
        return x.clone(), x.clone()

    @staticmethod
    def backward(ctx: Any, serves: Tensor, betrays: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - torch's own
        """The gradient of both -> that of x."""
        scale = ctx.strength * serves.norm() / betrays.norm().clamp(min=1e-12)
        return serves - scale * betrays, None


class Adversary(nn.Module):
    """Guesses who and what somebody is from a window of vectors, as well as it can.

    `tasks` says how many answers each question has.
    """

    def __init__(self, tasks: Mapping[str, int], released: int = RELEASED_DIM) -> None:
        super().__init__()
        width = ADVERSARY_WIDTH
        self.body = nn.Sequential(
            nn.Conv1d(released, width, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, padding=2),
            nn.ReLU(),
        )
        self.mix = nn.Linear(2 * width, width)
        self.heads = nn.ModuleDict({name: nn.Linear(width, n) for name, n in tasks.items()})

    def forward(self, vectors: Tensor) -> dict[str, Tensor]:
        """vectors (B, T, K) -> logits (B, answers) by task."""
        x = self.body(vectors.transpose(1, 2))
        pooled = torch.cat([x.mean(-1), x.amax(-1)], dim=-1)
        found = torch.relu(self.mix(pooled))
        return {name: head(found) for name, head in self.heads.items()}
