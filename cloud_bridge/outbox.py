# SPDX-License-Identifier: Apache-2.0
"""Events on their way out, and events that are still open: durable, bounded.

An event is on disk before it is published and leaves the disk when the broker has answered, so
it survives an outage of the broker and a restart of the bridge. It may then be published
twice; its id and phase tell. The oldest are dropped and counted beyond `MAX_EVENTS`.
Which events are open is recorded in the same transaction, under the sensor in whose name they
were published: after a restart they go on.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from cloud_bridge.alarms import OpenEvent, Transition
from cloud_bridge.errors import StoreError
from cloud_bridge.registry import Sensor

MAX_EVENTS = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outgoing (
  number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS open_event (
  site TEXT, device TEXT, sensor TEXT, kind TEXT,
  event_id TEXT NOT NULL, phase TEXT NOT NULL, onset REAL NOT NULL,
  PRIMARY KEY (site, device, sensor, kind)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event to publish."""

    number: int
    topic: str
    body: bytes


class Outbox:
    """One file, one writer. Every method raises StoreError and nothing else."""

    def __init__(self, path: Path, max_events: int = MAX_EVENTS) -> None:
        self._path, self._max = path, max_events
        self.dropped = 0
        try:
            self._store = sqlite3.connect(path, isolation_level=None, timeout=2.0)
            self._store.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._store.execute("PRAGMA journal_mode=WAL")
            self._store.execute("PRAGMA synchronous=FULL")
            self._store.executescript(_SCHEMA)
            self._count = self._store.execute("SELECT count(*) FROM outgoing").fetchone()[0]
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from error

    def __len__(self) -> int:
        return int(self._count)

    def record(self, sensor: Sensor, change: Transition, topic: str, body: bytes) -> None:
        """Make one change of phase durable, with what it opens or closes."""
        try:
            self._store.execute("BEGIN IMMEDIATE")
            self._store.execute("INSERT INTO outgoing (topic, body) VALUES (?, ?)", (topic, body))
            self._mark_open(sensor, change)
            dropped = self._drop_oldest()
            self._store.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error
        self._count += 1 - dropped
        self.dropped += dropped

    def pending(self, limit: int) -> list[Outgoing]:
        """The oldest events, in order."""
        query = "SELECT number, topic, body FROM outgoing ORDER BY number LIMIT ?"
        try:
            return [Outgoing(*row) for row in self._store.execute(query, (limit,))]
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def remove(self, numbers: list[int]) -> None:
        """The broker has these."""
        if not numbers:
            return
        rows = [(number,) for number in numbers]
        try:
            self._store.execute("BEGIN IMMEDIATE")
            found = self._store.executemany("DELETE FROM outgoing WHERE number = ?", rows)
            self._store.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error
        self._count -= found.rowcount

    def open_events(self) -> dict[Sensor, list[OpenEvent]]:
        """What was open when the bridge last ran."""
        query = "SELECT site, device, sensor, event_id, kind, phase, onset FROM open_event"
        found: dict[Sensor, list[OpenEvent]] = {}
        try:
            for site, device, sensor, *event in self._store.execute(query):
                found.setdefault((site, device, sensor), []).append(OpenEvent(*event))
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error
        return found

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def _mark_open(self, sensor: Sensor, change: Transition) -> None:
        # By its id: it may have been opened in the name of a sensor that has joined a room since.
        self._store.execute("DELETE FROM open_event WHERE event_id = ?", (change.event_id,))
        if change.phase == "cleared":
            return
        row = (*sensor, change.kind, change.event_id, change.phase, change.onset_time)
        self._store.execute("INSERT OR REPLACE INTO open_event VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _drop_oldest(self) -> int:
        over = self._count + 1 - self._max
        if over <= 0:
            return 0
        return self._store.execute(
            "DELETE FROM outgoing WHERE number IN"
            " (SELECT number FROM outgoing ORDER BY number LIMIT ?)",
            (over,),
        ).rowcount
