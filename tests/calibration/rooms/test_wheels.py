# SPDX-License-Identifier: Apache-2.0
"""What people drive, push, carry and switch goes with them, and stays where they leave it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from calibration.rooms import clip, moving, resting, tools, wheels
from calibration.rooms.fittings import Prop, placed
from calibration.rooms.mesh import rigid
from calibration.rooms.reach import BONE
from calibration.rooms.track import Posture
from calibration.rooms.ways import ahead
from tests.calibration.rooms.test_acts import check
from tests.calibration.rooms.tiny_people import capsule
from tests.calibration.rooms.tiny_stage import tiny_actor, tiny_room, tiny_setting

PATH = np.array([(0.0, 0.0), (0.0, 1.2), (-1.0, 1.2)])


def joints(actor, bone: str) -> np.ndarray:
    track = actor.track()
    places = track.body.skeleton.places(track.turns.astype(float), track.root.astype(float))
    return places[:, BONE[bone]]


def seated(seed: int = 1, setting=None):
    actor = tiny_actor(seed, setting)
    chair = wheels.wheelchair(actor, np.zeros(2), 0.0)
    wheels.ride_still(actor, chair, 0.5)
    return actor, chair


def test_who_rolls_sits_and_the_chair_goes_with_him() -> None:
    actor, chair = seated()
    start = actor.now
    wheels.roll(actor, chair, PATH, 0.6, own=True)
    track = actor.track()
    check(track)
    assert (track.posture[start:] == Posture.SIT).all()
    assert {act.label for act in track.acts if act.start >= start - 5} == {"sit"}
    where = actor.rides[-1].matrices[:, [0, 2], 3]
    assert np.linalg.norm(where[-1] - PATH[-1]) < 0.1
    apart = np.linalg.norm(track.root[start:, [0, 2]] - where, axis=1)
    assert apart[3:].max() < 0.15
    left, right = (joints(actor, f"hand_{side}")[start + 3 :] for side in "lr")
    rims = np.linalg.norm(left - right, axis=1)
    assert 0.4 < rims.min() < rims.max() < 0.9


def test_a_helper_walks_behind_with_both_hands_on_the_chair() -> None:
    setting = tiny_setting(1)
    actor, chair = seated(1, setting)
    helper = tiny_actor(1, setting, 3)
    helper.at, helper.yaw = wheels.behind(chair), chair.yaw
    wheels.push(helper, actor, chair, PATH, 0.5)
    assert helper.now == actor.now
    matrices = actor.rides[-1].matrices
    count = len(matrices)
    away = np.linalg.norm(helper.track().root[-count:, [0, 2]] - matrices[:, [0, 2], 3], axis=1)
    assert np.abs(away[3:] - wheels.BEHIND_M).max() < 0.2
    hands = joints(helper, "hand_l")[-count:][5:]
    assert np.median(hands[:, 1]) == pytest.approx(wheels.HANDLE[1], abs=0.15)
    assert (helper.track().posture[-count:] == Posture.WALK).all()


def test_an_empty_wheelchair_is_in_the_way_until_somebody_sits_in_it() -> None:
    actor, chair = seated()
    setting = actor.setting
    assert setting.free(chair.at)
    wheels.get_out(actor, chair)
    assert not setting.free(chair.at)
    assert len(setting.solid().obstacles) == len(setting.room.obstacles) + 1
    wheels.get_in(actor, chair)
    assert setting.free(chair.at)
    assert actor.posture == Posture.SIT


def test_a_frame_is_set_ahead_in_hops_and_held() -> None:
    actor = tiny_actor(2)
    frame = wheels.walking_frame(actor)
    wheels.walk_with(actor, frame, PATH, 0.4)
    (ride,) = actor.rides
    moved = np.linalg.norm(np.diff(ride.matrices[:, :, 3], axis=0), axis=1)
    assert (moved < 0.004).mean() > 0.3
    assert moved.max() > 2 * moved.mean()
    grip = np.einsum("nij,j->ni", ride.matrices[:, :, :3], np.array(wheels.GRIP))
    grip += ride.matrices[:, :, 3]
    gaps = np.linalg.norm(joints(actor, "hand_l")[ride.start :] - grip, axis=1)
    assert np.median(gaps) < 0.12
    wheels.tip(actor, frame, actor.now)
    up = actor.rides[-1].matrices[-1, :, 1]
    assert abs(up[1]) < 0.2
    check(actor.track())


def test_a_light_chair_is_pushed_back_by_who_stands_up() -> None:
    surface = capsule((0, 0, 0), (0, 0.4, 0), 0.1)
    home = placed(-2.23, 0.0, 0.0, np.pi / 2)
    room = replace(tiny_room(), props=(Prop("chair", rigid(surface, 0.3, 0.3), home),))
    actor = tiny_actor(3, tiny_setting(3, room))
    place = resting.choose_seat(actor)
    assert place.prop == 0
    resting.sit_down(actor, place)
    resting.stand_up(actor, place)
    back = (actor.rides[-1].matrices[-1] - home)[[0, 2], 3] @ -ahead(place.yaw)
    assert resting.PUSHED_BACK[0] <= back <= resting.PUSHED_BACK[1]
    resting.sit_down(actor, place)
    np.testing.assert_allclose(actor.rides[-1].matrices[-1], home, atol=1e-9)
    assert resting.choose_seat(tiny_actor(3)).prop is None


def test_the_light_changes_when_a_hand_is_at_the_switch() -> None:
    actor = tiny_actor(4)
    tools.switch(actor, 1.0)
    place = next(p for p in actor.setting.room.places if p.kind == "switch")
    step = actor.switched[0]
    hands = [joints(actor, f"hand_{side}")[step] for side in "lr"]
    assert min(np.linalg.norm(hand - place.reach) for hand in hands) < 0.25
    lit = clip._switches(np.random.default_rng(0), [actor, actor])
    assert all(before != after for (_, before), (_, after) in itertools.pairwise(lit))
    actor.cut(step)
    assert not actor.switched


def test_a_mop_stays_on_the_floor_and_in_the_hands() -> None:
    actor = tiny_actor(5)
    tools.mop(actor, 5.0)
    track = actor.track()
    check(track)
    assert "clean" in {act.label for act in track.acts}
    strokes = actor.rides[0]
    foot = strokes.matrices[tools.TAKING :, :, 3]
    assert foot[:, 1].max() < 0.05
    assert np.ptp(foot, axis=0).max() > 0.2
    stick = foot + tools.HANDS_M[1] * strokes.matrices[tools.TAKING :, :, 1]
    hand = joints(actor, "hand_r")[strokes.start :][tools.TAKING : len(strokes.matrices)]
    assert np.median(np.linalg.norm(hand - stick, axis=1)) < 0.15


def test_things_wait_at_home_and_stay_where_they_were_left() -> None:
    actor, chair = seated()
    wheels.roll(actor, chair, PATH, 0.6, own=False)
    ride = actor.rides[-1]
    room, steps = actor.setting.room, actor.now + 20
    places = moving.moved(np.random.default_rng(0), room, steps, (), actor.rides)[chair.prop]
    np.testing.assert_allclose(places[0], room.props[chair.prop].home, atol=1e-6)
    np.testing.assert_allclose(places[-1], ride.matrices[-1], atol=1e-6)
    np.testing.assert_allclose(places[ride.start + 4], ride.matrices[4], atol=1e-6)
    half = ride.start + len(ride.matrices) // 2
    actor.cut(half)
    assert actor.rides[-1].start + len(actor.rides[-1].matrices) == half
