# SPDX-License-Identifier: Apache-2.0
"""build.sh decides rightly what to do; nothing is installed here, apt and sudo are stand-ins."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def bash(script, folder, **environment):
    """Source build.sh, then run `script`; programs in `folder` come first in PATH."""
    return subprocess.run(
        ["bash", "-c", f'source "{ROOT}/build.sh"; {script}'],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def stand_ins(tmp_path):
    """Programs that write down how they were called. `missing` names what dpkg does not know."""

    def make(missing=(), sudo_works=True):
        lacks = "|".join(missing) or "nothing"
        programs = {
            "dpkg-query": f'case "${{@: -1}}" in {lacks}) exit 1 ;; *) echo installed ;; esac',
            "apt-get": f'echo "apt-get $*" >> {tmp_path}/calls',
            "sudo": f'echo "sudo $*" >> {tmp_path}/calls; shift; "$@"' if sudo_works else "exit 1",
            "systemctl": f'echo "systemctl $*" >> {tmp_path}/calls',
        }
        for name, body in programs.items():
            (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
            (tmp_path / name).chmod(0o755)
        return tmp_path

    return make


def calls(folder):
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_nothing_missing_calls_nothing(stand_ins):
    folder = stand_ins()
    done = bash("system_packages", folder)
    assert (done.returncode, done.stdout, calls(folder)) == (0, "", [])


def test_root_installs_exactly_what_is_missing(stand_ins):
    folder = stand_ins(["gcc", "python3-gi"])
    done = bash("is_root() { true; }; system_packages", folder)
    assert done.returncode == 0, done.stderr
    update, install = calls(folder)
    assert update.startswith("apt-get update")
    assert install.endswith(" python3-gi gcc")
    assert " mosquitto" not in install


def test_sudo_without_a_password_is_used(stand_ins):
    folder = stand_ins(["gcc"])
    done = bash("is_root() { false; }; system_packages", folder)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in calls(folder) if line.startswith("sudo -n ")]
    assert calls(folder)[-1].endswith(" gcc")


def test_without_rights_it_says_what_to_type_and_stops(stand_ins):
    folder = stand_ins(["gcc", "mosquitto"], sudo_works=False)
    done = bash("is_root() { false; }; system_packages; echo went on", folder)
    assert done.returncode != 0
    assert "sudo apt-get install --no-install-recommends gcc mosquitto" in done.stderr.replace(
        "sudo apt-get update && ", ""
    )
    assert "went on" not in done.stdout
    assert calls(folder) == []


def test_a_stamp_fits_until_what_it_stands_for_changes(tmp_path):
    (tmp_path / "source").write_text("one")
    script = "VENV=$PWD; stamp part source; stamp_fits part source && echo fits"
    assert bash(script, tmp_path).stdout == "fits\n"
    (tmp_path / "source").write_text("two")
    assert bash("VENV=$PWD; stamp_fits part source", tmp_path).returncode != 0
    assert bash("VENV=$PWD; stamp_fits other source", tmp_path).returncode != 0


def test_without_nvcc_it_says_what_will_be_skipped_and_goes_on(tmp_path):
    done = bash("cuda_compiler() { false; }; pycuda; echo went on", tmp_path)
    assert (done.returncode, done.stdout) == (0, "went on\n")
    assert "tests of the accelerator will be skipped" in done.stderr


def test_help_names_every_verb_and_an_unknown_one_is_an_error():
    text = subprocess.run(
        [ROOT / "build.sh", "help"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    for verb in ("demo", "test", "setup", "kernels", "check", "clean", "help"):
        assert f"\n  {verb} " in text
    wrong = subprocess.run(
        [ROOT / "build.sh", "tset"], capture_output=True, text=True, timeout=60, check=False
    )
    assert wrong.returncode != 0
    assert "tset" in wrong.stderr


def test_setup_again_does_nothing():
    fits = (
        "stamp_fits packages requirements/dev.txt pyproject.toml && stamp_fits native edge/*.[ch]"
        " && { [[ -f .venv/pycuda.stamp ]] || ! cuda_compiler; }"
    )
    if bash(f'cd "{ROOT}"; environment_fits && {fits}', ROOT).returncode != 0:
        pytest.skip("this folder was not set up by ./build.sh setup as it is now")
    done = subprocess.run(
        [ROOT / "build.sh", "setup"], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == ""
