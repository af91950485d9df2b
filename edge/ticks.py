# SPDX-License-Identifier: Apache-2.0
"""The constant beat of the messages: at most one per tick, whatever the camera does.

Tick n is due at t0 + n / rate on the monotonic clock; the first frame sets t0. A frame takes the
nearest tick, each tick is taken once and in order. A tick that no frame has taken half a period
after it was due is taken by a repetition. Capture times lie on a grid of whole periods: they tell
the tick, not when the frame truly came, which could betray what it shows.
"""

from __future__ import annotations

EARLY = 0.25  # a frame this share of a period after the last tick may already take the next one
LATE = 0.5  # share of a period after which a tick without a frame is taken by a repetition
WALL_TOLERANCE_US = 500_000  # beyond it the wall clock was set, and the grid follows it


class Ticks:
    """Which tick a frame takes, and when the next must be filled without one.

    Times are nanoseconds of the monotonic clock; `rate_hz` ticks a second.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate = rate_hz
        self._t0_ns: int | None = None
        self._grid_us = 0  # unix time of tick 0, a multiple of the period
        self.last = -1  # the newest tick taken; -1 before the first

    def take(self, frame_ns: int) -> int | None:
        """The tick for a frame that came at `frame_ns`, or None: its tick has its message."""
        if self._t0_ns is None:
            self._t0_ns = frame_ns
        position = self._position(frame_ns)
        if position < self.last + EARLY:
            return None
        self.last = max(self.last + 1, round(position))
        return self.last

    def fill(self, now_ns: int) -> int | None:
        """The tick that a repetition must take now, or None: none is overdue."""
        if self._t0_ns is None or self._position(now_ns) < self.last + 1 + LATE:
            return None
        self.last = max(self.last + 1, int(self._position(now_ns) - LATE))
        return self.last

    def patience_s(self, now_ns: int) -> float:
        """Seconds until `fill` is due; one period before the first frame."""
        if self._t0_ns is None:
            return 1.0 / self._rate
        return max(0.0, (self.last + 1 + LATE - self._position(now_ns)) / self._rate)

    def time_s(self, tick: int) -> float:
        """When the tick is due, in seconds of the monotonic clock."""
        return (self._due_ns(tick) // 1000) / 1e6

    def wall_us(self, tick: int, offset_us: int) -> int:
        """The tick's unix time on the grid; `offset_us` is unix time minus monotonic time."""
        true_us = self._due_ns(tick) // 1000 + offset_us
        grid_us = self._grid_us + self._since_us(tick)
        if abs(grid_us - true_us) > WALL_TOLERANCE_US:
            base_us = true_us - self._since_us(tick)
            self._grid_us = self._since_us(round(base_us * self._rate / 1e6))
            grid_us = self._grid_us + self._since_us(tick)
        return grid_us

    def _since_us(self, ticks: int) -> int:
        return ticks * 1_000_000 // self._rate

    def _due_ns(self, tick: int) -> int:
        if self._t0_ns is None:
            raise ValueError("no tick before the first frame")
        return self._t0_ns + tick * 1_000_000_000 // self._rate

    def _position(self, now_ns: int) -> float:
        """Time in periods since tick 0."""
        return (now_ns - (self._t0_ns or 0)) * self._rate / 1e9
