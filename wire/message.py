# SPDX-License-Identifier: Apache-2.0
"""One released vector as a message: packed to a constant size, sealed for its topic.

The device packs and seals (`Signer`); the bridge opens (`open_sealed`), unpacks (`unpack`) and then
decides (SPEC.md, rules of acceptance). The payload is a CBOR array in which every integer is a byte
string of fixed size, so a message's size depends on the two names and K, never on what it says.
It is read with a cursor that knows the layout; there is exactly one encoding of a message.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cbor2
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from wire.checks import UINT64_MAX, Checks
from wire.errors import BadTopic, Malformed
from wire.profile import ID_BYTES, RELEASED_DIM_MAX
from wire.seal import open_sealed, seal_payload, signing_key
from wire.topics import parse_vectors

__all__ = ["Signer", "VectorMessage", "open_sealed", "pack", "unpack"]

_FIELDS = 9
_ARRAY, _BYTES, _TEXT = 4, 2, 3  # CBOR major types
_CHECKS = Checks(Malformed, "message")


@dataclass(frozen=True, slots=True, eq=False)
class VectorMessage:
    """One vector of one sensor. The caller leaves `vector` unchanged until it is packed."""

    profile_id: bytes  # 16 bytes, Profile.id
    device: str
    sensor: str
    epoch: int  # u64, larger after every start of the device's daemon
    sequence: int  # u64, larger with every message of one epoch
    capture_time_us: int  # u64, microseconds since 1970 UTC
    noise_level: int  # u8, index into Profile.sigmas
    repeated: bool  # the last vector sent again unchanged; carries no new information
    vector: NDArray[np.int16] = field(repr=False)  # (K,), 1 <= K <= 1024

    def __post_init__(self) -> None:
        _CHECKS.octets("profile_id", self.profile_id, ID_BYTES)
        _CHECKS.name("device", self.device)
        _CHECKS.name("sensor", self.sensor)
        _CHECKS.integer("epoch", self.epoch, 0, UINT64_MAX)
        _CHECKS.integer("sequence", self.sequence, 0, UINT64_MAX)
        _CHECKS.integer("capture_time_us", self.capture_time_us, 0, UINT64_MAX)
        _CHECKS.integer("noise_level", self.noise_level, 0, 255)
        _CHECKS.boolean("repeated", self.repeated)
        vector = self.vector
        if not isinstance(vector, np.ndarray) or vector.dtype != np.int16 or vector.ndim != 1:
            raise _CHECKS.refuse("vector", "a one-dimensional int16 array")
        _CHECKS.integer("length of vector", len(vector), 1, RELEASED_DIM_MAX)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VectorMessage) and pack(self) == pack(other)

    def __hash__(self) -> int:
        return hash((self.device, self.sensor, self.epoch, self.sequence))


def pack(message: VectorMessage) -> bytes:
    """The payload: SPEC.md, layout. Its size depends on device, sensor and K alone."""
    return cbor2.dumps(
        [
            message.profile_id,
            message.device,
            message.sensor,
            message.epoch.to_bytes(8, "big"),
            message.sequence.to_bytes(8, "big"),
            message.capture_time_us.to_bytes(8, "big"),
            message.noise_level.to_bytes(1, "big"),
            message.repeated.to_bytes(1, "big"),
            message.vector.astype(">i2").tobytes(),
        ]
    )


def unpack(payload: bytes) -> VectorMessage:
    """Raise Malformed for any payload that `pack` cannot have made, and nothing else."""
    cursor = _Cursor(payload)
    if cursor.head(_ARRAY) != _FIELDS:
        raise _CHECKS.refuse("payload", f"an array of {_FIELDS}")
    message = VectorMessage(
        profile_id=cursor.octets(ID_BYTES),
        device=cursor.text(),
        sensor=cursor.text(),
        epoch=cursor.integer(8),
        sequence=cursor.integer(8),
        capture_time_us=cursor.integer(8),
        noise_level=cursor.integer(1),
        repeated=cursor.flag(),
        vector=cursor.vector(),
    )
    if pack(message) != payload:  # bytes left over, or a head that is not the shortest
        raise _CHECKS.refuse("payload", "encoded as in SPEC.md")
    return message


class _Cursor:
    """Reads the items that a payload may hold, front to back."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise _CHECKS.refuse("payload", "complete")
        self._at += size
        return taken

    def head(self, major: int) -> int:
        """The count in the head of an item of this major type, at most 65535."""
        first = self.take(1)[0]
        count = first & 0x1F
        if first >> 5 != major or count > 25:
            raise _CHECKS.refuse("payload", "laid out as in SPEC.md")
        return count if count < 24 else int.from_bytes(self.take(count - 23), "big")

    def octets(self, size: int) -> bytes:
        if self.head(_BYTES) != size:
            raise _CHECKS.refuse("payload", "made of byte strings of the sizes in SPEC.md")
        return self.take(size)

    def text(self) -> str:
        taken = self.take(self.head(_TEXT))
        if not taken.isascii():
            raise _CHECKS.refuse("names", "ASCII")
        return taken.decode("ascii")

    def integer(self, size: int) -> int:
        return int.from_bytes(self.octets(size), "big")

    def flag(self) -> bool:
        value = self.integer(1)
        _CHECKS.integer("repeated", value, 0, 1)
        return value == 1

    def vector(self) -> NDArray[np.int16]:
        size = self.head(_BYTES)
        if size % 2 != 0:
            raise _CHECKS.refuse("vector", "of an even number of bytes")
        return np.frombuffer(self.take(size), dtype=">i2").astype(np.int16)


class Signer:
    """Seals messages with the device's key. Holds a copy of the key for as long as it lives."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._key = signing_key(private_key)

    def seal(self, message: VectorMessage, topic: str) -> bytes:
        """Pack and sign for this topic of vectors; BadTopic when it is another sensor's."""
        topics = parse_vectors(topic)
        if (topics.device, topics.sensor) != (message.device, message.sensor):
            raise BadTopic("topic: must name the message's own device and sensor")
        return seal_payload(pack(message), topic, self._key)
