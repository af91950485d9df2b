# SPDX-License-Identifier: Apache-2.0
"""What a source's name means, and that a password never shows."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.errors import CameraError
from edge.processors.cpu import GREY_CANVAS
from edge.sources import parse_source, redact

SECRET = "tHe-sEcReT"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://me:pw@host/x", "rtsp://***@host/x"),
        ("rtsp://me@host:554/x?y=1", "rtsp://***@host:554/x?y=1"),
        ("rtsp://me:p/w@host/x", "rtsp://***@host/x"),
        ("rtsp://me:p@w@host/x", "rtsp://***@host/x"),
        ("rtsp://host/x", "rtsp://host/x"),
        ("rtsps://[::1]:322/x", "rtsps://[::1]:322/x"),
        ("/some/file.mp4", "/some/file.mp4"),
        ("", ""),
    ],
)
def test_redact(uri, shown):
    assert redact(uri) == shown


@given(before=st.text(max_size=8), after=st.text(max_size=8), path=st.text(max_size=8))
@example(before="", after="/", path="@")
def test_no_password_is_ever_shown(before, after, path):
    uri = f"rtsp://user:{before}{SECRET}{after}@camera.local/{path}"
    assert SECRET not in redact(uri)
    assert SECRET not in parse_source(uri).name
    assert SECRET not in parse_source(uri).description(10, GREY_CANVAS, realtime=True, jetson=False)


def test_a_uri_of_another_kind_is_refused_without_its_password():
    with pytest.raises(CameraError) as caught:
        parse_source(f"http://me:{SECRET}@host/x")
    assert SECRET not in str(caught.value)
    assert "rtsp://" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("csi:", "csi:0"),
        ("csi:left", "csi:0"),
        ("v4l2:video0", "v4l2:/dev/video0"),
        ("test:nothing", "ball"),
        ("/no/such/file.mp4", "there is no file"),
        ("", "a source is"),
    ],
)
def test_what_is_no_source_is_an_error_that_shows_one(text, hint):
    with pytest.raises(CameraError, match=hint):
        parse_source(text)


def test_nothing_that_a_user_wrote_reaches_the_description(tmp_path):
    path = tmp_path / "a ! fakesink name=x b.mp4"
    path.touch()
    source = parse_source(str(path))
    assert "fakesink" not in source.description(10, GREY_CANVAS, realtime=True, jetson=False)
    assert source.properties["location"] == str(path)


@pytest.mark.parametrize("text", ["csi:0", "v4l2:/dev/video0", "rtsp://host/x", "test:"])
def test_cameras_are_live_and_wait_for_no_clock(text):
    source = parse_source(text)
    assert source.live
    assert "clocksync" not in source.description(10, GREY_CANVAS, realtime=True, jetson=False)


def test_on_a_jetson_the_video_engine_scales_and_device_memory_is_allowed():
    on_jetson = parse_source("csi:0").description(10, GREY_CANVAS, realtime=True, jetson=True)
    assert "nvvidconv" in on_jetson
    assert "videoscale" not in on_jetson
    camera = parse_source("rtsp://host/x")
    assert "force-sw-decoders=false" in camera.description(
        10, GREY_CANVAS, realtime=True, jetson=True
    )
    assert "force-sw-decoders=true" in camera.description(
        10, GREY_CANVAS, realtime=True, jetson=False
    )
