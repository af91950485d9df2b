# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402 - what is imported below needs the packages that are asked for first
"""What is shipped says what the trained model says, or is not shipped. Needs the train extra."""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("onnxruntime", reason="the train extra is not installed")
pytestmark = pytest.mark.train

from calibration import quantise
from calibration.checksums import sha256
from calibration.quantise import QuantiseError, integer_projection, make_profile, ship
from calibration.train.family import MEMBERS, WIDTH, rows
from calibration.train.judge import embed
from calibration.train.recipe import noise_ratio
from calibration.train.trunk import Model
from calibration.train.unusual import NormalLife
from cloud_bridge.recogniser import Recogniser
from edge.encoders import open_encoder
from edge.mechanism import release_parameters
from kernels.reference import Releaser
from wire.profile import Profile

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "encoder.onnx",
    "profile.json",
    "recogniser.json",
    "SHA256SUMS",
    *(f"recogniser-{name}.onnx" for name in MEMBERS),
}


def untrained(seed: int, bits: float | None) -> Model:
    """Random weights, large enough that what is seen makes a difference."""
    torch.manual_seed(seed)
    model = Model(noise_ratio(bits, 12))
    with torch.no_grad():
        for _ in range(10):  # batch normalisation learns what it normalises
            model.encoder(torch.from_numpy(frames()).float())
        model.encoder.out.weight *= 3
        model.family.entrance.rows.weight *= 5
        for member in model.family.members.values():
            member.leave.weight *= 5
    for part in model.parts():
        part.eval()
    return model


def frames(steps: int = 24) -> np.ndarray:
    """A bright bar that wanders."""
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 20, (steps, 3, 64, 80), np.uint8)
    for k, plane in enumerate(planes):
        plane[:, 20:50, k : k + 20] = 250
    return planes


def life(seed: int = 0) -> dict[str, NormalLife]:
    rng = np.random.default_rng(seed)
    made = [rng.normal(size=(600, WIDTH)).astype(np.float32) for _ in range(2)]
    return {name: NormalLife(*made) for name in MEMBERS}


def float_twin(model: Model, planes: np.ndarray) -> np.ndarray:
    """Behaviours of the largest member at the last step, without noise."""
    with torch.inference_mode():
        clean = model.release.clean(torch.from_numpy(embed(model.encoder, planes)))
        window = rows(clean, model.noise_ratio, torch.ones(len(planes)))[None, None]
        _, heads = model.family(window, torch.zeros(1, 1, dtype=torch.long))["l"]
        return torch.sigmoid(heads.behaviours[0, -1]).numpy()


def deployed(folder: Path, planes: np.ndarray) -> np.ndarray:
    """The same by what is shipped: INT8 engine, integer release, networks of the bridge."""
    profile = Profile.load(folder / "profile.json")
    recogniser = Recogniser(folder / "recogniser.json")
    card = recogniser.card
    window = np.zeros((1, 1, card.window, card.released_dim + 1), np.float32)
    releaser = Releaser(release_parameters(profile), memoryview(bytearray(os.urandom(32))))
    with closing(open_encoder("openvino", folder / "encoder.onnx", 1)) as encoder:
        for plane, row in zip(planes, window[0, 0, -len(planes) :], strict=True):
            embedding, vector = np.zeros(encoder.dim, np.float32), np.zeros(12, np.int16)
            encoder.embed(np.ascontiguousarray(plane), embedding)
            releaser.release(embedding, 0, vector)
            row[:] = [*(vector / card.sigmas[0]), 1]
    releaser.close()
    (found,) = recogniser.infer(window, np.zeros((1, 1), np.int64))
    return found.behaviours


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly any noise, so that both twins must agree."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantise, "PERCENTILES", (99.99,))
        ship(untrained(0, None), frames(), life(), folder, name="toy", bits=None)
    return folder


def test_what_is_shipped_says_what_the_model_says_and_no_other(shipped: Path) -> None:
    said = deployed(shipped, frames())
    own, other = (float_twin(untrained(seed, None), frames()) for seed in (0, 1))
    assert np.abs(said - own).max() < 0.1
    assert np.abs(said - other).max() > 0.4


def test_everything_that_is_shipped_is_there_and_listed(shipped: Path) -> None:
    assert {path.name for path in shipped.iterdir()} == FILES
    listed = dict(
        reversed(line.split("  ")) for line in (shipped / "SHA256SUMS").read_text().splitlines()
    )
    assert listed == {name: sha256(shipped / name) for name in FILES - {"SHA256SUMS"}}


def test_the_card_names_what_it_belongs_to(shipped: Path) -> None:
    card = json.loads((shipped / "recogniser.json").read_text())
    profile = Profile.load(shipped / "profile.json")
    assert card["profile_ids"] == [profile.id.hex()]
    assert tuple(card["sigmas"]) == profile.sigmas == (1, 3)
    profile.require_cap_kept()
    assert [one["name"] for one in card["exits"]] == list(MEMBERS)


def test_a_cap_in_bits_is_the_profiles(shipped: Path) -> None:
    profile = make_profile(untrained(0, 16.0), shipped / "encoder.onnx", "toy", 16.0)
    assert profile.window_cap_bits == 16
    assert profile.sigmas[0] / profile.clip_norm == pytest.approx(0.95, abs=0.01)
    profile.require_cap_kept()


@pytest.mark.parametrize(
    ("bits", "limit", "value", "said"),
    [
        (16.0, "MIN_COSINE", 1.1, "not shipped"),
        (16.0, "MAX_BYTES", 10_000, "not shipped"),
        (8.0, "MIN_COSINE", 0.9, "trained for sigma 244"),
    ],
)
def test_what_is_not_good_enough_changes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bits: float,
    limit: str,
    value: float,
    said: str,
) -> None:
    (tmp_path / "profile.json").write_text("as it was")
    monkeypatch.setattr(quantise, limit, value)
    monkeypatch.setattr(quantise, "PERCENTILES", (99.99,))
    with pytest.raises(QuantiseError, match=said):
        ship(untrained(0, 16.0), frames(), life(), tmp_path, name="toy", bits=bits)
    assert [path.name for path in tmp_path.iterdir()] == ["profile.json"]
    assert (tmp_path / "profile.json").read_text() == "as it was"


def test_the_integer_projection_clips_where_the_trained_one_does() -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 0.3, (12, 64)).astype(np.float32)
    projection, full_scale = integer_projection(weight)
    embedding = np.tanh(rng.normal(0, 1, 64)).astype(np.float32)
    q = np.rint(embedding * 127).astype(np.int64)
    exact = np.linalg.norm(weight @ embedding)
    integer = np.linalg.norm(projection.astype(np.int64) @ q) / full_scale
    assert integer == pytest.approx(exact, rel=0.02)
