# SPDX-License-Identifier: Apache-2.0
"""Buffers that zero themselves, at most one frame per period, and the frame that is pulled."""

from __future__ import annotations

import gi
import numpy as np
import pytest

from edge import wiping
from edge.processors.cpu import GREY_CANVAS
from edge.sources import caps
from kernels.desensitise import CANVAS_H, CANVAS_W

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

FULL_CANVAS = caps(GREY_CANVAS)
SINK = "appsink name=sink sync=false enable-last-sample=false"
TIMEOUT_S = 20.0


@pytest.fixture(autouse=True, scope="module")
def gstreamer():
    Gst.init(None)


class Playing:
    """A pipeline of `frames` frames at 30/s that ends in an appsink."""

    layout = GREY_CANVAS

    def __init__(self, frames: int, middle: str, *, hooked: bool = True, period_ns: int = 0):
        head = f"videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,framerate=30/1"
        self.pipeline = Gst.parse_launch(f"{head},width=320,height=240 ! {middle} ! {SINK}")
        self.canvas = np.zeros(self.layout.nbytes, np.uint8)
        self.about = wiping.Pulled()
        if hooked:
            wiping.hook(self.pipeline)
        if period_ns:
            wiping.pace(self.pipeline.get_by_name("scale"), period_ns)
        self.pipeline.set_state(Gst.State.PLAYING)

    def pull(self) -> wiping.Pull:
        sink = self.pipeline.get_by_name("sink")
        return wiping.pull(sink, TIMEOUT_S, self.layout, self.canvas, self.about)

    def count(self) -> int:
        frames = 0
        while self.pull() is wiping.Pull.FRAME:
            frames += 1
        return frames

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipeline.set_state(Gst.State.NULL)
        self.pipeline = None  # an appsink keeps its last frame until it is freed


def grown(before: wiping.WipeStats) -> wiping.WipeStats:
    now = wiping.stats()
    return wiping.WipeStats(*(getattr(now, f) - getattr(before, f) for f in now.__slots__))


SCALE = f"videoscale name=scale ! videoconvert ! {FULL_CANVAS}"


def test_every_frame_that_arrives_is_wiped_at_every_hop():
    before = wiping.stats()
    with Playing(12, SCALE) as playing:
        assert playing.count() == 12
    counted = grown(before)
    assert counted.frames == counted.frames_wiped == 12
    assert counted.buffers >= 24, "the source's buffers and the canvases"
    assert counted.bytes >= 12 * (320 * 240 + CANVAS_W * CANVAS_H)
    assert counted.failed == 0


def test_without_the_hook_nothing_is_counted():
    before = wiping.stats()
    with Playing(12, SCALE, hooked=False) as playing:
        assert playing.count() == 12
    assert grown(before) == wiping.WipeStats(*[0] * 7)


def test_elements_that_appear_later_are_hooked(clips):
    before = wiping.stats()
    pipeline = Gst.parse_launch(
        f"filesrc location={clips / 'ward_fight.mp4'} ! decodebin ! {SCALE} ! {SINK} max-buffers=1"
    )
    wiping.hook(pipeline)
    pipeline.set_state(Gst.State.PLAYING)
    canvas, about = np.zeros(GREY_CANVAS.nbytes, np.uint8), wiping.Pulled()
    sink = pipeline.get_by_name("sink")
    for _ in range(5):
        assert wiping.pull(sink, TIMEOUT_S, GREY_CANVAS, canvas, about) is wiping.Pull.FRAME
    pipeline.set_state(Gst.State.NULL)
    del sink, pipeline  # an appsink keeps its last frame until it is freed
    counted = grown(before)
    assert counted.frames_wiped == counted.frames >= 5
    assert counted.buffers > 3 * counted.frames, "the file's, the demuxer's and the decoder's, too"


@pytest.mark.parametrize(("rate", "passed"), [(10, 20), (15, 30), (30, 60), (60, 60)])
def test_pacing_lets_at_most_one_frame_per_period_through(rate, passed):
    with Playing(60, SCALE, period_ns=1_000_000_000 // rate) as playing:
        assert playing.count() == passed


def test_equal_frames_have_equal_digests_and_others_do_not():
    with Playing(3, SCALE) as playing:
        digests, pictures = [], []
        while playing.pull() is wiping.Pull.FRAME:
            digests.append(playing.about.digest)
            pictures.append(playing.canvas.copy())
    assert not np.array_equal(pictures[0], pictures[1])
    assert len(set(digests)) == 3
    with Playing(1, SCALE) as again:
        again.pull()
        assert again.about.digest == digests[0]


def test_a_frame_that_is_no_canvas_is_not_copied():
    with Playing(1, "identity") as playing:
        assert playing.pull() is wiping.Pull.BAD_FRAME
        assert not playing.canvas.any()
