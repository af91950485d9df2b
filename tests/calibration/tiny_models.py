# SPDX-License-Identifier: Apache-2.0
"""Networks of a few numbers that obey the shipped ones' interfaces, with a profile and a card."""

import hashlib
import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests import families
from wire.profile import Profile

DIM, RELEASED, STEPS = 8, 4, 20


def save(path, nodes, inputs, outputs, constants):
    initial = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initial)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def make_encoder(path):
    """Embedding: the planes' mean, times a fixed row."""
    nodes = [
        helper.make_node("Cast", ["planes"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["embedding"]),
    ]
    weights = np.linspace(-0.01, 0.01, 3 * DIM, dtype=np.float32).reshape(3, DIM)
    planes = helper.make_tensor_value_info("planes", TensorProto.UINT8, [1, 3, 64, 80])
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, DIM])
    save(path, nodes, [planes], [out], {"w": weights})


def make_recogniser(path):
    """`fall` rises with the share of the window that holds vectors, and passes .5 at a half.

    That of all sensors: two of a room have filled their half twice as fast.
    """
    nodes = [
        helper.make_node("ReduceMean", ["window"], ["each"], axes=[2], keepdims=0),
        helper.make_node("ReduceSum", ["each", "sensors"], ["mean"], keepdims=0),
    ]
    weights = {name: np.zeros((RELEASED + 1, width)) for name, width in families.WIDTHS.items()}
    weights["behaviours"][-1, 1] = 20.0
    bias = {name: np.zeros(width) for name, width in families.WIDTHS.items()}
    bias["behaviours"][:] = 0.0, -10.0, -5.0, -5.0
    heads = [
        families.affine("mean", name, weights[name], bias[name], "Sigmoid")
        for name in families.WIDTHS
    ]
    inputs = families.first_inputs(STEPS, RELEASED)
    stem = (nodes, {"sensors": np.array([1])})
    families.save(path, inputs, families.outputs(), stem, *heads)


def make_peer(path):
    """Something else to be timed: the mean of a float picture."""
    nodes = [helper.make_node("ReduceMean", ["images"], ["out"], axes=[1, 2, 3], keepdims=0)]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])
    save(path, nodes, [images], [out], {})


def make_profile(encoder, cap_bits=16.0):
    return Profile(
        name="tiny",
        encoder_sha256=hashlib.sha256(encoder.read_bytes()).hexdigest(),
        embedding_dim=DIM,
        released_dim=RELEASED,
        projection=np.eye(RELEASED, DIM, dtype=np.int8).tobytes(),
        embedding_scale=0.1,
        clip_norm=100,
        full_scale=127,
        sigmas=(100, 200),
        rate_hz=10,
        window_s=2,
        window_cap_bits=cap_bits,
    )


def make_models(folder):
    """A whole models folder."""
    make_encoder(folder / "encoder.onnx")
    make_recogniser(folder / "recogniser-s.onnx")
    profile = make_profile(folder / "encoder.onnx")
    profile.save(folder / "profile.json")
    card = families.entry(RELEASED, STEPS, profile.sigmas, [profile.id.hex()])
    card["thresholds"] = {kind: {"suspect": 0.5, "confirm": 0.9} for kind in card["kinds"]}
    (folder / "recogniser.json").write_text(json.dumps(card))
    return folder
