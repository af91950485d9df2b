# SPDX-License-Identifier: Apache-2.0
"""What was used once is never used again, also not after SIGKILL at any moment."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cloud_bridge.errors import StoreError
from cloud_bridge.freshness import Freshness

ROOT = Path(__file__).resolve().parents[2]
SENSOR = ("home", "device-1", "hall")
OTHER = ("home", "device-1", "bath")
KILLS = 4


@pytest.fixture
def path(tmp_path):
    return tmp_path / "freshness.sqlite3"


def test_a_position_is_taken_once_and_only_forwards(path):
    store = Freshness(path)
    assert store.newest(SENSOR) is None
    assert store.advance(SENSOR, (5, 5))
    assert not store.advance(SENSOR, (5, 5))
    assert not store.advance(SENSOR, (5, 4))
    assert not store.advance(SENSOR, (4, 9))
    assert store.advance(SENSOR, (6, 0))
    assert store.advance(OTHER, (1, 1))
    store.close()


@pytest.mark.parametrize("position", [(0, 0), (2**63, 2**63), (2**64 - 1, 2**64 - 1)])
def test_what_was_committed_is_there_after_a_restart(path, position):
    store = Freshness(path)
    store.advance(SENSOR, position)
    store.commit()
    store.close()
    again = Freshness(path)
    assert again.newest(SENSOR) == position
    assert not again.advance(SENSOR, position)
    again.close()


def test_control_what_was_not_committed_is_not(path):
    store = Freshness(path)
    store.advance(SENSOR, (1, 1))
    store.close()
    again = Freshness(path)
    assert again.newest(SENSOR) is None
    again.close()


def test_a_second_bridge_on_the_same_file_is_refused(path):
    store = Freshness(path)
    store.advance(SENSOR, (1, 1))
    store.commit()
    with pytest.raises(StoreError):
        Freshness(path)
    store.close()


def test_a_file_that_is_no_store_is_refused(path):
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        Freshness(path)


def test_a_damaged_position_is_refused(path):
    Freshness(path).close()
    with sqlite3.connect(path) as store:
        store.execute("INSERT INTO newest VALUES ('a', 'b', 'c', x'00')")
    store.close()
    with pytest.raises(StoreError):
        Freshness(path)


CHILD = textwrap.dedent("""
    import sys
    from cloud_bridge.freshness import Freshness
    store = Freshness(sys.argv[1])
    newest = store.newest(("home", "device-1", "hall"))
    number = newest[1] + 1 if newest else 0
    while True:
        for _ in range(3):
            store.advance(("home", "device-1", "hall"), (1, number))
            number += 1
        if sys.argv[2] == "before":
            store.commit()
        print(number - 1, flush=True)  # the use of the three vectors
        if sys.argv[2] == "after":
            sys.stdin.readline()  # the moment at which the control is killed
            store.commit()
""")


def use_until_killed(path, commit, uses):
    """Run the child, SIGKILL it after `uses` batches -> the last number it had used."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), commit],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    lines = [child.stdout.readline() for _ in range(uses)]
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.readlines()
    child.stdout.close()
    child.stdin.close()
    child.wait()
    return int([line for line in lines if line.endswith(b"\n")][-1])


def recorded(path):
    store = Freshness(path)
    newest = store.newest(SENSOR)
    store.close()
    return newest[1] if newest else -1


def test_no_used_position_is_lost_by_sigkill(path):
    for kill in range(KILLS):
        used = use_until_killed(path, "before", 3 + 5 * kill)
        assert recorded(path) >= used


def test_control_a_store_that_commits_after_use_loses_one(path):
    used = use_until_killed(path, "after", 1)
    assert recorded(path) < used
