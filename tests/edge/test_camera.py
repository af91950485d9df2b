# SPDX-License-Identifier: Apache-2.0
"""Frames with an owner, from recordings and from sources that break."""

from __future__ import annotations

import logging
import threading
import time

import cv2
import numpy as np
import psutil
import pytest

from edge import camera as camera_module
from edge import gstreamer
from edge.camera import Camera
from edge.errors import CameraError, UseAfterWipe
from edge.processors.cpu import GREY_CANVAS
from edge.wiping import Pull
from kernels.desensitise import CANVAS_H, CANVAS_W

RATE = 10
TIMEOUT_S = 20.0
SECRET = "tHe-sEcReT"


@pytest.fixture
def clip(clips):
    return clips / "ward_fight.mp4"


def new_canvas() -> np.ndarray:
    return np.zeros(GREY_CANVAS.nbytes, np.uint8)


def open_camera(source, rate_hz, **how) -> Camera:
    return camera_module.open_camera(source, rate_hz, GREY_CANVAS, new_canvas(), **how)


def read_all(path) -> np.ndarray:
    frames = []
    with open_camera(str(path), RATE, realtime=False) as camera:
        while (frame := camera.next(TIMEOUT_S)) is not None:
            with frame:
                frames.append(frame.pixels.reshape(CANVAS_H, CANVAS_W).copy())
        assert camera.ended
        assert camera.state == "ended"
        assert camera.frames == camera.frames_wiped == len(frames)
    return np.stack(frames)


def by_opencv(path) -> np.ndarray:
    """Every frame of a recording, scaled by area, in limited range as video stores grey."""
    reader, frames = cv2.VideoCapture(str(path)), []
    while (got := reader.read())[0]:
        grey = cv2.cvtColor(got[1], cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, (CANVAS_W, CANVAS_H), interpolation=cv2.INTER_AREA)
        frames.append(small * (219 / 255) + 16)
    return np.stack(frames)


def test_a_recording_is_read_in_order_at_the_rate_and_the_same_every_time(clip):
    first, second = read_all(clip), read_all(clip)
    assert np.array_equal(first, second)
    reader = cv2.VideoCapture(str(clip))
    seconds = reader.get(cv2.CAP_PROP_FRAME_COUNT) / reader.get(cv2.CAP_PROP_FPS)
    assert abs(len(first) - seconds * RATE) <= 2


def test_frames_are_the_whole_picture_scaled_without_borders(clip):
    frames, wanted = read_all(clip), by_opencv(clip)
    step = len(wanted) / len(frames)
    for index in range(0, len(frames), 10):
        near = wanted[round(index * step) :][:3]
        assert min(float(np.abs(frames[index] - one).mean()) for one in near) < 3.0


def test_a_frame_ends_at_its_wipe_at_the_next_frame_and_at_close(clip):
    camera = open_camera(str(clip), RATE, realtime=False)
    frame = camera.next(TIMEOUT_S)
    view = frame.pixels
    assert view.shape == (CANVAS_H * CANVAS_W,)
    assert view.any()
    frame.wipe()
    frame.wipe()
    assert not view.any()
    with pytest.raises(UseAfterWipe):
        _ = frame.pixels
    earlier = camera.next(TIMEOUT_S)
    camera.next(TIMEOUT_S)
    with pytest.raises(UseAfterWipe):
        _ = earlier.pixels
    camera.close()
    camera.close()
    assert not view.any()


def test_a_recording_plays_at_its_own_speed_and_no_faster_than_the_rate(clip):
    times_ns = []
    with open_camera(str(clip), RATE) as camera:
        while len(times_ns) < 15:
            frame = camera.next(TIMEOUT_S)
            assert abs(frame.wall_us / 1e6 - time.time()) < 5.0
            times_ns.append(frame.time_ns)
            frame.wipe()
        assert camera.state == "live"
    seconds = (times_ns[-1] - times_ns[3]) / 1e9
    assert seconds >= 0.8 * (len(times_ns) - 4) / RATE


def test_a_live_source_keeps_the_newest_frame_only():
    with open_camera("test:ball", RATE) as camera:
        assert camera.next(TIMEOUT_S) is not None
        time.sleep(0.7)
        asked_ns = time.monotonic_ns()
        frame = camera.next(TIMEOUT_S)
        assert asked_ns - frame.time_ns < 0.5e9, "not the oldest one that waited"
        assert camera.frames > 3
        frame.wipe()
    assert camera.frames == camera.frames_wiped


def test_opening_many_recordings_leaves_nothing_behind(clip):
    def once():
        with open_camera(str(clip), RATE, realtime=False) as camera:
            assert camera.next(TIMEOUT_S) is not None

    process = psutil.Process()
    for _ in range(5):
        once()
    before = process.num_fds(), threading.active_count(), process.num_threads()
    memory = process.memory_info().rss
    for _ in range(30):
        once()
    after = process.num_fds(), threading.active_count(), process.num_threads()
    assert all(b <= a + 4 for a, b in zip(before, after, strict=True)), (before, after)
    assert process.memory_info().rss - memory < 16 << 20


def test_after_the_end_next_waits_instead_of_spinning(clip, tmp_path):
    with open_camera(str(clip), RATE, realtime=False) as camera:
        while camera.next(TIMEOUT_S) is not None:
            pass
        began = time.monotonic()
        assert camera.next(0.2) is None
        assert time.monotonic() - began >= 0.19


def test_what_is_no_video_says_so(tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("no video at all\n" * 100)
    with pytest.raises(CameraError, match=r"notes\.mp4"):
        open_camera(str(text), RATE)


def test_a_damaged_recording_is_an_error_and_not_an_end(clip, tmp_path, monkeypatch):
    # Now and then GStreamer keeps the reason for itself; then it is silence that counts.
    monkeypatch.setattr(gstreamer, "START_TIMEOUT_S", 3.0)
    cut = tmp_path / "cut.mp4"
    whole = clip.read_bytes()
    cut.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(CameraError, match=r"no playable streams|shows nothing"):
        read_all(cut)


def test_a_missing_plug_in_is_named_with_its_package():
    with pytest.raises(CameraError, match="nvarguscamerasrc: install nvidia-l4t"):
        open_camera("csi:0", RATE)


def test_only_a_recording_can_be_read_at_any_speed():
    with pytest.raises(CameraError, match="live"):
        open_camera("test:", RATE, realtime=False)


def test_an_unreachable_camera_is_tried_again_and_its_password_is_not_logged(caplog):
    caplog.set_level(logging.DEBUG)
    with open_camera(f"rtsp://me:{SECRET}@127.0.0.1:1/stream", RATE) as camera:
        deadline = time.monotonic() + TIMEOUT_S
        while len(caplog.records) < 2 and time.monotonic() < deadline:
            assert camera.next(0.1) is None
        assert not camera.ended
    assert len(caplog.records) >= 2
    assert "next attempt" in caplog.text
    assert SECRET not in caplog.text


class FakeStream:
    """Plays a list: a number is a frame of that grey, an error is raised, the end ends."""

    def __init__(self, script):
        self.script, self.stopped = list(script), 0

    def start(self):
        pass

    def pull(self, _timeout_s, canvas, about):
        act = self.script.pop(0) if self.script else Pull.TIMEOUT
        if isinstance(act, CameraError):
            raise act
        if isinstance(act, Pull):
            return act
        canvas.fill(act)
        about.digest, about.arrival_ns = act, time.monotonic_ns()
        return Pull.FRAME

    def stop(self):
        self.stopped += 1


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only in `sleep`."""

    class Clock:
        now_s = 1000.0

        def monotonic(self):
            return self.now_s

        def sleep(self, seconds):
            self.now_s += seconds

    monkeypatch.setattr(camera_module, "time", clock := Clock())
    return clock


def test_a_live_source_that_breaks_is_rebuilt_with_growing_pauses(clock):
    streams = [FakeStream([1, CameraError("a")])]
    streams += [FakeStream([CameraError("b")]) for _ in range(3)]
    streams += [FakeStream([2])]
    opened = []

    def open_next():
        opened.append(clock.now_s)
        return streams[len(opened) - 1]

    with Camera(open_next, new_canvas(), live=True) as camera:
        shades = []
        while len(opened) < 5 or len(shades) < 2:
            frame = camera.next(0.1)
            if frame is not None:
                shades.append(int(frame.pixels[0]))
    assert shades == [1, 2]
    assert np.allclose(np.diff(opened), [0.5, 1.0, 2.0, 4.0])
    assert streams[0].stopped == 1


def test_a_recording_that_breaks_raises_and_is_over(clock):
    stream = FakeStream([1, CameraError("damaged")])
    with Camera(lambda: stream, new_canvas(), live=False) as camera:
        camera.next(0.1)
        with pytest.raises(CameraError, match="damaged"):
            camera.next(0.1)
        assert camera.ended
    assert stream.stopped == 1


def test_a_silent_camera_is_missing_then_rebuilt(clock):
    streams = [FakeStream([1]), FakeStream([2])]
    left = iter(streams)
    with Camera(lambda: next(left), new_canvas(), live=True) as camera:
        camera.next(0.1)
        assert camera.state == "live"
        clock.sleep(camera_module.MISSING_AFTER_S + 0.1)
        assert camera.state == "missing"
        clock.sleep(camera_module.REBUILD_AFTER_S)
        assert camera.next(0.1) is None
        assert streams[0].stopped == 1
        while (frame := camera.next(0.1)) is None:
            pass
        assert frame.pixels[0] == 2
        assert camera.state == "live"


@pytest.mark.parametrize(("shades", "state"), [([7] * 70, "frozen"), ([7, 8] * 35, "live")])
def test_identical_frames_for_long_are_frozen(clock, shades, state):
    with Camera(lambda: FakeStream(shades), new_canvas(), live=True) as camera:
        for _ in shades:
            camera.next(0.1)
            clock.sleep(0.1)
        assert camera.state == state
