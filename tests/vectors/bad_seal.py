# SPDX-License-Identifier: Apache-2.0
"""Messages in a right envelope whose signature does not belong to message, topic and key."""

from __future__ import annotations

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.vectors.coin import (
    FIELDS,
    GROUP_ORDER,
    KEY,
    OTHER_KEY,
    PUBLIC,
    TOPIC,
    Case,
    envelope,
    flip,
    payload,
    seal,
    sign,
    to_be_signed,
)

_PRIME = 2**255 - 19
_ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
WEAK_KEYS = {
    "order-1": ("the neutral point as key", (1).to_bytes(32, "little")),
    "order-2": ("a key of order 2", (_PRIME - 1).to_bytes(32, "little")),
    "order-4": ("a key of order 4, all zeros", bytes(32)),
    "order-8": ("a key of order 8", _ORDER_8_Y.to_bytes(32, "little")),
    "order-8-too": ("another key of order 8", (_PRIME - _ORDER_8_Y).to_bytes(32, "little")),
    "disguised": ("the neutral point, y not reduced", (_PRIME + 1).to_bytes(32, "little")),
}
_BODY = payload()
_SEALED = seal(_BODY)
_SIGNATURE = _SEALED[-64:]


def bad_seal() -> list[Case]:
    return _flipped() + _elsewhere() + _signed_otherwise() + _signatures() + _weak_keys()


def _bad(
    name: str, comment: str, sealed: bytes, topic: str = TOPIC, public: bytes = PUBLIC
) -> Case:
    return Case(f"seal-{name}", "bad seal", 4, comment, sealed, topic, public)


def _flipped() -> list[Case]:
    sequence_at = _SEALED.index(FIELDS["sequence"]) + 7
    return [
        _bad("flip-profile", "one bit of the profile id flipped", flip(_SEALED, 12)),
        _bad("flip-sequence", "lowest bit of the sequence flipped", flip(_SEALED, sequence_at)),
        _bad("flip-vector", "lowest bit of the last coordinate flipped", flip(_SEALED, -67)),
        _bad("flip-array-head", "the payload's first byte changed", flip(_SEALED, 9)),
        _bad("flip-r", "first bit of the signature flipped", flip(_SEALED, -64)),
        _bad("flip-s", "lowest bit of S flipped", flip(_SEALED, -32)),
        _bad("flip-s-high", "highest bit of S flipped", flip(_SEALED, -1, 0x80)),
        _bad("shorter", "payload one byte shorter, framed anew", envelope(_BODY[:-1], _SIGNATURE)),
        _bad("longer", "payload one byte longer, framed anew", envelope(_BODY + b"\0", _SIGNATURE)),
        _bad("no-payload", "payload empty, framed anew", envelope(b"", _SIGNATURE)),
    ]


def _elsewhere() -> list[Case]:
    return [
        _bad(
            "other-sensor", "replayed on another sensor", _SEALED, TOPIC.replace("cam-0", "cam-1")
        ),
        _bad("other-device", "replayed as another device", _SEALED, TOPIC.replace("e-1", "e-2")),
        _bad("other-site", "replayed at another site", _SEALED, TOPIC.replace("d-7", "d-8")),
        _bad("other-key", "the key of another device", _SEALED, public=_public(OTHER_KEY)),
        _bad("unknown-signer", "signed by a stranger", envelope(_BODY, sign(_BODY, key=OTHER_KEY))),
        _bad("no-topic", "signed without external data", envelope(_BODY, sign(_BODY, aad=b""))),
        _bad(
            "topic-nul",
            "signed for topic + NUL",
            envelope(_BODY, sign(_BODY, aad=b"%s\0" % TOPIC.encode())),
        ),
    ]


def _signed_otherwise() -> list[Case]:
    es256 = bytes.fromhex("a10126")
    topic = TOPIC.encode()
    swapped = KEY.sign(cbor2.dumps(["Signature1", b"\xa1\x01\x27", _BODY, topic]))
    return [
        _bad("bare", "Ed25519 over the payload alone", envelope(_BODY, KEY.sign(_BODY))),
        _bad(
            "bare-topic", "Ed25519 over topic and payload", envelope(_BODY, KEY.sign(topic + _BODY))
        ),
        _bad(
            "context-sign", "signed as COSE_Sign", envelope(_BODY, sign(_BODY, context="Signature"))
        ),
        _bad("context-mac0", "signed as COSE_Mac0", envelope(_BODY, sign(_BODY, context="MAC0"))),
        _bad("header-empty", "signed over an empty header", envelope(_BODY, sign(_BODY, b""))),
        _bad(
            "header-es256", "signed over alg -7, shown as -8", envelope(_BODY, sign(_BODY, es256))
        ),
        _bad("swapped", "signed with topic and payload swapped", envelope(_BODY, swapped)),
    ]


def _signatures() -> list[Case]:
    s = int.from_bytes(_SIGNATURE[32:], "little") + GROUP_ORDER
    malleated = _SIGNATURE[:32] + s.to_bytes(32, "little")
    return [
        _bad("zero", "signature of zeros", envelope(_BODY, bytes(64))),
        _bad("ones", "signature of ones", envelope(_BODY, b"\xff" * 64)),
        _bad("s-plus-order", "S enlarged by the group order", envelope(_BODY, malleated)),
        _bad("halves-swapped", "S before R", envelope(_BODY, _SIGNATURE[32:] + _SIGNATURE[:32])),
        _bad("r-only", "R twice", envelope(_BODY, _SIGNATURE[:32] * 2)),
    ]


def _weak_keys() -> list[Case]:
    no_point = b"\x02" + bytes(31)
    forged = [
        _bad(f"key-{name}", f"forged for {what}", forge(public), public=public)
        for name, (what, public) in WEAK_KEYS.items()
    ]
    return [*forged, _bad("key-no-point", "a key that is no point", _SEALED, public=no_point)]


def forge(public: bytes) -> bytes:
    """A message that plain Ed25519 verifies under a key of small order; no secret is needed.

    With S = 0 and R the neutral point it verifies when the hash is a multiple of the key's order.
    """
    key = Ed25519PublicKey.from_public_bytes(public)
    signature = b"\x01" + bytes(63)
    for sequence in range(1000):
        body = payload(sequence=sequence.to_bytes(8, "big"))
        try:
            key.verify(signature, to_be_signed(body))
        except InvalidSignature:
            continue
        return envelope(body, signature)
    raise ValueError("the key has no small order")


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()
