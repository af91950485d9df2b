# SPDX-License-Identifier: Apache-2.0
"""The privacy budget: durable, charged before noise is drawn, and never given back.

Order of `charge`: move the ledger's time forward, find the finest noise level that every cap
admits (sliding window, hour, day), take its cost from a block that is already on disk, and only
then answer. Blocks are written ahead by a thread of their own, so no fsync lies on a frame's path.
If a block is not durable in time the answer is None, as at a cap: nothing is released and the
caller repeats its last vector.

After a crash the whole block counts as spent at the moment of opening, and the last window as
full. Time inside a boot comes from clocks that nobody can set; between boots a wall clock that
went back counts as no time passed. Amounts are integer micro-bits: costs rounded up, caps down.
"""

from __future__ import annotations

import math
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from edge.errors import LedgerError
from edge.ledger_file import LedgerFile, Moment, Snapshot
from edge.ledger_writer import LedgerWriter
from edge.sliding import Sliding

MICRO = 1_000_000
HOUR_S, DAY_S = 3600, 86400
HOUR_STEP_US = 10 * MICRO
DAY_STEP_US = 300 * MICRO
SLACK = 1.02  # on hour and day: the steps above, and blocks lost in crashes
BLOCK_WINDOWS = 4  # a block holds this many windows' budget: what one crash costs
BLOCK_VALID_S = 12  # and must be spent within this time


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be leaked per sliding window, hour and day, in bits."""

    window_s: int
    window_bits: float
    hour_bits: float
    day_bits: float

    @classmethod
    def continuous(cls, window_s: int, window_bits: float) -> Caps:
        """Hour and day as running at the window's cap all the time needs, with SLACK."""
        rate = window_bits / window_s * SLACK
        return cls(window_s, window_bits, rate * HOUR_S, rate * DAY_S)


@dataclass(frozen=True, slots=True)
class Spent:
    """Bits charged: in the present window, hour and day, in this run, and in its worst window."""

    window: float
    hour: float
    day: float
    run: float
    worst_window: float


def moment() -> Moment:
    """Now, on the clocks of this machine."""
    boot_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    return Moment(time.time_ns() // 1000, boot_us, _boot_id())


@lru_cache
def _boot_id() -> bytes:
    text = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
    return uuid.UUID(text.strip()).bytes


class Ledger:
    """The one budget of one sensor. Open it only while holding the state directory."""

    def __init__(
        self,
        path: Path,
        caps: Caps,
        costs_bits: Sequence[float],
        now: Callable[[], Moment] = moment,
    ) -> None:
        """Open or create the ledger in `path`; costs per noise level, finest (dearest) first."""
        self.caps = caps
        self.mode = "full"  # full | coarse | repeating: how the last charge ended
        self.late = 0  # charges refused because the disk was behind
        self._costs = [_up(cost) for cost in costs_bits]
        self._caps = (_down(caps.window_bits), _down(caps.hour_bits), _down(caps.day_bits))
        self._window_us = caps.window_s * MICRO
        self._block = BLOCK_WINDOWS * self._caps[0]
        self._hour = Sliding(HOUR_S * MICRO, HOUR_STEP_US)
        self._day = Sliding(DAY_S * MICRO, DAY_STEP_US)
        self._recent: deque[tuple[int, int]] = deque()  # (ledger time, amount) in the window
        self._window = self._worst = self._run = self._total = self._number = self._now_us = 0
        self._first_tick_us: int | None = None
        self._clock = now
        file = LedgerFile(path)
        if file.newest is not None:
            self._resume(file.newest, file.spoiled)
        self._opened_us = self._now_us
        self._writer = LedgerWriter(file)
        self._pending: Snapshot | None = None
        self._since_pending = 0
        self._open_block()

    def charge(self, tick_time_s: float) -> int | None:
        """Charge one release at this tick (monotonic seconds): its noise level, or None: repeat."""
        self._advance(tick_time_s)
        self._adopt()
        level = self._finest()
        if level is not None:
            cost = self._costs[level]
            if cost <= self._left and self._now_us <= self._valid_until_us:
                self._spend(cost)
            else:
                self.late += 1
                level = None
        self._order_block()
        self.mode = "repeating" if level is None else "coarse" if level else "full"
        return level

    def spent(self) -> Spent:
        """What is charged, as of the last charge."""
        amounts = (self._window, self._hour.total, self._day.total, self._run, self._worst)
        return Spent(*(amount / MICRO for amount in amounts))

    @property
    def total_bits(self) -> float:
        """Bits charged since the ledger was made, lost blocks included."""
        return self._total / MICRO

    def close(self) -> None:
        """Write down what was truly spent and close; LedgerError if the disk refuses."""
        self._writer.finish(self._snapshot(0, self._now_us))

    def _resume(self, last: Snapshot, spoiled: bool) -> None:
        """Continue from disk, taking for spent whatever may have been."""
        lost = last.block + (max(last.block, self._block) if spoiled else 0)
        try:
            self._hour.load(last.ledger_us, last.hour)
            self._day.load(last.ledger_us, last.day)
        except ValueError:
            raise LedgerError("ledger was written by another version of lethe-edge") from None
        self._now_us = last.ledger_us + _elapsed_us(last.moment, self._clock())
        self._number, self._total = last.number, last.total + lost
        until = self._now_us if spoiled else min(self._now_us, last.valid_until_us)
        self._recent.append((until, self._caps[0]))
        self._window = self._caps[0]
        self._slide()
        self._hour.add(lost)
        self._day.add(lost)

    def _advance(self, tick_time_s: float) -> None:
        tick_us = round(tick_time_s * MICRO)
        if self._first_tick_us is None:
            self._first_tick_us = tick_us
        self._now_us = max(self._now_us, self._opened_us + tick_us - self._first_tick_us)
        self._slide()

    def _slide(self) -> None:
        self._hour.advance(self._now_us)
        self._day.advance(self._now_us)
        while self._recent and self._recent[0][0] <= self._now_us - self._window_us:
            self._window -= self._recent.popleft()[1]

    def _finest(self) -> int | None:
        window, hour, day = self._caps
        room = min(window - self._window, hour - self._hour.total, day - self._day.total)
        return next((level for level, cost in enumerate(self._costs) if cost <= room), None)

    def _spend(self, cost: int) -> None:
        self._left -= cost
        self._since_pending += cost
        self._recent.append((self._now_us, cost))
        self._window += cost
        self._worst = max(self._worst, self._window)
        self._hour.add(cost)
        self._day.add(cost)
        self._run += cost
        self._total += cost

    def _open_block(self) -> None:
        """The first block of a run is written before anything else happens."""
        first = self._snapshot(self._block, self._now_us + BLOCK_VALID_S * MICRO)
        self._writer.write_now(first)
        self._left, self._valid_until_us = first.block, first.valid_until_us

    def _order_block(self) -> None:
        """Have the next block written when half of this one, or of its time, is used up."""
        half_time_us = self._valid_until_us - BLOCK_VALID_S * MICRO // 2
        if self._pending or (self._left > self._block // 2 and self._now_us < half_time_us):
            return
        self._pending = self._snapshot(self._block, self._now_us + BLOCK_VALID_S * MICRO)
        self._since_pending = 0
        self._writer.submit(self._pending)

    def _adopt(self) -> None:
        """Spend from the ordered block once it is durable."""
        self._writer.check()
        if self._pending and self._writer.written == self._pending.number:
            self._left = self._pending.block - self._since_pending
            self._valid_until_us = self._pending.valid_until_us
            self._pending = None

    def _snapshot(self, block: int, valid_until_us: int) -> Snapshot:
        self._number += 1
        hour, day = self._hour.dump(), self._day.dump()
        times = (self._now_us, valid_until_us)
        return Snapshot(self._number, *times, block, self._total, self._clock(), hour, day)


def _elapsed_us(before: Moment, now: Moment) -> int:
    """Time that surely passed between two moments; 0 when the clocks cannot tell."""
    if before.boot_id == now.boot_id:
        return max(0, now.boot_us - before.boot_us)
    return max(0, now.wall_us - before.wall_us)


def _up(bits: float) -> int:
    return math.ceil(Fraction(bits) * MICRO)


def _down(bits: float) -> int:
    return math.floor(Fraction(bits) * MICRO)
