# SPDX-License-Identifier: Apache-2.0
"""Another network on the same engine, to be timed beside ours. Its weights do not matter.

The only file of this package that opens the engine for a network that is not ours.
"""

from pathlib import Path

import numpy as np


class PeerError(Exception):
    """The peer's network cannot be used; the message names the file."""


class Peer:
    """`model`, ONNX or OpenVINO IR with one float32 input of fixed shape, on a CPU."""

    def __init__(self, model: Path, threads: int) -> None:
        """Compile with the daemon's own settings, and float32 arithmetic."""
        import openvino

        if not model.is_file():
            raise PeerError(f"{model}: no such file")
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(threads),
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            compiled = openvino.Core().compile_model(str(model), "CPU", settings)
            self.shape = tuple(compiled.input().shape)
            self._request = compiled.create_infer_request()
            pattern = np.random.default_rng(0).random(self.shape, np.float32)
            self._request.set_input_tensor(openvino.Tensor(pattern))
        except RuntimeError as error:
            raise PeerError(f"{model}: needs one float32 input of fixed shape: {error}") from error

    def infer(self) -> None:
        """Once, on a fixed random input."""
        self._request.infer()
