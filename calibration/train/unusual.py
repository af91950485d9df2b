# SPDX-License-Identifier: Apache-2.0
"""How far a moment is from normal life: one number from 0 to 1, for what nobody ever labelled.

Letters: S time steps, C channels. A member's features of normal life, the steps of training clips
without a fall, somebody down or a fight, have a mean and a covariance; what lies far from them, in
Mahalanobis' sense, is unusual (the detector of Lee et al. 2018, arXiv 1807.03888, with one class).

The distance becomes its rank among normal steps that the covariance has not seen, in straight
lines between a few quantiles: 0.99 then says that one normal step in a hundred is as far, whatever
the law of the distances. A sigmoid of the logarithm, the other candidate, has two numbers for the
whole law, and is wrong just in the tail that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

LEVELS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)  # of the rank, where lines meet
LEAST_STEPS = 500  # of normal life, on either side

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


class UnusualError(ValueError):
    """There is too little normal life to say what is unusual."""


class Unusual(nn.Module):
    """features (..., C) -> (...) in 0..1.

    mean (C,); whiten (C, C), which makes the covariance of normal life the identity; knots
    (len(LEVELS),), the distances that have the ranks LEVELS.
    """

    def __init__(self, mean: F64, whiten: F64, knots: F64) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("whiten", whiten), ("knots", knots)):
            self.register_buffer(name, torch.from_numpy(values.astype(np.float32)))
        self.register_buffer("levels", torch.tensor(LEVELS))

    def distance(self, features: Tensor) -> Tensor:
        """(..., C) -> (...), Mahalanobis."""
        apart = (features - self.mean) @ self.whiten.T
        return torch.sqrt(apart.square().sum(-1))

    def forward(self, features: Tensor) -> Tensor:
        """(..., C) -> (...): the share of normal steps that are nearer."""
        low, high = self.knots[:-1], self.knots[1:]
        climbed = ((self.distance(features)[..., None] - low) / (high - low)).clamp(0, 1)
        return (climbed * (self.levels[1:] - self.levels[:-1])).sum(-1)


@dataclass(frozen=True, slots=True)
class NormalLife:
    """Features of normal steps, each (S, C): what the covariance is of, and what ranks it."""

    fit: F32
    held: F32


def fit_unusual(life: NormalLife) -> Unusual:
    """Raises UnusualError if there are fewer than LEAST_STEPS steps of either kind."""
    least = min(len(life.fit), len(life.held))
    if least < LEAST_STEPS:
        raise UnusualError(f"{least} steps of normal life; at least {LEAST_STEPS} are wanted")
    mean = life.fit.astype(np.float64).mean(axis=0)
    factor = np.linalg.cholesky(shrunk_covariance(life.fit.astype(np.float64) - mean))
    found = Unusual(mean, np.linalg.inv(factor), np.zeros(len(LEVELS)))
    with torch.inference_mode():
        distances = found.distance(torch.from_numpy(life.held)).numpy().astype(np.float64)
    knots = np.quantile(distances, LEVELS)
    least_rise = 1e-6 * max(knots[-1], 1.0)  # where many steps are equally far
    knots += least_rise * np.arange(len(knots))
    return Unusual(mean, np.linalg.inv(factor), knots)


def shrunk_covariance(centred: F64) -> F64:
    """(S, C) of zero mean -> (C, C), positive definite.

    The sample covariance, drawn towards the multiple of the identity that has its trace, as far as
    the fourth moments say that it is noise: Ledoit and Wolf 2004, "A well-conditioned estimator for
    large-dimensional covariance matrices", J. Multivariate Analysis 88, lemma 3.4. LayerNorm's
    features have no variance in one direction, so without it there is no inverse.
    """
    steps, channels = centred.shape
    sample = centred.T @ centred / steps
    scale = np.trace(sample) / channels
    target = scale * np.eye(channels)
    spread = np.square(sample - target).sum()
    fourth = np.square(np.square(centred).sum(axis=1)).sum()
    noise = min((fourth / steps - np.square(sample).sum()) / steps, spread)
    weight = noise / spread if spread > 0 else 1.0
    return np.asarray(weight * target + (1 - weight) * sample)
