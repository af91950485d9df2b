# SPDX-License-Identifier: Apache-2.0
"""How much was charged in the last hour or day, in constant memory and never counted too low.

Time is cut into steps; a span of n steps is counted in n + 1 buckets, so the sum always reaches
back at least one whole span and at most one step further. Time only moves forward.
"""

from __future__ import annotations

import sys
from array import array


class Sliding:
    """Micro-bits charged within the last `span_us` microseconds, in steps of `step_us`."""

    __slots__ = ("_amounts", "_now_step", "_step_us", "total")

    def __init__(self, span_us: int, step_us: int) -> None:
        self._step_us = step_us
        self._amounts = array("Q", bytes(8 * (span_us // step_us + 1)))
        self._now_step = 0
        self.total = 0  # micro-bits within the span

    def advance(self, now_us: int) -> None:
        """Forget what is older than the span. A `now_us` before the last one changes nothing."""
        now_step = now_us // self._step_us
        last = min(now_step, self._now_step + len(self._amounts))
        for step in range(self._now_step + 1, last + 1):
            bucket = step % len(self._amounts)
            self.total -= self._amounts[bucket]
            self._amounts[bucket] = 0
        self._now_step = max(now_step, self._now_step)

    def add(self, amount: int) -> None:
        """Charge `amount` micro-bits at the present."""
        self._amounts[self._now_step % len(self._amounts)] += amount
        self.total += amount

    def dump(self) -> bytes:
        """The buckets in machine-independent form; `load` with the same present restores them."""
        return _big_endian(self._amounts).tobytes()

    def load(self, now_us: int, dumped: bytes) -> None:
        """Restore what `dump` wrote when the present was `now_us`; ValueError if sizes differ."""
        if len(dumped) != 8 * len(self._amounts):
            raise ValueError("dump of another span")
        self._amounts = _big_endian(array("Q", dumped))
        self._now_step = now_us // self._step_us
        self.total = sum(self._amounts)


def _big_endian(amounts: array[int]) -> array[int]:
    """A copy with its bytes in network order; its own inverse."""
    copied = amounts[:]
    if sys.byteorder == "little":
        copied.byteswap()
    return copied
