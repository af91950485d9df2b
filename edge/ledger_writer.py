# SPDX-License-Identifier: Apache-2.0
"""The thread that makes the ledger durable, so that the frame's thread never waits for a disk.

One snapshot at a time is submitted; when it is on disk `written` holds its number. A disk that
refuses ends the run: `check` raises it on the thread that charges.
"""

from __future__ import annotations

import queue
import threading

from edge.errors import LedgerError
from edge.ledger_file import LedgerFile, Snapshot


class LedgerWriter:
    """Owns the file from now on."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file
        self._queue: queue.SimpleQueue[Snapshot | None] = queue.SimpleQueue()
        self._failure: OSError | None = None
        self.written = 0  # number of the newest snapshot on disk
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def submit(self, snapshot: Snapshot) -> None:
        """Write this soon; never blocks."""
        self._queue.put(snapshot)

    def check(self) -> None:
        """Raise LedgerError if the disk has refused."""
        if self._failure is not None:
            raise LedgerError(f"ledger cannot be written: {self._failure}") from self._failure

    def write_now(self, snapshot: Snapshot) -> None:
        """Write on the caller's thread; only while nothing is submitted."""
        self._write(snapshot)
        self.check()

    def finish(self, last: Snapshot) -> None:
        """Write the last snapshot, end the thread and close the file."""
        self._queue.put(None)
        self._thread.join()
        self._write(last)
        self._file.close()
        self.check()

    def _run(self) -> None:
        while (snapshot := self._queue.get()) is not None:
            self._write(snapshot)

    def _write(self, snapshot: Snapshot) -> None:
        if self._failure is not None:
            return
        try:
            self._file.write(snapshot)
        except OSError as error:
            self._failure = error
        else:
            self.written = snapshot.number
