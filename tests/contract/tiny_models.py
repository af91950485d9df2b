# SPDX-License-Identifier: Apache-2.0
"""Small networks of the shape that an encoder must have, made when a test wants one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge.encoders import INPUT_NAME, OUTPUT_NAME
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES

CHANNELS = (PLANES, 8, 16)
OPSET = 19


def tiny_encoder(path: Path, dim: int = 64, *, seed: int = 7, input_name: str = INPUT_NAME) -> Path:
    """Two INT8 convolutions with explicit Q/DQ, pooling and a linear layer -> `path`."""
    random = np.random.default_rng(seed)
    graph = _Graph()
    x = graph.add("Cast", [input_name], to=TensorProto.FLOAT)
    x = graph.add("Mul", [x, graph.constant(np.float32(1 / 255))])
    x = graph.quantised(x, 1 / 127)
    for inputs, outputs in pairwise(CHANNELS):
        weights = graph.weights(random.integers(-127, 128, (outputs, inputs, 3, 3)), 0.004)
        x = graph.add("Conv", [x, weights], strides=[2, 2], pads=[1, 1, 1, 1])
        x = graph.quantised(graph.add("Relu", [x]), 0.02)
    x = graph.add("Flatten", [graph.add("GlobalAveragePool", [x])])
    last = graph.constant(random.normal(size=(CHANNELS[-1], dim)).astype(np.float32))
    graph.add("MatMul", [x, last], to_name=OUTPUT_NAME)
    graph.save(path, input_name, (1, PLANES, CANVAS_H, CANVAS_W), (1, dim))
    return path


class _Graph:
    """ONNX nodes in order, and the constants they use."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], *, to_name: str = "", **attributes: object) -> str:
        name = to_name or f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], f"{kind}:{name}", **attributes))
        return name

    def constant(self, value: np.ndarray) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weights(self, values: np.ndarray, scale: float) -> str:
        quantised = self.constant(values.astype(np.int8))
        return self.add("DequantizeLinear", [quantised, *self._scale(scale)])

    def quantised(self, x: str, scale: float) -> str:
        q = self.add("QuantizeLinear", [x, *self._scale(scale)])
        return self.add("DequantizeLinear", [q, *self._scale(scale)])

    def save(
        self, path: Path, input_name: str, given: tuple[int, ...], made: tuple[int, ...]
    ) -> None:
        graph = helper.make_graph(
            self._nodes,
            "tiny",
            [helper.make_tensor_value_info(input_name, TensorProto.UINT8, given)],
            [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, made)],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 9
        onnx.checker.check_model(model)
        onnx.save(model, path)

    def _scale(self, scale: float) -> tuple[str, str]:
        return self.constant(np.float32(scale)), self.constant(np.int8(0))
