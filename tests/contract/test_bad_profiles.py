# SPDX-License-Identifier: Apache-2.0
"""Device and bridge refuse the same profiles: those whose numbers exceed their own cap."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import cloud_bridge.config
import cloud_bridge.errors
import edge.books
import edge.errors
from calibration.accounting import sigma_for
from wire.profile import Profile

MODELS = Path(__file__).resolve().parents[2] / "models"
SHIPPED = Profile.load(MODELS / "profile.json")

# What a hand might change in the shipped file: sigmas (244, 732), C 256, 10/s, 2 s, 16 bits.
TOO_MUCH = {
    "a lower cap": {"window_cap_bits": 15.88},
    "half the cap": {"window_cap_bits": 8.0},
    "a tiny cap": {"window_cap_bits": 1e-6},
    "one less sigma": {"sigmas": [243, 732]},
    "half the noise": {"sigmas": [122, 366]},
    "hardly any noise": {"sigmas": [1]},
    "a finer level before the others": {"sigmas": [100, 244, 732]},
    "one more of norm": {"clip_norm": 257},
    "twice the norm": {"clip_norm": 512},
    "more releases": {"rate_hz": 11},
    "the fastest rate": {"rate_hz": 100},
    "a longer window": {"window_s": 3},
    "an hour as the window": {"window_s": 3600},
}
NO_PROFILE = {
    "no cap": {"window_cap_bits": 0},
    "a cap below zero": {"window_cap_bits": -16.0},
    "no number as a cap": {"window_cap_bits": "16"},
    "no noise": {"sigmas": [0]},
    "no level": {"sigmas": []},
    "levels in disorder": {"sigmas": [732, 244]},
    "no window": {"window_s": 0},
    "no rate": {"rate_hz": 0},
    "a claim of epsilon": {"epsilon": 1.0},
}
HONEST = {
    "as shipped": {},
    "no tighter cap": {"window_cap_bits": 15.881},
    "a generous cap": {"window_cap_bits": 1000.0},
    "more noise": {"sigmas": [245]},
    "slower": {"rate_hz": 1},
    "a shorter window": {"window_s": 1},
    "half the cap and the noise for it": {
        "window_cap_bits": 8.0,
        "sigmas": [sigma_for(8.0, 20, SHIPPED.clip_norm, SHIPPED.released_dim, "leak")],
    },
}


def device(path):
    return edge.books.load_profile(path, MODELS / "encoder.onnx")


def bridge(path):
    key = base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    config = path.with_name("bridge.toml")
    config.write_text(
        '[broker]\nurl = "mqtt://localhost"\n[[device]]\nsite = "home"\nname = "device-1"\n'
        f'public_key = "{key}"\nsensors = ["main"]\nprofile = "{path.name}"\n'
    )
    return cloud_bridge.config.load_config(config).registry.find("home", "device-1").profile


DOORS = {
    "device": (device, edge.errors.ConfigError),
    "bridge": (bridge, cloud_bridge.errors.ConfigError),
}


def edited(folder, changes):
    path = folder / "profile.json"
    path.write_text(json.dumps({**json.loads(SHIPPED.to_json()), **changes}))
    return path


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_profile_that_exceeds_its_cap_is_refused_with_the_cure(door, name, tmp_path):
    enter, error = DOORS[door]
    path = edited(tmp_path, TOO_MUCH[name])
    with pytest.raises(error, match=r"profile.* leak up to .* takes a sigma of at least \d+"):
        enter(path)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", NO_PROFILE)
def test_what_is_no_profile_is_refused(door, name, tmp_path):
    enter, error = DOORS[door]
    with pytest.raises(error, match="profile"):
        enter(edited(tmp_path, NO_PROFILE[name]))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", HONEST)
def test_control_a_profile_that_keeps_its_cap_enters(door, name, tmp_path):
    enter, _ = DOORS[door]
    found = enter(edited(tmp_path, HONEST[name]))
    assert found.window_bits() <= found.window_cap_bits


@pytest.mark.parametrize(
    "name", ["a lower cap", "half the noise", "one more of norm", "more releases"]
)
def test_the_sigma_in_the_error_is_the_smallest_that_enters(name, tmp_path):
    with pytest.raises(edge.errors.ConfigError) as refused:
        device(edited(tmp_path, TOO_MUCH[name]))
    least = int(str(refused.value).partition("sigma of at least ")[2].partition(":")[0])
    device(edited(tmp_path, {**TOO_MUCH[name], "sigmas": [least]}))
    with pytest.raises(edge.errors.ConfigError, match="leak up to"):
        device(edited(tmp_path, {**TOO_MUCH[name], "sigmas": [least - 1]}))


def test_the_shipped_profile_belongs_to_the_shipped_encoder():
    assert (
        SHIPPED.encoder_sha256 == hashlib.sha256((MODELS / "encoder.onnx").read_bytes()).hexdigest()
    )
    assert device(MODELS / "profile.json") == SHIPPED
