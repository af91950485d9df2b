# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402 - what is imported below needs the packages that are asked for first
"""What is exported says of a window's last step what the trained family says. Train extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("onnx", reason="the train extra is not installed")
pytestmark = pytest.mark.train

import openvino

from calibration.train.export import DEEPER, HIDDEN, OUTPUTS, Steps, needed, write_family
from calibration.train.family import COUNTS, KINDS, MEMBERS, POSTURES, Family, onset_s
from calibration.train.unusual import LEVELS, Unusual

if TYPE_CHECKING:
    from pathlib import Path

CHANNELS, RELEASED = 16, 5
WINDOW = 256
OPTIONS = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}


def family(seed: int = 0) -> Family:
    torch.manual_seed(seed)
    return Family(RELEASED, CHANNELS, scale=0.5).eval()


def unusual() -> dict[str, Unusual]:
    knots = np.linspace(1.0, 9.0, len(LEVELS))
    return {name: Unusual(np.zeros(CHANNELS), np.eye(CHANNELS), knots) for name in MEMBERS}


def windows(rng: np.random.Generator, sensors: int, steps: int = WINDOW) -> np.ndarray:
    """(3, N, T, K+1) with gaps, coarse noise, and streams that have only begun."""
    weight = (rng.random((3, sensors, steps)) < 0.8) * np.array([1, 1 / 9, 1])[:, None, None]
    weight[1, :, : steps // 2] = 0
    weight[2, 0] = 0  # a sensor that is not there
    rows = rng.normal(size=(3, sensors, steps, RELEASED + 1))
    rows[..., -1] = 1
    return (rows * weight[..., None]).astype(np.float32)


class Chain:
    """The exported networks, one after the other."""

    def __init__(self, folder: Path, model: Family, steps: int = WINDOW) -> None:
        core = openvino.Core()
        self.networks = {
            path.stem.removeprefix("recogniser-"): core.compile_model(path, "CPU", OPTIONS)
            for path in write_family(model, unusual(), folder, steps)
        }

    def __call__(self, window: np.ndarray, modality: np.ndarray) -> dict[str, dict]:
        given, found = {"window": window, "modality": modality}, {}
        for name, network in self.networks.items():
            results = network(given)
            found[name] = {key: np.array(results[key]) for key in OUTPUTS}
            if name != "l":
                given = {HIDDEN: np.array(results[HIDDEN if name == "s" else DEEPER])}
        return found


def wanted(model: Family, window: np.ndarray, modality: np.ndarray) -> dict[str, dict]:
    """The trained family at the last step."""
    apart = unusual()
    with torch.inference_mode():
        found = model(torch.from_numpy(window), torch.from_numpy(modality))
        return {
            name: {
                "behaviours": torch.sigmoid(heads.behaviours[:, -1]).numpy(),
                "postures": torch.sigmoid(heads.postures[:, -1]).numpy(),
                "count": torch.softmax(heads.count[:, -1], dim=-1).numpy(),
                "onset": onset_s(heads)[:, -1:].numpy(),
                "unusual": apart[name](features[:, -1:]).numpy(),
            }
            for name, (features, heads) in found.items()
        }


def difference(a: dict[str, dict], b: dict[str, dict]) -> float:
    assert a.keys() == b.keys()
    return max(float(np.abs(a[m][key] - b[m][key]).max()) for m in a for key in OUTPUTS)


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Chain:
    return Chain(tmp_path_factory.mktemp("family"), family())


@pytest.mark.parametrize("sensors", [1, 2, 3, 4])
def test_every_exit_says_what_the_trained_family_says(chain: Chain, sensors: int) -> None:
    rng = np.random.default_rng(sensors)
    window = windows(rng, sensors)
    modality = rng.integers(0, 4, window.shape[:2])
    assert difference(chain(window, modality), wanted(family(), window, modality)) < 1e-4


def test_control_another_family_says_something_else(chain: Chain) -> None:
    rng = np.random.default_rng(1)
    window, modality = windows(rng, 2), np.zeros((3, 2), np.int64)
    assert difference(chain(window, modality), wanted(family(1), window, modality)) > 1e-2


@pytest.mark.parametrize("steps", [20, 100, 249])
def test_a_window_shorter_than_the_past_that_is_looked_at(tmp_path: Path, steps: int) -> None:
    rng = np.random.default_rng(steps)
    window, modality = windows(rng, 2, steps), np.zeros((3, 2), np.int64)
    found = Chain(tmp_path, family(), steps)(window, modality)
    assert difference(found, wanted(family(), window, modality)) < 1e-4


def test_a_windows_first_steps_count_as_far_as_the_family_looks_back(chain: Chain) -> None:
    """What `needed` leaves out must be out of sight, and nothing else."""
    window, modality = windows(np.random.default_rng(2), 1), np.zeros((3, 1), np.int64)
    before = chain(window, modality)["l"]["behaviours"]
    sees = needed([d for member in MEMBERS.values() for d in member], WINDOW)[0].reach + 4
    for step, seen in ((WINDOW - sees, True), (WINDOW - sees - 1, False)):
        changed = window.copy()
        changed[:, :, step, :-1] += 50
        changed[:, :, step, -1] = 1
        after = chain(changed, modality)["l"]["behaviours"]
        assert bool((after != before).any()) is seen


def test_one_window_is_judged_as_it_is_among_others(chain: Chain) -> None:
    rng = np.random.default_rng(3)
    window, modality = windows(rng, 3), rng.integers(0, 4, (3, 3))
    alone = chain(window[1:2], modality[1:2])
    among = chain(window, modality)
    assert all(
        np.allclose(alone[m][key], among[m][key][1:2], atol=1e-5)
        for m in MEMBERS
        for key in OUTPUTS
    )


def test_outputs_have_names_and_shapes_of_their_own(chain: Chain) -> None:
    widths = {"behaviours": len(KINDS), "postures": len(POSTURES), "count": COUNTS}
    for name, network in chain.networks.items():
        handed = {"s": {HIDDEN}, "m": {DEEPER}, "l": set()}[name]
        inputs = {port.get_any_name() for port in network.inputs}
        assert inputs == ({"window", "modality"} if name == "s" else {HIDDEN})
        assert len(network.outputs) == len(OUTPUTS) + len(handed)
        for port in network.outputs:
            key = (port.get_names() & {*OUTPUTS, HIDDEN, DEEPER}).pop()
            shape = port.partial_shape
            assert shape[0].is_dynamic
            assert key in handed or shape[1].get_length() == widths.get(key, 1)


def test_the_smallest_exit_costs_a_small_part_of_the_next() -> None:
    """In steps that its convolutions tell; in training all of them tell every step."""
    alone = needed(MEMBERS["s"], WINDOW)
    chain = needed([d for member in MEMBERS.values() for d in member], WINDOW)
    assert alone[0].reach + 4 == 35
    assert sum(one.count for one in alone) < sum(one.count for one in chain[:8]) / 8


def test_only_what_is_needed_is_computed() -> None:
    assert needed((32, 16, 32), 256) == [Steps(16, 11), Steps(16, 7), Steps(32, 3), Steps(0, 1)]
    assert needed((1, 2), 256) == [Steps(1, 7), Steps(2, 3), Steps(0, 1)]
    assert needed((1, 2), 5)[0] == Steps(1, 5)
