# SPDX-License-Identifier: Apache-2.0
"""The ledger on disk: two copies, written in turn in place, each with number and checksum.

The newest whole copy counts. A power cut can spoil only the copy being written, whose block was
not handed out yet. Since rot looks the same, a spoiled copy beside a whole one is reported and
the reader charges one more block for it. When both are spoiled nothing is known and LedgerError
says so: a ledger that forgot is never taken for one with budget.

The file has a constant size, so that writing it needs no space, no rename and one fsync.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from edge.errors import LedgerError
from edge.state import write_durably

MAGIC = b"lethe ledger 1\n\x00"
COPY_BYTES = 8192
_HEAD = struct.Struct(">16sQQQQQQQ16sHH")
_SUM = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on the clocks that outlive a process."""

    wall_us: int  # unix time; somebody may set it
    boot_us: int  # since boot, suspend included; nobody can set it
    boot_id: bytes  # 16 bytes, new at every boot


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the ledger knows at one instant. Amounts are micro-bits."""

    number: int  # grows with every write
    ledger_us: int  # the ledger's own time, which only moves forward
    valid_until_us: int  # ledger time after which the block may not be spent
    block: int  # handed out ahead: to be counted as spent after a crash
    total: int  # spent since the ledger was made, block not included
    moment: Moment
    hour: bytes  # Sliding.dump
    day: bytes

    def encode(self) -> bytes:
        """-> COPY_BYTES bytes."""
        head = _HEAD.pack(
            MAGIC,
            self.number,
            self.ledger_us,
            self.valid_until_us,
            self.block,
            self.total,
            self.moment.wall_us,
            self.moment.boot_us,
            self.moment.boot_id,
            len(self.hour),
            len(self.day),
        )
        body = (head + self.hour + self.day).ljust(COPY_BYTES - _SUM.size, b"\x00")
        return body + _SUM.pack(zlib.crc32(body))


def decode(copy: bytes) -> Snapshot | None:
    """The snapshot in one copy, or None when it is not whole."""
    if len(copy) != COPY_BYTES or not copy.startswith(MAGIC):
        return None
    body, (checksum,) = copy[: -_SUM.size], _SUM.unpack(copy[-_SUM.size :])
    if zlib.crc32(body) != checksum:
        return None
    _, number, now, until, block, total, wall, boot, boot_id, hours, days = _HEAD.unpack_from(body)
    hour = body[_HEAD.size : _HEAD.size + hours]
    day = body[_HEAD.size + hours : _HEAD.size + hours + days]
    moment = Moment(wall, boot, boot_id)
    return Snapshot(number, now, until, block, total, moment, hour, day)


class LedgerFile:
    """The two copies. `newest`: what was found at opening; `spoiled`: a copy was not whole."""

    def __init__(self, path: Path) -> None:
        """Open or create (empty) the file; LedgerError when it is damaged or cannot be had."""
        self._path = path
        try:
            if not path.exists():
                write_durably(path, bytes(2 * COPY_BYTES))
            self._descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise LedgerError(f"ledger {path}: {error.strerror}") from error
        try:
            self.newest, self.spoiled = self._read()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _read(self) -> tuple[Snapshot | None, bool]:
        content = os.pread(self._descriptor, 2 * COPY_BYTES + 1, 0)
        if content == bytes(2 * COPY_BYTES):
            return None, False  # created, and nothing was ever charged
        found = [decode(content[:COPY_BYTES]), decode(content[COPY_BYTES:])]
        whole = [snapshot for snapshot in found if snapshot is not None]
        if len(content) != 2 * COPY_BYTES or not whole:
            raise LedgerError(
                f"ledger {self._path} is damaged: what was released in the last 24 hours is not "
                "known. Stop the device for 24 hours and then remove the file, or restore the "
                "file; removing it at once would spend the same budget twice"
            )
        newest = max(whole, key=lambda snapshot: snapshot.number)
        blank = bytes(COPY_BYTES) in {content[:COPY_BYTES], content[COPY_BYTES:]}
        only = newest.number == 1 and blank  # nothing was ever written over the other copy
        return newest, len(whole) == 1 and not only

    def write(self, snapshot: Snapshot) -> None:
        """Make `snapshot` durable over the older copy; OSError if the disk refuses."""
        offset = COPY_BYTES * (snapshot.number % 2)
        os.pwrite(self._descriptor, snapshot.encode(), offset)
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file; call once."""
        os.close(self._descriptor)
