# SPDX-License-Identifier: Apache-2.0
"""The family: one causal temporal trunk over noisy vectors, with exits at three depths.

Letters: B windows, N sensors of a room, T time steps, K released size, C channels.

A row of a window is one vector, divided by its noise's variance so that coarse noise counts less,
then the weight of that noise, 0 for a gap: the trunk knows sigma and gaps from its input. Every
sensor's rows get the embeddings of its place and its modality, pass the same first layer, and are
added, each through a gate of its own: independent evidence adds, and who is missing adds nothing.

Each member goes on where the smaller one stops, all have the same channels, and a loss aligns their
features (`objective.alignment`), so any of them can be followed by the same heads. Members see
3, 9 and 25 seconds of the past.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from calibration.train.networks import RELEASED_DIM
from calibration.train.targets import COUNTS, KINDS, ONSET_MAX_S, POSTURES

WINDOW = 256  # time steps, 25.6 s
SENSORS_MAX = 4
MODALITIES = ("camera", "sound", "radar", "other")
WIDTH = 64
ANSWERS = len(KINDS) + len(POSTURES) + COUNTS + 1  # outputs of all heads
NEAR = 5  # steps that a sensor is followed for by itself
MEMBERS = {"s": (1, 2, 4, 8), "m": (16, 4, 8), "l": (32, 16, 32)}  # dilations of its blocks


@dataclass(frozen=True, slots=True)
class Heads:
    """What one member says at every time step, as logits.

    behaviours (B, T, 4), postures (B, T, 7), count (B, T, 5), onset (B, T) as a share of
    ONSET_MAX_S before the step, before the sigmoid.
    """

    behaviours: Tensor
    postures: Tensor
    count: Tensor
    onset: Tensor


def split(answers: Tensor) -> Heads:
    """(B, T, ANSWERS) -> by head."""
    parts = answers.split((len(KINDS), len(POSTURES), COUNTS, 1), dim=-1)
    behaviours, postures, count, onset = parts
    return Heads(behaviours, postures, count, onset.squeeze(-1))


class Block(nn.Module):
    """Causal dilated convolution with a residual connection; x (B, C, T)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.pad = 2 * dilation
        self.conv = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        y = torch.relu(self.conv(nn.functional.pad(x, (self.pad, 0))))
        return x + self.drop(self.mix(y))


class Entrance(nn.Module):
    """window (B, N, T, K+1), modality (B, N) -> (B, C, T): every sensor's evidence, added.

    `scale` keeps rows small where there is hardly any noise to divide by: the smaller of 1 and
    sigma / C of the profile that the family is trained for.
    """

    def __init__(self, released: int, channels: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.rows = nn.Linear(released + 1, channels)
        self.place = nn.Embedding(SENSORS_MAX, channels)
        self.modality = nn.Embedding(len(MODALITIES), channels)
        self.conv = nn.Conv1d(channels, channels, NEAR)
        self.gate = nn.Conv1d(channels, channels, 1)

    def forward(self, window: Tensor, modality: Tensor) -> Tensor:
        """(B, N, T, K+1), (B, N) -> (B, C, T)."""
        vectors, weight = window[..., :-1] * self.scale, window[..., -1:]
        places = self.place.weight[: window.shape[1]] + self.modality(modality)
        told = self.rows(torch.cat([vectors, weight], dim=-1)) + places[:, :, None]
        seen = (weight > 0).to(window.dtype)
        x = self._near(torch.relu(told) * seen)
        x = torch.relu(self.conv(x)) * nn.functional.max_pool1d(self._near(seen), NEAR, 1)
        x = x * torch.sigmoid(self.gate(x))
        return x.unflatten(0, window.shape[:2]).sum(1)

    @staticmethod
    def _near(x: Tensor) -> Tensor:
        """(B, N, T, C) -> (B N, C, T + NEAR - 1): with nothing before the first step."""
        return nn.functional.pad(x.flatten(0, 1).transpose(1, 2), (NEAR - 1, 0))


class Member(nn.Module):
    """One exit: blocks, then heads on normalised features."""

    def __init__(self, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(channels, d) for d in dilations))
        self.norm = nn.LayerNorm(channels)
        self.leave = nn.Linear(channels, ANSWERS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        found: Tensor = self.blocks(x)
        return found

    def features(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, T, C), of zero mean and unit variance over C."""
        found: Tensor = self.norm(x.transpose(1, 2))
        return found

    def heads(self, features: Tensor) -> Heads:
        """(B, T, C) -> everything it says."""
        return split(self.leave(torch.relu(features)))


class Family(nn.Module):
    """All members, one after the other."""

    def __init__(
        self, released: int = RELEASED_DIM, channels: int = WIDTH, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.entrance = Entrance(released, channels, scale)
        self.members = nn.ModuleDict({name: Member(channels, d) for name, d in MEMBERS.items()})

    def forward(
        self, window: Tensor, modality: Tensor, upto: str = "l"
    ) -> dict[str, tuple[Tensor, Heads]]:
        """(B, N, T, K+1), (B, N) -> features (B, T, C) and heads of every member up to `upto`."""
        x = self.entrance(window, modality)
        found = {}
        for name, member in self.members.items():
            x = member(x)
            features = member.features(x)
            found[name] = features, member.heads(features)
            if name == upto:
                break
        return found


def rows(z: Tensor, noise_ratio: float, weight: Tensor) -> Tensor:
    """z (..., K) in units of C, weight (...) 1 or 0 -> rows (..., K+1) as the bridge makes them."""
    return torch.cat([z / noise_ratio * weight[..., None], weight[..., None]], dim=-1)


def onset_s(heads: Heads) -> Tensor:
    """(B, T) seconds before each step at which the latest fall or fight began."""
    return ONSET_MAX_S * torch.sigmoid(heads.onset)
