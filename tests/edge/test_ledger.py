# SPDX-License-Identifier: Apache-2.0
"""The budget: never exceeded in any window, never forgotten, never given back."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import LedgerError
from edge.ledger import BLOCK_WINDOWS, Caps, Ledger
from edge.ledger_file import COPY_BYTES, LedgerFile, Moment, decode
from edge.sliding import Sliding

COSTS = (0.4, 0.1)  # bits per release, finest first
CAPS = Caps(window_s=2, window_bits=8.1, hour_bits=1e6, day_bits=1e6)
TIMEOUT_S = 30.0


class Clock:
    """The clocks of a machine, in the hands of the test."""

    def __init__(self):
        self.wall_s, self.boot_s, self.boots = 1_000_000.0, 100.0, 1

    def __call__(self):
        return Moment(round(self.wall_s * 1e6), round(self.boot_s * 1e6), bytes([self.boots] * 16))

    def sleep(self, seconds):
        self.wall_s += seconds
        self.boot_s += seconds


@pytest.fixture
def clock():
    return Clock()


def wait_for_block(ledger):
    """Let the writer's thread finish what was ordered."""
    deadline = time.monotonic() + TIMEOUT_S
    pending = ledger._pending
    while pending and ledger._writer.written < pending.number:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def charge(ledger, tick_s):
    level = ledger.charge(tick_s)
    wait_for_block(ledger)
    return level


def charge_until(ledger, deadline):
    for tick in itertools.count():
        assert time.monotonic() < deadline
        ledger.charge(tick * 0.1)


def crash(ledger):
    """Leave the file as SIGKILL would: nothing more is written."""
    wait_for_block(ledger)
    ledger._writer._queue.put(None)
    ledger._writer._thread.join()
    ledger._writer._file.close()


def test_continuous_operation_fits_its_caps_all_day(tmp_path, clock):
    cost = 8.0 / 20
    caps = Caps.continuous(20, 8.001)
    ledger = Ledger(tmp_path / "ledger", caps, (cost,), clock)
    levels = [charge(ledger, float(tick)) for tick in range(5_000)]  # more than an hour
    ledger.close()
    assert levels == [0] * len(levels)
    assert ledger.spent().worst_window == pytest.approx(8.0, rel=1e-5)


def test_window_cap_gives_coarser_noise_first_and_then_repeats(tmp_path, clock):
    caps = replace(CAPS, window_bits=1.05)
    ledger = Ledger(tmp_path / "ledger", caps, COSTS, clock)
    found = [(charge(ledger, tick * 0.1), ledger.mode) for tick in range(5)]
    later = charge(ledger, 2.0)
    ledger.close()
    assert [level for level, _ in found] == [0, 0, 1, 1, None]
    assert [mode for _, mode in found] == ["full", "full", "coarse", "coarse", "repeating"]
    assert later == 0, "what was charged at 0.0 has left the window at 2.0"


@pytest.mark.parametrize(("cap", "span_s"), [("hour_bits", 3600), ("day_bits", 86400)])
def test_hour_and_day_are_sliding(tmp_path, clock, cap, span_s):
    ledger = Ledger(tmp_path / "ledger", replace(CAPS, **{cap: 4.05}), (0.4,), clock)
    first = [charge(ledger, tick * 0.1) for tick in range(12)]
    almost, after = charge(ledger, span_s - 1.0), charge(ledger, span_s * 1.01)
    ledger.close()
    assert first == [0] * 10 + [None, None]
    assert almost is None
    assert after in {0, None}  # the first charge after a pause orders its block
    assert charge_of_new(tmp_path, clock, cap) is None, "and it is remembered"


def charge_of_new(tmp_path, clock, cap):
    ledger = Ledger(tmp_path / "ledger", replace(CAPS, **{cap: 0.3}), (0.4,), clock)
    level = charge(ledger, 0.0)
    ledger.close()
    return level


steps_ms = st.lists(st.sampled_from([100, 100, 100, 200, 1000, 11_000]), max_size=120)


@settings(deadline=None, max_examples=40)
@given(steps_ms=steps_ms, window_bits=st.floats(0.2, 9.0), hour_bits=st.floats(1.0, 30.0))
def test_no_window_of_any_history_exceeds_a_cap(tmp_path_factory, steps_ms, window_bits, hour_bits):
    caps = Caps(2, window_bits, hour_bits, 1e6)
    ledger = Ledger(tmp_path_factory.mktemp("l") / "ledger", caps, COSTS, Clock())
    times = [0, *itertools.accumulate(steps_ms)]
    levels = [charge(ledger, ms / 1000) for ms in times]
    ledger.close()
    paid = [(ms, COSTS[lv]) for ms, lv in zip(times, levels, strict=True) if lv is not None]
    for end, _ in paid:  # the brute-force second route: every window that ends at a release
        assert sum(c for ms, c in paid if end - 2000 < ms <= end) <= window_bits + 1e-9
        assert sum(c for ms, c in paid if end - 3_600_000 < ms <= end) <= hour_bits + 1e-9


def test_time_that_stands_still_or_goes_back_frees_nothing(tmp_path, clock):
    ledger = Ledger(tmp_path / "ledger", replace(CAPS, window_bits=0.81), (0.4,), clock)
    levels = [charge(ledger, tick_s) for tick_s in (10.0, 10.1, 9.0, 5.0, 10.1, 12.0)]
    ledger.close()
    assert levels == [0, 0, None, None, None, 0]


def test_a_clean_restart_forgets_nothing_and_spends_nothing(tmp_path, clock):
    for _ in range(3):
        ledger = Ledger(tmp_path / "ledger", CAPS, COSTS, clock)
        assert [charge(ledger, tick * 0.1) for tick in range(10)] == [0] * 10
        clock.sleep(1.0)
        ledger.close()
        clock.sleep(2.1)
    ledger = Ledger(tmp_path / "ledger", CAPS, COSTS, clock)
    ledger.close()
    assert ledger.total_bits == pytest.approx(30 * 0.4, rel=1e-4)
    assert ledger.spent().hour == pytest.approx(30 * 0.4, rel=1e-4)


@pytest.mark.parametrize("end", [Ledger.close, crash])
def test_the_last_window_counts_as_full_right_after_a_restart(tmp_path, clock, end):
    ledger = Ledger(tmp_path / "ledger", CAPS, COSTS, clock)
    charge(ledger, 0.0)
    end(ledger)
    clock.sleep(0.5)
    ledger = Ledger(tmp_path / "ledger", CAPS, COSTS, clock)
    levels = [charge(ledger, tick_s) for tick_s in (0.0, 1.4, 2.0)]
    ledger.close()
    assert levels == [None, None, 0]


def test_a_crash_costs_its_whole_block(tmp_path, clock):
    ledger = Ledger(tmp_path / "ledger", CAPS, COSTS, clock)
    charge(ledger, 0.0)
    crash(ledger)
    clock.sleep(60.0)
    ledger = Ledger(tmp_path / "ledger", CAPS, COSTS, clock)
    ledger.close()
    assert ledger.total_bits == pytest.approx(BLOCK_WINDOWS * CAPS.window_bits)


def restart_spends_hour(tmp_path, clock):
    """Whether a ledger that was full before the pause has room again after it."""
    ledger = Ledger(tmp_path / "ledger", replace(CAPS, hour_bits=4.0), COSTS, clock)
    level = charge(ledger, 0.0)
    ledger.close()
    return level is not None


@pytest.mark.parametrize(
    ("boots", "wall_s", "boot_s", "freed"),
    [
        (1, 7200.0, 7200.0, True),  # the control: time really passed
        (1, 7200.0, 10.0, False),  # the wall clock was set forward
        (1, -86400.0, 10.0, False),  # and back
        (2, 7200.0, -50.0, True),  # a reboot
        (2, -86400.0, -50.0, False),  # a reboot without a battery behind the clock
    ],
)
def test_only_time_that_passed_frees_budget(tmp_path, clock, boots, wall_s, boot_s, freed):
    ledger = Ledger(tmp_path / "ledger", replace(CAPS, hour_bits=4.0), COSTS, clock)
    for tick in range(45):
        charge(ledger, tick * 0.1)
    ledger.close()
    clock.boots, clock.wall_s, clock.boot_s = boots, clock.wall_s + wall_s, clock.boot_s + boot_s
    assert restart_spends_hour(tmp_path, clock) is freed


def damaged(path, copies):
    content = bytearray(path.read_bytes())
    for copy in copies:
        content[copy * COPY_BYTES + 100] ^= 1
    path.write_bytes(content)


def test_one_spoiled_copy_costs_a_block_more(tmp_path, clock):
    path = tmp_path / "ledger"
    ledger = Ledger(path, CAPS, COSTS, clock)
    charge(ledger, 0.0)
    ledger.close()
    content = path.read_bytes()
    numbers = [decode(copy).number for copy in (content[:COPY_BYTES], content[COPY_BYTES:])]
    damaged(path, [numbers.index(max(numbers))])
    ledger = Ledger(path, CAPS, COSTS, clock)
    ledger.close()
    assert ledger.total_bits == pytest.approx(2 * BLOCK_WINDOWS * CAPS.window_bits)


@pytest.mark.parametrize("damage", ["both", "cut", "empty", "longer", "other"])
def test_a_damaged_ledger_refuses_to_start_and_says_what_to_do(tmp_path, clock, damage):
    path = tmp_path / "ledger"
    Ledger(path, CAPS, COSTS, clock).close()
    whole = path.read_bytes()
    contents = {"cut": whole[:-1], "empty": b"", "longer": whole + b"x", "other": b"x" * len(whole)}
    if damage == "both":
        damaged(path, [0, 1])
    else:
        path.write_bytes(contents[damage])
    with pytest.raises(LedgerError, match="24 hours"):
        Ledger(path, CAPS, COSTS, clock)


def test_no_disk_write_lies_on_the_thread_that_charges(tmp_path, clock, monkeypatch):
    threads, real = [], os.fdatasync
    monkeypatch.setattr(
        "os.fdatasync", lambda fd: (threads.append(threading.get_ident()), real(fd))
    )
    ledger = Ledger(tmp_path / "ledger", CAPS, COSTS, clock)
    threads.clear()  # opening may
    for tick in range(200):
        charge(ledger, tick * 0.1)
    seen = set(threads)
    ledger.close()
    assert len(threads) >= 3
    assert threading.get_ident() not in seen


def test_a_slow_disk_repeats_instead_of_waiting(tmp_path, clock, monkeypatch):
    gate, real = threading.Event(), os.fdatasync
    ledger = Ledger(tmp_path / "ledger", CAPS, COSTS, clock)
    monkeypatch.setattr("os.fdatasync", lambda fd: (gate.wait(TIMEOUT_S), real(fd)))
    start = time.monotonic()
    levels = [ledger.charge(tick * 0.1) for tick in range(150)]
    assert time.monotonic() - start < TIMEOUT_S / 2
    gate.set()
    wait_for_block(ledger)
    again = ledger.charge(15.0)
    ledger.close()
    spent = sum(0.4 for level in levels if level == 0)
    assert spent <= BLOCK_WINDOWS * CAPS.window_bits, "no more than the block that was durable"
    assert levels[-1] is None
    assert ledger.late > 0
    assert again == 0


def test_a_disk_that_refuses_ends_the_run(tmp_path, clock, monkeypatch):
    ledger = Ledger(tmp_path / "ledger", CAPS, COSTS, clock)

    def refuse(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fdatasync", refuse)
    with pytest.raises(LedgerError, match="Input/output"):
        charge_until(ledger, time.monotonic() + TIMEOUT_S)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 1000)), max_size=60))
def test_sliding_never_counts_too_low(charges):
    span, step = 100, 10
    sliding, now, history = Sliding(span, step), 0, []
    for wait, amount in charges:
        now += wait
        sliding.advance(now)
        sliding.add(amount)
        history.append((now, amount))
        true = sum(a for t, a in history if t > now - span)
        most = sum(a for t, a in history if t > now - span - step)
        assert true <= sliding.total <= most
    copy = Sliding(span, step)
    copy.load(now, sliding.dump())
    assert (copy.total, copy.dump()) == (sliding.total, sliding.dump())


CHILD = """
import os, sys, time
from dataclasses import replace
from pathlib import Path
from edge.ledger import Caps, Ledger
from edge.ledger_file import LedgerFile
if sys.argv[2] == "late":  # a ledger that writes down what was spent, and nothing ahead
    write = LedgerFile.write
    LedgerFile.write = lambda file, snapshot: write(file, replace(snapshot, block=0))
ledger = Ledger(Path(sys.argv[1]), Caps(2, 8.1, 1e6, 1e6), (0.4,))
tick = 0
while True:
    if ledger.charge(tick * 0.1) is not None:
        os.write(1, b"r")
    tick += 1
    time.sleep(0.0005)
"""


def released_before_kill(path, kind, after_s):
    """Run a child that releases as fast as its ledger lets it, kill it, count its releases."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), kind], stdout=subprocess.PIPE)
    first = os.read(child.stdout.fileno(), 1)
    time.sleep(after_s)
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate(timeout=TIMEOUT_S)
    return len(first + rest)


def shortfalls(path, kind, kills):
    """Per kill: bits released so far that the ledger does not know of; negative if none."""
    released, found = 0, []
    for kill in range(kills):
        released += released_before_kill(path, kind, after_s=0.02 + 0.037 * kill)
        file = LedgerFile(path)
        file.close()
        found.append(released * 0.4 - (file.newest.total + file.newest.block) / 1e6)
    return found


def test_no_kill_at_any_moment_loses_a_charge(tmp_path):
    assert max(shortfalls(tmp_path / "ledger", "ahead", kills=10)) <= 1e-6


def test_the_kill_test_catches_a_ledger_that_charges_afterwards(tmp_path):
    assert max(shortfalls(tmp_path / "ledger", "late", kills=4)) > 0.0
