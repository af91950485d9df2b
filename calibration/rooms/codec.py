# SPDX-License-Identifier: Apache-2.0
"""Compression as a camera does it: blocks that smear, freeze and jump, frame after frame."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calibration.rooms.errors import RoomsError
from calibration.rooms.view import HEIGHT, WIDTH

Grey = npt.NDArray[np.uint8]

LIBRARY = Path(__file__).with_name("_codec.so")


class _Picture(ctypes.Structure):
    _fields_ = (
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("step", ctypes.c_int32),
        ("dead_zone", ctypes.c_int32),
        ("skip", ctypes.c_int32),
        ("intra", ctypes.c_int32),
    )


@dataclass(frozen=True, slots=True)
class Quality:
    """How much is lost.

    step: grey levels per level of a coefficient, 1 to 256; dead_zone: what is added before the
    division, 0 to 0.5; skip: grey levels per pixel that are not worth sending; period: frames from
    one whole picture to the next.
    """

    step: float
    dead_zone: float
    skip: float
    period: int


class Codec:
    """Frames in, frames as they come out of the decoder; each leans on the one before."""

    def __init__(self, quality: Quality) -> None:
        self._quality = quality
        self._decoded = np.zeros((HEIGHT, WIDTH), np.uint8)
        self._age = 0

    def decoded(self, grey: Grey) -> Grey:
        """grey (128, 160) uint8 -> the same, decoded; reused by the next call.

        Raises RoomsError if the quality is out of range.
        """
        if grey.shape != self._decoded.shape or grey.dtype != np.uint8:
            raise RoomsError(f"a frame of {WIDTH} x {HEIGHT} is wanted, not {grey.shape}")
        q = self._quality
        picture = _Picture(
            WIDTH, HEIGHT, round(16 * q.step), round(256 * q.dead_zone), round(64 * q.skip),
            int(self._age % q.period == 0),
        )  # fmt: skip
        source = np.ascontiguousarray(grey)
        if _library().rooms_code(
            ctypes.byref(picture), source.ctypes.data, self._decoded.ctypes.data
        ):
            raise RoomsError(f"no such compression: {q}")
        self._age += 1
        return self._decoded


@functools.cache
def _library() -> ctypes.CDLL:
    if not LIBRARY.exists():
        raise RoomsError(f"{LIBRARY.name} is not built: run ./build.sh setup")
    library = ctypes.CDLL(str(LIBRARY))
    library.rooms_code.argtypes = (ctypes.POINTER(_Picture), ctypes.c_void_p, ctypes.c_void_p)
    library.rooms_code.restype = ctypes.c_int32
    return library
