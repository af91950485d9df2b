# SPDX-License-Identifier: Apache-2.0
"""The C side of the camera: buffers that zero themselves (`wiping.c`), and `canvas.c`.

GStreamer objects arrive here as `gi` wrappers; `gi` itself is never imported. A frame goes from
GStreamer's buffer straight into memory of the caller: through `gi` it would become a Python
`bytes`, which cannot be wiped.
"""

from __future__ import annotations

import ctypes
import functools
import os
from dataclasses import dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import CameraError
from kernels.frame import PIXELS, FrameFormat

LIBRARY = Path(__file__).with_name("_wiping.so")

# GStreamer brings libunwind into the process for all to use. A C++ exception that is unwound half
# by it and half by libgcc is an abort, and OpenVINO throws them routinely. The first one in is the
# one that all use, so libgcc is, before `gi.repository.Gst` is imported anywhere.
ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)


@dataclass(frozen=True, slots=True)
class WipeStats:
    """Counts of this process since its start, over all pipelines."""

    frames: int  # that reached a sink
    frames_wiped: int  # of these
    buffers: int  # zeroed at any hop, encoded data included
    bytes: int  # zeroed
    shared: int  # memories left to their other holder
    outside: int  # buffers of device memory, which are not ours to touch
    failed: int  # memories that could not be mapped for writing


class Pull(IntEnum):
    """What became of one attempt to pull a frame; the numbers are those of canvas.c."""

    FRAME = 0
    TIMEOUT = 1
    ENDED = 2
    BAD_FRAME = 3


class Pulled(ctypes.Structure):
    """What is known of a pulled frame beside its pixels; the layout is that of canvas.c."""

    _fields_ = (("arrival_ns", ctypes.c_uint64), ("digest", ctypes.c_uint64))


_Counters = ctypes.c_uint64 * len(fields(WipeStats))


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise CameraError(f"{LIBRARY.name} cannot be loaded; run ./build.sh setup") from error
    element, canvas = ctypes.c_void_p, ctypes.c_void_p
    library.lethe_hook.argtypes = [element]
    library.lethe_hook.restype = None
    library.lethe_pace.argtypes = [element, ctypes.c_uint64]
    library.lethe_stats.argtypes = [ctypes.POINTER(_Counters)]
    library.lethe_stats.restype = None
    library.lethe_pull.argtypes = [
        *(element, ctypes.c_uint64, canvas),
        *(ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint),
        ctypes.POINTER(Pulled),
    ]
    _check(library.lethe_canvas_init(), "lethe_canvas_init")
    return library


def _check(status: int, call: str) -> None:
    """The only place where a status of the C side becomes an exception."""
    if status != 0:
        raise CameraError(f"{call}: {os.strerror(status)}")


_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def _pointer(gobject: Any) -> int:  # noqa: ANN401  `gi` ships no types
    return int(_capsule_pointer(gobject.__gpointer__, None))


def hook(pipeline: Any) -> None:  # noqa: ANN401
    """Let every buffer of `pipeline` be zeroed when its last user lets go, at every hop.

    Elements and pads that appear later are included. Call it before the pipeline is started.
    """
    _library().lethe_hook(_pointer(pipeline))


def pace(element: Any, period_ns: int) -> None:  # noqa: ANN401
    """Let at most one frame per `period_ns` of stream time enter `element`."""
    _check(_library().lethe_pace(_pointer(element), period_ns), "lethe_pace")


def pull(
    sink: Any,  # noqa: ANN401
    timeout_s: float,
    layout: FrameFormat,
    canvas: npt.NDArray[np.uint8],
    about: Pulled,
) -> Pull:
    """Wait for the newest frame of `sink` and copy it into canvas (layout.nbytes,) uint8, packed.

    A frame of another size or format, or whose rows do not lie where it says, is BAD_FRAME and not
    copied. Raises CameraError for a canvas of another size.
    """
    if canvas.shape != (layout.nbytes,) or not canvas.flags.c_contiguous:
        raise CameraError(f"the canvas must be {layout.nbytes} bytes in one piece")
    wanted = layout.nbytes, PIXELS.index(layout.pixels), layout.width, layout.height
    timeout_ns = max(0, round(timeout_s * 1e9))
    return Pull(
        _library().lethe_pull(
            _pointer(sink), timeout_ns, canvas.ctypes.data, *wanted, ctypes.byref(about)
        )
    )


def stats() -> WipeStats:
    """The counters now."""
    counters = _Counters()
    _library().lethe_stats(ctypes.byref(counters))
    return WipeStats(*counters)
