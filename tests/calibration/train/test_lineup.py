# SPDX-License-Identifier: Apache-2.0
"""Who is shown to an attacker: alone, and never at the same time to learn and to test."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from calibration.data import DataError
from calibration.train import lineup as lines
from calibration.train.lineup import PARTS, WINDOW, lineup, places
from tests.calibration.train.made_up import crowd, packed_of, rendered


def test_windows_show_one_person_alone_throughout(tmp_path):
    first, truth = rendered(tmp_path, 0, "train", 70, 3)
    truth.person[:] = -1
    truth.person[2:45] = 3  # two windows, and three steps that fill none
    truth.person[45:66] = 4  # one, of somebody else
    second, empty = rendered(tmp_path, 1, "train", 50, 3)
    empty.person[:] = -1
    packed = packed_of([(second, empty), (first, truth)])
    found = places(packed, [])
    assert [(p.first - 50, p.person, p.clip) for p in found] == [(2, 3, 1), (22, 3, 1), (45, 4, 1)]
    for place in found:
        seen = packed.targets.person[place.first : place.first + WINDOW]
        assert (seen == place.person).all()


def test_real_people_and_other_sets_are_left_out(tmp_path):
    one, truth = rendered(tmp_path, 0, "train", 70, 3)
    real = replace(one, seed="", moment="9")
    other = rendered(tmp_path, 1, "test", 70, 4)
    packed = packed_of([(real, truth), (one, truth), other])
    assert {p.person for p in places(packed, [])} == {3, 4}
    assert {p.clip for p in places(packed, [])} == {1, 2}
    assert {p.person for p in places(packed, ["rooms_test"])} == {4}


def test_a_moment_belongs_to_one_part_and_everybody_to_two(tmp_path):
    packed = crowd(tmp_path)
    shown = lineup(places(packed, []), 12, 1)
    moments = {part: {p.moment for p in found} for part, found in shown.items()}
    assert not moments["learn"] & moments["test"]
    assert not moments["stop"] & (moments["learn"] | moments["test"])
    for part in ("learn", "test"):
        assert {p.person for p in shown[part]} == set(range(12))
    windows = sum(len(found) for found in shown.values())
    assert windows == 12 * 6 * 3
    for part, share in PARTS.items():
        assert len(shown[part]) / windows == pytest.approx(share, abs=0.09)
    assert lineup(places(packed, []), 12, 1) == shown
    assert lineup(places(packed, []), 12, 2) != shown


def test_cameras_of_one_moment_stay_together(tmp_path):
    listed = [
        (replace(clip, name=f"{clip.name}{camera}", camera=str(camera)), truth)
        for p in range(4)
        for m in range(5)
        for camera in range(2)
        for clip, truth in [rendered(tmp_path, p + 4 * m, "train", 65, p)]
    ]
    shown = lineup(places(packed_of(listed), []), 4, 3)
    part_of = {}
    for part, found in shown.items():
        for place in found:
            assert part_of.setdefault(place.clip // 2, part) == part


def test_the_persons_seen_most_are_chosen_and_nobody_too_often(tmp_path, monkeypatch):
    listed = [
        rendered(tmp_path, p + 9 * m, "train", 25 + 20 * p, p) for p in range(9) for m in range(6)
    ]
    listed += [rendered(tmp_path, 100 + m, "train", 900, 50) for m in range(5)]  # long, not often
    found = places(packed_of(listed), [])
    monkeypatch.setattr(lines, "MOST_WINDOWS", 10)
    shown = lineup(found, 3, 1)
    assert {p.person for p in shown["test"]} == {6, 7, 8}
    counts = Counter(p.person for p in shown["learn"])
    assert max(counts.values()) == 10
    assert len(set(shown["learn"])) == len(shown["learn"])


def test_too_few_persons_are_refused(tmp_path):
    found = places(crowd(tmp_path), [])
    with pytest.raises(DataError, match=r"12 persons are alone .* and 13 are wanted"):
        lineup(found, 13, 1)
    once = [place for place in found if place.moment == found[0].moment]
    with pytest.raises(DataError, match="0 persons"):
        lineup(once, 2, 1)
    assert np.unique([p.person for p in lineup(found, 2, 1)["test"]]).size == 2


def test_persons_met_twice_only_leave_nothing_to_stop_by(tmp_path):
    with pytest.raises(DataError, match="in three moments"):
        lineup(places(crowd(tmp_path, moments=2), []), 12, 1)
