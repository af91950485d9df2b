# SPDX-License-Identifier: Apache-2.0
"""The demo as a user runs it: it can be stopped at any point and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT_S = 120.0
INTERRUPTED = 130


class Demo:
    """`python -m calibration demo` with a temporary directory of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.lines = []
        self.family = {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "calibration", "demo"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read_until(self, words):
        """Read lines up to one that contains `words`."""
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            self._count_family()
            if words in line:
                return
        pytest.fail("\n".join(["the demo ended early:", *self.lines]))

    def interrupt(self, *signals):
        """Send these signals and wait; the exit status."""
        self._count_family()
        for number in signals:
            self.process.send_signal(number)
            time.sleep(0.05)
        self.lines += self.process.communicate(timeout=TIMEOUT_S)[0].splitlines()
        return self.process.returncode

    def left_over(self):
        """Programs that still run, and files that are still there."""
        _, alive = psutil.wait_procs(list(self.family.values()), timeout=1.0)
        return alive + list(self.folder.iterdir())

    def _count_family(self):
        for child in psutil.Process(self.process.pid).children(recursive=True):
            self.family[child.pid] = child


STAGES = [
    ("broker ", 1),
    ("device ", 1),  # the bridge is about to start
    ("clip time", 2),  # the edge daemon is starting
    ("is online", 3),  # frames are on their way
]


@pytest.mark.parametrize(("stage", "programs"), STAGES, ids=[stage.strip() for stage, _ in STAGES])
def test_ctrl_c_ends_it_cleanly_at_any_time(stage, programs, tmp_path):
    demo = Demo(tmp_path)
    demo.read_until(stage)
    assert demo.interrupt(signal.SIGINT, signal.SIGINT) == INTERRUPTED, demo.lines
    assert len(demo.family) >= programs  # the control: there was something to leave behind
    assert demo.left_over() == []
    assert not any("Traceback" in line for line in demo.lines)


def test_it_ends_as_cleanly_when_its_terminal_goes(tmp_path):
    demo = Demo(tmp_path)
    demo.read_until("clip time")
    assert demo.interrupt(signal.SIGHUP, signal.SIGTERM) == INTERRUPTED, demo.lines
    assert demo.left_over() == []


def test_the_whole_of_it(tmp_path):
    demo = Demo(tmp_path)
    demo.read_until("leaked bits in all")
    assert demo.interrupt() == 0, demo.lines
    rows = {line[:24].strip(): line[24:] for line in demo.lines[-12:]}
    frames, wiped = (int(word) for word in rows["frames"].split(", of which wiped "))
    assert frames == wiped
    assert frames > 250
    assert rows["admitted by bridge"].endswith(" 0 refused")
    assert " after " in rows["fall at 15.5 s"], "\n".join(demo.lines)
    assert demo.left_over() == []
