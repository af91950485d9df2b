# SPDX-License-Identifier: Apache-2.0
"""Make messages, good and bad, by plain bytes, cbor2 and Ed25519 alone: a second route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
PUBLIC = KEY.public_key().public_bytes_raw()
TOPIC = "lethe/v1/ward-7/device-1/cam-0/vectors"
EDDSA = bytes.fromhex("a10127")
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493

FIELDS: dict[str, Any] = {
    "profile_id": bytes.fromhex("9f64a747e1b97f131fabb6b447296c9b"),
    "device": "device-1",
    "sensor": "cam-0",
    "epoch": (1_900_000_000).to_bytes(8, "big"),
    "sequence": (4711).to_bytes(8, "big"),
    "capture_time": (1_900_000_123_456_789).to_bytes(8, "big"),
    "noise_level": b"\x00",
    "repeated": b"\x00",
    "z": b"".join(n.to_bytes(2, "big", signed=True) for n in range(-700, 900, 100)),
}


@dataclass(frozen=True)
class Case:
    """One vector: what a reader of SPEC.md must answer, by which rule, and the bytes."""

    name: str
    expect: str  # ok, bad topic, bad seal, malformed, wrong names
    rule: int  # of SPEC.md that refuses it; 0 for ok
    comment: str
    sealed: bytes
    topic: str = TOPIC
    public: bytes = PUBLIC
    fields: dict[str, Any] | None = None  # of an ok message


def payload(**changed: Any) -> bytes:
    """The usual payload with some items replaced; any CBOR value may stand in."""
    return cbor2.dumps(list({**FIELDS, **changed}.values()))


def raw_payload(**changed: bytes) -> bytes:
    """The usual payload with some items replaced by ready-made CBOR bytes."""
    items = {key: cbor2.dumps(value) for key, value in FIELDS.items()} | changed
    return b"\x89" + b"".join(items.values())


def to_be_signed(
    body: bytes,
    protected: bytes = EDDSA,
    aad: bytes = TOPIC.encode(),
    context: str = "Signature1",
) -> bytes:
    """The Sig_structure of RFC 9052, section 4.4."""
    return cbor2.dumps([context, protected, aad, body])


def sign(
    body: bytes,
    protected: bytes = EDDSA,
    aad: bytes = TOPIC.encode(),
    context: str = "Signature1",
    key: Ed25519PrivateKey = KEY,
) -> bytes:
    """Sign what RFC 9052 says, or something else on purpose."""
    return key.sign(to_be_signed(body, protected, aad, context))


def envelope(
    body: bytes,
    signature: bytes,
    head: str = "d2 84 43a10127 a0",
) -> bytes:
    """Frame payload and signature behind a head given in hex."""
    return bytes.fromhex(head) + cbor2.dumps(body) + cbor2.dumps(signature)


def seal(body: bytes, topic: str = TOPIC) -> bytes:
    """A properly sealed payload, whatever is in it."""
    return envelope(body, sign(body, aad=topic.encode()))


def flip(data: bytes, at: int, mask: int = 1) -> bytes:
    """One byte changed; `at` may count from the end."""
    changed = bytearray(data)
    changed[at] ^= mask
    return bytes(changed)
