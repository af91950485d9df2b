# SPDX-License-Identifier: Apache-2.0
"""The family is used as its card says; windows leave at the first exit that is sure of them."""

import json

import numpy as np
import pytest
from onnx import helper

from cloud_bridge.card import KINDS, UNUSUAL, load_card
from cloud_bridge.errors import ModelError
from cloud_bridge.recogniser import MAX_BATCH, ONSET_MAX_S, Recogniser
from tests import families
from tests.cloud_bridge.scene import DIM, SIGMAS, STEPS, card_values, vector, write_model

SURE, HALF_SURE, UNSURE = vector(fall=3.0), vector(fall=1.8), vector(fall=0.5)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def recogniser(card):
    return Recogniser(card)


def window(*sensors):
    """(N, T, K+1): each sensor sends one vector at every step; None is a missing one."""
    found = np.zeros((len(sensors), STEPS, DIM + 1), np.float32)
    for rows, values in zip(found, sensors, strict=True):
        if values is not None:
            rows[:, :DIM] = values / SIGMAS[0]
            rows[:, DIM] = 1
    return found


def judge(recogniser, *windows):
    batch = np.stack(windows)
    return recogniser.infer(batch, np.zeros(batch.shape[:2], np.int64))


def logistic(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("sensors", [1, 2, 4])
@pytest.mark.parametrize("count", [0, 1, 2, MAX_BATCH, MAX_BATCH + 1, 129])
def test_every_window_gets_its_own_judgement(recogniser, count, sensors):
    rng = np.random.default_rng(count)
    batch = rng.normal(size=(count, sensors, STEPS, DIM + 1)).astype(np.float32)
    batch[..., -1] = 1
    found = recogniser.infer(batch, np.zeros((count, sensors), np.int64))
    said = batch[..., :4].mean(axis=2).sum(axis=1)
    assert len(found) == count
    for judgement, logits in zip(found, said, strict=True):
        assert np.allclose(judgement.behaviours, logistic(logits), atol=1e-5)


def test_all_heads_are_read(recogniser):
    (found,) = judge(recogniser, window(vector(fall=3.0, lie=2.0, persons=2.0, onset=4.5)))
    assert found.behaviours.tolist() == pytest.approx(logistic(np.array([-3, 3, -3, -3])), abs=1e-5)
    assert found.postures.tolist() == pytest.approx([0.5, logistic(2.0)], abs=1e-5)
    assert found.persons == 2
    assert found.counts.sum() == pytest.approx(1)
    assert found.onset_s == pytest.approx(4.5, abs=1e-4)
    assert (found.unusual, found.exit) == (0.125, 0)


def test_a_window_leaves_at_the_first_exit_that_is_sure(card):
    recogniser = Recogniser(card)
    found = judge(recogniser, *(window(v) for v in (UNSURE, SURE, HALF_SURE, SURE, UNSURE)))
    assert [judgement.exit for judgement in found] == [2, 0, 1, 0, 2]
    assert [judgement.unusual for judgement in found] == [0.5, 0.125, 0.25, 0.125, 0.5]
    # What a larger one judges, it judges of the same window.
    falls = [
        3.0 if judgement.exit == 0 else 1.8 if judgement.exit == 1 else 0.5 for judgement in found
    ]
    assert [j.behaviours[1] for j in found] == pytest.approx(logistic(np.array(falls)), abs=1e-5)
    assert recogniser.left == {"s": 2, "m": 1, "l": 2}
    judge(recogniser, window(SURE))
    assert recogniser.left == {"s": 3, "m": 1, "l": 2}


def test_a_kind_that_is_not_gated_holds_nothing_back(recogniser):
    (found,) = judge(recogniser, window(vector(fall=3.0, present=0.0)))
    assert found.exit == 0
    (found,) = judge(recogniser, window(vector(fall=3.0, fight=0.0)))
    assert found.exit == 2


def test_the_larger_networks_see_only_what_the_smaller_held_back(card, monkeypatch):
    recogniser = Recogniser(card)
    sizes = []
    run = recogniser._run
    monkeypatch.setattr(
        recogniser,
        "_run",
        lambda number, inputs: (
            sizes.append((number, len(next(iter(inputs.values()))))) or run(number, inputs)
        ),
    )
    judge(recogniser, *[window(SURE)] * 5)
    assert sizes == [(0, 5)]
    sizes.clear()
    judge(recogniser, *[window(SURE)] * 5, window(HALF_SURE), window(UNSURE))
    assert sizes == [(0, 7), (1, 2), (2, 1)]


@pytest.mark.parametrize("gate", [0.0, 1.0])
def test_control_the_gate_decides(card, gate):
    exits = [{**entry, "gate": gate} for entry in card_values()["exits"][:2]]
    other = card.with_name(f"gate-{gate}.json")
    other.write_text(json.dumps(card_values(exits=[*exits, card_values()["exits"][2]])))
    recogniser = Recogniser(other)
    judge(recogniser, window(SURE), window(UNSURE))
    assert recogniser.left == ({"s": 2, "m": 0, "l": 0} if gate == 0 else {"s": 0, "m": 0, "l": 2})


def test_sensors_add_their_evidence_and_a_missing_one_adds_nothing(recogniser):
    quiet = dict.fromkeys(KINDS, 0.0)
    weak = vector(**{**quiet, "down": 0.3})
    alone, gone, both = judge(
        recogniser, window(weak, np.zeros(DIM)), window(weak, None), window(weak, weak)
    )
    assert gone.behaviours[2] == pytest.approx(alone.behaviours[2])
    assert both.behaviours[2] == pytest.approx(logistic(0.6), abs=1e-5)
    assert gone.behaviours[2] == pytest.approx(logistic(0.3), abs=1e-5)


def test_the_modality_reaches_the_network(recogniser):
    batch = np.stack([window(SURE, SURE)])
    cameras, mixed = (
        recogniser.infer(batch, np.array([numbers]))[0] for numbers in ([0, 0], [0, 1])
    )
    assert mixed.behaviours[1] == pytest.approx(logistic(3.0), abs=1e-5)
    assert cameras.behaviours[1] == pytest.approx(logistic(6.0), abs=1e-5)


def test_what_was_returned_is_not_overwritten_by_the_next_call(recogniser):
    (kept,) = judge(recogniser, window(SURE))
    judge(recogniser, window(vector(fall=-3.0)))
    assert kept.behaviours[1] == pytest.approx(logistic(3.0), abs=1e-5)


def test_an_onset_is_kept_within_what_was_trained(recogniser):
    found = judge(recogniser, *(window(vector(onset=value)) for value in (-1.0, 60.0)))
    assert [judgement.onset_s for judgement in found] == [0.0, ONSET_MAX_S]


def test_what_is_no_number_stops_it(recogniser):
    batch = np.stack([window(SURE), window(SURE)])
    batch[1, 0, 3, 2] = np.nan
    with pytest.raises(ModelError, match="not between"):
        recogniser.infer(batch, np.zeros((2, 1), np.int64))


def test_a_family_of_another_shape_is_refused(card):
    path = card.with_name("wide.json")
    path.write_text(json.dumps(card_values(released_dim=DIM + 1)))
    with pytest.raises(ModelError, match=r"recogniser-s.onnx: window takes .*; the card says"):
        Recogniser(path)
    path.write_text(json.dumps(card_values(postures=["stand", "walk", "lie"])))
    with pytest.raises(ModelError, match=r"exit s: postures comes as \(1, 2\) for 1 windows"):
        Recogniser(path)
    path.write_text(json.dumps(card_values(counts=4)))
    with pytest.raises(ModelError, match=r"exit s: count comes as \(1, 5\)"):
        Recogniser(path)


def write_one(folder, *, inputs=None, found=None, unusual=0.0):
    """A family of one network whose heads say the same of every window -> its card."""
    nodes = [helper.make_node("ReduceMean", ["window"], ["said"], axes=[1, 2], keepdims=0)]
    heads = [
        families.affine(
            "said", name, np.zeros((DIM + 1, width)), np.full(width, unusual * (name == "unusual"))
        )
        for name, width in families.WIDTHS.items()
    ]
    path = folder / "one.onnx"
    families.save(
        path,
        inputs or families.first_inputs(STEPS, DIM),
        found or families.outputs(),
        (nodes, {}),
        *heads,
    )
    card = folder / "card.json"
    card.write_text(json.dumps(card_values(exits=[{"name": "s", "network": "one.onnx"}])))
    return card


def test_control_a_family_of_one_is_enough(tmp_path):
    recogniser = Recogniser(write_one(tmp_path))
    (found,) = judge(recogniser, window(SURE))
    assert (found.exit, recogniser.left) == (0, {"s": 1})


def test_a_head_that_a_family_lacks_is_told_as_absent(tmp_path):
    card = write_model(tmp_path, heads=["postures", "onset"])
    (found,) = judge(Recogniser(card), window(vector(fall=3.0, persons=2.0, onset=4.5)))
    assert (found.persons, found.unusual) == (None, None)
    assert found.onset_s == pytest.approx(4.5, abs=1e-4)
    assert len(found.postures) == 2
    (bare,) = judge(Recogniser(write_model(tmp_path, heads=[])), window(vector(fall=3.0)))
    assert (bare.onset_s, len(bare.postures)) == (None, 0)
    assert bare.behaviours.tolist() == found.behaviours.tolist()


@pytest.mark.parametrize("heads", [["mood"], ["count", "count"], [3], "count"])
def test_heads_that_do_not_exist_are_refused(tmp_path, heads):
    with pytest.raises(ModelError, match=r"heads|a list"):
        load_card(write_model(tmp_path, heads=heads))


def test_what_is_no_probability_is_refused(tmp_path):
    with pytest.raises(ModelError, match="exit s: unusual is not between"):
        Recogniser(write_one(tmp_path, unusual=1.01))


def test_a_network_that_fixes_the_number_of_sensors_is_refused(tmp_path):
    fixed = [
        helper.make_tensor_value_info("window", 1, ["B", 4, STEPS, DIM + 1]),
        helper.make_tensor_value_info("modality", 7, ["B", 4]),
    ]
    with pytest.raises(ModelError, match=r"one.onnx: \w+ takes .*; the card says \(1, 1"):
        Recogniser(write_one(tmp_path, inputs=fixed))


def test_a_network_without_its_inputs_or_outputs_is_refused(tmp_path):
    only = families.first_inputs(STEPS, DIM)[:1]
    with pytest.raises(ModelError, match=r"takes \['window'\], not \['modality', 'window'\]"):
        Recogniser(write_one(tmp_path, inputs=only))
    with pytest.raises(ModelError, match=r"one.onnx: cannot be run: .*unusual"):
        Recogniser(write_one(tmp_path, found=families.outputs()[:-1]))


def test_a_smaller_network_must_hand_something_on(card, tmp_path):
    write_one(tmp_path)
    for name in ("m", "l"):
        (tmp_path / f"{name}.onnx").write_bytes(
            card.with_name(f"recogniser-{name}.onnx").read_bytes()
        )
    exits = [
        {"name": "s", "network": "one.onnx", "gate": 0.5},
        {"name": "l", "network": "l.onnx"},
    ]
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card_values(exits=exits)))
    with pytest.raises(ModelError, match=r"one.onnx: of its outputs one must be hidden features"):
        Recogniser(path)


def test_a_missing_or_broken_network_is_refused(card, tmp_path):
    path = write_model(tmp_path)
    (tmp_path / "recogniser-l.onnx").unlink()
    with pytest.raises(ModelError, match=r"recogniser-l.onnx: no such file"):
        Recogniser(path)
    broken = card.with_name("recogniser-l.onnx").read_bytes()[:100]
    (tmp_path / "recogniser-l.onnx").write_bytes(broken)
    with pytest.raises(ModelError, match="cannot use it"):
        Recogniser(path)


EXITS = card_values()["exits"]


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 1},
        {"version": None},
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
        {"sensors_max": 0},
        {"sensors_max": 17},
        {"modalities": []},
        {"modalities": ["sound"]},
        {"postures": ["stand", "stand"]},
        {"postures": ["stand", "fall"]},
        {"postures": [UNUSUAL]},
        {"postures": [f"p{number}" for number in range(12)]},
        {"postures": ["Stand"]},
        {"counts": 0},
        {"counts": 17},
        {"exits": []},
        {"exits": EXITS[::-1]},
        {"exits": [*EXITS[:2], {**EXITS[2], "gate": 0.5}]},
        {"exits": [{**EXITS[0], "gate": 1.5}, *EXITS[1:]]},
        {"exits": [{**EXITS[0], "gate": True}, *EXITS[1:]]},
        {"exits": [{**EXITS[0], "network": "../recogniser-s.onnx"}, *EXITS[1:]]},
        {"exits": [EXITS[0], *EXITS]},
        {"exits": ["s"]},
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
    path.write_text(json.dumps(card_values(**changed)))
    with pytest.raises(ModelError, match=r"card\.json"):
        load_card(path)


def test_a_card_of_another_version_says_what_to_do(tmp_path):
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card_values(version=1)))
    with pytest.raises(ModelError, match="version must be 2, got 1; this bridge takes the models"):
        load_card(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "\0", "null"])
def test_a_file_that_is_no_card_is_refused(tmp_path, text):
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(ModelError):
        load_card(path)


def test_control_the_unchanged_card_is_read(card):
    found = load_card(card)
    assert (found.window, found.released_dim, found.alarms) == (STEPS, DIM, {})
    assert [(one.name, one.gate) for one in found.exits] == [("s", 0.8), ("m", 0.6), ("l", None)]
    assert all(one.network.parent == card.parent for one in found.exits)
