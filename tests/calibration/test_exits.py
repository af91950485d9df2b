# SPDX-License-Identifier: Apache-2.0
"""Gates in arithmetic are gates in the bridge; the cheapest that lose hardly anything are found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.data import Clip, Interval
from calibration.evaluate import shipped_models
from calibration.exits import (
    GATES,
    Comparison,
    Watched,
    cards,
    costs_ms,
    leave,
    macro_f1,
    only,
    table,
    watch,
)
from calibration.replay import START_US
from calibration.train.f1 import KINDS, Trials, summarise
from cloud_bridge.recogniser import Recogniser
from cloud_bridge.windows import Span
from tests.calibration.tiny_exits import SLOPES, make_family
from tests.calibration.tiny_models import RELEASED, STEPS

NAMES = list(SLOPES)
COSTS = [1.0, 3.0, 4.0]
RNG = np.random.default_rng


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_family(tmp_path_factory.mktemp("models"))


def windows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows that hold more and more vectors."""
    batch = np.zeros((count, 1, STEPS, RELEASED + 1), np.float32)
    for n, window in enumerate(batch):
        window[0, : round(STEPS * n / (count - 1)), -1] = 1
    return batch, np.zeros((count, 1), np.int64)


def said(card: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Behaviours (V, 4) and exits (V,) of these windows."""
    found = Recogniser(card).infer(*windows(count))
    return np.array([one.behaviours for one in found]), np.array([one.exit for one in found])


def test_windows_leave_where_the_bridge_lets_them_leave(models: Path, tmp_path: Path) -> None:
    each = [said(card, 21) for card in cards(models / "recogniser.json", tmp_path)]
    assert [set(exits) for _, exits in each] == [{0}, {1}, {2}]
    behaviours = np.stack([found for found, _ in each])
    card = json.loads((models / "recogniser.json").read_text())
    gates = [exit_["gate"] for exit_ in card["exits"][:-1]]
    wanted, exits = said(models / "recogniser.json", 21)
    assert set(exits) == {0, 1, 2}
    assert np.array_equal(leave(behaviours, gates), exits)
    assert np.allclose(behaviours[exits, np.arange(21)], wanted, atol=1e-6)
    assert not np.array_equal(leave(behaviours, [0.1, 0.1]), exits)  # control


def test_a_single_exit_has_no_gates() -> None:
    assert leave(np.zeros((1, 3, 4), np.float32), []).tolist() == [0, 0, 0]


def test_a_clip_is_watched_by_every_exit_under_the_same_noise(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calibration.replay import Station

    rng = RNG(0)
    monkeypatch.setattr(Station, "embed", lambda *_: rng.normal(size=(30, 8)).astype(np.float32))
    clip = Clip(tmp_path / "c", "c", "s", "p", "r", ())
    ((first, second),) = watch(shipped_models(models, None), [clip], draws=2)
    assert (first.steps, first.seconds) == (30, 3.0)
    assert first.behaviours.shape == (3, len(first.spans), 4)
    fall = first.behaviours[:, 1, 1]
    slopes = np.log(fall / (1 - fall)) / np.log(fall[0] / (1 - fall[0]))
    assert slopes == pytest.approx([1, 3, 15], rel=1e-3)  # one window, and each exit's own word
    assert first.time_s[0] == pytest.approx(START_US / 1e6)
    assert len(first.verdicts(leave(first.behaviours, only(1, 3)))) == len(first.spans)
    assert np.array_equal(first.behaviours, second.behaviours)  # these networks see no noise


def clip_of(k: int) -> Clip:
    """An even clip is a fight, an odd one is not."""
    label = "fight" if k % 2 == 0 else "walk"
    return Clip(Path(f"{k}"), f"{k}", "s", f"p{k}", f"r{k}", (Interval(label, 0.0, 20.0),))


def seen(k: int, behaviours: list[tuple[float, float, float]]) -> Watched:
    """`fight` by exits s, m, l, at seconds 0, 1, ... of a clip of 20 s."""
    table_ = np.full((3, len(behaviours), 4), 1e-4, np.float32)
    table_[..., 0] = 1
    table_[..., 3] = np.array(behaviours).T
    times = START_US / 1e6 + np.arange(len(behaviours))
    spans = [Span(t, t, 20, 0, ("a/b",)) for t in times.tolist()]
    return Watched(clip_of(k), 200, 20.0, spans, times, table_, np.zeros(table_.shape[:2]))


def watched(*, s_is_sure_when_wrong: bool) -> list[list[Watched]]:
    """The largest exit is always right, the smallest in three of four clips."""
    found = []
    for k in range(24):
        right = 0.99 if k % 2 == 0 else 0.01
        if k % 8 < 2:
            wrong = 1 - right if s_is_sure_when_wrong else (0.35 if k % 2 == 0 else 0.65)
            words = [(wrong, 0.9 if k % 2 == 0 else 0.1, right)] * 20
        else:
            words = [(right, right, right)] * 20
        found.append([seen(k, words)])
    return found


def test_who_is_unsure_goes_on_and_nothing_is_lost() -> None:
    comparison = Comparison(watched(s_is_sure_when_wrong=False), NAMES, COSTS)
    small, _, large = comparison.alone()
    gates, row = comparison.gates()
    assert small.f1 < 0.9
    assert row.f1 == large.f1 == 1.0
    assert row.shares == pytest.approx((0.75, 0.25, 0))
    assert row.cost_ms == pytest.approx(0.75 * 1 + 0.25 * 3)
    assert row.cost_ms < large.cost_ms / 2
    assert 0.3 < gates[0] <= 0.98
    assert all(gate in GATES for gate in gates)


def test_control_an_exit_that_is_sure_and_wrong_lets_nobody_leave() -> None:
    comparison = Comparison(watched(s_is_sure_when_wrong=True), NAMES, COSTS)
    gates, row = comparison.gates()
    assert gates[0] > 0.98
    assert row.shares[0] == 0
    assert row.f1 == 1.0


def test_the_score_is_that_of_the_reports() -> None:
    rng = RNG(1)
    kinds = 4
    trials = Trials(
        np.repeat(np.arange(20), 5),
        rng.random((100, kinds)) < 0.3,
        rng.random((100, kinds)) < 0.9,
        rng.random((3, 100, kinds)),
    )
    trials.true[:, 1] = False  # nothing to be found
    thresholds = dict(zip(KINDS, (0.5, 0.2, None, 0.7), strict=True))
    clips = [clip_of(k) for k in range(20)]
    assert macro_f1(trials, thresholds) == pytest.approx(summarise(trials, thresholds, clips)["f1"])


def test_the_table_has_a_line_for_every_exit() -> None:
    comparison = Comparison(watched(s_is_sure_when_wrong=False), NAMES, COSTS)
    rows = [*comparison.alone(), comparison.gates()[1]]
    lines = table(rows, NAMES).splitlines()
    assert [line.split()[0] for line in lines] == ["exit", "s", "m", "l", "gated"]
    assert lines[-1].split()[1:3] == ["1.500", "1.0000"]


def test_every_further_exit_costs_more(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calibration.exits.TIMED", 20)
    small, _, large = costs_ms(shipped_models(models, None))
    assert 0 < small < large
