# SPDX-License-Identifier: Apache-2.0
"""Windows in, probabilities out: the recogniser network on OpenVINO.

The only file of the bridge that knows the engine. One call infers all windows that are due,
of all sensors together. No window is kept.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud_bridge.card import KINDS, Card, load_card
from cloud_bridge.errors import ModelError

# Windows per inference; more are cut into several, so that memory does not grow with a burst.
MAX_BATCH = 64
ROUNDING = 1e-3  # by which an output may leave 0..1


class Recogniser:
    """The network of `model_onnx`, used as its card says."""

    def __init__(self, model_onnx: Path, card: Path, threads: int = 1) -> None:
        """Compile once. Raises ModelError if the network is missing or is not the card's."""
        self.card: Card = load_card(card)
        self._network = _compile(model_onnx, threads)
        self._request = self._network.create_infer_request()
        self._check(model_onnx)

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """batch (B, T, K+1) float32  ->  (B, 4) float32, one probability for each of KINDS.

        Raises ModelError if the network gives anything else.
        """
        parts = [
            self._run(np.ascontiguousarray(batch[first : first + MAX_BATCH]))
            for first in range(0, len(batch), MAX_BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(KINDS)), np.float32)

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        results: Any = self._request.infer({"window": batch})
        found = np.array(results["probabilities"], np.float32)
        # Written so that NaN, which compares false, is noticed too.
        if not np.all((found >= -ROUNDING) & (found <= 1 + ROUNDING)):
            raise ModelError(f"{self.card.model_id}: its outputs are no probabilities")
        return np.clip(found, 0, 1)

    def _check(self, model: Path) -> None:
        """Two windows through the network: a wrong shape is noticed here, not in the night."""
        shape = (2, self.card.window, self.card.released_dim + 1)
        try:
            wanted = self._network.input("window").partial_shape
            fits = wanted.compatible(_partial_shape(shape))
            out = self._run(np.zeros(shape, np.float32)) if fits else None
        except (RuntimeError, KeyError) as error:
            raise ModelError(f"{model}: cannot be run: {error}") from error
        if out is None:
            raise ModelError(f"{model}: takes windows {wanted}, the card says {shape}")
        if out.shape != (2, len(KINDS)):
            raise ModelError(f"{model}: gives {out.shape} for two windows, not (2, {len(KINDS)})")


def _partial_shape(shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - the engine ships no types
    from openvino import PartialShape

    return PartialShape(list(shape))


def _compile(model: Path, threads: int) -> Any:  # noqa: ANN401 - the engine ships no types
    # Imported when a recogniser is opened, so that --help and a configuration error are instant.
    try:
        import openvino
    except ImportError as error:
        raise ModelError("the engine is missing: pip install openvino") from error
    if not model.is_file():
        raise ModelError(f"{model}: no such file")
    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # A pinned thread waits for its core even when another one is free.
        "ENABLE_CPU_PINNING": "NO",
    }
    try:
        return core.compile_model(core.read_model(model), "CPU", options)
    except RuntimeError as error:
        raise ModelError(f"{model}: the engine cannot use it: {error}") from error
