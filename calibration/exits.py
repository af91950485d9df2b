# SPDX-License-Identifier: Apache-2.0
"""What each exit of the family costs and knows, and from which certainty on a window may leave.

Letters: E exits, smallest first; V windows of a clip that the bridge would judge; R draws of the
noise. Every window is judged by every exit once; what gates would make of it is then arithmetic.
An exit's cost is that of its network and of all smaller ones before it.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from calibration.data import Clip
from calibration.replay import START_US, Models, Station, Verdict
from calibration.train.f1 import (
    Thresholds,
    Trials,
    best_thresholds,
    together,
    told,
    verdict_peaks,
)
from cloud_bridge.recogniser import GATED, Judgement, Recogniser
from cloud_bridge.windows import Span

MAX_LOSS = 0.01  # of macro-F1, against the largest exit
# Certainties |2p - 1| that are tried; the last lets only those leave of whom there is no doubt.
GATES = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999, 1.0)
STRICTEST = GATES[-1]
ROUNDS, TIMED = 10, 30

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Watched:
    """One clip under one draw of the noise, as every exit sees it.

    spans (V); time_s (V,) unix s; behaviours (E, V, 4) of KINDS; onset_s (E, V), NaN where the
    family has no head for it.
    """

    clip: Clip
    steps: int
    seconds: float
    spans: Sequence[Span]
    time_s: F64
    behaviours: F32
    onset_s: F32

    def verdicts(self, leaves: Ints) -> list[Verdict]:
        """leaves (V,): the exit of each window. What it says beside behaviours is left out."""
        nothing = np.zeros(0, np.float32)
        told = zip(self.time_s.tolist(), leaves.tolist(), self.spans, strict=True)
        found = []
        for v, (time_s, exit_, span) in enumerate(told):
            onset = float(self.onset_s[exit_, v])
            known = None if math.isnan(onset) else onset
            judgement = Judgement(self.behaviours[exit_, v], nothing, nothing, known, None, exit_)
            found.append(Verdict(time_s, judgement, span))
        return found

    def said(self, leaves: Ints) -> F32:
        """(V, 4): behaviours of each window by the exit at which it leaves."""
        found: F32 = self.behaviours[leaves, np.arange(len(leaves))]
        return found


def leave(behaviours: F32, gates: Sequence[float]) -> Ints:
    """behaviours (E, V, 4), E - 1 gates -> (V,): where each window leaves, as the bridge does."""
    sure = np.abs(2 * behaviours[:-1][..., GATED] - 1).min(axis=-1) >= np.array(gates)[:, None]
    stays = np.ones((1, behaviours.shape[1]), np.bool_)
    return np.asarray(np.concatenate([sure, stays]).argmax(axis=0))


def only(exit_: int, count: int) -> list[float]:
    """Gates with which every window leaves at one of `count` exits."""
    return [0.0 if k == exit_ else math.inf for k in range(count - 1)]


# ---- watching ------------------------------------------------------------------------------------


def watch(models: Models, clips: Sequence[Clip], draws: int) -> Iterator[list[Watched]]:
    """Every clip through the deployed path, `draws` times from the release on, to every exit."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory()))
        stations = [
            opened.enter_context(closing(Station(replace(models, card=card))))
            for card in cards(models.card, folder)
        ]
        for clip in clips:
            yield list(_watch(stations, clip, draws))


def _watch(stations: Sequence[Station], clip: Clip, draws: int) -> Iterator[Watched]:
    embeddings = stations[-1].embed(clip.path)
    for _ in range(draws):
        vectors = stations[-1].release(embeddings)
        words = [station.verdicts(vectors) for station in stations]
        yield Watched(
            clip,
            len(embeddings),
            len(embeddings) / stations[-1].profile.rate_hz,
            [one.span for one in words[-1]],
            np.array([one.time_s for one in words[-1]]),
            np.array([[one.judgement.behaviours for one in of] for of in words], np.float32),
            np.array([[one.judgement.onset_s for one in of] for of in words], np.float32),
        )


def cards(card: Path, folder: Path) -> list[Path]:
    """Write for each exit a card with which (all but) every window leaves there.

    In `folder`, one folder each, with links to the networks: a card's networks lie beside it.
    """
    entry = json.loads(card.read_text(encoding="utf-8"))
    paths = []
    for k, exit_ in enumerate(entry["exits"]):
        own = folder / exit_["name"]
        own.mkdir()
        kept = [one | {"gate": STRICTEST} for one in entry["exits"][:k]]
        kept.append({key: value for key, value in exit_.items() if key != "gate"})
        for one in kept:
            (own / one["network"]).symlink_to((card.parent / one["network"]).resolve())
        paths.append(own / card.name)
        paths[-1].write_text(json.dumps(entry | {"exits": kept}), encoding="utf-8")
    return paths


# ---- cost ----------------------------------------------------------------------------------------


def costs_ms(models: Models) -> list[float]:
    """Milliseconds of one CPU thread for one window of one sensor, if it leaves at each exit.

    Each window is all alone, as a quiet bridge would get it. The exits take turns, TIMED windows
    each; of the medians of ROUNDS turns the fastest counts, and of time only the process' own:
    other work on the machine should cost nothing.
    """
    with TemporaryDirectory() as folder:
        recognisers = [Recogniser(path) for path in cards(models.card, Path(folder))]
    card = recognisers[-1].card
    window = np.random.default_rng(0).normal(size=(1, 1, card.window, card.released_dim + 1))
    window[..., -1] = 1
    batch, modality = window.astype(np.float32), np.zeros((1, 1), np.int64)
    times = np.zeros((ROUNDS, len(recognisers), TIMED))
    for turn in times:
        for recogniser, row in zip(recognisers, turn, strict=True):
            for n in range(TIMED):
                begun = time.process_time()
                recogniser.infer(batch, modality)
                row[n] = time.process_time() - begun
    return [1e3 * float(fastest) for fastest in np.median(times, axis=2).min(axis=0)]


# ---- knowledge -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what some gates make of the family."""

    name: str
    cost_ms: float  # a window, on average
    f1: float
    shares: tuple[float, ...]  # of windows that leave at each exit


class Comparison:
    """All exits on the same windows, compared by macro-F1 at the largest exit's own thresholds.

    watched: for each clip its draws.
    """

    def __init__(
        self, watched: Sequence[Sequence[Watched]], names: Sequence[str], costs: Sequence[float]
    ) -> None:
        self._watched, self._names, self._costs = watched, names, costs
        self._answers = [told(draws[0].clip, draws[0].steps) for draws in watched]
        self._windows = np.concatenate(
            [one.behaviours for draws in watched for one in draws], axis=1
        )
        largest = self._trials(only(len(names) - 1, len(names)))
        self._thresholds: Thresholds = best_thresholds(largest)

    def row(self, name: str, gates: Sequence[float]) -> Row:
        """What these gates cost and know."""
        f1 = macro_f1(self._trials(gates), self._thresholds)
        return Row(name, self._cost(gates), f1, self._shares(gates))

    def alone(self) -> list[Row]:
        """Every exit, if all windows leave there."""
        count = len(self._names)
        return [self.row(name, only(k, count)) for k, name in enumerate(self._names)]

    def gates(self) -> tuple[list[float], Row]:
        """The cheapest gates that lose at most MAX_LOSS; the strictest, if none does."""
        count = len(self._names)
        wanted = self.row("", only(count - 1, count)).f1 - MAX_LOSS
        tried = [list(gates) for gates in itertools.product(GATES, repeat=count - 1)]
        rows = ((gates, self.row("gated", gates)) for gates in sorted(tried, key=self._cost))
        strictest = [STRICTEST] * (count - 1)
        found = next((pair for pair in rows if pair[1].f1 >= wanted), None)
        return found or (strictest, self.row("gated", strictest))

    def _cost(self, gates: Sequence[float]) -> float:
        return sum(s * ms for s, ms in zip(self._shares(gates), self._costs, strict=True))

    def _shares(self, gates: Sequence[float]) -> tuple[float, ...]:
        left = np.bincount(leave(self._windows, gates), minlength=len(self._names))
        return tuple((left / max(1, left.sum())).tolist())

    def _trials(self, gates: Sequence[float]) -> Trials:
        return together(
            [
                replace(answers, scores=np.stack([_scores(one, gates) for one in draws]))
                for answers, draws in zip(self._answers, self._watched, strict=True)
            ]
        )


def _scores(one: Watched, gates: Sequence[float]) -> F64:
    """(S, 4): of every stretch of 2 s of a clip."""
    said = one.said(leave(one.behaviours, gates))
    return verdict_peaks((one.time_s - START_US / 1e6).tolist(), said, one.steps)


def macro_f1(trials: Trials, thresholds: Thresholds) -> float:
    """The value of `f1.summarise` without its interval: the mean over draws and kinds."""
    found = []
    for k, threshold in enumerate(thresholds.values()):
        true, scores = trials.true[trials.asked[:, k], k], trials.scores[:, trials.asked[:, k], k]
        if threshold is not None and true.any():
            said = scores >= threshold
            hits, wrong = (said & true).sum(axis=1), (said != true).sum(axis=1)
            found.append(float((2 * hits / (2 * hits + wrong)).mean()))
    return float(np.mean(found)) if found else 0.0


def table(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Cost against accuracy, for a terminal."""
    shares = "".join(f"{'at ' + name:>8}" for name in names)
    lines = [f"{'exit':8}{'ms':>8}{'macro-F1':>10}{shares}"]
    for row in rows:
        cells = "".join(f"{share:8.3f}" for share in row.shares)
        lines.append(f"{row.name:8}{row.cost_ms:8.3f}{row.f1:10.4f}{cells}")
    return "\n".join(lines)
