# SPDX-License-Identifier: Apache-2.0
"""The oracle: whose joints are shown, where, and that nobody's place among them matters."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calibration.data import DataError  # noqa: E402
from calibration.rooms import store  # noqa: E402
from calibration.rooms.skeleton import BONES, HEAD, PELVIS  # noqa: E402
from calibration.train import skeleton  # noqa: E402
from calibration.train.skeleton import ONE, SLOTS, SkeletonRelease  # noqa: E402
from tests.calibration.train.made_up import packed_of, rendered  # noqa: E402

pytestmark = pytest.mark.train

LEFT, RIGHT = BONES.index("foot_l"), BONES.index("foot_r")


def people(out):
    return out.reshape(len(out), SLOTS, ONE)


def test_a_place_is_told_in_half_pictures_from_the_middle():
    joints = np.zeros((1, 1, 16, 3), np.float16)
    joints[0, 0, 0] = 80, 64, 3
    joints[0, 0, 1] = 160, 0, 3
    joints[0, 0, 2] = -1000, 1000, 3
    place = skeleton.normalised(joints)[0, 0]
    assert place[0].tolist() == [0, 0]
    assert place[1].tolist() == [1, -1]
    assert place[2].tolist() == [-2, 2]


def test_who_is_not_seen_is_left_out_and_the_best_seen_are_shown():
    place = np.arange(5, dtype=np.float32)[None, :, None, None].repeat(16, 2).repeat(2, 3)
    place = place.repeat(2, 0)  # person p is at (p, p), in both steps
    pixels = np.array([[0, 11, 12, 500, 0], [90, 70, 80, 60, 100]], np.uint16)
    first, second = people(skeleton.shown(place, pixels))
    assert first[:, -1].tolist() == [1, 1, 0]  # 11 pixels are nobody
    assert first[:, 0].tolist() == [3, 2, 0]
    assert not first[2].any()
    assert second[:, 0].tolist() == [4, 0, 2]
    assert second[:, -1].tolist() == [1, 1, 1]


def test_another_view_keeps_left_and_right_apart():
    place = np.zeros((1, 1, 16, 2), np.float32)
    place[0, 0, LEFT], place[0, 0, RIGHT] = (0.5, 0.9), (-0.4, 0.8)
    place[0, 0, PELVIS] = 0.1, 0.0
    drawn = [skeleton.varied(place, np.random.default_rng(k))[0, 0] for k in range(20)]
    mirrored = [one for one in drawn if one[LEFT, 1] < one[RIGHT, 1]]
    assert 4 < len(mirrored) < 16
    for one in mirrored:  # whose right foot was further to the left is now the left one's place
        assert one[LEFT, 0] > one[PELVIS, 0] > one[RIGHT, 0]
    assert not np.allclose(drawn[0], drawn[1])
    assert all(np.abs(one).max() <= 2 for one in drawn)


def test_joints_come_from_the_clips_file_and_real_clips_have_none(tmp_path):
    joints = np.zeros((30, 1, 16, 3), np.float16)
    joints[:, 0, HEAD] = 120, 32, 2
    shape = (30, 64, 80)
    recording = store.Recording(
        moment=4,
        camera=0,
        split="train",
        seed=1,
        canvas=np.zeros(shape, np.uint8),
        planes=np.zeros((30, 3, 64, 80), np.uint8),
        posture=np.ones((30, 1), np.uint8),
        pixels=np.full((30, 1), 90, np.uint16),
        joints=joints,
        people=(7,),
        room=1,
        rows=(),
        view={},
    )
    store.save(tmp_path, recording)
    one, truth = rendered(tmp_path, 4, "train", 30, 7)
    real = type(one)(tmp_path / "a.mp4", "a.mp4", "home", "s", "r", ())
    packed = packed_of([(real, truth), (one, truth)])
    found = skeleton.joints_of(packed, variants=2)
    assert found.shape == (2, 60, SLOTS * ONE)
    assert not found[:, :30].any()
    seen = people(found[0, 30:])
    assert seen[:, 0, 2 * HEAD : 2 * HEAD + 2].tolist() == [[0.5, -0.5]] * 30
    assert not np.array_equal(found[0], found[1])
    one.path.unlink()
    with pytest.raises(DataError, match="not a whole clip"):
        skeleton.joints_of(packed, variants=1)


def test_slots_do_not_matter_and_nobody_is_nothing():
    torch.manual_seed(0)
    release = SkeletonRelease().requires_grad_(requires_grad=False)
    joints = torch.zeros(4, SLOTS, ONE)
    joints[:, :2] = torch.randn(4, 2, ONE)
    joints[:, :2, -1] = 1
    told = release.clean(joints.flatten(1))
    assert torch.allclose(told, release.clean(joints[:, [2, 0, 1]].flatten(1)), atol=1e-6)
    assert float(told.norm(dim=-1).max()) <= 1
    ghost = joints.clone()
    ghost[:, 2, :-1] = torch.randn(4, ONE - 1)  # joints of somebody who is not there
    assert torch.allclose(told, release.clean(ghost.flatten(1)))
    ghost[:, 2, -1] = 1
    assert not torch.allclose(told, release.clean(ghost.flatten(1)))  # the control
