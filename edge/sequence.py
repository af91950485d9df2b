# SPDX-License-Identifier: Apache-2.0
"""Numbers for messages, never used twice: (epoch, sequence) grows for the device's whole life.

Every start takes a new epoch, `max(stored + 1, unix time)`, and makes it durable before the first
number is handed out; inside an epoch the sequence counts from zero in memory. So nothing has to be
reserved while frames pass: whatever a crash forgets belongs to an epoch that is never used again.
The unix time keeps the epoch growing even when the state directory was lost, provided the clock is
right then; with both lost, the bridge refuses the device until it is enrolled afresh, which is the
safe side.
"""

from __future__ import annotations

from pathlib import Path

from edge.errors import LedgerError
from edge.state import write_durably

MAX_EPOCH = 2**64 - 1
MAX_TEXT_BYTES = 32


class Sequence:
    """The message counter of one run; open it only while holding the state directory."""

    def __init__(self, path: Path, unix_time_s: float) -> None:
        """Durably begin a new epoch in the file `path`; LedgerError if that cannot be done."""
        self.epoch = max(_stored(path) + 1, int(unix_time_s))
        if self.epoch > MAX_EPOCH:
            raise LedgerError(f"epoch file {path} is exhausted")
        try:
            write_durably(path, b"%d\n" % self.epoch)
        except OSError as error:
            raise LedgerError(f"epoch file {path}: {error.strerror}") from error
        self._next = 0

    def take(self) -> int:
        """The next sequence number of this epoch, counting from 0."""
        number = self._next
        self._next += 1
        return number


def _stored(path: Path) -> int:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise LedgerError(f"epoch file {path}: {error.strerror}") from error
    digits = text.removesuffix(b"\n")
    if len(text) > MAX_TEXT_BYTES or not digits.isdigit():
        raise LedgerError(
            f"epoch file {path} is damaged; write the last epoch that the bridge saw into it as a "
            "decimal number, or remove it if this machine's clock is right"
        )
    return int(digits)
