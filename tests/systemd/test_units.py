# SPDX-License-Identifier: Apache-2.0
"""The shipped units: systemd understands every line, and they give away little."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.errors import ProcessorError
from edge.hygiene import PERTURB, PERTURB_BYTE
from wire.status import FAULTS

FOLDER = Path(__file__).resolve().parent.parent.parent / "systemd"
UNITS = ["lethe-edge", "lethe-bridge"]
MOST_EXPOSURE = 20  # tenths; systemd calls up to 2.0 "OK", an empty unit has 9.6
OFFLINE_SINCE = 250


def analyze(*words):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(
        [program, *words], capture_output=True, text=True, timeout=60, check=False
    )


def exposure_is_low(unit):
    version = re.search(r"systemd (\d+)", analyze("--version").stdout)
    if version is None or int(version[1]) < OFFLINE_SINCE:
        pytest.skip(
            f"systemd-analyze before {OFFLINE_SINCE} cannot judge a unit that is not loaded"
        )
    words = ("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", str(unit))
    return analyze(*words).returncode == 0


def stand_in(name, folder, drop=r"^$"):
    """The unit with a program that exists, without the lines that match `drop`."""
    text = re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", unit_text(name), flags=re.MULTILINE)
    path = folder / f"{name}.service"
    path.write_text("\n".join(line for line in text.splitlines() if not re.search(drop, line)))
    return path


def unit_text(name):
    return (FOLDER / f"{name}.service").read_text()


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line(name, tmp_path):
    unit = stand_in(name, tmp_path)
    assert analyze("verify", str(unit)).stderr == ""
    unit.write_text(unit.read_text().replace("NoNewPrivileges", "NoNewPriviledges"))
    assert "NoNewPriviledges" in analyze("verify", str(unit)).stderr


@pytest.mark.parametrize("name", UNITS)
def test_exposure(name, tmp_path):
    assert exposure_is_low(stand_in(name, tmp_path))
    assert not exposure_is_low(stand_in(name, tmp_path, drop="SystemCallFilter|Capability"))


def test_the_edge_unit_says_what_wiping_needs():
    """With the allocator's setting given, the daemon need not start itself a second time."""
    lines = unit_text("lethe-edge").splitlines()
    wanted = {f"Environment={PERTURB}={PERTURB_BYTE}", "LimitCORE=0", "MemorySwapMax=0"}
    assert wanted <= set(lines)


def test_the_edge_unit_knows_the_exit_statuses():
    """Nothing is restarted that a restart cannot cure; a lost device is given time."""
    unit = unit_text("lethe-edge")
    assert "RestartPreventExitStatus=2" in unit.splitlines()
    script = re.search(r"^ExecStopPost=/bin/sh -c '(.*)'$", unit, re.MULTILINE)[1]
    script = script.replace("$$", "$").replace("sleep", "echo slept")
    for status, printed in (("0", ""), ("1", ""), ("2", ""), ("3", "slept 10\n"), ("TERM", "")):
        environment = {"EXIT_STATUS": status}
        done = subprocess.run(
            ["/bin/sh", "-c", script], env=environment, capture_output=True, check=True
        )
        assert done.stdout.decode() == printed
    lasting = {fault for fault in FAULTS if not ProcessorError(fault, "").restart_may_cure}
    assert lasting == {"no-driver", "driver-too-old", "no-kernels"}


@pytest.mark.parametrize("name", UNITS)
def test_each_daemon_is_a_user_of_its_own_that_exists(name):
    assert f"User={name}" in unit_text(name).splitlines()
    assert re.search(
        rf"^u {name} ", (FOLDER / "sysusers.d" / "lethe.conf").read_text(), re.MULTILINE
    )
