# SPDX-License-Identifier: Apache-2.0
"""The network is used as its card says, and a pair that does not fit is refused at the start."""

import json

import numpy as np
import pytest

from cloud_bridge.card import KINDS, load_card
from cloud_bridge.errors import ModelError
from cloud_bridge.recogniser import MAX_BATCH, Recogniser
from tests.cloud_bridge.scene import DIM, STEPS, card_values, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"))


def windows(count):
    batch = np.random.default_rng(count).normal(size=(count, STEPS, DIM + 1)).astype(np.float32)
    batch[:, :, -1] = 1
    return batch


def expected(batch):
    return 1 / (1 + np.exp(-batch[:, :, :4].mean(axis=1)))


@pytest.mark.parametrize("count", [0, 1, 2, MAX_BATCH, MAX_BATCH + 1, 129])
def test_every_window_gets_its_own_probabilities(model, count):
    batch = windows(count)
    out = Recogniser(*model).infer(batch)
    assert out.shape == (count, len(KINDS))
    assert np.allclose(out, expected(batch), atol=1e-5)


def test_control_another_window_gives_another_answer(model):
    recogniser = Recogniser(*model)
    first, second = recogniser.infer(windows(2))
    assert not np.allclose(first, second, atol=1e-5)


def test_what_was_returned_is_not_overwritten_by_the_next_call(model):
    recogniser = Recogniser(*model)
    batch = windows(3)
    kept = recogniser.infer(batch)
    recogniser.infer(-batch)
    assert np.allclose(kept, expected(batch), atol=1e-5)


def test_what_is_no_probability_stops_it(model):
    batch = windows(2)
    batch[1, 3, 2] = np.nan
    with pytest.raises(ModelError, match="no probabilities"):
        Recogniser(*model).infer(batch)


def test_a_network_of_another_shape_is_refused(model, tmp_path):
    card = tmp_path / "card.json"
    card.write_text(json.dumps({**card_values(), "released_dim": DIM + 1}))
    with pytest.raises(ModelError, match=r"takes windows .*, the card says"):
        Recogniser(model[0], card)


def test_a_missing_or_broken_network_is_refused(model, tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        Recogniser(tmp_path / "none.onnx", model[1])
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model[0].read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot use it"):
        Recogniser(broken, model[1])


@pytest.mark.parametrize(
    "changed",
    [
        {"kinds": ["fall", "present", "down", "fight"]},
        {"model_id": "a model"},
        {"model_id": 7},
        {"window": 0},
        {"window": True},
        {"window": 10**9},
        {"sigmas": []},
        {"sigmas": [0]},
        {"profile_ids": ["xyz"]},
        {"profile_ids": "ab"},
        {"thresholds": {}},
        {"thresholds": {kind: {"suspect": 0, "confirm": 0.5} for kind in KINDS}},
        {"alarms": {"overstay_s": "long"}},
        {"alarms": []},
        {"alarms": {"overstay_s": 1}},
        {"alarms": {"overstay": 60}},
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path, changed):
    path = tmp_path / "card.json"
    path.write_text(json.dumps({**card_values(), **changed}))
    with pytest.raises(ModelError, match=r"card\.json"):
        load_card(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "\0", "null"])
def test_a_file_that_is_no_card_is_refused(tmp_path, text):
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(ModelError):
        load_card(path)


def test_control_the_unchanged_card_is_read(model):
    card = load_card(model[1])
    assert (card.window, card.released_dim, card.alarms) == (STEPS, DIM, {})
