# SPDX-License-Identifier: Apache-2.0
"""What an encoder is, and how one is opened. One file per engine.

The engine is named in the configuration and imported only then; nothing falls back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES

INPUT_NAME = "planes"  # uint8
INPUT_SHAPE = (1, PLANES, CANVAS_H, CANVAS_W)
OUTPUT_NAME = "embedding"  # float32 (1, D)


class Encoder(Protocol):
    """Turns planes into an embedding, and keeps neither.

    When `embed` returns, the implementer is finished with both arguments and has wiped its own
    copies of them. Not safe for use by two threads at once.
    """

    dim: int
    """D, the length of an embedding."""

    def embed(self, planes: npt.NDArray[np.uint8], out: npt.NDArray[np.float32]) -> None:
        """planes (3, 64, 80) uint8 -> out (D,) float32, written in place."""

    def close(self) -> None:
        """Wipe and release everything. Idempotent; `embed` afterwards raises UseAfterWipe."""


def open_encoder(backend: str, model: Path, threads: int, plans: Path | None = None) -> Encoder:
    """The encoder `model` (ONNX) on the engine `backend`: "openvino" or "tensorrt".

    `threads` is for a CPU, `plans` for TensorRT: the folder with the engine that was built of
    `model`, by default the one in the default state directory. Raises ConfigError for an unknown
    backend, EncoderError when engine or model cannot be used, AcceleratorError without a GPU.
    """
    if backend == "openvino":
        from edge.encoders.openvino import OpenVinoEncoder

        return OpenVinoEncoder(model, threads)
    if backend == "tensorrt":
        from edge.config import StateConfig, state_dir
        from edge.encoders.plan import plan_folder
        from edge.encoders.tensorrt import TensorRtEncoder
        from kernels.cuda import Device

        return TensorRtEncoder(model, plans or plan_folder(state_dir(StateConfig())), Device())
    raise ConfigError(f"no encoder backend called {backend!r}; known: 'openvino', 'tensorrt'")
