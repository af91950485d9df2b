# SPDX-License-Identifier: Apache-2.0
"""Memory that is locked, zeroed on request, and absent from a forked child."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.arena import ALIGNMENT, Arena
from edge.errors import HygieneError, UseAfterWipe

PAGE = resource.getpagesize()


def mapping_of(address: int) -> dict[str, str]:
    """The kernel's account of the mapping that holds `address`."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        low, dash, high = line.split(" ")[0].partition("-")
        if dash and ":" not in low and int(low, 16) <= address < int(high, 16):
            break
    account = {}
    for line in lines:
        name, _, value = line.partition(":")
        account[name] = value.strip()
        if name == "VmFlags":
            break
    return account


def test_pieces_are_zeroed_aligned_and_apart():
    with Arena(PAGE) as arena:
        first = arena.array((3, 5), np.float32)
        second = arena.buffer(32)
        first.fill(1.0)
        assert not any(second)
        assert first.ctypes.data % ALIGNMENT == 0
        assert np.frombuffer(second, np.uint8).ctypes.data % ALIGNMENT == 0


@given(st.lists(st.integers(0, 300), max_size=20))
def test_no_two_pieces_overlap(sizes):
    with Arena(20 * (300 + ALIGNMENT)) as arena:
        pieces = [arena.array((size,), np.uint8) for size in sizes]
        for number, piece in enumerate(pieces):
            piece.fill(number + 1)
        for number, piece in enumerate(pieces):
            assert (piece == number + 1).all()


def test_memory_is_locked_undumped_and_empty_in_a_child():
    with Arena(PAGE) as arena:
        piece = arena.array((PAGE,), np.uint8)
        piece.fill(7)
        flags = mapping_of(piece.ctypes.data)["VmFlags"].split()
        assert {"lo", "dd", "wf"} <= set(flags), "locked, not dumped, wiped on fork"
        child = os.fork()
        if child == 0:
            os._exit(int(piece.max()))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_wipe_zeroes_every_piece_and_leaves_it_usable():
    with Arena(PAGE) as arena:
        piece = arena.array((64,), np.uint8)
        piece.fill(9)
        arena.wipe()
        assert not piece.any()
        piece.fill(9)
        assert piece.all()


def test_close_wipes_even_while_a_view_is_alive_and_may_be_repeated():
    arena = Arena(PAGE)
    piece = arena.array((64,), np.uint8)
    piece.fill(9)
    arena.close()
    arena.close()
    assert not piece.any()
    with pytest.raises(UseAfterWipe):
        arena.array((1,), np.uint8)


def test_what_does_not_fit_is_refused():
    with Arena(1) as arena, pytest.raises(HygieneError, match="do not fit"):
        arena.array((PAGE + 1,), np.uint8)


def test_a_limit_on_locked_memory_is_an_error_that_says_what_to_raise():
    """In a child without privilege: root may lock what it likes."""
    child = os.fork()
    if child == 0:
        os._exit(_lock_without_privilege())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _lock_without_privilege() -> int:
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
    if os.geteuid() == 0:
        os.setresuid(65534, 65534, 65534)
    try:
        Arena(PAGE)
    except HygieneError as error:
        return 0 if "LimitMEMLOCK" in str(error) else 2
    return 3
