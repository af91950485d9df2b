# SPDX-License-Identifier: Apache-2.0
"""What is left of frames in the memory of a running process, against the same without wiping."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.tiny_models import tiny_encoder
from tests.edge import canary

ROOT = Path(__file__).parents[2]
FRAMES = 120
LOOKS = 2
IN_FLIGHT = 3  # frames: in the decoder, on the way, and waiting to be taken
NEWEST = 4  # frames between the oldest and the newest in flight, at most
DEADLINE_S = 60
ENCODERS = {"decoded": "avenc_ffv1", "raw": "identity"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("canary")
    return {
        name: canary.write_clip(folder / f"{name}.mkv", FRAMES, encoder)
        for name, encoder in ENCODERS.items()
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("model") / "tiny.onnx")


@contextmanager
def running(command: list[str | Path], **environment: str):
    kept = {name: value for name, value in os.environ.items() if name != "MALLOC_PERTURB_"}
    with subprocess.Popen(
        command, cwd=ROOT, env=kept | environment, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def watching(clip: Path, model: Path, mode: str):
    """A process that watches `clip` as the daemon does; "wiped" or "unwiped"."""
    command = [sys.executable, "tests/edge/camera_child.py", clip, model, mode]
    with running(command, PYTHONPATH=str(ROOT)) as child:
        assert child.stdout.readline() == "open\n"
        yield child


def look_until_ended(child: subprocess.Popen) -> list[Counter[int]]:
    """Some looks while the clip plays; returns when it has ended."""
    looks = []
    for _ in range(LOOKS):
        time.sleep(0.4)
        looks.append(canary.found_in(child.pid))
    assert child.stdout.readline() == "ended\n"
    return looks


def only_in_flight(found: Counter[int]) -> bool:
    return len(found) <= IN_FLIGHT and (not found or max(found) - min(found) <= NEWEST)


def seems_ended(looks: list[Counter[int]]) -> bool:
    return any(looks) and all(canary.rows(found) <= 1 for found in looks[-2:])


@pytest.mark.parametrize("kind", ENCODERS)
def test_only_frames_in_flight_are_in_memory_and_nothing_after_the_end(clips, model, kind):
    with watching(clips[kind], model, "wiped") as child:
        looks = look_until_ended(child)
        after = canary.found_in(child.pid)
    assert any(looks), "the search found nothing at all: it cannot have worked"
    assert all(only_in_flight(found) for found in looks), looks
    assert canary.rows(after) <= 1


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_same_search_finds_whole_frames_when_nothing_is_wiped(clips, model, kind):
    with watching(clips[kind], model, "unwiped") as child:
        looks = look_until_ended(child)
        after = canary.found_in(child.pid)
    assert canary.rows(after) >= canary.HEIGHT
    if kind == "raw":  # nothing reuses these buffers: frames of long ago are still there
        assert not any(only_in_flight(found) for found in looks if found), looks


@pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root may read the memory of the daemon, which is as it should be",
)
def test_the_daemon_itself_holds_only_frames_in_flight_and_nothing_after_the_end(clips, tmp_path):
    command = [sys.executable, "-m", "edge", "run", "--source", clips["decoded"]]
    offline = ["--broker", "mqtt://localhost:1"]
    tmp_path.chmod(0o700)
    deadline = time.monotonic() + DEADLINE_S
    looks: list[Counter[int]] = []
    with running(command + offline, STATE_DIRECTORY=str(tmp_path)) as daemon:
        while time.monotonic() < deadline and not seems_ended(looks):
            time.sleep(0.4)
            assert daemon.poll() is None
            looks.append(canary.found_in(daemon.pid))
    assert any(looks), "the search found nothing at all: it cannot have worked"
    assert all(only_in_flight(found) for found in looks), looks
    assert canary.rows(looks[-1]) <= 1
