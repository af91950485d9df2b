# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.rooms import codec
from calibration.rooms.codec import Codec, Quality
from calibration.rooms.errors import RoomsError
from calibration.rooms.view import HEIGHT, WIDTH

SOURCE = codec.LIBRARY.with_name("codec.c")
# The rows of H.264's 8 x 8 transform, as the standard prints them.
BASIS = np.array(
    [
        (8, 8, 8, 8, 8, 8, 8, 8),
        (12, 10, 6, 3, -3, -6, -10, -12),
        (8, 4, -4, -8, -8, -4, 4, 8),
        (10, -3, -12, -6, 6, 12, 3, -10),
        (8, -8, -8, 8, 8, -8, -8, 8),
        (6, -12, 3, 10, -10, -3, 12, -6),
        (4, -8, 8, -4, -4, 8, -8, 4),
        (3, -6, 10, -12, 12, -10, 6, -3),
    ]
)
FINE = Quality(step=1.0, dead_zone=0.5, skip=0.0, period=1)


def frame(seed=0, smooth=True):
    grey = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH)).astype(np.float64)
    if smooth:
        for axis in (0, 1):
            grey = sum(np.roll(grey, k, axis) for k in range(-6, 7)) / 13
        grey = (grey - grey.min()) / np.ptp(grey) * 255
    return np.ascontiguousarray(grey, np.uint8)


def test_fine_steps_lose_next_to_nothing():
    grey = frame()
    error = np.abs(Codec(FINE).decoded(grey).astype(int) - grey)
    assert error.mean() < 1.0
    assert error.max() < 6


def test_the_transform_is_the_standards():
    """One block that is one basis function comes out whole when its coefficient is on the step."""
    length = np.sqrt((BASIS**2).sum(axis=1))
    for k, m in ((0, 1), (3, 2), (7, 7), (6, 5)):
        step = 200.0
        wave = step * np.outer(BASIS[k], BASIS[m]) / (length[k] * length[m])
        grey = np.full((HEIGHT, WIDTH), 128.0)
        grey[:8, :8] += wave
        made = Codec(Quality(step, 0.25, 0.0, 1)).decoded(np.round(grey).astype(np.uint8))
        seen = made[1:7, 1:7].astype(int) - np.round(grey).astype(int)[1:7, 1:7]
        assert np.abs(seen).max() <= 2, (k, m)


def test_coarse_steps_lose_more():
    grey = frame()
    errors = [
        np.abs(Codec(Quality(step, 0.3, 0.0, 1)).decoded(grey).astype(int) - grey).mean()
        for step in (2.0, 8.0, 32.0)
    ]
    assert errors == sorted(errors)
    assert errors[2] > 3 * errors[0]


def test_what_hardly_changes_is_skipped_until_the_next_whole_picture():
    coder = Codec(Quality(4.0, 0.3, 2.0, 5))
    first = coder.decoded(np.full((HEIGHT, WIDTH), 100, np.uint8)).copy()
    for _ in range(4):
        again = coder.decoded(np.full((HEIGHT, WIDTH), 101, np.uint8))
        np.testing.assert_array_equal(first, again)
    assert abs(coder.decoded(np.full((HEIGHT, WIDTH), 110, np.uint8)).mean() - 110) < 2


def test_what_moves_comes_through():
    coder = Codec(Quality(6.0, 0.3, 1.0, 50))
    grey = frame()
    coder.decoded(grey)
    moved = grey.copy()
    moved[40:80, 60:90] = 255 - moved[40:80, 60:90]
    made = coder.decoded(moved)
    assert np.abs(made[44:76, 64:86].astype(int) - moved[44:76, 64:86]).mean() < 6


@pytest.mark.parametrize(
    "quality",
    [
        Quality(0.5, 0.3, 0.0, 10),
        Quality(300.0, 0.3, 0.0, 10),
        Quality(4.0, 0.6, 0.0, 10),
        Quality(4.0, 0.3, -1.0, 10),
    ],
)
def test_a_quality_out_of_range_is_refused(quality):
    with pytest.raises(RoomsError, match="compression"):
        Codec(quality).decoded(frame())


def test_another_size_or_kind_of_frame_is_refused():
    for bad in (np.zeros((64, 80), np.uint8), np.zeros((HEIGHT, WIDTH), np.float32)):
        with pytest.raises(RoomsError, match="frame"):
            Codec(FINE).decoded(bad)


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(1, 256),
    st.floats(0, 0.5),
    st.floats(0, 30),
    st.integers(1, 4),
)
def test_frames_repeat_and_stay_near(seed, step, dead_zone, skip, period):
    quality = Quality(step, dead_zone, skip, period)
    first, again = Codec(quality), Codec(quality)
    for k in range(3):
        grey = frame(seed + k, smooth=False)
        made = first.decoded(grey).copy()
        np.testing.assert_array_equal(made, again.decoded(grey))
        assert np.abs(made.astype(int) - grey).mean() < step + skip + 2


DRIVER = r"""
#include "{source}"
#include <stdio.h>

int main(int count, char **words)
{{
  uint32_t state = 1;
  for (int32_t step = 16; step <= 4096; step = step * 5 / 2 + 1)
    for (int32_t w = 8; w <= 40; w += 8) {{
      Picture picture = {{w, 16, step, 64, 32, 0}};
      uint8_t *grey = malloc((size_t)w * 16), *decoded = malloc((size_t)w * 16);
      for (int frame = 0; frame < 6; frame++) {{
        for (int32_t i = 0; i < w * 16; i++) {{
          state = state * 1664525u + 1013904223u;
          grey[i] = frame % 2 ? (uint8_t)(state >> 24) : (uint8_t)(state >> 31 ? 255 : 0);
          if (!frame)
            decoded[i] = 0;
        }}
        picture.intra = frame % 3 == 0;
        if (rooms_code(&picture, grey, decoded))
          return 1;
      }}
      free(grey);
      free(decoded);
    }}
  Picture bad = {{12, 16, 64, 64, 0, 0}};
  if (rooms_code(&bad, NULL, NULL) != -1)
    return 2;
  if (count > 1) {{ /* a control: a buffer that is too small, by as many bytes as the word says */
    Picture big = {{16, 8, 64, 64, 0, 1}};
    uint8_t *few = malloc((size_t)(128 - atoi(words[1])));
    rooms_code(&big, few, few);
  }}
  puts("clean");
  return 0;
}}
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codec")
    (folder / "driver.c").write_text(DRIVER.format(source=SOURCE))
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["gcc", *flags, folder / "driver.c", "-o", folder / "driver"], check=True)

    def run(*words):
        return subprocess.run(
            [folder / "driver", *words],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
        )

    return run


def test_the_sanitizers_find_nothing(driver):
    done = driver()
    assert (done.returncode, done.stdout) == (0, "clean\n"), done.stderr


def test_the_sanitizers_would_find_something(driver):
    assert "heap-buffer-overflow" in driver("64").stderr
