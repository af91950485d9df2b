# SPDX-License-Identifier: Apache-2.0
"""The encoder on a CPU, by OpenVINO.

Order of `embed`: copy the planes into our own locked input memory, infer, copy the embedding out,
zero input and output, give the engine's activations back. The engine works on our memory directly,
so no other copy of input or output exists. Activations cannot be zeroed from here; given back to
the C library, they are overwritten by it (see `edge.hygiene`), and the engine asks for new memory
at the next frame, which costs less than can be measured beside the inference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino

from edge.arena import Arena
from edge.encoders import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAME
from edge.errors import EncoderError, UseAfterWipe


class OpenVinoEncoder:
    """`model` (ONNX, input "planes" uint8 (1, 3, 64, 80), output "embedding" float32 (1, D))."""

    def __init__(self, model: Path, threads: int) -> None:
        compiled = _compile(model, threads)
        self.dim = _output_dim(compiled)
        self._arena = Arena(4 * self.dim + int(np.prod(INPUT_SHAPE)) + 4096)
        self._input = self._arena.array(INPUT_SHAPE, np.uint8)
        self._output = self._arena.array((1, self.dim), np.float32)
        self._compiled: Any = compiled
        self._request: Any = compiled.create_infer_request()
        self._request.set_tensor(INPUT_NAME, openvino.Tensor(self._input, shared_memory=True))
        self._request.set_tensor(OUTPUT_NAME, openvino.Tensor(self._output, shared_memory=True))

    def embed(self, planes: npt.NDArray[np.uint8], out: npt.NDArray[np.float32]) -> None:
        """planes (3, 64, 80) uint8 -> out (D,) float32; our copies are zeroed on every path."""
        if self._request is None:
            raise UseAfterWipe("this encoder is closed")
        try:
            self._input[0] = planes
            self._request.infer(share_outputs=True)  # without it the result is copied
            out[:] = self._output[0]
        except RuntimeError as error:
            raise EncoderError(f"OpenVINO failed: {error}") from error
        finally:
            self._arena.wipe()
            self._compiled.release_memory()

    def close(self) -> None:
        """Drop the engine's request and network, wipe and unmap our memory."""
        self._request = self._compiled = None
        self._arena.close()


def _compile(model: Path, threads: int) -> Any:  # noqa: ANN401  the engine ships no types
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        # Pinned to a core, the thread would wait for whoever else uses that core: p99 x 10 to 100.
        "ENABLE_CPU_PINNING": "NO",
    }
    if not model.is_file():
        raise EncoderError(f"there is no model at {model}")
    try:
        return openvino.Core().compile_model(str(model), "CPU", settings)
    except RuntimeError as error:
        raise EncoderError(f"OpenVINO cannot use {model}: {error}") from error


def _output_dim(compiled: Any) -> int:  # noqa: ANN401
    """D of a compiled model whose input and output are as promised, else EncoderError."""
    try:
        given = compiled.input(INPUT_NAME)
        made = compiled.output(OUTPUT_NAME)
    except RuntimeError as error:
        raise EncoderError(f"the model has no {INPUT_NAME!r} or no {OUTPUT_NAME!r}") from error
    if tuple(given.shape) != INPUT_SHAPE or given.element_type != openvino.Type.u8:
        raise EncoderError(f"the model's {INPUT_NAME!r} is not uint8 {INPUT_SHAPE}")
    if made.element_type != openvino.Type.f32 or len(made.shape) != 2 or made.shape[0] != 1:
        raise EncoderError(f"the model's {OUTPUT_NAME!r} is not float32 (1, D)")
    return int(made.shape[1])
