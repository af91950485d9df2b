# SPDX-License-Identifier: Apache-2.0
"""A network camera: seen with its password, seen again after it was gone."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import gi
import numpy as np
import pytest

from edge import camera as camera_module
from edge.camera import Camera
from edge.processors.cpu import GREY_CANVAS

SERVER = Path(__file__).with_name("rtsp_server.py")
USER, PASSWORD = "me", "tHe-sEcReT"
DEADLINE_S = 60.0


@pytest.fixture(scope="module", autouse=True)
def server_library():
    try:
        gi.require_version("GstRtspServer", "1.0")
    except ValueError:
        pytest.skip("needs an RTSP server: gir1.2-gst-rtsp-server-1.0 is not installed")


@contextmanager
def serving(port: str = "0"):
    command = [sys.executable, SERVER, USER, PASSWORD, port]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def open_camera(uri: str) -> Camera:
    return camera_module.open_camera(uri, 10, GREY_CANVAS, np.zeros(GREY_CANVAS.nbytes, np.uint8))


def wait_for_frames(camera: Camera, count: int) -> int:
    seen, deadline = 0, time.monotonic() + DEADLINE_S
    while seen < count and time.monotonic() < deadline:
        frame = camera.next(0.2)
        if frame is not None:
            seen += bool(frame.pixels.any())
            frame.wipe()
    return seen


def test_a_network_camera_is_seen_again_after_it_was_gone(caplog):
    with serving() as port:
        camera = open_camera(f"rtsp://{USER}:{PASSWORD}@127.0.0.1:{port}/door")
        assert wait_for_frames(camera, 10) == 10
        assert camera.state == "live"
    with camera:
        deadline = time.monotonic() + DEADLINE_S
        while camera.state != "missing" and time.monotonic() < deadline:
            camera.next(0.2)
        assert camera.state == "missing"
        with serving(port):
            assert wait_for_frames(camera, 5) == 5
    assert camera.frames == camera.frames_wiped >= 15
    assert "next attempt" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_wrong_password_is_named_and_not_shown(caplog):
    with serving() as port:
        uri = f"rtsp://{USER}:{PASSWORD}x@127.0.0.1:{port}/door"
        with open_camera(uri) as camera:
            deadline = time.monotonic() + DEADLINE_S
            while not caplog.records and time.monotonic() < deadline:
                assert camera.next(0.2) is None
    assert "Unauthorized" in caplog.text
    assert PASSWORD not in caplog.text
