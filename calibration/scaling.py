# SPDX-License-Identifier: Apache-2.0
"""What it costs to scale a camera's frame to the canvas, before the daemon's clock starts.

One still picture is sent again and again through the daemon's own scaling elements, with its wiping
hooks, as fast as they take it; the CPU time of the process is divided by the frames. Making the
picture happens once. The only file of this package that imports `gi`.
"""

import time

import gi

from edge import wiping
from edge.processors.cpu import GREY_CANVAS
from edge.sources import SCALE, caps

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402  only after the version was named

FRAMES = 600
TIMEOUT_S = 120


class ScalingError(Exception):
    """GStreamer could not run the measurement."""


def scaling_ms(width: int, height: int) -> float:
    """CPU milliseconds per frame of width x height I420, the layout most cameras decode to."""
    Gst.init(None)
    given = f"video/x-raw,format=I420,width={width},height={height},framerate=30/1"
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=1 pattern=ball ! {given} ! imagefreeze num-buffers={FRAMES} "
        f"! {SCALE} ! {caps(GREY_CANVAS)} ! fakesink sync=false"
    )
    wiping.hook(pipeline)
    before = time.process_time_ns()
    pipeline.set_state(Gst.State.PLAYING)
    wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(TIMEOUT_S * Gst.SECOND, wanted)
    spent = time.process_time_ns() - before
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type == Gst.MessageType.ERROR:
        raise ScalingError(f"scaling {width} x {height} did not come to its end")
    return spent / 1e6 / FRAMES
