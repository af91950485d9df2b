# SPDX-License-Identifier: Apache-2.0
"""The device's Ed25519 key: made once, kept in one private file, never sent anywhere.

The file is PKCS #8 PEM, mode 0600, owned by the user that runs the daemon. It appears under its
name only when it is complete and durable (written aside, then linked, which fails if the name
exists), so a crash leaves a whole key or none. A key that anybody else could have read or replaced
is refused, never repaired: whoever reads it can speak for the device.
"""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.errors import IdentityError
from edge.state import sync_directory, write_temporary

MAX_KEY_FILE_BYTES = 4096


def load_or_create(path: Path) -> Ed25519PrivateKey:
    """The key in `path`, made first if the file is missing; IdentityError for all else."""
    try:
        if not path.exists():
            _create(path)
        return _load(path)
    except OSError as error:
        raise IdentityError(f"key file {path}: {error.strerror}") from error


def public_key_text(key: Ed25519PrivateKey) -> str:
    """The public half as a bridge's registry wants it: 32 raw bytes in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")


def _create(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    temporary = write_temporary(path, pem)
    try:
        os.link(temporary, path)  # unlike a rename, never replaces a key that appeared meanwhile
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    sync_directory(path.parent)


def _load(path: Path) -> Ed25519PrivateKey:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        _refuse_exposed(path, os.fstat(file.fileno()))
        pem = file.read(MAX_KEY_FILE_BYTES)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise IdentityError(f"key file {path} holds no private key; {_RECOVERY}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityError(f"key file {path} holds a key that is not Ed25519; {_RECOVERY}")
    return key


_RECOVERY = (
    "restore it from a copy, or remove it to get a new identity and register the new public key"
)


def _refuse_exposed(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise IdentityError(f"key file {path} is not a regular file")
    if status.st_mode & 0o077:
        raise IdentityError(
            f"key file {path} has mode {stat.S_IMODE(status.st_mode):04o}: others may have read "
            f"it; if they cannot have, run: chmod 600 {path}"
        )
    if status.st_uid != os.geteuid():
        raise IdentityError(f"key file {path} belongs to user {status.st_uid}, not to this one")
