# SPDX-License-Identifier: Apache-2.0
"""The state directory: private, one owner, and a power cut leaves old or new, never half.

`open_state` creates the directory (mode 0700), takes an exclusive lock that the kernel drops with
the process, and yields the path. Ledger, epoch, key and outbox lie in it, so two daemons can never
share one budget or one epoch.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import ConfigError

LOCK_NAME = "lock"


def make_directory(directory: Path) -> Path:
    """Create the state directory, private, if there is none; ConfigError if it cannot be had."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"state directory {directory}: {error.strerror}; name another as `dir` in [state]"
        ) from error
    return directory


@contextmanager
def open_state(directory: Path) -> Iterator[Path]:
    """Hold the state directory for this process alone; ConfigError if it cannot be had."""
    path = make_directory(directory) / LOCK_NAME
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"state directory {directory}: {error.strerror}") from error
    try:
        _lock(lock, directory)
        yield directory
    finally:
        os.close(lock)


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"state directory {directory} is in use by another lethe-edge; stop that one first, "
            "or give this one its own `dir` in [state]"
        ) from None


def sync_directory(directory: Path) -> None:
    """Make a name that was created or renamed in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_temporary(path: Path, content: bytes) -> Path:
    """Write `content` durably beside `path` (mode 0600) and return that temporary name."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def write_durably(path: Path, content: bytes) -> None:
    """Replace `path` by `content`; after this a power cut cannot bring the old content back."""
    write_temporary(path, content).replace(path)
    sync_directory(path.parent)
