# SPDX-License-Identifier: Apache-2.0
"""Whoever ends the command, and however, leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calibration.rooms import workers

ROOT = Path(__file__).resolve().parents[3]
WITH_POOL = """
import os, time
from calibration.rooms import workers
pool = {pool}
if __name__ == "__main__":
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 60)
    time.sleep(60)
"""
OURS = "workers.pool(1)"
BARE = """__import__("concurrent.futures").futures.ProcessPoolExecutor(
    1, mp_context=__import__("multiprocessing").get_context("spawn"))"""


def runs(process: int) -> bool:
    """Whether it is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def worker_after_a_kill(tmp_path: Path, pool: str, seconds: float) -> bool:
    """Whether the worker of a killed process still runs after so long."""
    script = tmp_path / "parent.py"
    script.write_text(WITH_POOL.format(pool=pool))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + seconds
    while runs(worker) and time.monotonic() < until:
        time.sleep(0.05)
    left = runs(worker)
    if left:
        os.kill(worker, signal.SIGKILL)
    return left


def test_workers_follow_a_parent_that_was_killed(tmp_path: Path) -> None:
    assert not worker_after_a_kill(tmp_path, OURS, 20.0)


def test_a_bare_pool_leaves_its_worker_behind(tmp_path: Path) -> None:
    """The control."""
    assert worker_after_a_kill(tmp_path, BARE, 1.0)


def test_a_request_to_end_is_an_exception_inside_and_as_before_outside() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, workers.orderly_end():
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
