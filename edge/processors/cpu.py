# SPDX-License-Identifier: Apache-2.0
"""The way from frame to vector on a CPU.

Order of `process`: keep motion and shape, wipe the frame, encode, wipe the planes, release with
noise, wipe the embedding. Frame, planes, embedding, key and scratch lie in one locked arena.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from edge.arena import Arena
from edge.config import EdgeConfig
from edge.encoders import Encoder, open_encoder
from edge.errors import ConfigError, ProcessorError, UseAfterWipe
from edge.frame import Frame
from edge.mechanism import fill_with_randomness, release_parameters
from edge.processors.faults import named_faults
from kernels.desensitise import PLANES, Desensitiser
from kernels.errors import ReleaseError
from kernels.frame import CANVAS_H, CANVAS_W, FrameFormat
from kernels.noise import KEY_BYTES
from kernels.reference import ReleaseParameters, Releaser
from wire.profile import Profile

GREY_CANVAS = FrameFormat("GRAY8", CANVAS_W, CANVAS_H)  # the camera's pipeline scales
ARENA_BYTES = 1 << 20


@final
class CpuProcessor:
    """Owns the arena and the encoder that it is given: `close` closes them."""

    stages: tuple[str, ...] = ("desensitise", "encode", "release")
    format = GREY_CANVAS
    hardware = "the CPU"

    def __init__(
        self,
        memory: Arena,
        encoder: Encoder,
        parameters: ReleaseParameters,
        rate_hz: int,
        key: memoryview,
    ) -> None:
        """`key`: 32 secret bytes in the arena. Raises HygieneError when the arena is too small."""
        released_dim, embedding_dim = parameters.projection.shape
        self.canvas = memory.array((GREY_CANVAS.nbytes,), np.uint8)
        self._planes = memory.array((PLANES, CANVAS_H, CANVAS_W), np.uint8)
        self._embedding = memory.array((embedding_dim,), np.float32)
        self._vector = memory.array((released_dim,), np.int16)
        self._desensitiser = Desensitiser(rate_hz, memory.array)
        self._encoder = encoder
        self._releaser = Releaser(parameters, key, memory.array)
        self._memory = memory
        self._closed = False

    def process(
        self,
        frame: Frame,
        level: int | None,
        out: npt.NDArray[np.int16],
        lap: Callable[[], None],
    ) -> None:
        """See `FrameProcessor`."""
        try:
            with named_faults():
                with frame:
                    self._require_fit(out)
                    self._look(frame)
                lap()
                self._encode()
                lap()
                if level is not None:
                    self._releaser.release(self._embedding, level, self._vector)
                    out[:] = self._vector  # a whole release, or none
        finally:
            for held in (self._planes, self._embedding, self._vector):
                held.fill(0)
        lap()

    def measure(self, frames: int) -> dict[str, npt.NDArray[np.float64]]:  # noqa: ARG002
        """Nothing: the caller's clock tells all."""
        return {}

    def close(self) -> None:
        """Wipe and close all of it, whatever one of them raises."""
        self._closed = True
        with named_faults(), ExitStack() as rooms:  # in reverse
            rooms.callback(self._memory.close)
            rooms.callback(self._releaser.close)
            rooms.callback(self._encoder.close)
            rooms.callback(self._desensitiser.wipe)

    def _require_fit(self, out: npt.NDArray[np.int16]) -> None:
        if out.shape != self._vector.shape or out.dtype != np.int16:
            raise ReleaseError(f"out must be int16 {self._vector.shape}")

    def _look(self, frame: Frame) -> None:
        if self._closed:
            raise UseAfterWipe("this processor is closed")
        self._desensitiser.planes(frame.pixels.reshape(CANVAS_H, CANVAS_W), self._planes)

    def _encode(self) -> None:
        """The planes become the embedding, which must be made of numbers."""
        self._encoder.embed(self._planes, self._embedding)
        self._planes.fill(0)
        if not np.isfinite(self._embedding).all():
            raise ProcessorError(
                "engine-nan", "the encoder made a value that is no number; is its model whole?"
            )


def open_cpu(config: EdgeConfig, model: Path, profile: Profile) -> CpuProcessor:
    """A processor for this model and profile; see `open_processor` for what it raises."""
    parameters = release_parameters(profile)
    with ExitStack() as stack:
        memory = stack.enter_context(Arena(ARENA_BYTES))
        encoder = open_encoder(config.encoder.backend, model, config.encoder.threads)
        stack.enter_context(closing(encoder))
        if encoder.dim != profile.embedding_dim:
            raise ConfigError(
                f"the model makes {encoder.dim} values, the profile expects {profile.embedding_dim}"
            )
        key = memory.buffer(KEY_BYTES)
        fill_with_randomness(key)
        processor = CpuProcessor(memory, encoder, parameters, profile.rate_hz, key)
        stack.pop_all()  # they are the processor's now
        return processor
