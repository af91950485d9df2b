# SPDX-License-Identifier: Apache-2.0
"""Tuning finds the threshold that separates, and pays for false alarms."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration import tune
from calibration.checksums import sha256
from calibration.data import Clip, Interval
from calibration.exits import Watched
from calibration.replay import START_US, Station, raise_alarms
from calibration.tune import (
    GRIDS,
    PRICES,
    Heard,
    best_setting,
    card_with,
    heard,
    is_quiet,
    rules,
    search,
    utility,
)
from cloud_bridge.card import KINDS, load_card
from cloud_bridge.windows import Span
from tests.calibration.tiny_exits import make_family

START_S = START_US / 1e6


def watched(label: str, seconds: int = 20, **behaviours: float) -> Heard:
    """A clip in which something is likely from second 5 to second 15, and unlikely before."""
    clip = Clip(Path("c"), "c", "s", "p", "r", (Interval(label, 5.0, 15.0),))
    times = START_S + np.arange(seconds * 2) / 2
    said = np.full((1, len(times), 4), 0.05, np.float32)
    said[..., KINDS.index("present")] = 1
    for kind, value in behaviours.items():
        said[0, 10:30, KINDS.index(kind)] = value
    spans = [Span(START_S, t, 20, 0, ("a/b",)) for t in times.tolist()]
    onsets = np.zeros(said.shape[:2], np.float32)
    return heard(Watched(clip, seconds * 10, seconds, spans, times, said, onsets), [])


def test_the_best_setting_finds_the_fight_and_spares_the_rest() -> None:
    clips = [watched("fight", fight=0.78), watched("walk", fight=0.55)]
    chosen = best_setting("fight", clips, PRICES)
    assert utility("fight", chosen, clips, PRICES) == 2.0


def test_control_a_lower_threshold_pays_for_its_false_alarms() -> None:
    clips = [watched("fight", fight=0.78), watched("walk", fight=0.55)]
    low = {"suspect": 0.3, "confirm": 0.5, "fight_hold_s": 0.5, "fight_excess_s": 0.5}
    free = dict.fromkeys(PRICES, 0.0)
    assert utility("fight", low, clips, PRICES) < 0
    assert utility("fight", low, clips, free) == 2.0


def test_an_alarm_because_of_somebody_in_bed_is_paid_for_though_it_is_no_fall() -> None:
    seconds = 60
    bed = watched("lie", seconds=seconds, down=0.9)
    setting = {axis: values[0] for axis, values in GRIDS["fall"].items()}
    patient = setting | {"suspect": 0.95, "down_suspect": 0.95}
    assert utility("fall", patient, [bed], PRICES) == 0
    only_down = setting | {"suspect": 0.95, "fall_from_down": 0.0}
    assert utility("fall", only_down, [bed], PRICES) == pytest.approx(
        -PRICES["suspected"] * tune.DAY_S / seconds
    )


def test_the_search_climbs_to_the_top_along_every_axis() -> None:
    grid = {"a": (1, 2, 3, 4, 5), "b": (10, 20, 30), "c": (0, 1)}
    found, value = search(grid, lambda s: -((s["a"] - 5) ** 2) - (s["b"] - 10 - 2 * s["a"]) ** 2)
    assert found == {"a": 5, "b": 20, "c": 1}
    assert value == 0


def test_a_climb_that_ends_on_a_plateau_is_not_the_last_word() -> None:
    grid = {"a": (0, 1, 2), "b": (0, 1, 2)}
    heights = {(0, 0): 1, (2, 2): 5}
    found, value = search(grid, lambda s: heights.get((s["a"], s["b"]), 0))
    assert (found, value) == ({"a": 2, "b": 2}, 5)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=20, max_size=60),
    st.sampled_from(["fall", "fight"]),
    st.randoms(use_true_random=False),
    st.floats(0.05, 1),
)
def test_what_is_called_quiet_raises_nothing(words, group, random, loudness) -> None:
    setting = {axis: random.choice(values) for axis, values in GRIDS[group].items()}
    times = START_S + np.arange(len(words)) / 2
    said = np.ones((1, len(words), 4), np.float32)
    said[0, :, 1:] = np.array(words) * loudness
    spans = [Span(START_S, t, 20, 0, ("a/b",)) for t in times.tolist()]
    clip = Clip(Path("c"), "c", "s", "p", "r", ())
    of = heard(Watched(clip, 1, 1.0, spans, times, said, np.zeros(said.shape[:2])), [])
    raised = {alarm.kind for alarm in raise_alarms(rules(group, setting), of.verdicts)}
    assert not (is_quiet(group, setting, of) and raised & set(tune.GROUPS[group]))


def test_control_not_everything_is_quiet() -> None:
    setting = {axis: values[0] for axis, values in GRIDS["fight"].items()}
    assert not is_quiet("fight", setting, watched("walk", fight=0.5))
    assert is_quiet("fight", setting, watched("walk", fight=0.15))


def test_the_card_that_is_written_is_one_that_the_bridge_reads(tmp_path: Path) -> None:
    make_family(tmp_path)
    fall = {
        "suspect": 0.3,
        "down_suspect": 0.4,
        "down_confirm": 0.6,
        "fall_from_down": 0.6,
        "fall_excess_s": 1.0,
    }
    fight = {"suspect": 0.5, "confirm": 0.7, "fight_hold_s": 1.0, "fight_excess_s": 1.0}
    path = tmp_path / "recogniser.json"
    path.write_text(json.dumps(card_with(json.loads(path.read_text()), fall, fight, [0.4, 1.0])))
    card = load_card(path)
    assert card.thresholds["down"].confirm == 0.6
    assert card.alarms["fall_from_down"] == 0.6
    assert [exit_.gate for exit_ in card.exits] == [0.4, 1.0, None]


def test_the_command_writes_card_and_sums_and_prints_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    make_family(models)
    (tmp_path / "labels.csv").write_text(
        "clip,set,subject,scene,label,start_s,end_s\n"
        + "".join(f"c{k}.npz,s,p{k},r{k},{'fall' if k % 2 else 'walk'},1,4\n" for k in range(4))
    )
    monkeypatch.setattr(Station, "embed", lambda *_: np.ones((50, 8), np.float32))
    monkeypatch.setattr("calibration.exits.TIMED", 10)
    monkeypatch.setattr("calibration.exits.GATES", (0.5, 1.0))
    parser = argparse.ArgumentParser()
    tune.add_arguments(parser)
    before = (models / "recogniser.json").read_text()
    words = ["--data", str(tmp_path), "--models", str(models), "--repeat", "1"]
    assert tune.run(parser.parse_args(words)) == 0
    card = load_card(models / "recogniser.json")
    assert (models / "recogniser.json").read_text() != before
    assert card.alarms["warm_up_vectors"] == tune.WARM_UP_VECTORS
    assert (
        f"{sha256(models / 'recogniser.json')}  recogniser.json"
        in (models / "SHA256SUMS").read_text().splitlines()
    )
    assert "gated" in capsys.readouterr().out
