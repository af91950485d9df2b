# SPDX-License-Identifier: Apache-2.0
"""The one module that imports `gi`: a running GStreamer pipeline, its errors in one line each.

Importing it starts GStreamer. Nothing of a frame passes through here.
"""

from __future__ import annotations

from typing import Any, final

import gi
import numpy as np
import numpy.typing as npt

from edge import wiping
from edge.errors import CameraError
from edge.sources import PACKAGES, Source
from kernels.frame import FrameFormat

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402  only after the version was named

START_TIMEOUT_S = 10.0  # for a recording to show that it is a video

Gst.init(None)


@final
class GstPipeline:
    """One pipeline. `stop` takes it down; whatever it held is wiped then."""

    def __init__(
        self, source: Source, rate_hz: int, layout: FrameFormat, *, realtime: bool
    ) -> None:
        self._source, self._layout = source, layout
        self._gst = _build(source, rate_hz, layout, realtime=realtime)
        self._sink = self._gst.get_by_name("sink")
        self._bus = self._gst.get_bus()
        wiping.hook(self._gst)
        if realtime:
            wiping.pace(self._gst.get_by_name("scale"), 1_000_000_000 // rate_hz)

    def start(self) -> None:
        """Begin to play. A recording that is no video raises CameraError here."""
        self._gst.set_state(Gst.State.PLAYING)
        if self._source.live:
            return
        wanted = Gst.MessageType.STREAM_START | Gst.MessageType.EOS | Gst.MessageType.ERROR
        message = self._bus.timed_pop_filtered(round(START_TIMEOUT_S * Gst.SECOND), wanted)
        if message is None:
            raise CameraError(f"{self._source.name} shows nothing for {START_TIMEOUT_S:g} s")
        if message.type == Gst.MessageType.ERROR:
            raise CameraError(self._explain(message))

    def pull(
        self, timeout_s: float, canvas: npt.NDArray[np.uint8], about: wiping.Pulled
    ) -> wiping.Pull:
        """Wait for a frame; see `wiping.pull`. Raises CameraError when the pipeline broke."""
        outcome = wiping.pull(self._sink, timeout_s, self._layout, canvas, about)
        # Taking the errors also drops every other message: they would pile up for weeks.
        message = self._bus.pop_filtered(Gst.MessageType.ERROR)
        if message is not None:
            raise CameraError(self._explain(message))
        if outcome is wiping.Pull.BAD_FRAME:
            raise CameraError(f"{self._source.name}: a frame that is not whole {self._layout}")
        return outcome

    def stop(self) -> None:
        """Take everything down and free it; all of its threads are gone when this returns."""
        self._gst.set_state(Gst.State.NULL)
        self._gst.get_state(Gst.CLOCK_TIME_NONE)
        self._bus.set_flushing(True)  # messages hold on to elements
        # An appsink keeps the last frame that was taken until it is freed itself.
        self._gst = self._sink = self._bus = None

    def _explain(self, message: Any) -> str:  # noqa: ANN401  `gi` ships no types
        """What went wrong, in one line. The debug text is left out: it may hold the password."""
        error, _debug = message.parse_error()
        reason = error.message.strip().rstrip(".")
        location = self._source.properties.get("location")
        if isinstance(location, str):
            reason = reason.replace(location, self._source.name)
        return f"{self._source.name}: {reason}"


def _build(source: Source, rate_hz: int, layout: FrameFormat, *, realtime: bool) -> Any:  # noqa: ANN401
    """The pipeline in the state NULL. Raises CameraError, naming the package that is missing."""
    jetson = Gst.ElementFactory.find("nvvidconv") is not None
    description = source.description(rate_hz, layout, realtime=realtime, jetson=jetson)
    context = Gst.ParseContext()
    try:
        pipeline = Gst.parse_launch_full(description, context, Gst.ParseFlags.FATAL_ERRORS)
    except GLib.Error as error:
        missing = ", ".join(context.get_missing_elements() or [])
        if not missing:
            raise CameraError(f"{source.name}: {error.message}") from error
        package = PACKAGES.get(missing, "the GStreamer package that holds it")
        raise CameraError(f"{source.name} needs {missing}: install {package}") from error
    element = pipeline.get_by_name("source")
    for name, value in source.properties.items():
        Gst.util_set_object_arg(element, name, str(value))
    return pipeline
