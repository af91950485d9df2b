# SPDX-License-Identifier: Apache-2.0
"""What the service manager and the terminal may say to us, and what we say to them.

Signals: the first SIGTERM or SIGINT asks for a clean stop, the second one of the same kind ends
the process at once. To systemd (only if NOTIFY_SOCKET is set): READY, STATUS, WATCHDOG, STOPPING.
The watchdog is petted only while messages are being queued, so a pipeline that turns without
doing its work is restarted like one that hangs.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from types import FrameType

QUEUED_WITHIN_S = 5.0  # a message this recently is work being done
STATUS_PERIOD_S = 10.0


class Supervisor:
    """One per process; made on the main thread, whose signals it takes."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Reads NOTIFY_SOCKET and WATCHDOG_USEC, as systemd documents them."""
        self.stopping = False
        self._socket = _connect(environment.get("NOTIFY_SOCKET", ""))
        watchdog_us = int(environment.get("WATCHDOG_USEC", "0") or 0)
        self._period_s = watchdog_us / 3e6 if watchdog_us else STATUS_PERIOD_S
        self._watched = watchdog_us > 0
        self._next_pet = self._next_status = 0.0

    def catch_signals(self) -> None:
        """From now on SIGTERM and SIGINT ask for a clean stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def stopped(self) -> bool:
        """Whether a stop was asked for."""
        return self.stopping

    def ready(self) -> None:
        """Everything is open; frames are awaited."""
        self._say("READY=1")

    def turn(self, queued_ns: int, status: Callable[[], str]) -> None:
        """Once a tick. `queued_ns`: monotonic time of the newest message, 0 before the first."""
        now = time.monotonic()
        alive = queued_ns == 0 or now - queued_ns / 1e9 < QUEUED_WITHIN_S
        if self._watched and alive and now >= self._next_pet:
            self._next_pet = now + self._period_s
            self._say("WATCHDOG=1")
        if now >= self._next_status:
            self._next_status = now + STATUS_PERIOD_S
            self._say(f"STATUS={status()}")

    def close(self) -> None:
        """We are on our way out. Idempotent."""
        self._say("STOPPING=1")
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        signal.signal(number, signal.SIG_DFL)

    def _say(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send(text.encode())
        except OSError:
            return  # a manager that does not listen is no reason to stop looking after people


def _connect(address: str) -> socket.socket | None:
    if not address.startswith(("/", "@")):
        return None
    connection = socket.socket(
        socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    )
    try:
        connection.connect("\0" + address[1:] if address[0] == "@" else address)
    except OSError:
        connection.close()
        return None
    return connection


def from_environment() -> Supervisor:
    """The supervisor of this process as systemd started it, or a silent one."""
    return Supervisor(os.environ)
