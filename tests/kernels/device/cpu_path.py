# SPDX-License-Identifier: Apache-2.0
"""What the frame graph must equal: the definitions, one after the other, on the CPU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.desensitise import PLANES, Desensitiser
from kernels.frame import CANVAS_H, CANVAS_W, FrameFormat, area_resize
from kernels.reference import ReleaseParameters, Releaser, ratchet, sample
from kernels.table import noise_table
from tests.kernels.device.engine import infer

K, D = 11, 65
RATE_HZ = 10
SIGMAS = (57, 732)


def parameters() -> ReleaseParameters:
    """Embeddings of the tests' engine lie on both sides of M."""
    projection = np.random.default_rng(K).integers(-128, 128, (K, D), dtype=np.int8)
    return ReleaseParameters(projection, 0.75, 256, 150_000, SIGMAS)


class CpuPath:
    """One camera. What it last saw stays, to be searched for."""

    def __init__(self, layout: FrameFormat, key: bytes) -> None:
        self._layout = layout
        self._desensitiser = Desensitiser(RATE_HZ)
        self.key = bytearray(key)
        self._releaser = Releaser(parameters(), memoryview(self.key))
        self.planes = np.zeros((PLANES, CANVAS_H, CANVAS_W), np.uint8)

    def run(self, frame: NDArray[np.uint8], level: int | None, out: NDArray[np.int16]) -> None:
        """frame (nbytes,) uint8 -> out (K,) int16."""
        self.frame = frame
        self.canvas = area_resize(frame, self._layout)
        self._desensitiser.planes(self.canvas, self.planes)
        self.embedding = infer(self.planes, D)
        if level is not None:
            self._releaser.release(self.embedding, level, out)


def is_release(out: NDArray[np.int16], key: bytes, level: int) -> bool:
    """Whether `out` is some v of norm C at most with all of this key's noise."""
    noise = sample(noise_table(SIGMAS[level]), ratchet(key, K)[1])
    v = (out.astype(np.int64) - noise).tolist()
    return sum(x * x for x in v) <= parameters().clip_norm ** 2


def scene(layout: FrameFormat, count: int) -> list[NDArray[np.uint8]]:
    """A room in which somebody walks, stays and leaves a ghost; then the light is switched."""
    random = np.random.default_rng(layout.width * layout.height)
    rows, per_row = _rows(layout)
    room = random.integers(20, 120, layout.nbytes, dtype=np.uint8)
    frames = []
    for i in range(count):
        frame = room + random.integers(0, 4, layout.nbytes, dtype=np.uint8)
        if i >= count * 4 // 5:
            frame += 90
        if count // 8 <= i < count // 2:
            at = min(i, count // 4) * per_row // count
            body = frame[: rows * per_row].reshape(rows, per_row)
            body[rows // 4 :, at : at + per_row // 4] ^= 0xA5
        frames.append(frame)
    return frames


def noise(layout: FrameFormat, count: int) -> list[NDArray[np.uint8]]:
    """Frames that have nothing in common, and of which no two pieces are alike."""
    random = np.random.default_rng(count)
    return [random.integers(0, 256, layout.nbytes, dtype=np.uint8) for _ in range(count)]


def _rows(layout: FrameFormat) -> tuple[int, int]:
    """Rows of what counts as luma, and bytes of one."""
    return layout.height, layout.width * (4 if layout.pixels == "BGRx" else 1)
