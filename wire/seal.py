# SPDX-License-Identifier: Apache-2.0
"""The seal: COSE_Sign1 (RFC 9052) with Ed25519, bound to the topic, one encoding only.

Order of `open_sealed`: size, envelope, key, signature. The envelope is compared byte by byte with
the only one allowed (tag 18, protected header {1: -8}, empty unprotected header, payload in its
shortest form, 64 bytes of signature), because COSE libraries accept more: other algorithm fields,
other tags, other header maps. So nothing unsigned ever chooses how a message is verified, no
general CBOR parser sees a stranger's structure, and the payload is not read before it is verified.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cwt import COSE, COSEKey, VerifyError
from cwt.cose_key_interface import COSEKeyInterface

from wire.errors import BadSeal, Malformed

SEALED_MAX_BYTES = 4096
SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 32

# tag 18, array of 4, protected header as bytes {1: -8}, unprotected header {}
ENVELOPE_HEAD = bytes.fromhex("d2 84 43 a1 01 27 a0")
SIGNATURE_HEAD = bytes.fromhex("58 40")
_BYTES_HEAD_1, _BYTES_HEAD_2 = 0x58, 0x59  # byte string with a length of one or two bytes
_EDDSA = -8

_FIELD_PRIME = 2**255 - 19
_ORDER_8_Y = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER_Y = frozenset({0, 1, _FIELD_PRIME - 1, _ORDER_8_Y, _FIELD_PRIME - _ORDER_8_Y})

_COSE = COSE.new()


def bytes_head(size: int) -> bytes:
    """The shortest CBOR head of a byte string of this size, at most 65535."""
    if size < 24:
        return bytes([0x40 + size])
    if size < 2**8:
        return bytes([_BYTES_HEAD_1, size])
    return bytes([_BYTES_HEAD_2]) + size.to_bytes(2, "big")


def device_key(raw: bytes) -> Ed25519PublicKey:
    """A device's public key from its 32 raw bytes; Malformed if it is none or a weak one."""
    if len(raw) != PUBLIC_KEY_BYTES:
        raise Malformed(f"public key: must be {PUBLIC_KEY_BYTES} bytes")
    if _has_small_order(raw):
        raise Malformed("public key: must not have small order")
    return Ed25519PublicKey.from_public_bytes(raw)


def signing_key(private_key: Ed25519PrivateKey) -> COSEKeyInterface:
    """The key in the form that `seal_payload` wants; make it once."""
    raw = private_key.public_key().public_bytes_raw()
    return COSEKey.new({1: 1, 3: _EDDSA, -1: 6, -2: raw, -4: private_key.private_bytes_raw()})


def seal_payload(payload: bytes, topic: str, key: COSEKeyInterface) -> bytes:
    """Sign the payload for this topic; the topic itself does not travel inside."""
    sealed: bytes = _COSE.encode_and_sign(
        payload, key, protected={1: _EDDSA}, external_aad=topic.encode("utf-8")
    )
    return sealed


def open_sealed(sealed: bytes, topic: str, public_key: Ed25519PublicKey) -> bytes:
    """The payload, if this key sealed exactly these bytes for this topic.

    Raise Malformed when the envelope is not the one allowed, BadSeal when the signature does not
    belong to it, and nothing else. The payload is authentic but not yet checked: see `unpack`.
    """
    _check_envelope(sealed)
    key = _verifying_key(public_key.public_bytes_raw())
    try:
        payload: bytes = _COSE.decode(sealed, key, external_aad=topic.encode("utf-8"))
    except (VerifyError, UnicodeEncodeError):
        raise BadSeal("seal: signature does not belong to message, topic and key") from None
    return payload


def _check_envelope(sealed: bytes) -> None:
    if len(sealed) > SEALED_MAX_BYTES:
        raise Malformed(f"seal: must be at most {SEALED_MAX_BYTES} bytes")
    overhead = len(ENVELOPE_HEAD) + len(SIGNATURE_HEAD) + SIGNATURE_BYTES
    for head_size in (1, 2, 3):
        payload_size = len(sealed) - overhead - head_size
        if payload_size >= 0 and len(bytes_head(payload_size)) == head_size:
            break
    else:
        raise Malformed("seal: too short")
    before = ENVELOPE_HEAD + bytes_head(payload_size)
    after = sealed[-SIGNATURE_BYTES - len(SIGNATURE_HEAD) : -SIGNATURE_BYTES]
    if not sealed.startswith(before) or after != SIGNATURE_HEAD:
        raise Malformed("seal: must be a COSE_Sign1 envelope as in SPEC.md, nothing more")


def _has_small_order(raw: bytes) -> bool:
    """Whether everyone can forge signatures for this key: its point has order 1, 2, 4 or 8."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    return y % _FIELD_PRIME in _SMALL_ORDER_Y


@lru_cache(maxsize=4096)
def _verifying_key(raw: bytes) -> COSEKeyInterface:
    if _has_small_order(raw):
        raise BadSeal("seal: public key has small order")
    return COSEKey.new({1: 1, 3: _EDDSA, -1: 6, -2: raw})
