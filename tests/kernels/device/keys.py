# SPDX-License-Identifier: Apache-2.0
"""Where a key is: the memory of a process that releases with it, searched from outside."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kernels.reference import ratchet
from tests.kernels.device.cpu_path import K
from tests.kernels.device.over_driver import HERE, Machine
from tests.kernels.test_residue import PIECE, memory_of

RELEASES = 2


def found_in_host_memory(machine: Machine) -> list[int]:
    """How many halves of each key are there, from the first to the one of the next release."""
    keys = [os.urandom(32)]
    for _ in range(RELEASES):
        keys.append(bytes(ratchet(keys[-1], K)[0]))
    command = [sys.executable, HERE / "key_child.py", machine.kernels, machine.engine]
    with subprocess.Popen(
        [*command, str(RELEASES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=machine.environment,
    ) as child:
        child.stdin.write(keys[0])
        child.stdin.flush()
        assert child.stdout.readline() == b"ready\n"
        try:
            mappings = list(memory_of(child.pid))
        except PermissionError:
            child.kill()
            pytest.skip("this system does not let a test read its child's memory")
        child.stdin.close()
    halves = [(key[:PIECE], key[PIECE:]) for key in keys]
    return [sum(m.count(half) for m in mappings for half in pair) for pair in halves]
