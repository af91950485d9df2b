# SPDX-License-Identifier: Apache-2.0
"""Processes that share the work: none is left behind, however the one that began them ends."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType

ORPHANED = 1  # nobody is left who could ask for this status


def pool(jobs: int) -> ProcessPoolExecutor:
    """So many fresh processes that end when this one does, even if it is killed."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin)


def _begin() -> None:
    """One thread for the work; Ctrl-C is the parent's business."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """Wait for the parent's end and follow at once: what is half-written is nobody's."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(ORPHANED)


@contextmanager
def orderly_end() -> Iterator[None]:
    """SIGTERM ends this block as Ctrl-C would, by an exception; only the main thread can ask."""
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
