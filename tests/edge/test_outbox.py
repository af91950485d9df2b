# SPDX-License-Identifier: Apache-2.0
"""What is put stays in order, within its bounds, through restarts and kills."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import OutboxError
from edge.outbox import HEADER_BYTES, SLOT_BYTES, Outbox

TOPIC = "lethe/v1/home/device-1/door/vectors"
NOW_US = 1_000_000_000_000
TIMEOUT_S = 30.0


def make(path, slots=10, age_s=600.0, now_us=lambda: NOW_US):
    return Outbox(path / "outbox", slots, age_s, now_us)


def put(outbox, *numbers):
    for number in numbers:
        outbox.put(TOPIC, b"body %d" % number, NOW_US)


def take_all(outbox):
    """All waiting messages, each acknowledged."""
    found = []
    while (waiting := outbox.after(0)) is not None:
        found.append(int(waiting.body.split()[1]))
        outbox.acknowledge(waiting.number)
    return found


def test_messages_come_out_in_order_and_only_once(tmp_path):
    outbox = make(tmp_path)
    put(outbox, 1, 2, 3)
    assert len(outbox) == 3
    assert take_all(outbox) == [1, 2, 3]
    assert (len(outbox), outbox.dropped, outbox.after(0)) == (0, 0, None)


def test_after_looks_beyond_what_is_in_flight(tmp_path):
    outbox = make(tmp_path)
    put(outbox, 1, 2)
    first = outbox.after(0)
    second = outbox.after(first.number)
    assert (first.body, second.body) == (b"body 1", b"body 2")
    assert outbox.after(second.number) is None
    assert outbox.after(0) == first, "nothing leaves before it is acknowledged"


def test_the_oldest_is_dropped_and_counted_when_full(tmp_path):
    outbox = make(tmp_path, slots=10)
    put(outbox, *range(13))
    assert (len(outbox), outbox.dropped) == (10, 3)
    assert take_all(outbox) == list(range(3, 13))


def test_what_is_too_old_is_dropped_and_counted(tmp_path):
    now = [NOW_US]
    outbox = make(tmp_path, age_s=60.0, now_us=lambda: now[0])
    put(outbox, 1)
    now[0] += 59_000_000
    outbox.put(TOPIC, b"body 2", now[0])
    assert outbox.remaining_s(outbox.after(0)) == 1
    now[0] += 2_000_000
    assert take_all(outbox) == [2]
    assert outbox.dropped == 1


def test_a_clock_set_back_makes_nothing_old(tmp_path):
    outbox = make(tmp_path, age_s=60.0, now_us=lambda: NOW_US - 10**12)
    put(outbox, 1)
    assert outbox.remaining_s(outbox.after(0)) == 60
    assert take_all(outbox) == [1]


def test_acknowledgements_out_of_turn_are_kept(tmp_path):
    outbox = make(tmp_path)
    put(outbox, 1, 2, 3)
    outbox.acknowledge(2)
    assert len(outbox) == 2
    assert take_all(outbox) == [1, 3]
    outbox.acknowledge(99)
    outbox.acknowledge(1)


def test_a_refused_message_counts_as_dropped(tmp_path):
    outbox = make(tmp_path)
    put(outbox, 1)
    outbox.acknowledge(outbox.after(0).number, delivered=False)
    assert (len(outbox), outbox.dropped) == (0, 1)


@pytest.mark.parametrize("slots", [10, 4, 100])
def test_a_restart_keeps_what_waits_also_with_another_size(tmp_path, slots):
    outbox = make(tmp_path, slots=10)
    put(outbox, *range(14))
    outbox.acknowledge(outbox.after(0).number)
    outbox.close()
    outbox.close()
    again = make(tmp_path, slots=slots)
    put(again, 14)
    assert take_all(again) == list(range(14 - min(9, slots - 1), 15))
    again.close()
    assert take_all(make(tmp_path, slots=slots)) == []


def test_an_unreadable_mark_sends_again_rather_than_never(tmp_path):
    outbox = make(tmp_path)
    put(outbox, 1, 2)
    assert take_all(outbox) == [1, 2]
    outbox.close()
    with (tmp_path / "outbox").open("r+b") as file:
        file.seek(64)
        file.write(b"\xff" * 12)
    assert take_all(make(tmp_path)) == [1, 2]


def test_a_spoiled_slot_costs_one_message(tmp_path):
    outbox = make(tmp_path)
    put(outbox, 1, 2, 3)
    outbox.close()
    with (tmp_path / "outbox").open("r+b") as file:
        file.seek(HEADER_BYTES + SLOT_BYTES * 2 + 40)
        file.write(b"\xff")
    outbox = make(tmp_path)
    assert take_all(outbox) == [1, 3]
    assert outbox.dropped == 1


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"lethe outbox 1\n\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_outbox_is_refused_and_kept(tmp_path, content):
    (tmp_path / "outbox").write_bytes(content)
    with pytest.raises(OutboxError, match="remove it"):
        make(tmp_path)
    assert (tmp_path / "outbox").read_bytes() == content


def test_a_message_that_does_not_fit_is_refused(tmp_path):
    outbox = make(tmp_path)
    outbox.put(TOPIC, b"x" * 900, NOW_US)
    with pytest.raises(OutboxError, match="does not fit"):
        outbox.put(TOPIC, b"x" * 1000, NOW_US)
    assert len(outbox) == 1


def test_the_file_never_grows(tmp_path):
    outbox = make(tmp_path)
    size = (tmp_path / "outbox").stat().st_size
    put(outbox, *range(200))
    assert (tmp_path / "outbox").stat().st_size == size == HEADER_BYTES + 10 * SLOT_BYTES


steps = st.lists(st.sampled_from(["put", "take", "skip", "restart"]), max_size=60)


@settings(deadline=None, max_examples=60)
@given(steps)
def test_it_behaves_like_a_bounded_list(tmp_path_factory, steps):
    path, slots, model, number = tmp_path_factory.mktemp("o"), 10, [], 0
    outbox = make(path, slots)
    for step in steps:
        if step == "put":
            number += 1
            put(outbox, number)
            model = [*model, number][-slots:]
        elif step == "restart":
            outbox.close()
            outbox = make(path, slots)
        elif model:
            first = outbox.after(0)
            assert first.body == b"body %d" % model[0]
            if step == "take":
                outbox.acknowledge(first.number)
                model.pop(0)
        assert len(outbox) == len(model)
    assert take_all(outbox) == model


def test_no_disk_flush_lies_on_the_thread_that_puts(tmp_path, monkeypatch):
    outbox = make(tmp_path)

    def forbidden(_):
        raise AssertionError("flushed")

    monkeypatch.setattr("os.fsync", forbidden)
    monkeypatch.setattr("os.fdatasync", forbidden)
    put(outbox, *range(50))
    assert len(outbox) == 10


def test_one_puts_while_another_takes(tmp_path):
    outbox, got = make(tmp_path, slots=1000), []

    def taker():
        deadline = time.monotonic() + TIMEOUT_S
        while len(got) < 3000 and time.monotonic() < deadline:
            got.extend(take_all(outbox))

    thread = threading.Thread(target=taker)
    thread.start()
    for number in range(3000):
        while len(outbox) > 900:
            time.sleep(0.001)
        put(outbox, number)
    thread.join(TIMEOUT_S)
    assert got == list(range(3000))
    assert outbox.dropped == 0


CHILD = """
import os, sys
from pathlib import Path
from edge.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), 100_000, 600.0, lambda: 0)
number = int(sys.argv[2])
while True:
    outbox.put("t", b"body %d" % number, 0)
    os.write(1, b"%d\\n" % number)
    number += 1
"""


def test_what_was_put_survives_a_kill(tmp_path):
    path, put_so_far = tmp_path / "outbox", 0
    for kill in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(put_so_far)], stdout=subprocess.PIPE
        )
        first = os.read(child.stdout.fileno(), 4096)
        time.sleep(0.005 * kill)
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate(timeout=TIMEOUT_S)
        put_so_far = int((first + rest).split(b"\n")[-2]) + 1
        outbox = Outbox(path, 100_000, 600.0, lambda: 0)
        last = len(outbox)
        outbox.close()
        assert last in {put_so_far, put_so_far + 1}, "at most one was put and not yet told"
        put_so_far = last
    assert take_all(Outbox(path, 100_000, 600.0, lambda: 0)) == list(range(put_so_far))
