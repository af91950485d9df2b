# SPDX-License-Identifier: Apache-2.0
"""A bounded queue between the network thread and the loop.

What was sent with acknowledgement (QoS 1: every vector of a device) is never dropped: when the
queue is full the network thread waits, so the broker has to, by TCP. Receive Maximum alone
would not do; Mosquitto 2.0.11 exceeds it under load. What was sent without acknowledgement
gets a small share and is dropped and counted beyond it. A flood costs neither memory nor
vectors.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass

RECEIVE_MAXIMUM = 256  # messages that the broker may have under way to us
CAPACITY = 2 * RECEIVE_MAXIMUM
UNACKNOWLEDGED_SHARE = 64
# A batch waits this long for company: one sync of the disk for all of them.
LINGER_S = 0.05


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came."""

    topic: str
    body: bytes
    qos: int
    mid: int  # the broker's number for it
    connection: int  # in which connection; a number is void in the next


class Inbox:
    """put: network thread. take: the loop."""

    def __init__(self) -> None:
        self._waiting: deque[Received] = deque()
        self._changed = threading.Condition()
        self._dropped = 0
        self._closed = False

    @property
    def dropped(self) -> int:
        """Messages dropped for lack of room since the start."""
        return self._dropped

    def put(self, message: Received) -> None:
        """Queue; wait for room, or drop and count if nobody awaits an acknowledgement."""
        with self._changed:
            if message.qos:
                self._changed.wait_for(self._has_room_or_closed)
                # Closed: unacknowledged, it will be sent again to the next process.
            elif len(self._waiting) >= UNACKNOWLEDGED_SHARE:
                self._dropped += 1
                return
            if not self._closed:
                self._waiting.append(message)
                self._changed.notify_all()

    def close(self) -> None:
        """Take nothing more and hold nobody up; must precede the end of the connection."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def forget_redelivered(self) -> None:
        """The broker resumes our session: it sends everything unanswered again."""
        with self._changed:
            self._waiting = deque(message for message in self._waiting if not message.qos)
            self._changed.notify_all()

    def take(self, limit: int, timeout_s: float) -> list[Received]:
        """Up to `limit` messages in order; waits for the first, then briefly for more."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._waiting), timeout_s):
                return []
            until = time.monotonic() + LINGER_S
            while len(self._waiting) < limit and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            count = min(limit, len(self._waiting))
            taken = [self._waiting.popleft() for _ in range(count)]
            self._changed.notify_all()
            return taken

    def _has_room_or_closed(self) -> bool:
        return self._closed or len(self._waiting) < CAPACITY
