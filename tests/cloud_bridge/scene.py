# SPDX-License-Identifier: Apache-2.0
"""A small world for the bridge's tests: devices with keys, vectors that say what they mean.

The network here is no recogniser: coordinate i of a vector is, in units of the finest noise,
the logit of kind i, and the network takes the mean over the window. So a test decides what is
recognised by what it sends.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper

from cloud_bridge.card import KINDS, Threshold
from cloud_bridge.registry import Device, Registry
from wire.message import Signer, VectorMessage
from wire.profile import Profile
from wire.topics import SensorTopics

STEPS, DIM, RATE = 20, 8, 10
SIGMAS = (100, 200)
EPOCH = 1_900_000_000
START_US = 1_900_000_000_000_000
SITE = "home"
THRESHOLDS = {kind: Threshold(0.5, 0.6) for kind in KINDS}


def make_profile(name: str = "test") -> Profile:
    return Profile(
        name=name,
        encoder_sha256="ab" * 32,
        embedding_dim=16,
        released_dim=DIM,
        projection=bytes(DIM * 16),
        embedding_scale=0.5,
        clip_norm=500,
        full_scale=1000,
        sigmas=SIGMAS,
        rate_hz=RATE,
        window_s=2,
        window_cap_bits=400.0,
    )


PROFILE = make_profile()


def vector(**logits: float) -> np.ndarray:
    """(K,) int16 that the network reads as these logits at noise level 0; others are -3."""
    values = [logits.get(kind, -3.0) * SIGMAS[0] for kind in KINDS]
    return np.array(values + [0.0] * (DIM - len(KINDS)), np.int16)


@dataclass
class Sender:
    """One sensor of one device, numbering its messages."""

    device: str
    sensor: str
    key: Ed25519PrivateKey
    site: str = SITE
    sequence: int = 0
    epoch: int = EPOCH

    @property
    def topic(self) -> str:
        return SensorTopics(self.site, self.device, self.sensor).vectors

    def message(self, time_us: int, values: np.ndarray | None = None, **changed) -> VectorMessage:
        self.sequence += 1
        fields = {
            "profile_id": PROFILE.id,
            "device": self.device,
            "sensor": self.sensor,
            "epoch": self.epoch,
            "sequence": self.sequence,
            "capture_time_us": time_us,
            "noise_level": 0,
            "repeated": False,
            "vector": vector() if values is None else values,
        }
        return VectorMessage(**{**fields, **changed})

    def sealed(self, time_us: int, values: np.ndarray | None = None, **changed) -> bytes:
        return Signer(self.key).seal(self.message(time_us, values, **changed), self.topic)


def key_of(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def make_senders() -> list[Sender]:
    """Two devices, three sensors."""
    return [
        Sender("device-1", "hall", key_of(1)),
        Sender("device-1", "bath", key_of(1)),
        Sender("device-2", "main", key_of(2)),
    ]


def make_registry() -> Registry:
    return Registry(
        [
            Device(SITE, "device-1", key_of(1).public_key(), PROFILE, ("hall", "bath")),
            Device(SITE, "device-2", key_of(2).public_key(), PROFILE, ("main",)),
        ]
    )


def write_model(folder: Path) -> tuple[Path, Path]:
    """Network and card -> their paths."""
    network, card = folder / "recogniser.onnx", folder / "recogniser.json"
    onnx.save(_network(), network)
    card.write_text(json.dumps(card_values()))
    return network, card


def card_values() -> dict:
    return {
        "model_id": "test-mean-1",
        "profile_ids": [PROFILE.id.hex()],
        "kinds": list(KINDS),
        "window": STEPS,
        "rate_hz": RATE,
        "released_dim": DIM,
        "sigmas": list(SIGMAS),
        "thresholds": {kind: {"suspect": 0.5, "confirm": 0.6} for kind in KINDS},
    }


def _network() -> onnx.ModelProto:
    constants = {
        "time": np.array([1]),
        "kinds": np.arange(4),
        "weight": np.array([DIM]),
        "little": np.array([1e-6], np.float32),
    }
    nodes = [
        helper.make_node("ReduceSum", ["window", "time"], ["sums"], keepdims=0),
        helper.make_node("Gather", ["sums", "kinds"], ["signal"], axis=1),
        helper.make_node("Gather", ["sums", "weight"], ["weights"], axis=1),
        helper.make_node("Add", ["weights", "little"], ["count"]),
        helper.make_node("Div", ["signal", "count"], ["mean"]),
        helper.make_node("Sigmoid", ["mean"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["B", STEPS, DIM + 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["B", 4])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def write_config(folder: Path, broker: str, more: str = "") -> Path:
    """A complete configuration for the registry above -> its path."""
    write_model(folder)
    PROFILE.save(folder / "profile.json")
    devices = "".join(
        f"""
[[device]]
site = "{SITE}"
name = "{device.name}"
public_key = "{base64.b64encode(device.public_key.public_bytes_raw()).decode()}"
profile = "profile.json"
sensors = {json.dumps(device.sensors)}
"""
        for device in make_registry().devices
    )
    path = folder / "bridge.toml"
    path.write_text(
        f"""state_directory = "state"
[broker]
{broker}
[model]
network = "recogniser.onnx"
card = "recogniser.json"
[stream]
stalled_after_s = 2
state_every_s = 1
{more}
{devices}"""
    )
    return path
