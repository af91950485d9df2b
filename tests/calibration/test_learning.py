# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402 - what is imported below needs the packages that are asked for first
"""Training, quantisation and export on footage made up here. Needs the train extra."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("onnxruntime", reason="the train extra is not installed")
pytestmark = pytest.mark.train

from calibration.data import Clip, Interval
from calibration.footage import Footage, targets
from calibration.learning import Model, Recipe, augment, probabilities, train_trunk, watch_all
from calibration.quantise import QuantiseError, integer_projection, ship

if TYPE_CHECKING:
    from collections.abc import Sequence

NOISE = 0.95


def footage(seed: int, steps: int = 40) -> Footage:
    """A bright bar that stands, or (odd seeds) lies on the floor, wherever it is."""
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 20, (steps, 3, 64, 80), dtype=np.uint8)
    top, left = rng.integers(5, 25), rng.integers(5, 50)
    lies = bool(seed % 2)
    height, width = (8, 26) if lies else (26, 8)
    planes[:, 2, top : top + height, left : left + width] = 255
    label = Interval("fall" if lies else "stand", -5.0, steps / 10)
    clip = Clip(Path("c"), f"c{seed}", "rooms_train", "s", "r", (label,))
    return Footage(clip, planes, *targets(clip, steps))


def down(model: Model, item: Footage) -> float:
    watched = watch_all(model.encoder, [item], variants=1)[0]
    return float(probabilities(model, watched.embedding[0], NOISE, 4)[:, -1, 2].mean())


def train(noise: float) -> Model:
    model = Model()
    recipe = Recipe(noise_ratio=noise, trunk_steps=60, trunk_windows=6, trunk_length=12)
    train_trunk(model, [([footage(seed) for seed in range(12)], 1.0)], recipe)
    return model


def margin(model: Model, seeds: Sequence[int] = range(100, 112)) -> float:
    scores = [(seed % 2, down(model, footage(seed))) for seed in seeds]
    lying, standing = ([s for odd, s in scores if odd == want] for want in (1, 0))
    return float(np.mean(lying) - np.mean(standing))


@pytest.fixture(scope="module")
def model() -> Model:
    return train(NOISE)


def test_training_through_the_noise_tells_lying_from_standing(model: Model) -> None:
    assert margin(model) > 0.3


def test_control_nothing_is_learned_through_overwhelming_noise() -> None:
    assert abs(margin(train(1000.0))) < 0.15


def test_augmentation_keeps_shape_and_leaves_its_input_alone() -> None:
    planes = footage(1).planes
    before = planes.copy()
    out = augment(planes, np.random.default_rng(0))
    assert out.shape == planes.shape
    assert out.dtype == np.uint8
    assert np.array_equal(planes, before)
    assert not np.array_equal(out, planes)


def test_what_is_shipped_is_what_was_trained(model: Model, tmp_path: Path) -> None:
    from calibration.evaluate import shipped_models
    from calibration.replay import Station

    planes = [footage(seed).planes for seed in range(12)]
    ship(model, planes, tmp_path, name="toy", bits=16.0)
    card: dict[str, Any] = json.loads((tmp_path / "recogniser.json").read_text())
    station = Station(shipped_models(tmp_path, None))
    try:
        assert station.profile.id.hex() in card["profile_ids"]
        assert station.profile.sigmas[0] * 1.0 / station.profile.clip_norm == pytest.approx(
            NOISE, abs=0.01
        )
        embeddings = watch_all(model.encoder, [footage(101)], variants=1)[0].embedding[0]
        assert station.judge(station.release(embeddings)).peaks["down"] > 0.5
    finally:
        station.close()


def test_a_drifted_network_is_not_shipped(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calibration.quantise.MIN_COSINE", 1.1)
    with pytest.raises(QuantiseError, match="not shipped"):
        ship(model, [footage(1).planes], tmp_path, name="toy", bits=16.0)
    assert not (tmp_path / "profile.json").exists()


def test_the_integer_projection_clips_where_the_trained_one_does() -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 0.3, (12, 64)).astype(np.float32)
    projection, full_scale = integer_projection(weight)
    embedding = np.tanh(rng.normal(0, 1, 64)).astype(np.float32)
    q = np.rint(embedding * 127).astype(np.int64)
    exact = np.linalg.norm(weight @ embedding)
    integer = np.linalg.norm(projection.astype(np.int64) @ q) / full_scale
    assert integer == pytest.approx(exact, rel=0.02)
