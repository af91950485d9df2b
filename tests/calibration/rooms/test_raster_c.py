# SPDX-License-Identifier: Apache-2.0
"""The renderer's C under AddressSanitizer and UndefinedBehaviorSanitizer."""

import os
import subprocess
from pathlib import Path

import pytest

from calibration.rooms import raster

HERE = Path(__file__).parent
SOURCES = Path(raster.__file__).parent
FLAGS = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
SANITIZERS = ["-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"]


def built(folder, *replaced):
    """The driver, with `replaced` (old, new) in light.c."""
    light = (SOURCES / "light.c").read_text("utf-8")
    for old, new in replaced:
        assert old in light
        light = light.replace(old, new)
    (folder / "light.c").write_text(light)
    sources = [HERE / "hostile.c", SOURCES / "raster.c", folder / "light.c"]
    program = folder / "hostile"
    command = ["gcc", *FLAGS, *SANITIZERS, f"-I{SOURCES}", *sources, "-o", program, "-lm"]
    subprocess.run(command, check=True, timeout=120)
    return program


def run(program, cases):
    return subprocess.run(
        [program, str(cases)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"},
    )


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return built(tmp_path_factory.mktemp("c"))


def test_no_mesh_pose_or_lamp_does_harm(program):
    done = run(program, 200)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200 * 10  # and something was drawn


def test_the_sanitizers_would_see_it(tmp_path):
    """The control: without the check of its place, a shadow is looked up outside of the map."""
    check = "if (!(x >= SOFT && x < SHADOW - SOFT && y >= SOFT && y < SHADOW - SOFT))"
    done = run(built(tmp_path, (check, "if (x > 1e9f)")), 50)
    assert done.returncode != 0
    assert "runtime error" in done.stderr or "AddressSanitizer" in done.stderr
