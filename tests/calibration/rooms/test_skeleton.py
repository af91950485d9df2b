# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from calibration.rooms import rotation, seeds, splits
from calibration.rooms.errors import RoomsError
from calibration.rooms.skeleton import BONES, FOREARM_L, HAND_L, PELVIS, UPPER_ARM_L
from tests.calibration.rooms.tiny_people import SIT, STAND, tiny_body, tiny_motions

BODY = tiny_body()
BONE = BODY.skeleton


def at_rest():
    return np.tile(rotation.IDENTITY, (1, 16, 1)), BONE.joints[:1]


def test_at_rest_everything_is_where_it_was():
    assert np.allclose(BONE.places(*at_rest())[0], BONE.joints)
    assert np.allclose(BONE.matrices(*at_rest())[0], np.eye(4)[:3], atol=1e-6)
    assert BONE.lowest(*at_rest()) == pytest.approx(0.0, abs=1e-9)


def test_a_bent_elbow_moves_the_hand_and_nothing_else():
    turns, root = at_rest()
    turns[0, FOREARM_L] = turns[0, HAND_L] = rotation.yaw(-np.pi / 2)
    moved = BONE.places(turns, root)[0] - BONE.joints
    assert np.allclose(moved[HAND_L], (-0.24, 0, 0.24))
    assert np.allclose(np.delete(moved, HAND_L, axis=0), 0)


def test_a_mesh_at_rest_in_another_pose_is_brought_into_the_t_pose():
    joints = BONE.joints.copy()
    joints[FOREARM_L] = joints[UPPER_ARM_L] + (0.2, -0.2, 0)
    joints[HAND_L] = joints[FOREARM_L] + (0.17, -0.17, 0)
    other = type(BONE).of(joints, BONE.capsules)
    places = other.places(*at_rest())[0]
    assert np.allclose(places[HAND_L] - places[UPPER_ARM_L], (0.2 * 2**0.5 + 0.17 * 2**0.5, 0, 0))
    matrices = other.matrices(*at_rest())[0]
    assert np.allclose(matrices[HAND_L] @ [*joints[HAND_L], 1], places[HAND_L], atol=1e-6)


def test_whoever_sits_is_lower_and_yaw_changes_no_height():
    standing, sitting = (np.array([pose]) for pose in (STAND, SIT))
    root = np.zeros((1, 3))
    assert BONE.lowest(sitting, root) > BONE.lowest(standing, root) + 0.3
    turned = rotation.multiply(rotation.yaw(1.0), sitting)
    assert BONE.lowest(turned, root) == pytest.approx(BONE.lowest(sitting, root))


def test_motions_loop_or_wait():
    walk, sit = tiny_motions()["tiny_walk"], tiny_motions()["tiny_sit"]
    times = np.array([0.3, 0.3 + walk.seconds, 0.3 - walk.seconds])
    turns, _ = walk.at(times)
    assert np.allclose(turns[0], turns[1])
    assert np.allclose(turns[0], turns[2])
    assert np.allclose(sit.at([5.0])[0][0], SIT, atol=1e-6)
    assert np.allclose(sit.at([0.25], rate=2.0)[0], sit.at([0.5])[0])
    assert sit.at([0.25])[1][0, 1] == pytest.approx(0.73)


def test_streams_are_apart_and_repeat():
    def draw(*key):
        return seeds.stream(*key).integers(1 << 60)

    keys = [(1, 2, 0, "room"), (2, 2, 0, "room"), (1, 3, 0, "room"), (1, 2, 1, "room")]
    keys += [(1, 2, 0, purpose) for purpose in seeds.PURPOSES[1:]]
    long = [s for s, number in seeds.SERIES.items() if number]
    keys += [(1, 2, 0, "room", series) for series in long]
    drawn = [draw(*key) for key in keys]
    drawn += [seeds.of_body(n).integers(1 << 60) for n in range(5)]
    drawn += [seeds.of_room(n).integers(1 << 60) for n in range(5)]
    assert len(set(drawn)) == len(drawn)
    assert drawn[0] == draw(*keys[0])
    for seed, purpose in ((-1, "room"), (2**63, "room"), (1, "weather")):
        with pytest.raises(RoomsError):
            seeds.stream(seed, 0, 0, purpose)
    with pytest.raises(RoomsError):
        seeds.stream(1, 0, 0, "room", "life_train")


def test_a_series_says_kind_and_split():
    for name in seeds.SERIES:
        assert splits.series(*splits.parted(name)) == name
    assert splits.parted("life_test") == ("life", "test")
    with pytest.raises(RoomsError):
        splits.parted("life_train")  # what judges trains nothing


def test_splits_share_nothing_that_they_do_not_say():
    owners = [splits.of_body(number) for number in range(800)]
    assert [owners.count(split) for split in splits.SPLITS] == [560, 80, 160]
    owners = [splits.of_room(number) for number in range(1400)]
    assert [owners.count(split) for split in splits.SPLITS] == [1100, 100, 200]
    owners = [splits.of_moment(number) for number in range(40)]
    assert [owners.count(split) for split in splits.SPLITS] == [36, 1, 3]
    for role in splits.ROLES:
        used = [set(splits.motions(role, split)) for split in splits.SPLITS]
        assert all(used)
        if role in splits.shared():
            assert used[0] == used[1] == used[2]
        else:
            assert sum(map(len, used)) == len(set.union(*used))
    for refuse in (lambda: splits.of_body(800), lambda: splits.motions("fly", "train")):
        with pytest.raises(RoomsError):
            refuse()


def test_bones_have_their_names():
    assert BONES[PELVIS] == "pelvis"
    assert BONES[FOREARM_L] == "forearm_l"
    assert len(BONES) == 16
