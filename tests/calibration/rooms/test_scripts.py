# SPDX-License-Identifier: Apache-2.0
"""Whole moments: everybody of one length, events in their place, and enough of what matters."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="there is no MuJoCo for this Python")

from calibration.rooms import meetings, scripts
from calibration.rooms.errors import NoFit
from calibration.rooms.scuffle import Bout
from calibration.rooms.track import RATE_HZ, Posture
from tests.calibration.rooms.test_acts import check
from tests.calibration.rooms.tiny_people import tiny_body
from tests.calibration.rooms.tiny_stage import tiny_actor, tiny_setting


def played(name: str, seed: int) -> scripts.Played:
    people = range(scripts.people(name))
    rng = np.random.default_rng([seed, 5])
    return scripts.stage(
        name, tiny_setting(seed), people, lambda k: tiny_body(k, 1.55 + 0.07 * k), rng
    )


@pytest.mark.parametrize("name", sorted(scripts.SCRIPTS))
def test_a_script_makes_a_possible_moment(name: str) -> None:
    done = 0
    for seed in range(3):
        try:
            moment = played(name, seed)
        except NoFit:
            continue
        done += 1
        tracks = [actor.track() for actor in moment.actors]
        steps = len(tracks[0].turns)
        assert scripts.SHORTEST_S * RATE_HZ <= steps <= scripts.LONGEST_S * RATE_HZ
        for track in tracks:
            assert len(track.turns) == steps
            check(track)
        first, last = scripts.window(moment, np.random.default_rng(seed))
        assert 0 <= first < last <= steps
        for event in moment.events:
            assert first <= event.onset < last
            assert event.impact is None or event.onset < event.impact < last
            assert event.end <= steps
        break
    assert done


def test_falls_and_fights_have_their_events() -> None:
    fall, fight = played("fall", 1), played("fight", 0)
    assert [event.kind for event in fall.events] == ["fall"]
    assert fight.events[0].kind == "fight"
    assert len(fight.events[0].persons) >= 2
    assert not played("daily", 0).events


def test_fighters_touch_and_stay_on_their_feet() -> None:
    setting = tiny_setting(1)
    actors = [tiny_actor(1, setting, k) for k in range(2)]
    meetings.gather(actors, 0.8)
    before = actors[0].now
    Bout(actors, np.random.default_rng(1)).fight(3.0)
    tracks = [actor.track() for actor in actors]
    apart = np.linalg.norm(tracks[0].root[before:] - tracks[1].root[before:], axis=1)
    assert apart.min() < 0.75
    assert apart.max() < 2.0
    for track in tracks:
        assert np.median(track.root[before:, 1]) > 0.6
        hands = np.linalg.norm(np.diff(track.turns[before:, 6], axis=0), axis=1)
        assert hands.mean() > 0.02


def test_an_embrace_is_no_fight_and_closer_than_talking() -> None:
    setting = tiny_setting(2)
    actors = [tiny_actor(2, setting, k) for k in range(2)]
    meetings.embrace(*actors, 3.0)
    tracks = [actor.track() for actor in actors]
    assert {act.label for act in tracks[0].acts} >= {"hug"}
    apart = np.linalg.norm(tracks[0].root - tracks[1].root, axis=1)
    assert apart.min() < 0.4
    assert not np.isin(tracks[0].posture, [Posture.FALLING, Posture.DOWN]).any()


def test_weights_give_stillness_its_share() -> None:
    """Of what is drawn, at least a tenth is long stillness, a quarter falls or fights."""
    rng = np.random.default_rng(0)
    names = [scripts.draw(rng) for _ in range(3000)]
    share = {name: names.count(name) / len(names) for name in scripts.SCRIPTS}
    assert share["long_still"] > 0.08
    assert 0.25 < share["fall"] + share["seen_fall"] + share["fight"] < 0.45
    assert min(share.values()) > 0.01
