# SPDX-License-Identifier: Apache-2.0
"""What is decided when the rooms are opened: caps, the right model, fresh secret noise."""

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from edge.books import caps, load_profile, open_books
from edge.config import (
    CameraConfig,
    EncoderConfig,
    PrivacyConfig,
    ProfileConfig,
    StateConfig,
    load_config,
)
from edge.daemon import open_pipeline
from edge.errors import ConfigError
from edge.ledger import SLACK
from edge.mechanism import fill_with_randomness
from tests.edge.stages import tiny_profile, write_models


def config_for(folder):
    model, profile = write_models(folder)
    return replace(
        load_config(None),
        camera=CameraConfig("test:"),
        encoder=EncoderConfig(model=model),
        profile=ProfileConfig(path=profile),
        state=StateConfig(dir=folder / "state"),
    )


def test_caps_follow_the_profile_and_may_only_be_lowered():
    profile = tiny_profile(window_cap_bits=16.0)
    free = caps(profile, PrivacyConfig())
    assert free.window_bits == 16.0
    assert free.hour_bits == pytest.approx(1800 * 16.0 * SLACK)
    assert free.day_bits == pytest.approx(24 * free.hour_bits)
    lower = caps(profile, PrivacyConfig(window_bits=8.0, day_bits=100.0))
    assert (lower.window_bits, lower.day_bits) == (8.0, 100.0)
    assert lower.hour_bits == pytest.approx(free.hour_bits / 2)
    for key in ("window_bits", "hour_bits", "day_bits"):
        with pytest.raises(ConfigError, match=f"{key} must be at most"):
            caps(profile, PrivacyConfig(**{key: 1e6}))


def test_a_profile_goes_with_its_model_only(tmp_path):
    model, profile = write_models(tmp_path)
    assert load_profile(profile, model).name == "tiny"
    for missing, named in ((tmp_path / "x", model), (profile, tmp_path / "y")):
        with pytest.raises(ConfigError, match="No such file"):
            load_profile(missing, named)
    model.write_bytes(b"another")
    with pytest.raises(ConfigError, match="made for another model"):
        load_profile(profile, model)


def test_a_model_of_another_width_is_refused(tmp_path):
    config = config_for(tmp_path)
    profile = load_profile(config.profile.path, config.encoder.model)
    wider = tiny_profile(encoder_sha256=profile.encoder_sha256, embedding_dim=16)
    wider.save(config.profile.path)
    with ExitStack() as stack, pytest.raises(ConfigError, match="makes 8 values"):
        open_pipeline(config, "test:", open_books(config, stack), stack)


def test_secrets_are_written_in_place_and_differ():
    keys = [bytearray(32) for _ in range(3)]
    for key in keys:
        fill_with_randomness(memoryview(key))
    assert len({bytes(key) for key in keys}) == 3
    assert all(len(set(key)) > 8 for key in keys)


def noise_of_a_new_start(config):
    """What a start releases for an embedding of zeros: nothing but its noise."""
    with ExitStack() as stack:
        pipeline = open_pipeline(config, "test:", open_books(config, stack), stack)
        out = np.zeros(4, np.int16)
        zeros = np.zeros(8, np.float32)
        noise = []
        for _ in range(4):
            pipeline.processor._releaser.release(zeros, 0, out)
            noise.append(out.tobytes())
        return noise


def test_no_start_draws_the_noise_of_another(tmp_path):
    config = config_for(tmp_path)
    first, second = noise_of_a_new_start(config), noise_of_a_new_start(config)
    assert len(set(first + second)) == 8


def test_everything_that_saw_is_wiped_and_closed(tmp_path):
    config = config_for(tmp_path)
    with ExitStack() as stack:
        books = open_books(config, stack)
        with ExitStack() as eyes:
            pipeline = open_pipeline(config, "test:", books, eyes)
            arena = pipeline.processor._memory
            arena._whole[:] = 1
            memory = arena._whole
        assert not memory.any()
        assert pipeline.camera.ended


CAMERA_FIRST = """
import sys
from pathlib import Path
import numpy  # with it loaded before GStreamer, OpenVINO's own exceptions once were an abort
from edge.gstreamer import Gst
from edge.encoders import open_encoder
print(open_encoder("openvino", Path(sys.argv[1]), 1).dim)
"""


def test_the_engine_lives_in_a_process_that_opened_a_camera_first(tmp_path):
    model, _ = write_models(tmp_path)
    found = subprocess.run(
        [sys.executable, "-c", CAMERA_FIRST, str(model)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (0, "8\n"), found.stderr
