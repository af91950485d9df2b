# SPDX-License-Identifier: Apache-2.0
"""Folds: nobody and no camera is on both sides."""

from pathlib import Path

import pytest

from calibration.data import Clip
from calibration.folds import FOLDS, assign, group, split


def clip(set_: str, subject: str, scene: str, number: int) -> Clip:
    name = f"{set_}/{subject}{scene}{number}.mp4"
    return Clip(Path(name), name, set_, subject, scene, ())


CLIPS = [
    *(clip("cameras", "", f"cam{i % 7}", i) for i in range(40)),
    *(clip("people", f"s{i % 3}", "room", i) for i in range(12)),
    *(clip("rooms_train", f"b{i}", "r", i) for i in range(5)),
    *(clip("rooms_test", f"b{i}", "r", i) for i in range(5)),
]


@pytest.mark.parametrize("fold", range(FOLDS))
def test_no_group_is_on_both_sides(fold: int) -> None:
    train, held = split(CLIPS, fold)
    assert train
    assert held
    assert not {group(c) for c in train} & {group(c) for c in held}


def test_every_real_clip_is_held_out_exactly_once() -> None:
    held = [c.name for fold in range(FOLDS) for c in split(CLIPS, fold)[1]]
    assert sorted(n for n in held if not n.startswith("rooms")) == sorted(
        c.name for c in CLIPS if not c.set.startswith("rooms")
    )


@pytest.mark.parametrize("fold", range(FOLDS))
def test_rendered_sets_stay_on_their_side(fold: int) -> None:
    train, held = split(CLIPS, fold)
    assert not any(c.set == "rooms_test" for c in train)
    assert not any(c.set == "rooms_train" for c in held)


def test_assignment_does_not_depend_on_the_order_of_clips() -> None:
    assert assign(CLIPS) == assign(CLIPS[::-1])
