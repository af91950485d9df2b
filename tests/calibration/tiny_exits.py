# SPDX-License-Identifier: Apache-2.0
"""The tiny models with three exits, of which each is surer than the one before."""

import json

import numpy as np
from onnx import helper

from tests import families
from tests.calibration.tiny_models import RELEASED, STEPS, make_models

SLOPES = {"s": 4.0, "m": 12.0, "l": 60.0}
GATES = {"s": 0.6, "m": 0.9}
SEEN = RELEASED + 1


def make_family(folder):
    """A whole models folder; `fall` rises with the share of the window that holds vectors."""
    make_models(folder)
    for name in SLOPES:
        _write(folder, name)
    path = folder / "recogniser.json"
    card = json.loads(path.read_text())
    card["exits"] = [
        {"name": name, "network": f"recogniser-{name}.onnx"}
        | ({"gate": GATES[name]} if name in GATES else {})
        for name in SLOPES
    ]
    path.write_text(json.dumps(card))
    return folder


def _write(folder, name):
    first, last = name == "s", name == "l"
    given = families.first_inputs(STEPS, RELEASED) if first else [_features("hidden")]
    handed = [] if last else ["hidden" if first else "deeper"]
    found = families.outputs() + [_features(one) for one in handed]
    weights = {key: np.zeros((SEEN, width)) for key, width in families.WIDTHS.items()}
    bias = {key: np.zeros(width) for key, width in families.WIDTHS.items()}
    weights["behaviours"][-1, 1] = SLOPES[name]
    bias["behaviours"][:] = -10.0, -SLOPES[name] / 2, -10.0, -10.0
    heads = [
        families.affine("mean", key, weights[key], bias[key], "Sigmoid") for key in families.WIDTHS
    ]
    copies = [helper.make_node("Unsqueeze", ["mean", "last"], [one]) for one in handed]
    stem = _stem(first=first)
    stem[0].extend(copies)
    if handed:
        stem[1]["last"] = np.array([2])
    families.save(folder / f"recogniser-{name}.onnx", given, found, stem, *heads)


def _features(name):
    return families.features(name, SEEN, 1)


def _stem(*, first):
    """`mean` (B, K+1): of the window over time, summed over sensors; or what was handed on."""
    if not first:
        nodes = [helper.make_node("Squeeze", ["hidden", "steps"], ["mean"])]
        return nodes, {"steps": np.array([2])}
    nodes = [
        helper.make_node("ReduceMean", ["window"], ["each"], axes=[2], keepdims=0),
        helper.make_node("ReduceSum", ["each", "sensors"], ["mean"], keepdims=0),
    ]
    return nodes, {"sensors": np.array([1])}
