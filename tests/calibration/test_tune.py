# SPDX-License-Identifier: Apache-2.0
"""Tuning finds the threshold that separates, and pays for false alarms."""

from pathlib import Path

import numpy as np
import pytest

from calibration.data import Clip, Interval
from calibration.outcomes import KINDS
from calibration.replay import START_US, Verdict
from calibration.tune import Watched, best, card_with, settings, utility
from cloud_bridge.card import KINDS as PROBABILITIES
from cloud_bridge.card import load_card
from cloud_bridge.recogniser import Judgement
from cloud_bridge.windows import Span

FIGHT = next(kind for kind in KINDS if kind.name == "fight")


def watched(label: str, fight: float, seconds: int = 20) -> Watched:
    """A clip in which `fight` has one probability from second 5 to second 15."""
    clip = Clip(Path("c"), "c", "s", "p", "r", (Interval(label, 5.0, 15.0),))
    start = START_US / 1e6
    verdicts = []
    for step in range(seconds * 2):
        t = step / 2
        row = np.zeros(4, np.float32)
        row[PROBABILITIES.index("present")] = 1.0
        row[PROBABILITIES.index("fight")] = fight if 5 <= t < 15 else 0.05
        judgement = Judgement(row, np.zeros(1), np.zeros(1), onset_s=0.0, unusual=0.0, exit=0)
        verdicts.append(Verdict(start + t, judgement, Span(start, start + t, 20, 0, ("a/b",))))
    return Watched(clip, seconds, verdicts)


def test_the_best_setting_finds_the_fight_and_spares_the_rest() -> None:
    clips = [watched("fight", 0.75), watched("walk", 0.55)]
    chosen = best("fight", clips)
    assert 0.55 < chosen["suspect"] <= 0.75
    assert utility(FIGHT, chosen, clips) == 2.0


def test_control_a_lower_threshold_pays_for_its_false_alarms() -> None:
    clips = [watched("fight", 0.75), watched("walk", 0.55)]
    low = {"suspect": 0.3, "confirm": 0.5, "fight_hold_s": 0.5, "fight_excess_s": 0.5}
    assert utility(FIGHT, low, clips) < utility(FIGHT, best("fight", clips), clips) - 0.1


def test_the_grid_is_walked_whole() -> None:
    assert len({tuple(setting.values()) for setting in settings("fight")}) == 6 * 4 * 3 * 2


def test_the_card_that_is_written_is_one_that_the_bridge_reads(tmp_path: Path) -> None:
    import json

    shipped = Path(__file__).parents[2] / "models" / "recogniser.json"
    if not shipped.exists():
        pytest.skip("no models in this checkout")
    fall = {
        "suspect": 0.3,
        "down_suspect": 0.4,
        "down_confirm": 0.6,
        "fall_from_down": 0.6,
        "fall_excess_s": 1.0,
    }
    fight = {"suspect": 0.5, "confirm": 0.7, "fight_hold_s": 1.0, "fight_excess_s": 1.0}
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card_with(json.loads(shipped.read_text()), fall, fight)))
    card = load_card(path)
    assert card.thresholds["down"].confirm == 0.6
    assert card.alarms["fall_from_down"] == 0.6
