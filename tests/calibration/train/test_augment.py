# SPDX-License-Identifier: Apache-2.0
"""Each change of a window does what it says, and nothing where it was not drawn."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.train import augment as module
from calibration.train.augment import augment

LEVELS = np.array([120, 150, 180], np.uint8)


def window(steps: int = 16) -> np.ndarray:
    """A bright bar that goes to the right in front of nothing."""
    planes = np.zeros((steps, 3, 64, 80), np.uint8)
    for k in range(steps):
        planes[k, :, 20:50, 10 + 2 * k : 22 + 2 * k] = LEVELS[:, None, None]
    planes.flags.writeable = False
    return planes


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Everything switched off but the mirror; a test switches on what it looks at."""
    for name in ("SHIFT_PIXELS", "SCALE_MEAN", "SCALE_SPREAD", "GAIN_SPREAD", "PLANE_GAIN_SPREAD",
                 "NOISE_SHARE", "FLICKER_SHARE", "HIDDEN_SHARE", "LOSSY_SHARE"):  # fmt: skip
        monkeypatch.setattr(module, name, 0.0)
    return monkeypatch


def unmirrored(planes: np.ndarray) -> np.ndarray:
    mass = planes.astype(float).sum(axis=(1, 2)) @ np.arange(80)
    return planes if mass[-1] > mass[0] else planes[..., ::-1]


def test_one_generator_decides_all() -> None:
    first, again, other = (augment(window(), np.random.default_rng(k)) for k in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == window().shape
    assert first.dtype == np.uint8


def test_a_mirror_is_half_of_the_windows_and_nothing_else(nothing: pytest.MonkeyPatch) -> None:
    del nothing
    rng, mirrored = np.random.default_rng(0), 0
    for _ in range(100):
        found = augment(window(), rng)
        mirrored += not np.array_equal(found, window())
        assert np.array_equal(unmirrored(found), window())
    assert 30 < mirrored < 70


def test_people_are_smaller_in_the_middle_of_the_frame(nothing: pytest.MonkeyPatch) -> None:
    nothing.setattr(module, "SCALE_MEAN", -0.5)
    found = unmirrored(augment(window(), np.random.default_rng(0)))
    rows = np.flatnonzero(found[0, 2].any(axis=1))
    scale = np.exp(-0.5)
    assert rows[0] == pytest.approx(32 + (20 - 32) * scale, abs=1.5)
    assert len(rows) == pytest.approx(30 * scale, abs=2)


def test_a_frame_moves_as_a_whole(nothing: pytest.MonkeyPatch) -> None:
    nothing.setattr(module, "SHIFT_PIXELS", 6.0)
    found = unmirrored(augment(window(), np.random.default_rng(5)))
    moved = {
        (int(rows[0]) - 20, int(columns[0]) - 10 - 2 * k)
        for k, step in enumerate(found)
        for plane in step
        for rows, columns in [(plane.any(axis=1).nonzero()[0], plane.any(axis=0).nonzero()[0])]
    }
    assert len(moved) == 1
    assert moved != {(0, 0)}


def test_motion_and_history_share_a_gain(nothing: pytest.MonkeyPatch) -> None:
    nothing.setattr(module, "GAIN_SPREAD", 0.2)
    top = augment(window(), np.random.default_rng(1)).max(axis=(0, 2, 3)) / LEVELS
    assert top[0] == pytest.approx(top[1], abs=0.01)
    assert abs(top[0] - top[2]) > 0.05
    nothing.setattr(module, "PLANE_GAIN_SPREAD", 0.1)
    top = augment(window(), np.random.default_rng(1)).max(axis=(0, 2, 3)) / LEVELS
    assert abs(top[0] - top[1]) > 0.02


def test_noise_is_on_motion_and_remembered_but_no_foreground(nothing: pytest.MonkeyPatch) -> None:
    nothing.setattr(module, "NOISE_SHARE", 1.0)
    found = unmirrored(augment(window(), np.random.default_rng(3)))
    background = found[:, :, :20].astype(float)
    assert 0 < background[:, 0].mean() < module.NOISE_MOST
    assert background[5:, 1].mean() > background[5:, 0].mean()
    assert (found[:, 1] >= found[:, 0]).all()
    assert np.array_equal(found[:, 2], window()[:, 2])
    assert not np.array_equal(background[0, 0], background[1, 0])


def test_flicker_lifts_some_steps_evenly_and_decays(nothing: pytest.MonkeyPatch) -> None:
    nothing.setattr(module, "FLICKER_SHARE", 1.0)
    found = unmirrored(augment(window(40), np.random.default_rng(2)))
    level = found[:, 0, 5, 5].astype(int)
    assert (found[:, 0, :20] == level[:, None, None]).all()
    assert 0 < np.count_nonzero(level) < 30
    history = found[:, 1, 5, 5].astype(int)
    assert (history >= level).all()
    quiet = np.flatnonzero((level[1:] == 0) & (history[:-1] > 8)) + 1
    assert len(quiet)
    assert history[quiet] == pytest.approx(history[quiet - 1] * module.DECAY, abs=1)


def test_one_rectangle_hides_everything_for_the_whole_window(nothing: pytest.MonkeyPatch) -> None:
    nothing.setattr(module, "HIDDEN_SHARE", 1.0)
    full = np.full((6, 3, 64, 80), 9, np.uint8)
    hidden = augment(full, np.random.default_rng(0)) == 0
    rows, columns = np.flatnonzero(hidden[0, 0].any(1)), np.flatnonzero(hidden[0, 0].any(0))
    rectangle = np.zeros((64, 80), bool)
    rectangle[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    assert (hidden == rectangle).all()
    assert 0.01 <= rectangle.mean() <= 0.17


def test_a_lost_step_repeats_the_one_before(nothing: pytest.MonkeyPatch) -> None:
    nothing.setattr(module, "LOSSY_SHARE", 1.0)
    found = unmirrored(augment(window(29), np.random.default_rng(4)))
    shown = found[:, 2].any(axis=1).argmax(axis=1)
    repeated = np.flatnonzero(np.diff(shown) == 0) + 1
    assert 0 < len(repeated) < 20
    kept = np.setdiff1d(np.arange(29), repeated)
    assert np.array_equal(found[kept], window(29)[kept])


def test_what_is_no_input_stays_so() -> None:
    only_shape = window().copy()
    only_shape[:, :2] = 0
    rng = np.random.default_rng(0)
    assert not any(augment(only_shape, rng)[:, :2].any() for _ in range(30))
    assert any(augment(window(), rng)[:, :2, :4].any() for _ in range(30))
