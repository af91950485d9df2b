# SPDX-License-Identifier: Apache-2.0
"""The three trained parts, in PyTorch: encoder trunk, release layer, recogniser.

Letters: B windows, T time steps, D embedding size, K released size, Q kinds of behaviour.

The release layer is the differentiable twin of `kernels.reference`: the same projection, the same
clip to a ball, Gaussian noise of the same ratio sigma / C. Training sees the noise it will meet.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KINDS = ("present", "fall", "down", "fight")
PLANES = 3
EMBEDDING_DIM = 64
RELEASED_DIM = 12
RECOGNISER_WINDOW = 100  # time steps, 10 s
CHANNELS = (32, 64, 96)
DILATIONS = (1, 2, 4, 8, 16, 32)


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
        self.drop = nn.Dropout(0.2)
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
        u = self.projection(embedding)
        norm = torch.sqrt(u.square().sum(-1, keepdim=True) + 1e-9)
        return u / norm.clamp(min=1.0)

    def forward(self, embedding: Tensor, noise_ratio: float) -> Tensor:
        """noise_ratio = sigma / C."""
        v = self.clean(embedding)
        return v + noise_ratio * torch.randn_like(v)


class _Block(nn.Module):
    """Causal dilated convolution with a residual connection; x (B, C, T)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.pad = 2 * dilation
        self.conv = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(nn.functional.pad(x, (self.pad, 0))))
        return x + self.drop(self.mix(y))


class Recogniser(nn.Module):
    """window (B, T, K+1) -> logits (B, T, Q) per time step, causal.

    Row: z * sigma_0 / sigma^2 (precision-weighted, so coarse noise counts less), then the weight
    (sigma_0 / sigma)^2; a gap is a row of zeros.
    """

    def __init__(self, released: int = RELEASED_DIM, channels: int = 64) -> None:
        super().__init__()
        self.enter = nn.Conv1d(released + 1, channels, 1)
        self.blocks = nn.ModuleList(_Block(channels, d) for d in DILATIONS)
        self.leave = nn.Conv1d(channels, len(KINDS), 1)

    def forward(self, window: Tensor) -> Tensor:
        """(B, T, K+1) -> (B, T, Q)."""
        x = self.enter(window.transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.leave(torch.relu(x)).transpose(1, 2)
        return logits


def rows(z: Tensor, noise_ratio: float, weight: Tensor) -> Tensor:
    """z (B, T, K) in units of C, weight (B, T) in {0, 1} -> recogniser input (B, T, K+1)."""
    return torch.cat([z / noise_ratio * weight[..., None], weight[..., None]], dim=-1)


class LastStep(nn.Module):
    """What is exported: probabilities (B, Q) at the end of the window."""

    def __init__(self, recogniser: Recogniser) -> None:
        super().__init__()
        self.recogniser = recogniser

    def forward(self, window: Tensor) -> Tensor:
        """(B, T, K+1) -> (B, Q)."""
        return torch.sigmoid(self.recogniser(window)[:, -1])
