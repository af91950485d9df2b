# SPDX-License-Identifier: Apache-2.0
"""Attackers that learn from released windows who is in them, and what that person is like.

Letters: W windows, T steps of one, K released size, P persons. `clean` is a window before its noise
in units of C. An attacker never sees it: whenever it looks, fresh noise is drawn, so it learns from
more releases of a moment than a device ever made.

Each attacker answers several questions at once with log-probabilities. Learning gives every
person, and every answer of every question, the same weight, whoever was filmed more often.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from calibration.train.networks import Adversary

BATCH = 256
STEPS, RATE = 800, 3e-3  # of the network
LINEAR_STEPS, LINEAR_RATE = 1600, 1e-2
CHECKS = 24  # of a training, on the windows that say when to stop
WAIT = 8  # so many without a better answer to any question end it
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
GALLERY_DRAWS = 4  # of every window's noise, to be neighbours
NEIGHBOURS = (1, 5, 20, 80, 320)
SMOOTH = 0.01  # of a vote, so that no answer is impossible
CHUNK = 512

Answers = Mapping[str, Tensor]  # question -> (W,) answers, or (W, answers) log-probabilities


@dataclass(frozen=True, slots=True)
class Windows:
    """clean (W, T, K) float32 and the true answers, question -> (W,) int64."""

    clean: Tensor
    answers: Answers

    def __len__(self) -> int:
        return len(self.clean)


@dataclass(frozen=True, slots=True)
class Course:
    """What an attacker is taught: windows to learn from, windows to stop by, the noise."""

    learn: Windows
    stop: Windows
    noise_ratio: float  # sigma / C
    questions: Mapping[str, int]  # -> how many answers

    def odds(self) -> Tensor:
        """(W,): how often each window to learn from is drawn: persons equally often."""
        return _equal(self.learn.answers["person"], self.questions["person"])

    def weights(self) -> dict[str, Tensor]:
        """Question -> (answers,): what makes its answers count equally, drawn with `odds`."""
        odds, found = self.odds(), {}
        for question, number in self.questions.items():
            share = torch.zeros(number).index_add_(0, self.learn.answers[question], odds)
            found[question] = 1 / (number * share.clamp(min=1e-9))
        return found


Attacker = Callable[[Tensor], dict[str, Tensor]]  # heard (B, T, K) -> (B, answers) by question
Teacher = Callable[[Course, torch.Generator], Attacker]


def heard(clean: Tensor, noise_ratio: float, random: torch.Generator) -> Tensor:
    """A release of each: fresh noise, which is as good as Gaussian at any sigma in use."""
    return clean + noise_ratio * torch.randn(clean.shape, generator=random)


def teach_network(course: Course, random: torch.Generator) -> Attacker:
    """The network that the encoder was trained against, begun anew."""
    sample = heard(course.learn.clean, course.noise_ratio, random)
    return _learnt(_Network(sample, course.questions), course, random, STEPS, RATE)


def teach_statistics(course: Course, random: torch.Generator) -> Attacker:
    """Logistic regression on each coordinate's mean, spread, quantiles and mean step."""
    sample = heard(course.learn.clean, course.noise_ratio, random)
    return _learnt(_Statistics(sample, course.questions), course, random, LINEAR_STEPS, LINEAR_RATE)


def teach_neighbours(course: Course, random: torch.Generator) -> Attacker:
    """Votes of the nearest windows by their mean; how many vote is chosen per question."""
    draws = [
        heard(course.learn.clean, course.noise_ratio, random).mean(1) for _ in range(GALLERY_DRAWS)
    ]
    gallery, weights = torch.cat(draws), course.weights()
    known = {q: a.repeat(GALLERY_DRAWS) for q, a in course.learn.answers.items()}
    scale = _Scale(gallery)
    place = scale(gallery)

    def votes(x: Tensor, voters: Mapping[str, int]) -> dict[str, Tensor]:
        far = torch.cdist(scale(x.mean(1)), place)
        nearest = far.topk(min(max(voters.values()), len(place)), largest=False).indices
        found = {}
        for question, k in voters.items():
            names = known[question][nearest[:, :k]]
            share = torch.zeros(len(x), course.questions[question])
            share.scatter_add_(1, names, weights[question][names])
            share = share / share.sum(1, keepdim=True)
            found[question] = torch.log((share + SMOOTH / share.shape[1]) / (1 + SMOOTH))
        return found

    trial = heard(course.stop.clean, course.noise_ratio, random)
    losses = {k: _losses(votes(trial, dict.fromkeys(known, k)), course) for k in NEIGHBOURS}
    best = {q: min(NEIGHBOURS, key=lambda k: losses[k][q]) for q in known}
    return lambda x: _chunked(x, lambda part: votes(part, best))


TEACHERS: dict[str, Teacher] = {
    "network": teach_network,
    "logistic regression": teach_statistics,
    "nearest neighbours": teach_neighbours,
}


def statistics(x: Tensor) -> Tensor:
    """(B, T, K) -> (B, 8 K), of every coordinate over the window."""
    steps = x.diff(dim=1).abs().mean(1) if x.shape[1] > 1 else torch.zeros_like(x[:, 0])
    ranks = [round(share * (x.shape[1] - 1)) for share in QUANTILES]
    quantiles = x.sort(1).values[:, ranks].flatten(1)
    return torch.cat([x.mean(1), x.std(1, correction=0), steps, quantiles], dim=-1)


class _Scale:
    """Zero mean and unit variance, as in the sample (M, F)."""

    def __init__(self, sample: Tensor) -> None:
        self._mean, self._std = sample.mean(0), sample.std(0).clamp(min=1e-6)

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self._mean) / self._std


class _Network(nn.Module):
    def __init__(self, sample: Tensor, questions: Mapping[str, int]) -> None:
        super().__init__()
        self.scale = _Scale(sample.flatten(0, 1))
        self.net = Adversary(questions, sample.shape[-1])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(B, T, K) -> logits by question."""
        found: dict[str, Tensor] = self.net(self.scale(x))
        return found


class _Statistics(nn.Module):
    def __init__(self, sample: Tensor, questions: Mapping[str, int]) -> None:
        super().__init__()
        features = statistics(sample)
        self.scale = _Scale(features)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(features.shape[-1], n) for name, n in questions.items()}
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(B, T, K) -> logits by question."""
        told = self.scale(statistics(x))
        return {name: head(told) for name, head in self.heads.items()}


def _learnt(
    module: nn.Module, course: Course, random: torch.Generator, steps: int, rate: float
) -> Attacker:
    """Cross-entropy on fresh noise; each question is answered by the state that does so best."""
    weights, odds = course.weights(), course.odds()
    trial = heard(course.stop.clean, course.noise_ratio, random)
    optimiser = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps)
    best, waited = dict.fromkeys(course.questions, math.inf), 0
    kept: dict[str, nn.Module] = {}
    for step in range(1, steps + 1):
        chosen = torch.multinomial(odds, BATCH, replacement=True, generator=random)
        told = _told(module, heard(course.learn.clean[chosen], course.noise_ratio, random))
        loss = torch.zeros(())
        for question, log_p in told.items():
            true = course.learn.answers[question][chosen]
            loss = loss + (_wrong(log_p, true) * weights[question][true]).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % (steps // CHECKS) == 0:
            losses = _losses(_chunked(trial, lambda x: _told(module, x)), course)
            better = [question for question in best if losses[question] < best[question]]
            waited = 0 if better else waited + 1
            if better:
                kept |= dict.fromkeys(better, copy.deepcopy(module))
                best |= {question: losses[question] for question in better}
            if waited == WAIT:
                break
    return lambda x: _chunked(x, lambda part: {q: _told(one, part)[q] for q, one in kept.items()})


def _told(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
    return {question: torch.log_softmax(z, -1) for question, z in module(x).items()}


def _losses(told: Answers, course: Course) -> dict[str, float]:
    """Question -> loss on `stop`, every answer weighing the same, 1 for a fair guess."""
    found = {}
    for question, log_p in told.items():
        true, number = course.stop.answers[question], course.questions[question]
        loss = (_wrong(log_p, true) * _equal(true, number)).sum()
        found[question] = float(loss) / math.log(max(2, number))
    return found


def _equal(answers: Tensor, number: int) -> Tensor:
    """(W,) weights that sum to 1, every answer that occurs as much as any other."""
    counts = torch.bincount(answers, minlength=number).clamp(min=1)
    weights = 1 / counts[answers].to(torch.float32)
    return weights / weights.sum()


def _wrong(log_p: Tensor, true: Tensor) -> Tensor:
    return -log_p.gather(1, true[:, None])[:, 0]


def _chunked(x: Tensor, answer: Attacker) -> dict[str, Tensor]:
    with torch.no_grad():
        parts = [answer(part) for part in x.split(CHUNK)]
    return {question: torch.cat([part[question] for part in parts]) for question in parts[0]}
