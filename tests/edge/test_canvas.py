# SPDX-License-Identifier: Apache-2.0
"""A frame of any format and stride lands packed on the canvas, or not at all."""

from __future__ import annotations

import gi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import wiping
from edge.errors import CameraError
from edge.sources import caps
from kernels.frame import PIXELS, FrameFormat

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo  # noqa: E402

STEADY = settings(derandomize=True, deadline=None, max_examples=300, database=None)
TIMEOUT_S = 20.0
UNTOUCHED = 0xA5
DESCRIBED = {
    "GRAY8": GstVideo.VideoFormat.GRAY8,
    "NV12": GstVideo.VideoFormat.NV12,
    "I420": GstVideo.VideoFormat.I420,
    "BGRX": GstVideo.VideoFormat.BGRX,
}


def planes_of(layout: FrameFormat) -> list[tuple[int, int]]:
    """(rows, bytes in a row) of every plane."""
    width, height = layout.width, layout.height
    half = height // 2
    return {
        "GRAY8": [(height, width)],
        "NV12": [(height, width), (half, width)],
        "I420": [(height, width), (half, width // 2), (half, width // 2)],
        "BGRx": [(height, width * 4)],
    }[layout.pixels]


class Sent:
    """A buffer of random bytes with planes where `strides` and `gaps` put them."""

    def __init__(self, layout: FrameFormat, strides: list[int], gaps: list[int], spare: int = 0):
        self.layout, self.strides, self.offsets = layout, strides, []
        end = 0
        for (rows, used), stride, gap in zip(planes_of(layout), strides, gaps, strict=True):
            self.offsets.append(end + gap)
            end += gap + (rows - 1) * stride + used
        rng = np.random.default_rng(end)
        self.memory = rng.integers(0, 256, end + spare).astype(np.uint8)

    def packed(self) -> np.ndarray:
        pieces = []
        for (rows, used), stride, at in zip(
            planes_of(self.layout), self.strides, self.offsets, strict=True
        ):
            pieces += [self.memory[at + y * stride :][:used] for y in range(rows)]
        return np.concatenate(pieces)

    def buffer(self, described: FrameFormat | None = None) -> Gst.Buffer:
        layout = described or self.layout
        buffer = Gst.Buffer.new_wrapped(self.memory.tobytes())
        empty = [0] * (4 - len(self.offsets))
        GstVideo.buffer_add_video_meta_full(
            buffer,
            GstVideo.VideoFrameFlags.NONE,
            DESCRIBED[layout.pixels.upper()],
            *(layout.width, layout.height, len(self.offsets)),
            self.offsets + empty,
            self.strides + empty,
        )
        return buffer


@pytest.fixture(scope="module")
def throw():
    """A function that sends one buffer through a pipeline; -> outcome and canvas."""
    Gst.init(None)
    pipeline = Gst.parse_launch("appsrc name=source ! appsink name=sink sync=false")
    pipeline.set_state(Gst.State.PLAYING)
    source, sink = pipeline.get_by_name("source"), pipeline.get_by_name("sink")

    def send(buffer, said: FrameFormat, wanted: FrameFormat, about=None):
        canvas = np.full(wanted.nbytes, UNTOUCHED, np.uint8)
        text = f"{caps(said)},framerate=10/1"
        sample = Gst.Sample.new(buffer, Gst.Caps.from_string(text), None, None)
        assert source.emit("push-sample", sample) == Gst.FlowReturn.OK
        return wiping.pull(sink, TIMEOUT_S, wanted, canvas, about or wiping.Pulled()), canvas

    yield send
    pipeline.set_state(Gst.State.NULL)


@st.composite
def layouts(draw):
    halves = draw(st.tuples(st.integers(40, 90), st.integers(32, 70)))
    pixels = draw(st.sampled_from(PIXELS))
    odd = draw(st.integers(0, 1)) if pixels in ("GRAY8", "BGRx") else 0
    return FrameFormat(pixels, 2 * halves[0] + odd, 2 * halves[1] + odd)


@st.composite
def sent(draw):
    """Frames whose rows do not overlap and lie in the buffer."""
    layout = draw(layouts())
    planes = planes_of(layout)
    strides = [used + draw(st.integers(0, 40)) for _, used in planes]
    return Sent(
        layout, strides, [draw(st.integers(0, 30)) for _ in planes], draw(st.integers(0, 9))
    )


def refused(outcome, canvas) -> bool:
    return outcome is wiping.Pull.BAD_FRAME and bool((canvas == UNTOUCHED).all())


@STEADY
@given(sent())
def test_planes_at_any_stride_and_place_are_packed(throw, frame):
    outcome, canvas = throw(frame.buffer(), frame.layout, frame.layout)
    assert outcome is wiping.Pull.FRAME
    assert np.array_equal(canvas, frame.packed())


@pytest.mark.parametrize("pixels", PIXELS)
def test_without_a_description_rows_lie_as_gstreamer_lays_them(throw, pixels):
    layout = FrameFormat(pixels, 82, 66)
    info = GstVideo.VideoInfo()
    info.set_format(DESCRIBED[pixels.upper()], 82, 66)
    frame = Sent(layout, list(info.stride)[: len(planes_of(layout))], [0] * len(planes_of(layout)))
    frame.offsets = list(info.offset)[: len(frame.offsets)]
    frame.memory = np.random.default_rng(1).integers(0, 256, info.size).astype(np.uint8)
    buffer = Gst.Buffer.new_wrapped(frame.memory.tobytes())
    outcome, canvas = throw(buffer, layout, layout)
    assert outcome is wiping.Pull.FRAME
    assert np.array_equal(canvas, frame.packed())
    short = Gst.Buffer.new_wrapped(frame.memory.tobytes()[:-8])
    assert refused(*throw(short, layout, layout))


@STEADY
@given(sent(), layouts())
def test_another_size_or_format_is_refused(throw, frame, other):
    if other == frame.layout:
        return
    assert refused(*throw(frame.buffer(), frame.layout, other))
    assert refused(*throw(frame.buffer(), other, other)), "the buffer says otherwise than its caps"
    same_planes = len(planes_of(other)) == len(planes_of(frame.layout))
    if same_planes:
        assert refused(*throw(frame.buffer(described=other), frame.layout, frame.layout))


@STEADY
@given(layouts(), st.data())
def test_rows_that_overlap_or_leave_the_buffer_are_refused(throw, layout, data):
    planes = planes_of(layout)
    strides = [used for _, used in planes]
    frame = Sent(layout, list(strides), [0] * len(planes))
    victim = data.draw(st.integers(0, len(planes) - 1))
    kind = data.draw(st.sampled_from(["narrow", "backwards", "wide", "far", "cut"]))
    if kind == "narrow":
        frame.strides[victim] -= data.draw(st.integers(1, strides[victim]))
    elif kind == "backwards":
        frame.strides[victim] = -strides[victim]
    elif kind == "wide":
        frame.strides[victim] += data.draw(st.integers(len(frame.memory), 2**31 - 5000))
    elif kind == "far":
        frame.offsets[victim] += len(frame.memory) - 1
    else:
        frame.memory = frame.memory[: -data.draw(st.integers(1, 8))]
    assert refused(*throw(frame.buffer(), layout, layout))


def test_every_byte_of_a_frame_counts_in_its_digest(throw):
    layout = FrameFormat("NV12", 80, 64)
    frame = Sent(layout, [80, 80], [0, 0])

    def digest():
        throw(frame.buffer(), layout, layout, about := wiping.Pulled())
        return about.digest

    usual = digest()
    assert digest() == usual
    for at in [*range(64), *range(64, layout.nbytes, 61), layout.nbytes - 1]:
        frame.memory[at] ^= 1
        assert digest() != usual
        frame.memory[at] ^= 1


def test_a_canvas_of_another_size_is_an_error(throw):
    layout = FrameFormat("NV12", 80, 64)
    for canvas in (
        np.zeros(layout.nbytes - 1, np.uint8),
        np.zeros(2 * layout.nbytes, np.uint8)[::2],
    ):
        with pytest.raises(CameraError, match="7680 bytes in one piece"):
            wiping.pull(None, 0.0, layout, canvas, wiping.Pulled())
