# SPDX-License-Identifier: Apache-2.0
"""A bounded queue between the network thread and the loop.

The broker holds back acknowledged delivery (QoS 1) beyond `RECEIVE_MAXIMUM` unanswered
messages, so devices' vectors find room here by construction. What was sent without
acknowledgement gets a small share and is dropped and counted beyond it: a flood costs neither
memory nor vectors.
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

    @property
    def dropped(self) -> int:
        """Messages dropped for lack of room since the start."""
        return self._dropped

    def put(self, message: Received) -> None:
        """Queue, or drop and count."""
        limit = CAPACITY if message.qos else UNACKNOWLEDGED_SHARE
        with self._changed:
            if len(self._waiting) >= limit:
                self._dropped += 1
                return
            self._waiting.append(message)
            self._changed.notify()

    def forget_redelivered(self) -> None:
        """The broker resumes our session: it sends everything unanswered again."""
        with self._changed:
            self._waiting = deque(message for message in self._waiting if not message.qos)

    def take(self, limit: int, timeout_s: float) -> list[Received]:
        """Up to `limit` messages in order; waits for the first, then briefly for more."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._waiting), timeout_s):
                return []
            until = time.monotonic() + LINGER_S
            while len(self._waiting) < limit and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            count = min(limit, len(self._waiting))
            return [self._waiting.popleft() for _ in range(count)]
