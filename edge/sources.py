# SPDX-License-Identifier: Apache-2.0
"""What the word behind `--source` means, as a GStreamer pipeline. No GStreamer is imported here.

    csi:0                          a Jetson's camera connector
    v4l2:/dev/video0               a USB camera
    rtsp://user:password@host/...  a network camera
    /some/file.mp4                 a recording, played at its own speed
    test:  test:snow               a pattern, a moving ball if none is named

What a user wrote is never pasted into a pipeline's description: it is set as a property of the
element called "source", so that no character of it can mean something to the parser. A password is
shown nowhere: messages use `Source.name`, from which it was taken out.

Every pipeline scales to the size that is wanted as early as it can, has no queue that holds more
than one buffer, and ends in the appsink "sink".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge.errors import CameraError
from kernels.frame import FrameFormat

RTSP_LATENCY_MS = 200  # what the jitter buffer may hold back
RTSP_DEAD_AFTER_US = 5_000_000

# Software decoders only: what a graphics card's decoder keeps cannot be wiped from here. Streams
# that are no video are not decoded at all. One buffer between demuxer and decoder, not 5 MB.
DECODE = (
    "decodebin name=decode caps=video/x-raw(ANY) expose-all-streams=false force-sw-decoders=true "
    "max-size-buffers=1"
)
# All taps: with two, most of a large picture's pixels would count for nothing (aliasing).
SCALE = "videoscale name=scale method=bilinear2 add-borders=false ! videoconvert"
# A Jetson's video engine reads the decoder's or the camera's device memory and writes the small
# canvas into ordinary memory. Written against NVIDIA's plugin reference for JetPack 6; not
# run on one yet.
SCALE_ON_JETSON = "nvvidconv name=scale interpolation-method=1"
DECODE_ON_JETSON = DECODE.replace("force-sw-decoders=true", "force-sw-decoders=false")

# The newest frame wins; the sink keeps no frame for anybody to look at later.
NEWEST_SINK = "appsink name=sink sync=false max-buffers=1 drop=true enable-last-sample=false"
EVERY_SINK = "appsink name=sink sync=false max-buffers=1 drop=false enable-last-sample=false"

TEST_PATTERNS = ("ball", "circular", "smpte", "snow", "black")

PACKAGES = {
    "appsink": "gstreamer1.0-plugins-base",
    "decodebin": "gstreamer1.0-plugins-base",
    "videotestsrc": "gstreamer1.0-plugins-base",
    "videoscale": "gstreamer1.0-plugins-base",
    "rtspsrc": "gstreamer1.0-plugins-good",
    "v4l2src": "gstreamer1.0-plugins-good",
    "nvarguscamerasrc": "nvidia-l4t-gstreamer (a Jetson only)",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One source, ready to be opened."""

    name: str  # for messages: no password in it
    head: str  # the description's beginning, up to raw video
    properties: dict[str, str | int]  # of the element "source"
    live: bool  # it may fall silent and come back; a recording ends

    def description(
        self, rate_hz: int, layout: FrameFormat, *, realtime: bool, jetson: bool
    ) -> str:
        """The whole pipeline, from source to sink; `jetson` says whether `nvvidconv` is there."""
        wanted = caps(layout)
        head = self.head.replace(DECODE, DECODE_ON_JETSON) if jetson else self.head
        scale = SCALE_ON_JETSON if jetson else SCALE
        start = f"{head} ! {scale} ! {wanted}"
        if not realtime:
            return f"{start} ! videorate ! {wanted},framerate={rate_hz}/1 ! {EVERY_SINK}"
        if not self.live:
            start += " ! clocksync"
        return f"{start} ! {NEWEST_SINK}"


def caps(layout: FrameFormat) -> str:
    """Raw video of this format in ordinary memory, as GStreamer writes it."""
    return f"video/x-raw,format={layout.pixels},width={layout.width},height={layout.height}"


def redact(uri: str) -> str:
    """`uri` without user name and password, whatever characters these have."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    authority, slash, path = rest.partition("/")
    # A careless password may hold a slash: then the last @ is in what looks like the path.
    if "@" in path:
        authority, slash, path = "@" + path.rpartition("@")[2], "", ""
    host = authority.rpartition("@")[2]
    hidden = "***@" if "@" in authority else ""
    return f"{scheme}://{hidden}{host}{slash}{path}"


def parse_source(text: str) -> Source:
    """What `text` means. Raises CameraError, saying what a source looks like."""
    kind, _, rest = text.partition(":")
    if text.startswith(("rtsp://", "rtsps://")):
        return _rtsp(text)
    if kind == "csi":
        return _csi(rest)
    if kind == "v4l2":
        return _v4l2(rest)
    if kind == "test":
        return _test(rest)
    if re.match(r"[a-z][a-z0-9+.-]*://", text):
        raise CameraError(f"{redact(text)}: only rtsp:// and rtsps:// are read from a network")
    return _file(text)


def _csi(number: str) -> Source:
    if not re.fullmatch(r"[0-9]", number):
        raise CameraError("a CSI camera is written csi:0 to csi:9")
    caps = "video/x-raw(memory:NVMM),width=1280,height=720,framerate=30/1"
    head = f"nvarguscamerasrc name=source ! {caps}"
    return Source(f"csi:{number}", head, {"sensor-id": int(number)}, live=True)


def _v4l2(device: str) -> Source:
    if not device.startswith("/dev/"):
        raise CameraError("a USB camera is written v4l2:/dev/video0")
    size = "width=[320,1280],height=[240,720]"
    head = f"v4l2src name=source ! video/x-raw,{size};image/jpeg,{size} ! {DECODE}"
    return Source(f"v4l2:{device}", head, {"device": device}, live=True)


def _rtsp(uri: str) -> Source:
    properties: dict[str, str | int] = {
        "location": uri,
        "protocols": "tcp",
        "latency": RTSP_LATENCY_MS,
        "drop-on-latency": 1,
        "tcp-timeout": RTSP_DEAD_AFTER_US,
    }
    head = f"rtspsrc name=source ! application/x-rtp,media=video ! {DECODE}"
    return Source(redact(uri), head, properties, live=True)


def _test(pattern: str) -> Source:
    if pattern and pattern not in TEST_PATTERNS:
        raise CameraError(f"a test pattern is one of {', '.join(TEST_PATTERNS)}")
    head = "videotestsrc name=source is-live=true ! video/x-raw,width=640,height=480,framerate=30/1"
    return Source(f"test:{pattern}", head, {"pattern": pattern or "ball"}, live=True)


def _file(path: str) -> Source:
    if not Path(path).is_file():
        raise CameraError(
            f"there is no file {path!r}; a source is a file's path, csi:0, v4l2:/dev/video0, "
            "rtsp://... or test:"
        )
    head = f"filesrc name=source ! {DECODE}"
    return Source(path, head, {"location": path}, live=False)
