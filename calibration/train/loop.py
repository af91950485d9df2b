# SPDX-License-Identifier: Apache-2.0
"""The loop of every training: progress, weight averaging, early stopping, resuming.

A run's state is one file, written whole beside its place and renamed: an interrupted run goes on
with the same numbers it would have drawn, because the random generators are part of the state.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

EMA = 0.998
WARM_UP = 0.05  # of the steps, for the learning rate
QUIET = 0.2  # of the steps, until the noise is at its full strength
FIRST_STRENGTH = 0.3
PROGRESS_EVERY_S = 15.0
SAVE_EVERY_S = 60.0
CHECKS = 10  # times that a run is judged on its way
GRADIENT_NORM = 1.0
PART = ".part"

log = logging.getLogger(__name__)

Step = Callable[[np.random.Generator, float], Tensor]
State = dict[str, Any]


class TrainingError(Exception):
    """A run cannot go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast. `wait`: so many checks without a better one end a run."""

    name: str
    steps: int
    rate: float
    seed: int
    weight_decay: float = 0.02
    wait: int = 4


def pace(step: int, steps: int) -> float:
    """Share of the learning rate: a short rise, then half a cosine down to nothing."""
    rise = max(1.0, WARM_UP * steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise)))


class Average:
    """Exponential moving average of several modules' weights."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._modules = modules
        self.shadow = [copy.deepcopy(m.state_dict()) for m in modules]
        self._updates = 0

    def update(self) -> None:
        """Take one step of the modules in."""
        self._updates += 1
        keep = min(EMA, self._updates / (self._updates + 10))  # a short run forgets its start too
        for module, shadow in zip(self._modules, self.shadow, strict=True):
            for name, value in module.state_dict().items():
                if value.dtype.is_floating_point:
                    shadow[name].lerp_(value, 1.0 - keep)
                else:
                    shadow[name].copy_(value)


class Run:
    """One training of `modules`, in place: they end as the best average that was met.

    `check` judges the averaged modules, larger is better; without it the last average is kept.
    """

    def __init__(self, plan: Plan, modules: Sequence[nn.Module], state_file: Path | None) -> None:
        self._plan, self._modules, self._file = plan, modules, state_file
        self._weights = [p for m in modules for p in m.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(
            self._weights, lr=plan.rate, weight_decay=plan.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: pace(step, plan.steps)
        )
        self._average = Average(modules)
        self._rng = np.random.default_rng(plan.seed)
        torch.manual_seed(plan.seed)
        self._done = 0
        self._best: tuple[float, int, list[dict[str, Tensor]]] | None = None
        self.history: list[tuple[int, float]] = []
        self._resume()

    def go(self, step: Step, check: Callable[[], float] | None = None) -> None:
        """Until the end, or until nothing has become better for a while."""
        plan, told, saved, running = self._plan, time.monotonic(), time.monotonic(), math.nan
        every = max(1, plan.steps // CHECKS)
        self._mode(training=True)
        while self._done < plan.steps and not self._is_stale():
            loss = self._step(step)
            running = loss if math.isnan(running) else 0.98 * running + 0.02 * loss
            now = time.monotonic()
            if now - told > PROGRESS_EVERY_S:
                told = now
                log.info("%s: step %d of %d, loss %.3f", plan.name, self._done, plan.steps, running)
            if check and (self._done % every == 0 or self._done == plan.steps):
                self._judge(check)
            if now - saved > SAVE_EVERY_S:
                saved = now
                self._save()
        self._finish()

    def _step(self, step: Step) -> float:
        strength = FIRST_STRENGTH + (1 - FIRST_STRENGTH) * self._done / (QUIET * self._plan.steps)
        loss = step(self._rng, min(1.0, strength))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"{self._plan.name}: the loss is {value} at step {self._done}; "
                f"train again with a lower rate or another seed"
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for module in self._modules:
            nn.utils.clip_grad_norm_(module.parameters(), GRADIENT_NORM)
        self._optimiser.step()
        self._schedule.step()
        self._average.update()
        self._done += 1
        return value

    def _judge(self, check: Callable[[], float]) -> None:
        live = [copy.deepcopy(m.state_dict()) for m in self._modules]
        self._load(self._average.shadow)
        self._mode(training=False)
        score = check()
        self._load(live)
        self._mode(training=True)
        self.history.append((self._done, score))
        if self._best is None or score > self._best[0]:
            self._best = score, len(self.history), copy.deepcopy(self._average.shadow)
        log.info(
            "%s: step %d of %d scores %.4f (best %.4f)",
            *(self._plan.name, self._done, self._plan.steps, score, self._best[0]),
        )

    def _is_stale(self) -> bool:
        if self._best is None or 2 * self._done < self._plan.steps:
            return False  # a fast learner's first half says little
        return len(self.history) - self._best[1] >= self._plan.wait

    def _finish(self) -> None:
        self._load(self._average.shadow if self._best is None else self._best[2])
        self._mode(training=False)
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _mode(self, *, training: bool) -> None:
        for module in self._modules:
            module.train(training)

    def _load(self, weights: Sequence[Mapping[str, Tensor]]) -> None:
        for module, state in zip(self._modules, weights, strict=True):
            module.load_state_dict(state)

    def _save(self) -> None:
        if self._file is None:
            return
        save_whole(
            self._file,
            {
                "plan": asdict(self._plan),
                "done": self._done,
                "modules": [m.state_dict() for m in self._modules],
                "shadow": self._average.shadow,
                "updates": self._average._updates,  # noqa: SLF001 - of the same file
                "optimiser": self._optimiser.state_dict(),
                "schedule": self._schedule.state_dict(),
                "numpy": self._rng.bit_generator.state,
                "torch": torch.get_rng_state(),
                "history": self.history,
                "best": self._best,
            },
        )

    def _resume(self) -> None:
        if self._file is None or not self._file.exists():
            return
        state: State = torch.load(self._file, weights_only=True)
        if state["plan"] != asdict(self._plan):
            raise TrainingError(
                f"{self._file} is of a run with other settings; delete it to begin anew"
            )
        self._load(state["modules"])
        self._average.shadow = state["shadow"]
        self._average._updates = state["updates"]  # noqa: SLF001 - of the same file
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._rng.bit_generator.state = state["numpy"]
        torch.set_rng_state(state["torch"])
        self._done, self.history, self._best = state["done"], state["history"], state["best"]
        log.info("%s: goes on at step %d", self._plan.name, self._done)


def save_whole(path: Path, content: object) -> None:
    """torch.save beside its place, then renamed: a file that is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    try:
        torch.save(content, part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise TrainingError(f"{path}: cannot be written: {error.strerror}") from error
