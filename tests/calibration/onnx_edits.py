# SPDX-License-Identifier: Apache-2.0
"""Small harm done to an ONNX network, for tests of who notices it."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LINEAR = {"Conv", "Gemm", "MatMul"}


def makers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def constant(model: onnx.ModelProto, name: str) -> np.ndarray:
    return next(numpy_helper.to_array(x) for x in model.graph.initializer if x.name == name)


def quantised_inputs(model: onnx.ModelProto) -> list[tuple[str, int]]:
    """(name of a linear node, which input) wherever that input comes out of a DequantizeLinear."""
    made_by = makers(model)
    return [
        (node.name, index)
        for node in model.graph.node
        if node.op_type in LINEAR
        for index, name in enumerate(node.input[:2])
        if name in made_by and made_by[name].op_type == "DequantizeLinear"
    ]


def take_pair_away(model: onnx.ModelProto, node_name: str, index: int) -> None:
    """That input is float from now on: what was quantised, or the weights without their pair."""
    made_by = makers(model)
    node = next(node for node in model.graph.node if node.name == node_name)
    out = made_by[node.input[index]]
    if out.input[0] in made_by:
        node.input[index] = made_by[out.input[0]].input[0]
        return
    values, scale = constant(model, out.input[0]), constant(model, out.input[1])
    scale = scale.reshape(-1, *[1] * (values.ndim - 1)) if scale.ndim else scale
    model.graph.initializer.append(
        numpy_helper.from_array((values * scale).astype(np.float32), "float weights")
    )
    node.input[index] = "float weights"


def quantise_bias(model: onnx.ModelProto, node_name: str) -> None:
    """A bias of INT32 behind a DequantizeLinear, which is what ONNX Runtime's quantiser makes."""
    node = next(node for node in model.graph.node if node.name == node_name)
    values = np.zeros(constant(model, makers(model)[node.input[1]].input[0]).shape[0], np.int32)
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(values, "bias"),
            numpy_helper.from_array(np.float32(0.01), "bias scale"),
            numpy_helper.from_array(np.int32(0), "bias zero"),
        ]
    )
    pair = helper.make_node(
        "DequantizeLinear", ["bias", "bias scale", "bias zero"], ["float bias"], "bias pair"
    )
    model.graph.node.insert(0, pair)
    node.input.append("float bias")


def add_unknown_operator(model: onnx.ModelProto) -> None:
    """The network's output goes through something that no engine has."""
    last = makers(model)["embedding"]
    last.output[0] = "almost"
    model.graph.node.append(
        helper.make_node("Abacus", ["almost"], ["embedding"], "beads", domain="com.example")
    )
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def float_input(model: onnx.ModelProto) -> None:
    """Float planes instead of bytes."""
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
