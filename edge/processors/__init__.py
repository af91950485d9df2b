# SPDX-License-Identifier: Apache-2.0
"""From a frame to its released vector: what does that is, and how one is opened.

One file per kind of hardware. The backend is named in the configuration and its file is imported
only then; nothing falls back.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.config import EdgeConfig
from edge.errors import ConfigError
from edge.frame import Frame
from edge.processors.faults import named_faults
from kernels.frame import FrameFormat
from wire.profile import Profile


class FrameProcessor(Protocol):
    """Turns frames into released vectors, and keeps neither.

    It owns the memory that the camera fills, so that a frame need not be copied once more: in
    locked memory on a CPU, in memory that an accelerator reads by itself. For one thread.
    """

    stages: tuple[str, ...]
    """Names for the laps of `process`."""

    format: FrameFormat
    """What the camera must deliver."""

    canvas: npt.NDArray[np.uint8]
    """(format.nbytes,) uint8, packed: where the camera puts it."""

    hardware: str
    """On what it runs, for a reader."""

    def process(
        self,
        frame: Frame,
        level: int | None,
        out: npt.NDArray[np.int16],
        lap: Callable[[], None],
    ) -> None:
        """A frame on the canvas -> out (K,) int16, released with the noise of `level`.

        Without a level the frame is looked at, nothing is released and `out` stays as it is. On
        return and on every error the frame and all that came of it is wiped, what is kept of the
        room apart. Calls `lap` after each stage. Raises ProcessorError with its fault, and `out` is
        unchanged then: close it, what it did next would mean nothing.
        """

    def measure(self, frames: int) -> dict[str, npt.NDArray[np.float64]]:
        """Seconds (frames,) of what only the hardware's own clock can tell, by name, on noise.

        Nothing on hardware without one. Everything that is computed is thrown away.
        """

    def close(self) -> None:
        """Wipe and release everything, the canvas and the key too. Idempotent.

        `process` afterwards raises UseAfterWipe. Raises ProcessorError when it cannot say that all
        is wiped, after it has tried everything.
        """


def open_processor(config: EdgeConfig, model: Path, profile: Profile) -> FrameProcessor:
    """The processor of the backend that is configured, with a fresh noise key.

    Raises ConfigError for an unknown backend or a model that does not fit the profile, HygieneError
    when memory cannot be locked, ProcessorError when hardware, engine or kernels cannot be had.
    """
    backend = config.encoder.backend
    with named_faults():
        if backend == "openvino":
            from edge.processors.cpu import open_cpu

            return open_cpu(config, model, profile)
        if backend == "tensorrt":
            from edge.processors.cuda import open_cuda

            return open_cuda(config, model, profile)
    raise ConfigError(f"no encoder backend called {backend!r}; known: 'openvino', 'tensorrt'")
