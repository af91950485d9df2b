# SPDX-License-Identifier: Apache-2.0
"""The identity check: attackers find what is there to be found, and nothing where there is none."""

import argparse
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calibration.evaluate import MODELS, shipped_models  # noqa: E402
from calibration.replay import Station  # noqa: E402
from calibration.train import attackers, stranger  # noqa: E402
from calibration.train.command import save_model  # noqa: E402
from calibration.train.lineup import WINDOW, lineup, places  # noqa: E402
from calibration.train.packed import Packed  # noqa: E402
from calibration.train.people import People, read_people  # noqa: E402
from calibration.train.recipe import noise_ratio  # noqa: E402
from calibration.train.trunk import Model  # noqa: E402
from tests.calibration.train.made_up import crowd, packed_of, rendered  # noqa: E402
from wire.profile import Profile  # noqa: E402

pytestmark = pytest.mark.train

PERSONS, K = 10, 12


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(attackers, "STEPS", 120)
    monkeypatch.setattr(attackers, "LINEAR_STEPS", 240)
    monkeypatch.setattr(attackers, "BATCH", 48)
    monkeypatch.setattr(stranger, "SEEDS", (1,))
    monkeypatch.setattr(stranger, "DRAWS", 2)
    torch.set_num_threads(1)


def figures(folder, vectors, ratio):
    packed = crowd(folder, PERSONS)
    shown = lineup(places(packed, []), PERSONS, 1)
    people = People(read_people([folder]), range(PERSONS))
    return stranger.attack(shown, vectors, people, ratio)


def telling(place):
    """Everybody has a vector of his own, and every window its whims."""
    own = np.random.default_rng(place.person).normal(size=K)
    whim = np.random.default_rng(1000 + place.first).normal(size=(WINDOW, K))
    return ((own + 0.3 * whim) / 6).astype(np.float32)


def silent(place):
    """Nobody has anything of his own."""
    whim = np.random.default_rng(1000 + place.first).normal(size=(WINDOW, K))
    return (whim / 6).astype(np.float32)


def test_in_the_clear_everybody_is_recognised_and_under_noise_hardly_anybody(tmp_path):
    found = figures(tmp_path, telling, ratio=20.0)
    clear, released = found["without_noise"]["person"], found["released"]["person"]
    assert clear["chance"] == 1 / PERSONS
    for attacker in clear["attackers"].values():  # each of them, or it is no attacker
        assert attacker["window"] > 0.9
    assert found["without_noise"]["sex"]["strongest"] > 0.9
    assert released["strongest"] < 0.3
    assert stranger.excess(found["without_noise"]) > 0.8
    assert found["people"] == PERSONS
    assert "released" in stranger.table(found)


def test_a_stay_tells_more_than_two_seconds_and_less_noise_more_than_much(tmp_path):
    some = figures(tmp_path, telling, ratio=2.5)["released"]["person"]
    assert 0.15 < some["strongest"] < 0.9
    assert some["strongest_stay"] > some["strongest"] + 0.05
    for attacker in some["attackers"].values():
        low, high = attacker["window_interval"]
        assert low <= attacker["window"] <= high


def test_where_nothing_tells_nobody_is_recognised_even_in_the_clear(tmp_path):
    found = figures(tmp_path, silent, ratio=1.0)
    for way in ("released", "without_noise"):
        assert stranger.excess(found[way]) < 0.12
        assert found[way]["sex"]["strongest"] < 0.7


def test_statistics_of_a_ramp():
    x = torch.arange(11.0).flip(0)[None, :, None].repeat(1, 1, 2)
    told = attackers.statistics(x)
    mean, std, step, *quantiles = told[0, ::2].tolist()
    assert (mean, step) == (5, 1)
    assert std == pytest.approx(10**0.5)
    assert quantiles == [1, 2, 5, 8, 9]
    assert attackers.statistics(x[:, :1]).shape == told.shape  # one pooled message


def command(*words):
    parser = argparse.ArgumentParser()
    stranger.add_arguments(parser)
    return stranger.run(parser.parse_args([str(word) for word in words]))


def test_the_command_says_no_by_its_status(tmp_path, monkeypatch, capsys):
    """Persons of different height, seen by an encoder that was never trained."""
    moments, steps = 5, 45
    crowd(tmp_path, PERSONS)  # for people.csv
    planes = np.zeros((PERSONS * moments * steps, 3, 64, 80), np.uint8)
    listed = [
        rendered(tmp_path, p + PERSONS * m, "train", steps, p)
        for p in range(PERSONS)
        for m in range(moments)
    ]
    for n, (_, truth) in enumerate(listed):
        top = 5 * int(truth.person[-1])
        planes[n * steps : (n + 1) * steps, :, top : top + 12, 20:60] = 200
    packed = packed_of(listed, planes)
    monkeypatch.setattr(Packed, "open", lambda _: packed)
    torch.manual_seed(1)
    bare, strict = tmp_path / "bare.pt", tmp_path / "strict.pt"
    save_model(Model(noise_ratio(None, K)), bare)
    save_model(Model(noise_ratio(0.5, K)), strict)
    out = tmp_path / "identity.json"
    words = ("--pack", "x", "--people", PERSONS, "--json", out)
    assert command(*words, "--model", bare) == 1
    found = json.loads(out.read_text())
    assert stranger.excess(found["released"]) > 0.25
    assert stranger.excess(found["without_noise"]) > 0.8
    assert "nearest neighbours" in capsys.readouterr().out
    monkeypatch.setattr(stranger, "MARGIN", 0.15)  # few windows of few persons
    assert command(*words, "--model", strict) == 0


def test_shipped_vectors_are_the_integers_of_the_release(tmp_path):
    """Against the release itself: the mean of many of its draws is the vector before the noise."""
    planes = np.random.default_rng(2).integers(0, 90, (45, 3, 64, 80), np.uint8)
    packed = packed_of([rendered(tmp_path, 0, "train", 45, 3)], planes)
    vectors, ratio = stranger.of_shipped(MODELS, packed)
    place = places(packed, [])[0]
    found = vectors(place)
    profile = Profile.load(MODELS / "profile.json")
    assert found.shape == (WINDOW, profile.released_dim)
    assert np.linalg.norm(found, axis=1).max() <= 1
    assert ratio == profile.sigmas[0] / profile.clip_norm
    station = Station(shipped_models(MODELS, None))
    np.savez(tmp_path / "a.npz", planes=planes[place.first : place.first + WINDOW])
    embeddings = station.embed(tmp_path / "a.npz")
    mean = np.mean([station.release(embeddings) for _ in range(60)], axis=0) / profile.clip_norm
    station.close()
    left = mean - found
    assert left.std() == pytest.approx(ratio / 60**0.5, rel=0.2)  # noise, and nothing else
    assert np.abs(left.mean(axis=0)).max() < 5 * ratio / (60 * WINDOW) ** 0.5
