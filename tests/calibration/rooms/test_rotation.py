# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calibration.rooms import rotation


@pytest.fixture
def turns():
    return rotation.normalise(np.random.default_rng(1).normal(size=(50, 4)))


def judge(turns):
    return Rotation.from_quat(turns[..., [1, 2, 3, 0]])


def test_agrees_with_scipy(turns):
    other, vectors = turns[::-1], np.random.default_rng(2).normal(size=(50, 3))
    product = (judge(turns) * judge(other)).as_matrix()
    assert np.allclose(rotation.matrix(rotation.multiply(turns, other)), product)
    assert np.allclose(rotation.rotate(turns, vectors), judge(turns).apply(vectors))
    assert np.allclose(rotation.to_vector(turns), judge(turns).as_rotvec())
    assert np.allclose(rotation.matrix(rotation.inverse(turns)), judge(turns).inv().as_matrix())


def test_round_trips(turns):
    assert np.allclose(
        rotation.matrix(rotation.from_matrix(rotation.matrix(turns))), rotation.matrix(turns)
    )
    again = rotation.from_vector(rotation.to_vector(turns))
    assert np.allclose(np.abs(np.sum(again * turns, axis=1)), 1)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((1, 0, 0), (0, 0, 2)),
        ((0, 1, 0), (0, -3, 0)),
        ((1, 1, 0), (1, 1, 0)),
        ((1, 0, 0), (-1, 0, 0)),
    ],
)
def test_between_turns_one_into_the_other(start, end):
    turned = rotation.rotate(rotation.between(start, end), start)
    assert np.allclose(turned / np.linalg.norm(turned), np.array(end) / np.linalg.norm(end))


def test_yaw_is_about_the_vertical():
    assert np.allclose(rotation.rotate(rotation.yaw(0.3), (0, 0, 1)), (np.sin(0.3), 0, np.cos(0.3)))


def test_slerp_is_even_and_takes_the_short_way():
    end = -rotation.yaw(1.0)
    share = np.linspace(0, 1, 5)
    steps = rotation.slerp(rotation.IDENTITY, end, share)
    assert np.allclose(rotation.to_vector(steps)[:, 1], share)
    assert np.allclose(rotation.slerp(end, end, 0.4), end)


def test_no_length_is_no_rotation():
    assert np.allclose(rotation.normalise(np.zeros(4)), rotation.IDENTITY)
    assert np.allclose(rotation.between((0, 0, 0), (1, 0, 0))[..., 0], 1)
