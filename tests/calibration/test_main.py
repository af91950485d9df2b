# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate`: every command explains itself, and says how to get what it lacks."""

import subprocess
import sys
from pathlib import Path

import pytest

from calibration.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parent.parent.parent
TRAINED = ["train", "quantise", "crossvalidate", "fisher", "identity", "inputs"]
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from calibration.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def calibrate(*words):
    """As on a machine without the train extra; -> (exit status, what it said, in one line)."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_works_without_the_train_extra(command):
    status, told = calibrate(command, "--help")
    assert status == 0
    assert f"lethe-calibrate {command}" in told
    assert ("requirements/train.txt" in told) == (command in TRAINED)


@pytest.mark.parametrize("command", TRAINED)
def test_a_command_without_its_packages_says_how_to_get_them(command):
    status, told = calibrate(command)
    assert status == 1
    assert "torch is missing" in told
    assert "pip install --no-deps -r requirements/train.txt" in told


def test_an_unknown_command_is_refused():
    status, told = calibrate("trian")
    assert status == 2
    assert "trian" in told
