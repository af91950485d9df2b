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


def gcc(*words):
    command = ["gcc", *FLAGS, *SANITIZERS, f"-I{SOURCES}", *words]
    subprocess.run(command, check=True, timeout=120)


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """What does not differ between the driver and its control."""
    folder = tmp_path_factory.mktemp("objects")
    made = {HERE / "hostile.c": folder / "hostile.o", SOURCES / "raster.c": folder / "raster.o"}
    for source, made_of_it in made.items():
        gcc("-c", source, "-o", made_of_it)
    return list(made.values())


def built(folder, objects, *replaced):
    """The driver, with `replaced` (old, new) in light.c."""
    light = (SOURCES / "light.c").read_text("utf-8")
    for old, new in replaced:
        assert old in light
        light = light.replace(old, new)
    (folder / "light.c").write_text(light)
    gcc(*objects, folder / "light.c", "-o", folder / "hostile", "-lm")
    return folder / "hostile"


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
def program(tmp_path_factory, objects):
    return built(tmp_path_factory.mktemp("c"), objects)


@pytest.mark.parametrize("cases", [60, pytest.param(4000, marks=pytest.mark.slow)])
def test_no_mesh_pose_or_lamp_does_harm(program, cases):
    done = run(program, cases)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > cases * 10  # and something was drawn


def test_the_sanitizers_would_see_it(tmp_path, objects):
    """The control: without the check of its place, a shadow is looked up outside of the map."""
    check = "if (!(x >= SOFT && x < SHADOW - SOFT && y >= SOFT && y < SHADOW - SOFT))"
    done = run(built(tmp_path, objects, (check, "if (x > 1e9f)")), 50)
    assert done.returncode != 0
    assert "runtime error" in done.stderr or "AddressSanitizer" in done.stderr
