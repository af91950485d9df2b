# SPDX-License-Identifier: Apache-2.0
"""Falls take about as long as real ones, end on the floor, and are not sitting down."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="there is no MuJoCo for this Python")

from calibration.rooms import falls, mishaps, poses, resting, rotation, upsets
from calibration.rooms.errors import NoFit
from calibration.rooms.figures import Pose
from calibration.rooms.ragdoll import SUBSTEPS, Ragdoll
from calibration.rooms.reach import BONE
from calibration.rooms.skeleton import Skeleton
from calibration.rooms.track import Posture
from tests.calibration.rooms.tiny_people import tiny_body
from tests.calibration.rooms.tiny_stage import tiny_actor, tiny_room

STANDING_KINDS = ("faint", "slip", "trip", "totter", "push")


def standing(seed: int, grip: float = 0.8) -> tuple[Ragdoll, Skeleton, Pose]:
    skeleton = tiny_body().skeleton
    pose = poses.standing(np.random.default_rng(seed), skeleton)
    ragdoll = Ragdoll(tiny_room(), [(skeleton, 70.0)], grip)
    ragdoll.place(0, np.stack([pose.turns] * 2), np.stack([pose.root] * 2))
    return ragdoll, skeleton, pose


def test_a_pose_survives_the_way_into_physics_and_back() -> None:
    rng = np.random.default_rng(3)
    skeleton = tiny_body().skeleton
    makers = (poses.squatting, poses.all_fours, poses.floor_sitting, poses.bending, poses.standing)
    for make in makers:
        pose = make(rng, skeleton)
        ragdoll = Ragdoll(tiny_room(), [(skeleton, 70.0)])
        ragdoll.place(0, np.stack([pose.turns] * 2), np.stack([pose.root] * 2))
        turns, root = ragdoll.pose(0)
        assert np.allclose(root, pose.root, atol=1e-9)
        close = np.abs(np.sum(turns * pose.turns, axis=-1))
        assert close.min() > 0.995  # the knee has one axis


def test_a_body_weighs_what_it_weighs() -> None:
    ragdoll, _, _ = standing(0)
    assert ragdoll._model.body_mass.sum() == pytest.approx(70.0, rel=0.01)


def test_who_holds_himself_up_does_not_fall_at_once() -> None:
    """The control: with strings and tone nobody reaches the floor."""
    ragdoll, _, pose = standing(1)
    ragdoll.tone(0, 1.0)
    for _ in range(20 * SUBSTEPS):
        ragdoll.hold(0, pose.root, pose.turns[0], 1.0)
        ragdoll.step()
    assert not ragdoll.on_floor(0)
    assert ragdoll.height(0, BONE["head"]) > 1.0


@pytest.mark.parametrize("kind", STANDING_KINDS)
def test_the_floor_is_reached_in_about_a_second(kind: str) -> None:
    times = []
    for seed in range(2):
        rng = np.random.default_rng([seed, 4])
        manner = upsets.draw(rng, kind, np.array([0.0, 1.0]))
        ragdoll, skeleton, _ = standing(seed, manner.grip)
        fallen = falls.tumble(ragdoll, 0, manner)
        times.append(0.1 * (fallen.impact + 1))
        places = skeleton.places(fallen.turns, fallen.root)
        assert np.isfinite(places).all()
        assert places[-1, BONE["chest"], 1] < falls.CHEST_LOW_M
        assert skeleton.lowest(fallen.turns, fallen.root).min() > -0.12
    assert 0.5 <= float(np.median(times)) <= 1.6
    assert min(times) >= 0.3


def test_the_same_draw_falls_the_same_way() -> None:
    def fallen(seed: int) -> falls.Tumble:
        rng = np.random.default_rng(seed)
        manner = upsets.draw(rng, "trip", np.array([0.0, 1.0]))
        return falls.tumble(standing(2, manner.grip)[0], 0, manner)

    first, second = fallen(5).turns, fallen(6).turns
    assert np.array_equal(first, fallen(5).turns)
    assert first.shape != second.shape or not np.array_equal(first, second)


def test_hands_go_to_where_the_floor_comes_from() -> None:
    """Before the trunk lands the hands are ahead of the chest, if the faller is awake."""
    gaps = {}
    for react in (0.15, None):
        below = []
        for seed in range(2):
            rng = np.random.default_rng([seed, 9])
            drawn = upsets.draw(rng, "trip", np.array([0.0, 1.0]))
            fields = {name: getattr(drawn, name) for name in drawn.__dataclass_fields__}
            manner = upsets.Manner(**{**fields, "react_s": react, "brace": 0.7})
            ragdoll, skeleton, _ = standing(seed, manner.grip)
            fallen = falls.tumble(ragdoll, 0, manner)
            before = slice(0, fallen.impact)
            chest = fallen.turns[before, BONE["chest"]]
            places = skeleton.places(fallen.turns, fallen.root)[before]
            front = rotation.rotate(chest, np.array([0.0, 0.0, 1.0]))
            hands = places[:, [BONE["hand_l"], BONE["hand_r"]]].mean(axis=1)
            reach = ((hands - places[:, BONE["chest"]]) * front).sum(axis=1)
            below.append(float(reach.max() - reach[0]))
        gaps[react] = float(np.mean(below))
    assert gaps[0.15] > gaps[None] + 0.05


def test_struggling_moves_and_stays_down() -> None:
    rng = np.random.default_rng(8)
    manner = upsets.draw(rng, "faint", np.array([0.0, 1.0]))
    ragdoll, skeleton, _ = standing(8, manner.grip)
    falls.tumble(ragdoll, 0, manner)
    turns, root = falls.struggle(ragdoll, 0, 4.0, 0.9, rng)
    places = skeleton.places(turns, root)
    assert np.ptp(places[:, BONE["hand_l"]], axis=0).max() > 0.05
    assert places[:, BONE["head"], 1].max() < 1.1


@pytest.mark.parametrize("kind", ["trip", "slump", "bed"])
def test_a_fall_in_its_place(kind: str) -> None:
    done = 0
    for seed in range(4):
        actor = tiny_actor(seed)
        try:
            event = mishaps.fall(actor, 0, kind, 5.0)
        except NoFit:
            continue
        done += 1
        track = actor.track()
        assert event.onset < event.impact < event.end == len(track.turns)
        assert (track.posture[event.onset : event.impact] == Posture.FALLING).all()
        assert (track.posture[event.impact :] == Posture.DOWN).all()
        assert Posture.FALLING not in track.posture[: event.onset]
        assert event.end - event.impact >= 45
        break
    assert done


def test_sitting_down_fast_is_no_fall() -> None:
    """The hard negative keeps the pelvis at seat height and says so."""
    actor = tiny_actor(4)
    resting.sit_down(actor, resting.choose_seat(actor), 0.5)
    track = actor.track()
    assert Posture.SIT in track.posture
    assert not np.isin(track.posture, [Posture.FALLING, Posture.DOWN]).any()
    assert track.root[-1, 1] > 0.4
