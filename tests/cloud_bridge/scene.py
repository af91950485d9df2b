# SPDX-License-Identifier: Apache-2.0
"""A small world for the bridge's tests: devices with keys, vectors that say what they mean.

The family here recognises nothing: coordinates of a vector are, in units of the finest noise, the
logits of the four kinds, then `lie`, `persons` and `onset` themselves, and each network takes the
mean over the window of a sensor's vectors and the sum over the cameras. So a test decides what is
recognised by what it sends, and sensors add their evidence. The three networks agree in all but
`unusual`, which tells them apart.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper

from cloud_bridge.admit import Admitted
from cloud_bridge.card import KINDS, Threshold
from cloud_bridge.registry import Device, Place, Registry, Sensor
from tests import families
from wire.message import Signer, VectorMessage
from wire.profile import Profile
from wire.topics import SensorTopics

COORDINATES = (*KINDS, "lie", "persons", "onset")
UNUSUAL = {"s": 0.125, "m": 0.25, "l": 0.5}
GATES = {"s": 0.8, "m": 0.6, "l": None}
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


def vector(**said: float) -> np.ndarray:
    """(K,) int16 that the networks read as these COORDINATES at level 0; kinds are -3 else."""
    values = [said.get(name, -3.0 if name in KINDS else 0.0) for name in COORDINATES]
    padded = np.zeros(DIM)
    padded[: len(values)] = values
    return np.rint(padded * SIGMAS[0]).astype(np.int16)


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


def make_registry(rooms: tuple[Place, ...] = ()) -> Registry:
    return Registry(
        [
            Device(SITE, "device-1", key_of(1).public_key(), PROFILE, ("hall", "bath")),
            Device(SITE, "device-2", key_of(2).public_key(), PROFILE, ("main",)),
        ],
        rooms,
    )


def sensor_of(sender: Sender) -> Sensor:
    return (sender.site, sender.device, sender.sensor)


def admitted(
    sender: Sender,
    step: float,
    values: np.ndarray,
    *,
    wrong_s: float = 0.0,
    way_s: float = 0.05,
    **changed: object,
) -> Admitted:
    """Seen at `step`, dated by a clock that is wrong_s ahead, received way_s after it was seen."""
    seen_us = START_US + round(step * 1_000_000 / RATE)
    message = sender.message(seen_us + round(wrong_s * 1e6), values, **changed)
    return Admitted(sensor_of(sender), message, seen_us / 1e6 + way_s)


def write_model(folder: Path, **changed: object) -> Path:
    """Three networks and their card -> the card's path."""
    for name in GATES:
        _write_network(folder, name)
    card = folder / "recogniser.json"
    card.write_text(json.dumps(card_values(**changed)))
    return card


def card_values(**changed: object) -> dict:
    values = families.entry(DIM, STEPS, SIGMAS, [PROFILE.id.hex()])
    values["exits"] = [
        {"name": name, "network": f"recogniser-{name}.onnx"}
        | ({} if gate is None else {"gate": gate})
        for name, gate in GATES.items()
    ]
    values["thresholds"] = {kind: {"suspect": 0.5, "confirm": 0.6} for kind in KINDS}
    return {**values, **changed}


def _write_network(folder: Path, name: str) -> None:
    """The smallest sums up windows; the others read that from the hidden features."""
    first, last = name == "s", name == "l"
    handed = "hidden" if first else "deeper"
    inputs = (
        families.first_inputs(STEPS, DIM) if first else [families.features("hidden", DIM, STEPS)]
    )
    found = families.outputs() + ([] if last else [families.features(handed, DIM, STEPS)])
    stem = _summed() if first else _remembered()
    path = folder / f"recogniser-{name}.onnx"
    families.save(path, inputs, found, stem, _handed(handed), *_heads(UNUSUAL[name]))


def _summed() -> tuple[list, dict]:
    """`said` (B, K): mean over each window's vectors, sum over cameras."""
    nodes = [
        helper.make_node("ReduceSum", ["window", "time"], ["sums"], keepdims=0),
        helper.make_node("Split", ["sums", "parts"], ["signal", "weight"], axis=2),
        helper.make_node("Add", ["weight", "little"], ["seen"]),
        helper.make_node("Div", ["signal", "seen"], ["mean"]),
        helper.make_node("Cast", ["modality"], ["other"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["one", "other"], ["camera"]),
        helper.make_node("Unsqueeze", ["camera", "last"], ["mask"]),
        helper.make_node("Mul", ["mean", "mask"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "sensors"], ["said"], keepdims=0),
    ]
    constants = {
        "time": np.array([2]),
        "parts": np.array([DIM, 1]),
        "little": np.array([1e-6], np.float32),
        "one": np.array([1], np.float32),
        "last": np.array([2]),
        "sensors": np.array([1]),
    }
    return nodes, constants


def _handed(name: str) -> tuple[list, dict]:
    """`name` (B, K, T): `said` at every step."""
    nodes = [
        helper.make_node("Unsqueeze", ["said", "steps"], ["column"]),
        helper.make_node("Mul", ["column", "all_steps"], [name]),
    ]
    return nodes, {"steps": np.array([2]), "all_steps": np.ones((1, 1, STEPS), np.float32)}


def _remembered() -> tuple[list, dict]:
    """`said` (B, K): the hidden features' last step."""
    nodes = [helper.make_node("Gather", ["hidden", "newest"], ["said"], axis=2)]
    return nodes, {"newest": np.array(STEPS - 1)}


def _heads(unusual: float) -> list[tuple[list, dict]]:
    """Every head from `said`; counts are the softmax of -(n - persons)^2."""

    def picked(names: tuple[str, ...]) -> np.ndarray:
        """(K, len(names)): one coordinate for each output; none for an unknown name."""
        return np.array([[float(name == one) for one in names] for name in _named()])

    numbers = np.arange(families.COUNTS)
    persons = picked(("persons",)) * 2 * numbers
    return [
        families.affine("said", "behaviours", picked(KINDS), np.zeros(4), "Sigmoid"),
        families.affine("said", "postures", picked(families.POSTURES), np.zeros(2), "Sigmoid"),
        families.affine("said", "count", persons, -(numbers**2), "Softmax"),
        families.affine("said", "onset", picked(("onset",)), [0.0]),
        families.affine("said", "unusual", np.zeros((DIM, 1)), [unusual]),
    ]


def _named() -> list[str]:
    return [*COORDINATES, *[""] * (DIM - len(COORDINATES))]


def write_config(folder: Path, broker: str, more: str = "", rooms: str = "") -> Path:
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
card = "recogniser.json"
[stream]
stalled_after_s = 2
state_every_s = 1
{more}
{devices}
{rooms}"""
    )
    return path
