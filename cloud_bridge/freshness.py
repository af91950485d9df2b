# SPDX-License-Identifier: Apache-2.0
"""The newest (epoch, sequence) of every sensor, durable: no message is ever used twice.

`advance` decides and remembers, `commit` makes it durable. The caller uses a vector only
after `commit` has returned: a crash in between costs these vectors and never lets one be used
again. Memory and file hold one row per registered sensor, whatever arrives.
"""

import sqlite3
from pathlib import Path

from cloud_bridge.errors import StoreError
from cloud_bridge.registry import Sensor

Position = tuple[int, int]  # epoch, sequence


class Freshness:
    """One file, one writer."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; StoreError if that fails or another bridge holds it."""
        try:
            self._store = sqlite3.connect(path, isolation_level=None, timeout=2.0)
            # WAL with FULL syncs on every commit; EXCLUSIVE keeps a second bridge out, which
            # would admit the same messages.
            self._store.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._store.execute("PRAGMA journal_mode=WAL")
            self._store.execute("PRAGMA synchronous=FULL")
            self._store.execute(
                "CREATE TABLE IF NOT EXISTS newest (site TEXT, device TEXT, sensor TEXT,"
                " position BLOB NOT NULL, PRIMARY KEY (site, device, sensor)) WITHOUT ROWID"
            )
            rows = self._store.execute("SELECT site, device, sensor, position FROM newest")
            self._newest: dict[Sensor, Position] = {
                (site, device, sensor): _unpack(position) for site, device, sensor, position in rows
            }
        except (sqlite3.Error, ValueError) as error:
            raise StoreError(f"{path}: {error}") from error
        self._path = path
        self._pending: set[Sensor] = set()

    def newest(self, sensor: Sensor) -> Position | None:
        """The last position admitted for this sensor, committed or not."""
        return self._newest.get(sensor)

    def advance(self, sensor: Sensor, position: Position) -> bool:
        """True if `position` is newer than everything before; then it is remembered."""
        newest = self._newest.get(sensor)
        if newest is not None and position <= newest:
            return False
        self._newest[sensor] = position
        self._pending.add(sensor)
        return True

    def commit(self) -> None:
        """Return when everything advanced so far is on disk; StoreError if it cannot be."""
        if not self._pending:
            return
        rows = [(*sensor, _pack(self._newest[sensor])) for sensor in self._pending]
        try:
            self._store.execute("BEGIN IMMEDIATE")
            self._store.executemany("INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?)", rows)
            self._store.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error
        self._pending.clear()

    def close(self) -> None:
        """Close the file; what was not committed is forgotten."""
        self._store.close()


def _pack(position: Position) -> bytes:
    # sqlite's integers are signed 64-bit; ours are not.
    return position[0].to_bytes(8, "big") + position[1].to_bytes(8, "big")


def _unpack(blob: bytes) -> Position:
    if len(blob) != 16:
        raise ValueError("a position is 16 bytes")
    return int.from_bytes(blob[:8], "big"), int.from_bytes(blob[8:], "big")
