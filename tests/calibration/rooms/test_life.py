# SPDX-License-Identifier: Apache-2.0
"""Long recordings: minutes of life without a fall, minutes on the floor after one."""

from __future__ import annotations

import functools
from functools import partial

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="there is no MuJoCo for this Python")

from calibration.rooms import life, lights, scripts
from calibration.rooms.actor import Actor
from calibration.rooms.cast import Cast, tried
from calibration.rooms.errors import NoFit
from calibration.rooms.track import RATE_HZ, Posture, Track
from tests.calibration.rooms import some_rooms
from tests.calibration.rooms.test_acts import check
from tests.calibration.rooms.tiny_people import tiny_body
from tests.calibration.rooms.tiny_stage import tiny_actor, tiny_setting

FALLEN = (Posture.FALLING, Posture.DOWN)


@functools.cache
def staged(kind: str, name: str, seed: int = 1) -> scripts.Played:
    """The first of a few draws that can be staged, as a set would do it."""
    for attempt in range(4):
        rng = np.random.default_rng([seed, attempt, 6])
        people = range(scripts.people(name, kind))
        try:
            return scripts.stage(
                name, tiny_setting(seed), people, lambda k: tiny_body(k, 1.6), rng, kind
            )
        except NoFit:
            continue
    raise AssertionError(name)


def longest(true: np.ndarray) -> float:
    """Seconds of the longest run of True in (N,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(int)))
    return float(np.diff(edges.reshape(-1, 2)).max(initial=0)) / RATE_HZ


@pytest.mark.parametrize("name", sorted(life.SCRIPTS))
def test_ten_minutes_of_life_without_a_fall(name: str) -> None:
    played = staged("life", name)
    tracks = [actor.track() for actor in played.actors]
    for track in tracks:
        assert 9 * 60 <= len(track.turns) / RATE_HZ <= scripts.LONGEST["life"]
        assert len(track.turns) == len(tracks[0].turns)
        assert not np.isin(track.posture, FALLEN).any()
        check(track)
    assert not played.events
    assert scripts.window(played, np.random.default_rng(0)) == (0, len(tracks[0].turns))


def test_somebody_rests_for_ten_minutes_and_hardly_moves() -> None:
    played = staged("life", "ten_minutes")
    track = played.actors[0].track()
    assert longest(np.isin(track.posture, (Posture.SIT, Posture.LIE))) >= 600
    assert longest(quiet(track)) > 20


def quiet(track: Track) -> np.ndarray:
    """(N - 10,): no joint moved further than 3 cm within this second."""
    joints = track.body.skeleton.places(track.turns.astype(float), track.root.astype(float))
    return np.abs(joints[10:] - joints[:-10]).max(axis=(1, 2)) < 0.03


def test_between_visits_the_room_is_empty() -> None:
    played = staged("life", "comings_and_goings")
    away = [actor.track().posture == Posture.ABSENT for actor in played.actors]
    assert longest(np.all(away, axis=0)) > 15


def test_who_fell_lies_for_a_minute_and_a_half() -> None:
    played = staged("after", "after")
    (event,) = played.events
    down = played.actors[event.persons[0]].track().posture[event.impact : event.end]
    assert event.end - event.impact > 90 * RATE_HZ
    assert (down == Posture.DOWN).all()
    assert scripts.window(played, np.random.default_rng(1)) == (0, played.actors[0].now)


# ---- one thing, one person ---------------------------------------------------------------------


def day() -> tuple[life.Day, Actor, Actor]:
    setting = tiny_setting(1)
    rng = np.random.default_rng(1)
    company = Cast(setting, range(2), lambda k: tiny_body(k, 1.6), rng)
    first, second = company.someone(), company.someone()
    return life.Day(company, 600.0), first, second


def test_a_seat_a_bed_and_the_mop_have_one_owner() -> None:
    whole, first, second = day()
    for take in (whole.seat, whole.bed, whole.take_mop):
        assert take(first) == take(first)  # the tiny room has one of each
        with pytest.raises(NoFit):
            take(second)


def test_nobody_walks_through_somebody() -> None:
    whole, first, second = day()
    for actor, start in ((first, 0.0), (second, 2.0)):
        actor.at = np.array([start, 0.0])
        pose = actor.standing()
        actor.add(pose.turns[None], pose.root[None], Posture.STAND)
    first.still(20.0, Posture.STAND)
    through = partial(second.follow, np.array([(2.0, 0.0), (-2.0, 0.0)]))
    assert isinstance(tried([second], partial(life._alone, whole, second, through)), NoFit)
    assert second.now == 1
    beside = partial(second.follow, np.array([(2.0, 0.0), (2.0, 2.0)]))
    assert tried([second], partial(life._alone, whole, second, beside)) is None
    assert second.now > 1


def test_what_fails_half_way_has_not_happened() -> None:
    actor = tiny_actor(2)

    def half() -> None:
        actor.still(3.0, Posture.STAND)
        actor.at, actor.yaw = np.array([9.0, 9.0]), 2.0
        raise NoFit("no way on")

    before = actor.now, actor.at.tolist(), actor.yaw
    assert str(tried([actor], half)) == "no way on"
    assert (actor.now, actor.at.tolist(), actor.yaw) == before


# ---- light over minutes ------------------------------------------------------------------------


def lit(seed: int, here: np.ndarray, touches: list[int]) -> np.ndarray:
    room = next(r for r in map(some_rooms.room, range(12)) if not r.windows)
    return lights.of_minutes(np.random.default_rng(seed), room, here, touches)


def test_light_changes_over_minutes_and_repeats() -> None:
    here = np.zeros(6000, bool)
    here[1000:2000] = True
    tables = [lit(seed, here, []) for seed in range(12)]
    assert all(table.shape[0] == 6000 and np.isfinite(table).all() for table in tables)
    assert np.array_equal(tables[0], lit(0, here, []))
    switched = [np.count_nonzero(np.diff(table[:, 0] > 0.5)) for table in tables]
    assert min(switched) == 0
    assert max(switched) >= 2


def test_a_hand_at_the_switch_turns_the_lamps_over() -> None:
    here = np.ones(600, bool)
    for seed in range(4):
        plain, touched = lit(seed, here, []), lit(seed, here, [300])
        turned = (plain[:, 0] > 0.5) != (touched[:, 0] > 0.5)
        assert not turned[:300].any()
        assert turned[300:].mean() > 0.9  # a tube flickers when it starts


def test_a_lamp_that_waits_for_people_burns_on_for_a_while() -> None:
    here = np.zeros(100, bool)
    here[20:30] = True
    assert np.flatnonzero(lights._lingering(here, 15)).tolist() == list(range(20, 45))
