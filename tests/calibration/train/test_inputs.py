# SPDX-License-Identifier: Apache-2.0
"""Each input shows what its name says, and nothing more."""

import numpy as np
import pytest

from calibration.train.inputs import INPUTS

RNG = np.random.default_rng(0)
PLANES = RNG.integers(1, 256, (3, 3, 64, 80), np.uint8)
CANVAS = RNG.integers(1, 256, (3, 64, 80), np.uint8)


def shown(name: str) -> np.ndarray:
    found = INPUTS[name](PLANES, CANVAS)
    assert found.shape == PLANES.shape
    assert found.dtype == np.uint8
    return found


@pytest.mark.parametrize(
    ("name", "planes"),
    [
        ("motion", [0]),
        ("motion+history", [0, 1]),
        ("motion+history+foreground", [0, 1, 2]),
        ("foreground", [2]),
    ],
)
def test_planes_in_their_places(name: str, planes: list[int]) -> None:
    found = shown(name)
    for plane in range(3):
        expected = PLANES[:, plane] if plane in planes else np.zeros_like(CANVAS)
        assert np.array_equal(found[:, plane], expected)


def test_grey_with_and_without_motion() -> None:
    assert np.array_equal(shown("grey")[:, 0], CANVAS)
    assert not shown("grey")[:, 1:].any()
    assert np.array_equal(shown("grey+motion")[:, :2], np.stack([CANVAS, PLANES[:, 0]], 1))
    assert not shown("grey+motion")[:, 2].any()


@pytest.mark.parametrize("name", ["blur", "small"])
def test_a_face_is_gone_and_the_light_is_not(name: str) -> None:
    found = shown(name)[:, 0].astype(float)
    assert not shown(name)[:, 1:].any()
    assert found.mean() == pytest.approx(CANVAS.mean(), abs=2)
    assert found.std() < CANVAS.std() / 3
