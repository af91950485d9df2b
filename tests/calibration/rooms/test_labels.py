# SPDX-License-Identifier: Apache-2.0
"""Labels say what a camera could see of what happened, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.rooms import labels
from calibration.rooms.errors import NoFit
from calibration.rooms.track import Act, Event, Moment, Posture, Track, excerpt
from tests.calibration.rooms.tiny_people import tiny_body
from tests.calibration.rooms.tiny_stage import tiny_room

STEPS = 100


def track(posture: np.ndarray, *acts: Act) -> Track:
    turns = np.tile(np.array([1, 0, 0, 0], np.float32), (len(posture), 16, 1))
    root = np.zeros((len(posture), 3), np.float32)
    return Track(tiny_body(), turns, root, posture.astype(np.uint8), acts)


def fallen() -> Moment:
    """Away for 2 s, walks for 2, falls at 4 s, gets up at 9."""
    posture = np.full(STEPS, Posture.DOWN)
    posture[:20], posture[20:40] = Posture.ABSENT, Posture.WALK
    posture[40:50], posture[90:] = Posture.FALLING, Posture.GETUP
    one = track(posture, Act("walk", 20, 45), Act("getup", 90, 100))
    gains = np.ones((STEPS, 2), np.float32)
    return Moment(tiny_room(), (one,), {}, gains, (Event("fall", (0,), 40, 50, 90, "trip"),))


def seen(many: int) -> np.ndarray:
    pixels = np.full((STEPS, 1), many, np.uint16)
    pixels[:20] = 0
    return pixels


def named(rows: tuple[labels.Row, ...]) -> dict[str, tuple[float, float]]:
    return {row.label: (row.start_s, row.end_s) for row in rows}


def test_a_fall_has_onset_and_impact_and_acts_end_with_it() -> None:
    rows = labels.rows(fallen(), seen(500))
    fall = next(row for row in rows if row.label == "fall")
    assert (fall.onset_s, fall.impact_s, fall.end_s, fall.how) == (4.0, 5.0, 9.0, "trip")
    assert named(rows)["walk"] == (2.0, 4.0)
    assert named(rows)["empty"] == (0.0, 2.0)
    assert "hidden" not in named(rows)


def test_an_event_that_is_not_seen_makes_no_recording() -> None:
    pixels = seen(500)
    pixels[52:] = 30
    with pytest.raises(NoFit, match="visible in"):
        labels.rows(fallen(), pixels)


def test_who_is_hardly_seen_is_hidden() -> None:
    pixels = seen(500)
    pixels[60:70] = 40
    assert named(labels.rows(fallen(), pixels))["hidden"] == (6.0, 7.0)


def test_somebody_behind_something_is_neither_there_nor_away() -> None:
    pixels = seen(500)
    pixels[20:30] = 0
    rows = labels.rows(fallen(), pixels)
    assert named(rows)["empty"] == (0.0, 3.0)
    assert named(rows)["hidden"] == (2.0, 3.0)


def test_an_excerpt_keeps_what_it_shows() -> None:
    moment = fallen()
    part = excerpt(moment.tracks[0], 30, 95)
    assert len(part.turns) == 65
    assert [(act.label, act.start, act.end) for act in part.acts] == [
        ("walk", 0, 15),
        ("getup", 60, 65),
    ]
    event = moment.events[0].later(-30, 65)
    assert (event.onset, event.impact, event.end) == (10, 20, 60)


def test_spans_are_runs() -> None:
    true = np.array([1, 1, 0, 0, 1, 0, 1], bool)
    assert list(labels.spans(true)) == [(0, 2), (4, 5), (6, 7)]
    assert list(labels.spans(np.zeros(3, bool))) == []
