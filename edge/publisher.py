# SPDX-License-Identifier: Apache-2.0
"""Carries the outbox to the broker, in order, and says how the device is.

One thread of its own, one session (session.py) after another. A lost connection loses nothing: the
next session starts again at the oldest message that was not acknowledged. Attempts are spaced by
an exponential back-off with jitter, one warning each. Nothing here can block the frame's thread.
"""

from __future__ import annotations

import logging
import os
import random
import select
import threading
import time
from collections.abc import Callable

from edge.errors import EdgeError
from edge.outbox import Outbox
from edge.session import Link, LinkLost, Report, Session

BACKOFF_MIN_S, BACKOFF_MAX_S = 1.0, 60.0

log = logging.getLogger(__name__)


class Publisher:
    """`describe("online" | "stopping" | "offline")` makes a status; called on this thread."""

    def __init__(self, link: Link, outbox: Outbox, describe: Callable[[str], Report]) -> None:
        self._link = link
        self._outbox = outbox
        self._describe = describe
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stop_by: float | None = None  # monotonic time
        self._session: Session | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the present connection."""
        session = self._session
        return session is not None and session.accepted

    def start(self) -> None:
        """Begin connecting; returns at once. Idempotent."""
        if self._thread.ident is None:
            self._thread.start()

    def notify(self) -> None:
        """Something was put into the outbox; never blocks."""
        os.eventfd_write(self._wake, 1)

    def stop(self, flush_s: float = 2.0) -> None:
        """Say goodbye, flush what this time allows, leave the rest in the outbox. Idempotent.

        A connection that is being made may still come about in this time.
        """
        if self._stop_by is not None or self._thread.ident is None:
            return
        self._stop_by = time.monotonic() + flush_s
        self.notify()
        self._thread.join(flush_s + 0.5)  # a thread stuck in a connection attempt dies with us

    def check(self) -> None:
        """Raise EdgeError if the thread has ended by a fault; its traceback is in the log."""
        if not self._thread.is_alive():
            raise EdgeError("the publisher has ended by a fault")

    def _run(self) -> None:
        failures = 0
        while True:  # at least once: a device that ends at its start has something to say, too
            session = Session(self._link, self._outbox, self._describe, self._wake)
            self._session = session
            try:
                session.run(lambda: self._stop_by)
            except (LinkLost, OSError, ValueError) as error:
                failures = 1 if session.acknowledged else failures + 1
                self._back_off(str(error) or type(error).__name__, backoff_s(failures))
            finally:
                session.close()
            if self._stop_by is not None:
                return

    def _back_off(self, reason: str, delay_s: float) -> None:
        if self._stop_by is not None:
            return
        log.warning(
            "broker %s:%d: %s; %d messages wait, next attempt in %.1f s",
            *(self._link.host, self._link.port, reason, len(self._outbox), delay_s),
        )
        self._pause(delay_s)

    def _pause(self, delay_s: float) -> None:
        end = time.monotonic() + delay_s
        while self._stop_by is None and (left := end - time.monotonic()) > 0:
            select.select([], [], [], min(left, 0.2))


def backoff_s(failures: int) -> float:
    """Seconds to wait after this many failures in a row: doubled each time, half of it random."""
    ceiling = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0 ** min(failures, 10))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, keeps no secret
