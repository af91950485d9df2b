# SPDX-License-Identifier: Apache-2.0
"""How good a model is on clips it does not learn from, in the float twin; for early stopping.

What is published of a model comes from the deployed path (`lethe-calibrate evaluate`). Here the
same noise is drawn in floating point from a fixed seed, which is quick and repeats.

A stretch of 2 s is one trial of each kind: positive if the kind is true in any step of it, negative
if it is known to be false in all; its score is the largest probability of its steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from calibration.metrics import auc
from calibration.train.family import Family, rows
from calibration.train.networks import Release, noisy
from calibration.train.packed import Packed
from calibration.train.targets import KINDS

if TYPE_CHECKING:
    from calibration.train.trunk import Model

STRETCH = 20  # steps, 2 s
DRAWS = 2  # of the noise
EMBED_BATCH = 256
SEED = 5

F32 = npt.NDArray[np.float32]


def embed(encoder: nn.Module, planes: npt.NDArray[np.uint8]) -> F32:
    """planes (N, 3, 64, 80) -> embeddings (N, D)."""
    encoder.eval()
    with torch.inference_mode():
        parts = [
            encoder(
                torch.from_numpy(np.array(planes[i : i + EMBED_BATCH]))
                .float()
                .contiguous(memory_format=torch.channels_last)
            )
            for i in range(0, len(planes), EMBED_BATCH)
        ]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)


def probabilities(
    release: Release, family: Family, embedding: F32, noise_ratio: float, member: str
) -> F32:
    """One clip's embeddings (N, D) -> (DRAWS, N, 4) from the global generator's noise."""
    with torch.inference_mode():
        clean = release.clean(torch.from_numpy(embedding)).expand(DRAWS, -1, -1)
        window = rows(noisy(clean, noise_ratio), noise_ratio, torch.ones(clean.shape[:2]))
        modality = torch.zeros((DRAWS, 1), dtype=torch.long)
        _, heads = family(window[:, None], modality, member)[member]
    return np.asarray(torch.sigmoid(heads.behaviours).numpy(), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Judge:
    """Groups of clips, by index in a packed set, on which a model is judged."""

    packed: Packed
    groups: Mapping[str, Sequence[int]]

    def of_pixels(self, model: Model, member: str) -> float:
        """The mean over groups of the mean AUC over kinds, from planes on."""
        found = {
            clip: embed(model.encoder, self.packed.planes[first : first + steps])
            for clip, first, steps in self._clips()
        }
        return self.of_embeddings(model, found, member)

    def of_embeddings(self, model: Model, embedding: Mapping[int, F32], member: str) -> float:
        """The same for embeddings by clip."""
        areas = self.areas(model, embedding, member).values()
        return float(np.mean([np.mean(list(of_kinds.values())) for of_kinds in areas if of_kinds]))

    def areas(
        self, model: Model, embedding: Mapping[int, F32], member: str
    ) -> dict[str, dict[str, float]]:
        """AUC of every kind in every group; a kind that is always or never true is left out."""
        state = torch.get_rng_state()
        torch.manual_seed(SEED)
        found = {}
        for name, clips in self.groups.items():
            trials: dict[str, list[tuple[float, bool]]] = {kind: [] for kind in KINDS}
            for clip in clips:
                scores = probabilities(
                    model.release, model.family, embedding[clip], model.noise_ratio, member
                )
                self._add(trials, clip, scores)
            found[name] = _areas(trials)
        torch.set_rng_state(state)
        return found

    def _clips(self) -> Iterator[tuple[int, int, int]]:
        for clip in sorted({clip for clips in self.groups.values() for clip in clips}):
            packed = self.packed.clips[clip]
            yield clip, packed.start, packed.steps

    def _add(self, trials: dict[str, list[tuple[float, bool]]], clip: int, scores: F32) -> None:
        packed, targets = self.packed.clips[clip], self.packed.targets
        for start in range(0, packed.steps - STRETCH // 2, STRETCH):
            at = slice(packed.start + start, packed.start + min(start + STRETCH, packed.steps))
            for k, kind in enumerate(KINDS):
                known = targets.known[at, k] > 0
                true = bool((targets.behaviours[at, k][known] > 0).any())
                if true or known.all():
                    peaks = scores[:, start : start + STRETCH, k].max(axis=1)
                    trials[kind] += [(float(peak), true) for peak in peaks]


def _areas(trials: Mapping[str, Sequence[tuple[float, bool]]]) -> dict[str, float]:
    found = {}
    for kind, listed in trials.items():
        area = auc([score for score, _ in listed], [true for _, true in listed])
        if area is not None:
            found[kind] = area
    return found
