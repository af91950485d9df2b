# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402 - what is imported below needs the packages that are asked for first
"""Normal life is where nothing happens, for every camera of a moment. Needs the train extra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytestmark = pytest.mark.train

from calibration.data import Clip, Interval
from calibration.train.family import MEMBERS, WINDOW, rows
from calibration.train.normal import BEGINNING, EVERY, normal_life, normal_steps
from calibration.train.packed import Packed, PackedClip
from calibration.train.targets import concatenate, targets
from calibration.train.trunk import Model

STEPS = 100


def packed(*labels: tuple[str, str, float, float]) -> Packed:
    """Clips of STEPS steps; labels: moment, label, from, until in s."""
    clips = [
        Clip(
            Path(f"{k}"), f"{k}", "rooms_train", "", "r", (Interval(what, a, b, a),), m, f"{k}", "1"
        )
        for k, (m, what, a, b) in enumerate(labels)
    ]
    entries = [PackedClip(clip, k * STEPS, STEPS, ()) for k, clip in enumerate(clips)]
    frames = np.zeros((len(clips) * STEPS, 1), np.uint8)
    truth = concatenate([targets(clip, STEPS) for clip in clips])
    return Packed(Path("p"), tuple(entries), frames, frames, truth)


def vectors(clip: PackedClip) -> np.ndarray:
    rng = np.random.default_rng(clip.start)
    return np.tanh(rng.normal(size=(clip.steps, 64))).astype(np.float32)


def test_a_step_is_normal_if_no_camera_sees_anything() -> None:
    of = packed(("1", "walk", 0, 10), ("1", "fight", 4, 6))
    quiet, both = ([*normal_steps(of, of.clips[:n])] for n in (1, 2))
    assert quiet == list(range(BEGINNING, STEPS, EVERY))
    assert both == [k for k in quiet if not 40 <= k < 60]


def test_what_nobody_can_see_is_not_called_normal() -> None:
    of = packed(("1", "hidden", 5, 10))
    assert max(normal_steps(of, of.clips)) < 50


def test_features_come_from_normal_steps_of_the_named_clips() -> None:
    of = packed(
        ("1", "walk", 0, 10), ("2", "fight", 0, 10), ("3", "sit", 0, 10), ("3", "sit", 0, 10)
    )
    life = normal_life(Model(0.9), of, vectors, fit=[0, 1], held=[2, 3])
    steps = len(range(BEGINNING, STEPS, EVERY))
    assert set(life) == set(MEMBERS)
    for one in life.values():
        assert one.fit.shape == one.held.shape == (steps, 64)  # two cameras of a moment are one
        assert not np.allclose(one.fit, one.held)


def test_it_repeats_and_leaves_the_generator_alone() -> None:
    of = packed(("1", "walk", 0, 10), ("2", "walk", 0, 10))
    model = Model(0.9)
    model.family.train()  # as it is when it was just made
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second = (normal_life(model, of, vectors, [0], [1])["l"].fit for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


def test_clips_without_normal_life_give_no_features() -> None:
    of = packed(("1", "fight", 0, 10))
    assert normal_life(Model(0.9), of, vectors, [0], [0])["s"].fit.shape == (0, 64)


def test_the_features_are_those_of_a_bridges_window() -> None:
    """With gaps before the stream and nothing dropped out; hardly any noise, so that they agree."""
    of, model = packed(("1", "walk", 0, 10)), Model(1 / 256)
    model.family.train()
    found = normal_life(model, of, vectors, [0], [0])["l"].fit
    model.family.eval()
    with torch.inference_mode():
        clean = model.release.clean(torch.from_numpy(vectors(of.clips[0])))
        seen = rows(clean, model.noise_ratio, torch.ones(len(clean)))
        window = torch.zeros(1, 1, WINDOW, seen.shape[-1])
        for k, step in enumerate(range(BEGINNING, STEPS, EVERY)):
            window[0, 0, -step - 1 :] = seen[: step + 1]
            features, _ = model.family(window, torch.zeros(1, 1, dtype=torch.long))["l"]
            assert np.abs(found[k] - features[0, -1].numpy()).max() < 0.1
    assert np.abs(found - found.mean(axis=0)).max() > 0.3  # control: there is something to see
