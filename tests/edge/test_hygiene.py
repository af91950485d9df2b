# SPDX-License-Identifier: Apache-2.0
"""What a hardened process refuses, seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

HARDENED = """
import ctypes, os, resource, sys
from edge.hygiene import harden, reexec_with_perturb
print(os.getpid(), sys.argv[1:], os.environ.get("MALLOC_PERTURB_"), flush=True)
reexec_with_perturb()
harden()
PR_GET_DUMPABLE = 3
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(PR_GET_DUMPABLE))
"""

# Frees a block of the C library that holds a known text, and looks at it afterwards.
FREED = """
import ctypes, sys
from edge.hygiene import reexec_with_perturb
if sys.argv[1] == "with":
    reexec_with_perturb()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
block = libc.malloc(4000)
ctypes.memmove(block, b"canary" * 600, 3600)
libc.free(block)
print(ctypes.string_at(block + 1000, 600).count(b"canary"))
"""


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "MALLOC_PERTURB_"}
    return kept | {"PYTHONPATH": str(ROOT)}


def start(code: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_process_starts_again_as_itself_and_may_not_be_dumped():
    with start(HARDENED, "with space", "--flag") as child:
        before = child.stdout.readline()
        after = child.stdout.readline()
        assert before == f"{child.pid} ['with space', '--flag'] None\n"
        assert after == f"{child.pid} ['with space', '--flag'] 165\n"
        assert child.stdout.readline() == "(0, 0) 0\n"


def test_the_c_library_overwrites_what_is_freed():
    outputs = [start(FREED, mode).communicate()[0] for mode in ("with", "without")]
    assert outputs[0] == "0\n"
    assert int(outputs[1]) > 0, "the control: without it the freed text is still there"
