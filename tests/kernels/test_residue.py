# SPDX-License-Identifier: Apache-2.0
"""Old keys and old noise are nowhere in the memory of the process that used them."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernels.reference import ratchet

CHILD = Path(__file__).parent / "residue_child.py"
ROOT = Path(__file__).resolve().parents[2]
RELEASES = 3
PIECE = 16  # bytes of a secret that are searched for


def memory_of(pid):
    """Every readable mapping of the process, one by one."""
    with Path(f"/proc/{pid}/maps").open(encoding="ascii") as maps:
        ranges = [line.split()[:2] for line in maps if "[v" not in line]
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for span, modes in ranges:
            start, end = (int(x, 16) for x in span.split("-"))
            if modes.startswith("r"):
                with contextlib.suppress(OSError):
                    yield os.pread(memory.fileno(), end - start, start)


def found_in_child(secrets, *arguments):
    """Which of the secrets the child's memory holds after its releases."""
    command = [sys.executable, str(CHILD), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as child:
        child.stdin.write(secrets["key 0"])
        child.stdin.flush()
        assert child.stdout.readline() == b"ready\n"
        try:
            mappings = list(memory_of(child.pid))
        except PermissionError:
            child.kill()
            pytest.skip("this system does not let a test read its child's memory")
        child.stdin.close()
    return {name for name, value in secrets.items() if any(holds(m, value) for m in mappings)}


def holds(memory, secret):
    """Any aligned piece of it counts."""
    return any(secret[i : i + PIECE] in memory for i in range(0, len(secret), PIECE))


@pytest.fixture
def secrets():
    """Keys and the noise words of every release, by name."""
    key, found = os.urandom(32), {}
    for i in range(RELEASES):
        found[f"key {i}"] = key
        following, words = ratchet(key, 8)
        found[f"words {i}"] = words.tobytes()
        key = bytes(following)
    found[f"key {RELEASES}"] = key
    return found


def test_only_the_key_of_the_next_release_is_in_memory(secrets):
    """The key that is found is the control: the search sees what is there."""
    assert found_in_child(secrets) == {f"key {RELEASES}"}


def test_after_close_no_key_is_in_memory(secrets):
    assert found_in_child(secrets, "close") == set()
