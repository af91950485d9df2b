# SPDX-License-Identifier: Apache-2.0
"""Pieces of ONNX from which tests build families of networks with a few numbers each."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

POSTURES = ("stand", "lie")
COUNTS = 5
WIDTHS = {"behaviours": 4, "postures": len(POSTURES), "count": COUNTS, "onset": 1, "unusual": 1}


def entry(released_dim, steps, sigmas, profile_ids, **changed):
    """What a card says, but for its thresholds."""
    return {
        "version": 2,
        "model_id": "test-family-1",
        "profile_ids": profile_ids,
        "kinds": ["present", "fall", "down", "fight"],
        "window": steps,
        "rate_hz": 10,
        "released_dim": released_dim,
        "sigmas": list(sigmas),
        "sensors_max": 4,
        "modalities": ["camera", "sound"],
        "exits": [{"name": "s", "network": "recogniser-s.onnx"}],
        "heads": ["postures", "count", "onset", "unusual"],
        "postures": list(POSTURES),
        "counts": COUNTS,
        **changed,
    }


def first_inputs(steps, dim):
    """`window` and `modality`, B and N free."""
    return [
        helper.make_tensor_value_info("window", TensorProto.FLOAT, ["B", "N", steps, dim + 1]),
        helper.make_tensor_value_info("modality", TensorProto.INT64, ["B", "N"]),
    ]


def features(name, channels, steps):
    """Hidden features, as input of one network or output of another."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", channels, steps])


def outputs(**widths):
    """All heads; another width where one is named."""
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", widths.get(name, width)])
        for name, width in WIDTHS.items()
    ]


def affine(given, output, weights, bias, activation=None):
    """Nodes and constants of activation(given (B, n) @ weights (n, m) + bias (m,))."""
    weights, bias = np.asarray(weights, np.float32), np.asarray(bias, np.float32)
    last = f"{output}_line" if activation else output
    nodes = [
        helper.make_node("MatMul", [given, f"{output}_w"], [f"{output}_product"]),
        helper.make_node("Add", [f"{output}_product", f"{output}_b"], [last]),
    ]
    if activation:
        nodes.append(helper.make_node(activation, [last], [output]))
    return nodes, {f"{output}_w": weights, f"{output}_b": bias}


def save(path, inputs, found, *parts):
    """Write a network of these parts, each (nodes, constants)."""
    constants = {name: value for _, some in parts for name, value in some.items()}
    graph = helper.make_graph(
        [node for nodes, _ in parts for node in nodes],
        "tiny",
        inputs,
        found,
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
