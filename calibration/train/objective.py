# SPDX-License-Identifier: Apache-2.0
"""The objective: what is minimised, term by term; docs/privacy.md says why.

An information bottleneck in three parts. The task's loss asks for what a room's keeper must know,
from what the noise lets through. The release's clip and noise are the bottleneck itself, a hard cap
and no term: no weight can be traded against it. Of what still passes, the adversary's reversed loss
takes away what tells who somebody is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from calibration.train.family import Heads
from calibration.train.targets import KINDS, ONSET_MAX_S

# Per kind: falls are rare in time, and presence is easy and must not use up the norm.
POSITIVE_WEIGHT = {"present": 1.0, "fall": 4.0, "down": 2.0, "fight": 2.0}
KIND_WEIGHT = {"present": 0.3, "fall": 1.0, "down": 1.0, "fight": 1.0}
POSTURES_WEIGHT, COUNT_WEIGHT, ONSET_WEIGHT = 0.3, 0.1, 0.2
MEMBER_WEIGHT = {"s": 0.5, "m": 0.7, "l": 1.0}
ALIGNMENT_WEIGHT = 0.1
COACH_WEIGHT = 0.5
OVERSHOOT_WEIGHT = 0.01
ADVERSARY_WEIGHT = {"person": 1.0, "sex": 0.5, "build": 0.5, "clothing": 0.5}


@dataclass(frozen=True, slots=True)
class Truth:
    """Targets of a batch as tensors, (B, T, ...); see `targets.Targets`. `known` is a weight."""

    behaviours: Tensor
    known: Tensor
    postures: Tensor
    postures_known: Tensor
    count: Tensor
    count_known: Tensor
    onset: Tensor  # NaN where nothing began lately

    def every(self, steps: int) -> Truth:
        """Of the middle one of each `steps` steps."""
        return Truth(*(getattr(self, f.name)[:, steps // 2 :: steps] for f in fields(self)))


def task_loss(heads: Heads, truth: Truth) -> Tensor:
    """Everything that one member is asked, weighted."""
    found = behaviours_loss(heads.behaviours, truth)
    found = found + POSTURES_WEIGHT * _mean(
        nn.functional.binary_cross_entropy_with_logits(
            heads.postures, truth.postures, reduction="none"
        ),
        truth.postures_known,
    )
    count = nn.functional.cross_entropy(
        heads.count.flatten(0, 1), truth.count.flatten(), reduction="none"
    )
    found = found + COUNT_WEIGHT * _mean(count, truth.count_known.flatten())
    dated = torch.isfinite(truth.onset)
    share = torch.nan_to_num(truth.onset) / ONSET_MAX_S
    late = nn.functional.smooth_l1_loss(
        torch.sigmoid(heads.onset), share, reduction="none", beta=0.05
    )
    return found + ONSET_WEIGHT * _mean(late, dated.to(late.dtype))


def behaviours_loss(logits: Tensor, truth: Truth) -> Tensor:
    """Weighted cross-entropy of each kind by itself, (B, T, 4) -> scalar."""
    weight = torch.tensor([POSITIVE_WEIGHT[kind] for kind in KINDS])
    loss = nn.functional.binary_cross_entropy_with_logits(
        logits, truth.behaviours, reduction="none", pos_weight=weight
    )
    share = truth.known * torch.tensor([KIND_WEIGHT[kind] for kind in KINDS])
    return (loss * share).sum() / share.sum().clamp(min=1.0)


def family_loss(found: Mapping[str, tuple[Tensor, Heads]], truth: Truth) -> Tensor:
    """The joint loss of all members, and what keeps their features alike."""
    total = torch.zeros(())
    for name, (_, heads) in found.items():
        total = total + MEMBER_WEIGHT[name] * task_loss(heads, truth)
    return total + ALIGNMENT_WEIGHT * alignment({name: f for name, (f, _) in found.items()}, truth)


def alignment(features: Mapping[str, Tensor], truth: Truth) -> Tensor:
    """How far each smaller member's features (B, T, C) are from the largest one's: 1 - cosine.

    The largest teaches: no gradient goes to it from here.
    """
    *smaller, largest = features.values()
    weight = (truth.known.sum(-1) > 0).to(largest.dtype)
    total = torch.zeros(())
    for one in smaller:
        apart = 1 - nn.functional.cosine_similarity(one, largest.detach(), dim=-1)
        total = total + _mean(apart, weight)
    return total


def adversary_loss(logits: Mapping[str, Tensor], answers: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of every question; an answer of -1 is not known and not asked."""
    total = torch.zeros(())
    for task, guess in logits.items():
        known = answers[task] >= 0
        if bool(known.any()):
            loss = nn.functional.cross_entropy(guess[known], answers[task][known])
            total = total + ADVERSARY_WEIGHT[task] * loss
    return total


def overshoot(projected: Tensor) -> Tensor:
    """(..., K) -> how far beyond the ball vectors are before they are clipped.

    Only the direction survives out there, and the further out, the slower it learns.
    """
    beyond = torch.relu(projected.norm(dim=-1) - 1)
    return OVERSHOOT_WEIGHT * beyond.square().mean()


def _mean(loss: Tensor, weight: Tensor) -> Tensor:
    return (loss * weight).sum() / weight.sum().clamp(min=1.0)
