# SPDX-License-Identifier: Apache-2.0
"""One frame, with an owner who wipes it."""

from __future__ import annotations

import time
from types import TracebackType
from typing import final

import numpy as np
import numpy.typing as npt

from edge.errors import UseAfterWipe


@final
class Frame:
    """`pixels` is the processor's canvas that the camera filled, no copy, and ends with `wipe`."""

    __slots__ = ("_pixels", "time_ns", "wall_us")

    def __init__(self, pixels: npt.NDArray[np.uint8], time_ns: int) -> None:
        self._pixels: npt.NDArray[np.uint8] | None = pixels
        self.time_ns = time_ns  # time.monotonic_ns() when it arrived
        self.wall_us = (time.time_ns() - (time.monotonic_ns() - time_ns)) // 1000  # the same, unix

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """(nbytes,) uint8, packed as the camera was asked; raises UseAfterWipe once wiped."""
        if self._pixels is None:
            raise UseAfterWipe("this frame was wiped")
        return self._pixels

    def wipe(self) -> None:
        """Zero the pixels. Idempotent."""
        if self._pixels is not None:
            self._pixels.fill(0)
            self._pixels = None

    def __enter__(self) -> Frame:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wipe()
