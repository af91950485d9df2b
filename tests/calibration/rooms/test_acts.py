# SPDX-License-Identifier: Apache-2.0
"""What people do leaves possible tracks: in the room, on the floor, without leaps."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.rooms import acts, handwork, onfloor, resting
from calibration.rooms.track import Posture, Track
from tests.calibration.rooms.tiny_stage import tiny_actor, tiny_setting

ALONE = {
    "stand": acts.stand,
    "stand_still": acts.stand_still,
    "wander": acts.wander,
    "run": acts.run,
    "bend": acts.bend,
    "squat": acts.squat,
    "tie_shoes": handwork.tie_shoes,
    "wash": handwork.wash,
    "clean": handwork.clean,
    "dress": handwork.dress,
    "read": handwork.read,
    "exercise": acts.exercise,
    "sit": resting.sit,
    "rest_on_bed": resting.rest_on_bed,
    "sit_on_floor": onfloor.sit_on_floor,
    "lie_on_floor": onfloor.lie_on_floor,
    "play": onfloor.play,
    "crawl": onfloor.crawl,
}


def check(track: Track) -> None:
    """A body that stays in one piece, above the floor and in the room, and does not leap."""
    turns, root = track.turns.astype(float), track.root.astype(float)
    assert np.isfinite(turns).all()
    assert np.isfinite(root).all()
    assert np.allclose(np.linalg.norm(turns, axis=-1), 1, atol=1e-3)
    low = track.body.skeleton.lowest(turns, root)
    here = track.posture != Posture.ABSENT
    assert low[here].min() > -0.25  # a hand under a fallen body gives way a little
    assert np.percentile(low[here], 10) > -0.15
    speed = np.linalg.norm(np.diff(root, axis=0), axis=1)[here[1:] & here[:-1]] * 10
    assert speed.max() < 7


@pytest.mark.parametrize("name", sorted(ALONE))
def test_an_act_is_possible(name: str) -> None:
    for seed in range(2):
        actor = tiny_actor(seed)
        ALONE[name](actor, 4.0)
        track = actor.track()
        check(track)
        assert 2.0 < len(track.turns) / 10 < 60


def test_who_sits_is_at_the_height_of_the_seat() -> None:
    actor = tiny_actor(3)
    place = resting.choose_seat(actor)
    resting.sit_down(actor, place, 0.6)
    assert actor.posture == Posture.SIT
    assert actor.pose.root[1] == pytest.approx(0.44 + 0.105 * 1.0, abs=0.06)
    standing = tiny_actor(3).pose.root[1]
    assert standing > 0.8


def test_who_lies_in_bed_lies_on_it() -> None:
    actor = tiny_actor(5)
    bed = resting.choose_bed(actor)
    resting.begin_in_bed(actor, bed)
    track = actor.track()
    low = track.body.skeleton.lowest(track.turns.astype(float), track.root.astype(float))
    assert low[-1] == pytest.approx(bed.top_m, abs=0.02)


def test_stillness_moves_a_little_and_not_much() -> None:
    actor = tiny_actor(1)
    actor.still(30, Posture.STAND, 0.0)
    root = actor.track().root[1:]
    spread = np.ptp(root, axis=0)
    assert 0.0005 < spread.max() < 0.08


def test_coming_and_going_passes_the_door() -> None:
    setting = tiny_setting()
    actor = tiny_actor(2, setting)
    acts.leave(actor, 0)
    assert actor.posture == Posture.ABSENT
    acts.enter(actor, 0, 2.0)
    assert actor.posture == Posture.WALK
    assert [passage.door for passage in setting.passages] == [0, 0]
    assert setting.passages[0].step < setting.passages[1].step
    check(actor.track())


def test_runs_of_a_posture_become_acts() -> None:
    actor = tiny_actor(4)
    start = actor.now
    handwork.wash(actor, 3.0)
    track = actor.track()
    named = [act for act in track.acts if act.label == "wash"]
    assert len(named) == 1
    assert named[0].start >= start
    for act in track.acts:
        assert act.start < act.end <= len(track.turns)


def test_cutting_forgets_the_rest() -> None:
    actor = tiny_actor(6)
    acts.wander(actor, 4.0)
    actor.name("clean", 5)
    actor.cut(20)
    track = actor.track()
    assert len(track.turns) == 20
    assert max(act.end for act in track.acts) <= 20


@pytest.mark.parametrize("go", [acts.wander, acts.run])
def test_where_there_is_one_free_spot_time_passes(go, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = tiny_actor(7)
    monkeypatch.setattr(type(actor.setting), "spot", lambda *_: np.zeros(2))
    go(actor, 3.0)
    assert 3.0 <= actor.seconds < 15.0
