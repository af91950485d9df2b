# SPDX-License-Identifier: Apache-2.0
import dataclasses
import itertools

import numpy as np
import pytest

from calibration.rooms.sensor import Sensor
from calibration.rooms.view import HEIGHT, WIDTH

SEEDS = range(2)


def scene(level=0.3):
    """A bright and a dark half, with a ramp."""
    x = np.linspace(0.3, 1.0, WIDTH, dtype=np.float32)
    light = np.tile(x, (HEIGHT, 1)) * np.float32(level)
    light[: HEIGHT // 2] *= np.float32(0.3)
    return light


def sensor(seed, **habits):
    made = Sensor(np.random.default_rng(seed), infrared=False)
    made.habits = dataclasses.replace(made.habits, overlay="", tremble=0.0, **habits)
    return made


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("infrared", [False, True])
def test_a_picture_is_neither_black_nor_white(seed, infrared):
    camera = Sensor(np.random.default_rng(seed), infrared=infrared)
    for level in (0.01, 0.3, 4.0):
        grey = camera.grey(scene(level))
        assert grey.shape == (HEIGHT, WIDTH)
        assert grey.dtype == np.uint8
    for _ in range(120):
        grey = camera.grey(scene(4.0))
    assert 50 < grey.mean() < 215
    assert grey[HEIGHT // 2 :].mean() > grey[: HEIGHT // 2].mean() + 10


def test_the_same_stream_gives_the_same_bytes():
    first, again = (Sensor(np.random.default_rng(5), infrared=False) for _ in range(2))
    for _ in range(5):
        np.testing.assert_array_equal(first.grey(scene()), again.grey(scene()))
    other = Sensor(np.random.default_rng(6), infrared=False)
    assert (other.grey(scene()) != first.grey(scene())).mean() > 0.3


def test_the_exposure_follows_late():
    camera = sensor(1, pace=0.1, trail=0.0)
    for _ in range(20):
        before = camera.grey(scene(0.3)).mean()
    swung = camera.grey(scene(1.2)).mean()
    for _ in range(80):
        after = camera.grey(scene(1.2)).mean()
    assert swung > before + 30
    assert abs(after - before) < 12


def test_there_is_noise_and_less_of_it_with_the_filter():
    def flicker(trail):
        camera = sensor(3, trail=trail, read_noise=0.01, shot_noise=0.02, pace=0.01)
        camera._codec = Codecless()
        camera.grey(scene())
        frames = [camera.grey(scene()).astype(int) for _ in range(12)]
        return np.mean(np.abs(np.diff(frames, axis=0)))

    assert flicker(0.0) > 1.0
    assert flicker(0.8) < 0.6 * flicker(0.0)


class Codecless:
    def decoded(self, grey):
        return grey.copy()


def test_what_is_too_bright_glares():
    lamp = scene()
    lamp[50:70, 70:90] = 60.0
    clear, glaring = (sensor(2, glare=glare, flare=0.0) for glare in (0.0, 0.2))
    dim, bright = (camera.grey(lamp).astype(int) for camera in (clear, glaring))
    assert (bright - dim)[40:48, 60:100].mean() > 8


def test_a_clock_ticks_once_a_second():
    camera = sensor(4, read_noise=0.0, shot_noise=0.0, trail=0.0, pace=1e-9)
    camera.habits = dataclasses.replace(camera.habits, overlay="top")
    camera._codec = Codecless()
    frames = [camera.grey(scene()).astype(int) for _ in range(21)]
    corner = [np.abs(b - a)[:12, :60].max() > 20 for a, b in itertools.pairwise(frames)]
    assert sum(corner) == 2
    assert corner[9]
    assert corner[19]


def test_a_mount_that_trembles_moves_edges():
    still, moving = sensor(7, trail=0.0), sensor(7, trail=0.0)
    moving.habits = dataclasses.replace(moving.habits, tremble=0.8)
    for camera in (still, moving):
        camera._codec = Codecless()
    spread = []
    for camera in (still, moving):
        frames = np.array([camera.grey(scene()).astype(int) for _ in range(10)])
        spread.append(frames[:, 62:66].std(axis=0).mean())
    assert spread[1] > 1.5 * spread[0]
