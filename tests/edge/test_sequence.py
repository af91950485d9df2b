# SPDX-License-Identifier: Apache-2.0
"""No pair of epoch and sequence is ever used twice, whenever the process is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from edge.errors import LedgerError
from edge.sequence import Sequence

TIMEOUT_S = 30.0


def test_sequence_counts_from_zero_within_an_epoch(tmp_path):
    sequence = Sequence(tmp_path / "epoch", 1000.0)
    assert [sequence.take() for _ in range(3)] == [0, 1, 2]
    assert sequence.epoch == 1000


def test_epoch_grows_whatever_the_clock_says(tmp_path):
    path = tmp_path / "epoch"
    epochs = [Sequence(path, unix_time_s).epoch for unix_time_s in (1000.0, 1000.9, 5.0, 2000.0)]
    assert epochs == [1000, 1001, 1002, 2000]


def test_epoch_is_on_disk_before_the_first_number(tmp_path):
    sequence = Sequence(tmp_path / "epoch", 7.0)
    assert (tmp_path / "epoch").read_text() == f"{sequence.epoch}\n"


def test_a_lost_state_directory_is_covered_by_the_clock(tmp_path):
    before = Sequence(tmp_path / "epoch", 1000.0).epoch
    (tmp_path / "epoch").unlink()
    assert Sequence(tmp_path / "epoch", 1001.0).epoch > before


@pytest.mark.parametrize(
    "content", [b"", b"x\n", b"-1\n", b"1 2\n", b"1" * 40, b"\x00" * 5, b"1\n\n"]
)
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "epoch").write_bytes(content)
    with pytest.raises(LedgerError, match="damaged"):
        Sequence(tmp_path / "epoch", 1000.0)


def test_an_exhausted_epoch_is_refused(tmp_path):
    (tmp_path / "epoch").write_text(f"{2**64 - 1}\n")
    with pytest.raises(LedgerError, match="exhausted"):
        Sequence(tmp_path / "epoch", 1000.0)


CHILD = """
import os, sys
from pathlib import Path
from edge.sequence import Sequence
path = Path(sys.argv[1])
if sys.argv[2] == "forgetful":
    path.unlink(missing_ok=True)
sequence = Sequence(path, 1000.0)
while True:
    os.write(1, b"%d %d\\n" % (sequence.epoch, sequence.take()))
"""


def pairs_of_killed_runs(path, kind, kills):
    """All whole pairs that a child wrote before it was killed, over several lives."""
    found = []
    for kill in range(kills):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), kind], stdout=subprocess.PIPE
        )
        first = os.read(child.stdout.fileno(), 4096)
        time.sleep(0.003 * kill)
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate(timeout=TIMEOUT_S)
        found += (first + rest).split(b"\n")[:-1]
    return found


def test_no_kill_makes_a_pair_come_twice(tmp_path):
    pairs = pairs_of_killed_runs(tmp_path / "epoch", "careful", kills=6)
    assert len(pairs) > 6
    assert len(set(pairs)) == len(pairs)


def test_the_kill_test_catches_a_forgotten_epoch(tmp_path):
    pairs = pairs_of_killed_runs(tmp_path / "epoch", "forgetful", kills=2)
    assert len(set(pairs)) < len(pairs)
