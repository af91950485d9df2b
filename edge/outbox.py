# SPDX-License-Identifier: Apache-2.0
"""Sealed messages that wait for the broker: a ring in a file, bounded by count and by age.

`put` writes one slot and never waits for the disk: what is put survives the death of the process
(the kernel holds it) and usually, but not surely, a power cut. The slot of the oldest message is
reused when the ring is full; a message older than the age limit is skipped. Both are counted.
Messages come out in the order they went in. One thread puts, one takes and acknowledges.

The file keeps its size for ever: a page of header (form, mark of the last acknowledged message),
then the slots, each with its message's number and a checksum.
"""

from __future__ import annotations

import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import OutboxError
from edge.state import sync_directory

MAGIC = b"lethe outbox 1\n\x00"
HEADER_BYTES = 4096
SLOT_BYTES = 1024
MARK_AT = 64  # offset of the mark in the header
_FORM = struct.Struct(">16sII")  # magic, slots, bytes per slot
_MARK = struct.Struct(">QI")  # number of the last acknowledged message, checksum
_SLOT = struct.Struct(">IQQHH")  # checksum, number, created, sizes of topic and body


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message in the outbox. Numbers grow by one from message to message."""

    number: int
    created_us: int  # unix time
    topic: str
    body: bytes


class Outbox:
    """Open it only while holding the state directory."""

    def __init__(
        self,
        path: Path,
        max_messages: int,
        max_age_s: float,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Open or create the ring; OutboxError when the file is not one or cannot be had."""
        self._mark = self._last = 0  # newest number acknowledged in turn, newest number put
        self.dropped = 0  # messages given up since opening: ring full, too old, or refused
        self._path = path
        self._slots = max_messages
        self._max_age_us = round(max_age_s * 1e6)
        self._now_us = now_us
        self._lock = threading.Lock()
        self._acknowledged: set[int] = set()  # out of turn: beyond the mark
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise OutboxError(f"outbox {path}: {error.strerror}") from error

    def __len__(self) -> int:
        """Messages that wait, those in flight included."""
        return self._last - self._mark - len(self._acknowledged)

    def put(self, topic: str, body: bytes, created_us: int) -> None:
        """Append one message; OutboxError if it does not fit a slot or the disk refuses."""
        number = self._last + 1
        slot = _encode(Waiting(number, created_us, topic, body))
        try:
            os.pwrite(self._descriptor, slot, self._offset(number))
        except OSError as error:
            raise OutboxError(f"outbox {self._path}: {error.strerror}") from error
        with self._lock:
            self._last = number
            self._give_up_to(number - self._slots)

    def after(self, number: int) -> Waiting | None:
        """The oldest waiting message with a number above this one that is not too old, or None."""
        while True:
            with self._lock:
                number = max(number, self._mark) + 1
                if number > self._last:
                    return None
            waiting = self._read(number)
            if waiting is not None and self.age_us(waiting) <= self._max_age_us:
                return waiting
            self.acknowledge(number, delivered=False)

    def age_us(self, waiting: Waiting) -> int:
        """Its age; 0 when the clock was set back behind it."""
        return max(0, self._now_us() - waiting.created_us)

    def remaining_s(self, waiting: Waiting) -> int:
        """Whole seconds until it is too old, at least 1."""
        return max(1, (self._max_age_us - self.age_us(waiting)) // 1_000_000)

    def acknowledge(self, number: int, *, delivered: bool = True) -> None:
        """Take one message out: it was delivered, or is given up and counted as dropped."""
        with self._lock:
            if number <= self._mark or number in self._acknowledged:
                return
            self.dropped += 0 if delivered else 1
            self._acknowledged.add(number)
            self._move_mark()

    def close(self) -> None:
        """Make what waits durable and close the file; idempotent."""
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _give_up_to(self, number: int) -> None:
        """The slots up to this number are overwritten."""
        for lost in range(self._mark + 1, number + 1):
            self.dropped += 0 if lost in self._acknowledged else 1
            self._acknowledged.add(lost)
        self._move_mark()

    def _move_mark(self) -> None:
        before = self._mark
        while self._mark + 1 in self._acknowledged:
            self._mark += 1
            self._acknowledged.discard(self._mark)
        if self._mark != before:
            os.pwrite(self._descriptor, _encode_mark(self._mark), MARK_AT)

    def _offset(self, number: int) -> int:
        return HEADER_BYTES + SLOT_BYTES * (number % self._slots)

    def _read(self, number: int) -> Waiting | None:
        waiting = _decode(os.pread(self._descriptor, SLOT_BYTES, self._offset(number)))
        return waiting if waiting is not None and waiting.number == number else None

    def _open(self) -> int:
        found: list[Waiting] = []
        if self._path.exists():
            self._mark, self._last, found = _load(self._path)
        return self._create([waiting for waiting in found if waiting.number > self._mark])

    def _create(self, waiting: list[Waiting]) -> int:
        """Lay the ring out afresh (its size may have been configured anew) and fill it."""
        kept = waiting[-self._slots :]
        self.dropped += len(waiting) - len(kept)
        self._mark = kept[0].number - 1 if kept else self._last
        temporary = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.ftruncate(descriptor, HEADER_BYTES + SLOT_BYTES * self._slots)
        os.pwrite(descriptor, _FORM.pack(MAGIC, self._slots, SLOT_BYTES), 0)
        os.pwrite(descriptor, _encode_mark(self._mark), MARK_AT)
        for message in kept:
            os.pwrite(descriptor, _encode(message), self._offset(message.number))
        os.fsync(descriptor)
        temporary.replace(self._path)
        sync_directory(self._path.parent)
        return descriptor


def _encode(waiting: Waiting) -> bytes:
    topic = waiting.topic.encode()
    sizes = (len(topic), len(waiting.body))
    rest = _SLOT.pack(0, waiting.number, waiting.created_us, *sizes)[4:] + topic + waiting.body
    if 4 + len(rest) > SLOT_BYTES:
        raise OutboxError(f"a message of {sizes[1]} bytes does not fit a slot of {SLOT_BYTES}")
    return zlib.crc32(rest).to_bytes(4, "big") + rest


def _decode(slot: bytes) -> Waiting | None:
    """The message in a slot, or None when it is empty or not whole."""
    checksum, number, created_us, topic_size, body_size = _SLOT.unpack_from(slot)
    end = _SLOT.size + topic_size + body_size
    if number == 0 or end > len(slot) or zlib.crc32(slot[4:end]) != checksum:
        return None
    body_at = _SLOT.size + topic_size
    return Waiting(number, created_us, slot[_SLOT.size : body_at].decode(), slot[body_at:end])


def _encode_mark(number: int) -> bytes:
    text = number.to_bytes(8, "big")
    return _MARK.pack(number, zlib.crc32(text))


def _load(path: Path) -> tuple[int, int, list[Waiting]]:
    """Mark, newest number and all whole messages, in order."""
    content = path.read_bytes()
    magic, slots, slot_bytes = _FORM.unpack_from(content.ljust(HEADER_BYTES, b"\x00"))
    size = HEADER_BYTES + SLOT_BYTES * slots
    if magic != MAGIC or slot_bytes != SLOT_BYTES or len(content) != size:
        raise OutboxError(
            f"outbox {path} is damaged or of another version; remove it to go on without the "
            "messages that wait in it"
        )
    found = sorted(_messages(content), key=lambda waiting: waiting.number)
    number, checksum = _MARK.unpack_from(content, MARK_AT)
    whole = zlib.crc32(number.to_bytes(8, "big")) == checksum
    mark = number if whole else 0  # unknown: what was delivered is sent again and refused there
    return mark, max([mark, *(waiting.number for waiting in found)]), found


def _messages(content: bytes) -> Iterator[Waiting]:
    for offset in range(HEADER_BYTES, len(content), SLOT_BYTES):
        waiting = _decode(content[offset : offset + SLOT_BYTES])
        if waiting is not None:
            yield waiting
