# SPDX-License-Identifier: Apache-2.0
"""Frame formats, and area averages against an average over the frame and the canvas blown up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.errors import FormatError
from kernels.frame import CANVAS_H, CANVAS_W, PIXELS, FrameFormat, area_resize


def random_frame(layout, seed=0):
    return np.random.default_rng(seed).integers(0, 256, layout.nbytes, dtype=np.uint8)


def blown_up(luma):
    """Every pixel 64 x 80 times, so that each of the canvas covers whole ones; rounded half up."""
    height, width = luma.shape
    columns = luma.astype(np.int64).repeat(CANVAS_W, axis=1).reshape(height, CANVAS_W, width).sum(2)
    rows = columns.repeat(CANVAS_H, axis=0).reshape(CANVAS_H, height, CANVAS_W).sum(1)
    return (2 * rows + height * width) // (2 * height * width)


@given(st.integers(80, 200), st.integers(64, 200), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_every_pixel_is_its_areas_average(width, height, seed):
    layout = FrameFormat("GRAY8", width, height)
    frame = random_frame(layout, seed)
    assert np.array_equal(area_resize(frame, layout), blown_up(frame.reshape(height, width)))


def test_a_canvas_is_itself():
    layout = FrameFormat("GRAY8", CANVAS_W, CANVAS_H)
    frame = random_frame(layout)
    assert np.array_equal(area_resize(frame, layout).ravel(), frame)


def test_a_half_is_rounded_up():
    layout = FrameFormat("GRAY8", 2 * CANVAS_W, CANVAS_H)
    frame = np.tile(np.uint8([3, 4]), CANVAS_W * CANVAS_H)
    assert (area_resize(frame, layout) == 4).all()


@pytest.mark.parametrize("value", [0, 1, 127, 255])
@pytest.mark.parametrize("size", [(81, 65), (1279, 719), (3840, 2160)])
def test_a_plain_frame_is_a_plain_canvas(size, value):
    layout = FrameFormat("GRAY8", *size)
    assert (area_resize(np.full(layout.nbytes, value, np.uint8), layout) == value).all()


@pytest.mark.parametrize("pixels", ["NV12", "I420"])
def test_luma_is_what_counts_as_it_is_stored(pixels):
    layout = FrameFormat(pixels, 160, 128)
    frame = random_frame(layout)
    grey = FrameFormat("GRAY8", 160, 128)
    wanted = area_resize(frame[: grey.nbytes].copy(), grey)
    assert np.array_equal(area_resize(frame, layout), wanted)
    frame[grey.nbytes :] = 0  # the chroma
    assert np.array_equal(area_resize(frame, layout), wanted)


def test_luma_of_colours_is_rec_601s():
    layout = FrameFormat("BGRx", 80, 64)
    frame = random_frame(layout)
    blue, green, red = (frame[i::4].astype(float) for i in range(3))
    wanted = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.abs(area_resize(frame, layout).ravel() - wanted).max() < 1.2
    white = np.full(layout.nbytes, 255, np.uint8)
    white[3::4] = 0  # the x
    assert (area_resize(white, layout) == 255).all()


def test_bytes_of_each_format():
    sizes = {pixels: FrameFormat(pixels, 640, 480).nbytes for pixels in PIXELS}
    assert sizes == {"GRAY8": 307200, "NV12": 460800, "I420": 460800, "BGRx": 1228800}


@pytest.mark.parametrize(
    ("pixels", "width", "height"),
    [
        ("RGB", 640, 480),
        ("GRAY8", 79, 64),
        ("GRAY8", 80, 63),
        ("GRAY8", 3841, 2160),
        ("GRAY8", 3840, 2161),
        ("NV12", 641, 480),
        ("I420", 640, 481),
    ],
)
def test_other_formats_are_refused(pixels, width, height):
    with pytest.raises(FormatError):
        FrameFormat(pixels, width, height)


@pytest.mark.parametrize(
    "frame", [np.zeros(80 * 64 - 1, np.uint8), np.zeros((64, 80), np.uint8), np.zeros(5120, "i1")]
)
def test_a_frame_of_another_shape_or_type_is_refused(frame):
    with pytest.raises(FormatError, match="frame must be uint8"):
        area_resize(frame, FrameFormat("GRAY8", 80, 64))
