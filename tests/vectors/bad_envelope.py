# SPDX-License-Identifier: Apache-2.0
"""Messages whose envelope is not the one of SPEC.md, properly signed where that is possible."""

from __future__ import annotations

import cbor2

from tests.vectors.coin import PUBLIC, TOPIC, Case, envelope, payload, seal, sign

_BODY = payload()
_SEALED = seal(_BODY)
_SIGNATURE = _SEALED[-64:]
_FRAMED = cbor2.dumps(_BODY)


def bad_envelope() -> list[Case]:
    return _headers() + _tags() + _arrays() + _payload_forms() + _signature_forms() + _cut()


def _bad(name: str, comment: str, sealed: bytes, rule: int = 4) -> Case:
    return Case(f"envelope-{name}", "malformed", rule, comment, sealed, TOPIC, PUBLIC)


def _protected(name: str, comment: str, header: str) -> Case:
    """A message properly signed over this protected header (hex)."""
    protected = bytes.fromhex(header)
    head = "d2 84" + cbor2.dumps(protected).hex() + "a0"
    return _bad(name, comment, envelope(_BODY, sign(_BODY, protected), head))


def _unprotected(name: str, comment: str, header: str) -> Case:
    return _bad(name, comment, envelope(_BODY, _SIGNATURE, "d2 84 43a10127" + header))


def _headers() -> list[Case]:
    alg_outside = envelope(_BODY, sign(_BODY, b""), "d2 84 40 a10127")
    return [
        _protected("alg-es256", "algorithm -7, signed with Ed25519", "a10126"),
        _protected("alg-ed25519", "algorithm -19, the fully specified Ed25519", "a10132"),
        _protected("alg-hmac", "algorithm 5, HMAC 256/256", "a10105"),
        _protected("alg-zero", "algorithm 0, reserved", "a10100"),
        _protected("alg-null", "algorithm null", "a101f6"),
        _protected("alg-text", "algorithm as text 'none'", "a101646e6f6e65"),
        _protected("alg-text-eddsa", "algorithm as text 'EdDSA'", "a101654564445341"),
        _protected("alg-missing", "protected header empty, no algorithm anywhere", ""),
        _protected("alg-missing-map", "protected header an encoded empty map", "a0"),
        _protected("alg-twice", "key 1 twice in the protected header", "a201270126"),
        _protected("alg-long-key", "key 1 in two bytes", "a1180127"),
        _protected("alg-long-value", "-8 in two bytes", "a1013807"),
        _protected("alg-open-map", "protected header of indefinite length", "bf0127ff"),
        _protected("alg-trailing", "a byte after the protected map", "a1012700"),
        _protected("protected-kid", "a key id in the protected header", "a201270441aa"),
        _protected("protected-crit", "crit names an unknown parameter", "a301270281186318630a"),
        _protected("protected-not-cbor", "protected header is no CBOR", "ff"),
        _bad("alg-unprotected", "algorithm in the unprotected header only", alg_outside),
        _unprotected("alg-both", "algorithm in both headers", "a10127"),
        _unprotected("unprotected-alg", "another algorithm in the unprotected header", "a10126"),
        _unprotected("unprotected-kid", "a key id in the unprotected header", "a10441aa"),
        _unprotected("unprotected-open", "unprotected header of indefinite length", "bfff"),
        _unprotected("unprotected-null", "unprotected header null", "f6"),
        _unprotected("unprotected-list", "unprotected header a list", "80"),
        _unprotected("unprotected-bytes", "unprotected header bytes", "40"),
        _bad(
            "protected-map",
            "protected header not wrapped",
            envelope(_BODY, _SIGNATURE, "d2 84 a10127 a0"),
        ),
        _bad(
            "protected-long",
            "length of the header in two bytes",
            envelope(_BODY, _SIGNATURE, "d2 84 5803a10127 a0"),
        ),
    ]


def _tags() -> list[Case]:
    mac = sign(_BODY, context="MAC0")
    inner = [b"\xa1\x01\x27", {}, sign(_BODY, context="Signature")]
    return [
        _bad("untagged", "no tag", _SEALED[1:]),
        _bad("tag-long", "tag 18 in two bytes", b"\xd8\x12" + _SEALED[1:]),
        _bad(
            "tag-mac0",
            "tag 17, COSE_Mac0, with its own signature",
            b"\xd1" + envelope(_BODY, mac)[1:],
        ),
        _bad("tag-encrypt0", "tag 16, COSE_Encrypt0", b"\xd0" + _SEALED[1:]),
        _bad(
            "tag-sign",
            "tag 98, COSE_Sign, one signer",
            cbor2.dumps(cbor2.CBORTag(98, [b"", {}, _BODY, [inner]])),
        ),
        _bad("tag-sign-flat", "tag 98 with a flat signature", b"\xd8\x62" + _SEALED[1:]),
        _bad("tag-twice", "tag 18 twice", b"\xd2" + _SEALED),
        _bad("tag-cwt", "tag 61, CWT, around it", b"\xd8\x3d" + _SEALED),
        _bad("tag-cbor", "tag 55799, self-described CBOR, around it", b"\xd9\xd9\xf7" + _SEALED),
        _bad("in-list", "a list around it", b"\x81" + _SEALED),
        _bad("in-bytes", "a byte string around it", cbor2.dumps(_SEALED)),
    ]


def _arrays() -> list[Case]:
    body, signature = _FRAMED, cbor2.dumps(_SIGNATURE)
    head = bytes.fromhex("43a10127 a0")
    whole = head + body + signature
    return [
        _bad("array-3", "no signature", b"\xd2\x83" + head + body),
        _bad("array-5", "a fifth element", b"\xd2\x85" + whole + b"\xf6"),
        _bad("array-4-of-5", "a fifth element not counted", b"\xd2\x84" + whole + b"\xf6"),
        _bad("array-open", "array of indefinite length", b"\xd2\x9f" + whole + b"\xff"),
        _bad("array-long", "array length in two bytes", b"\xd2\x98\x04" + whole),
        _bad("map", "a map instead of an array", b"\xd2\xa2" + whole),
        _bad("trailing-byte", "a byte after the message", _SEALED + b"\x00"),
        _bad("trailing-message", "the message twice", _SEALED + _SEALED),
        _bad("leading-byte", "a byte before the message", b"\x00" + _SEALED),
    ]


def _payload_forms() -> list[Case]:
    def form(name: str, comment: str, framed: bytes, signed: bytes = _BODY) -> Case:
        head = bytes.fromhex("d2 84 43a10127 a0")
        return _bad(f"payload-{name}", comment, head + framed + cbor2.dumps(sign(signed)))

    parts = b"\x5f" + cbor2.dumps(_BODY[:9]) + cbor2.dumps(_BODY[9:]) + b"\xff"
    size = len(_BODY)
    return [
        form("detached", "payload null: detached", b"\xf6"),
        form("text", "payload as text", cbor2.dumps("usual"), b"usual"),
        form("list", "payload not wrapped in bytes", _BODY),
        form("parts", "payload in parts", parts),
        form("tagged", "payload behind tag 24", b"\xd8\x18" + _FRAMED),
        form("long-16", "payload length in two bytes", b"\x59" + size.to_bytes(2, "big") + _BODY),
        form("long-32", "payload length in four bytes", b"\x5a" + size.to_bytes(4, "big") + _BODY),
        form("long-64", "payload length in eight bytes", b"\x5b" + size.to_bytes(8, "big") + _BODY),
        form("endless", "payload claims 2^64 - 1 bytes", b"\x5b" + b"\xff" * 8 + _BODY),
        form(
            "too-long",
            "payload claims one byte more than there is",
            bytes([0x58, size + 1]) + _BODY,
        ),
        form(
            "too-short",
            "payload claims one byte less than there is",
            bytes([0x58, size - 1]) + _BODY,
        ),
    ]


def _signature_forms() -> list[Case]:
    def form(name: str, comment: str, framed: bytes) -> Case:
        return _bad(f"signature-{name}", comment, _SEALED[:-66] + framed)

    return [
        form("empty", "signature of no bytes", b"\x40"),
        form("null", "signature null", b"\xf6"),
        form("short", "signature one byte short", cbor2.dumps(_SIGNATURE[:-1])),
        form("long", "signature one byte long", cbor2.dumps(_SIGNATURE + b"\0")),
        form("twice", "signature twice", cbor2.dumps(_SIGNATURE * 2)),
        form("text", "signature as text", b"\x78\x40" + b"0" * 64),
        form("parts", "signature in parts", b"\x5f\x58\x40" + _SIGNATURE + b"\xff"),
        form("list", "signature in a list", b"\x81\x58\x40" + _SIGNATURE),
        form("long-head", "signature length in two bytes", b"\x59\x00\x40" + _SIGNATURE),
    ]


def _cut() -> list[Case]:
    places = {
        "nothing": (0, "no bytes at all"),
        "tag": (1, "cut after the tag"),
        "array": (2, "cut after the array head"),
        "header": (4, "cut within the protected header"),
        "unprotected": (7, "cut after the headers"),
        "payload-head": (8, "cut within the payload's length"),
        "payload": (40, "cut within the payload"),
        "signature-head": (len(_SEALED) - 66, "cut before the signature"),
        "signature": (len(_SEALED) - 20, "cut within the signature"),
        "last": (len(_SEALED) - 1, "the last byte missing"),
    }
    cut = [_bad(f"cut-{key}", why, _SEALED[:at]) for key, (at, why) in places.items()]
    big = seal(bytes(4021))
    return [
        *cut,
        _bad("cut-front", "the first two bytes missing", _SEALED[2:]),
        _bad("json", "JSON instead of CBOR", b'{"device":"device-1","vector":[1,2,3]}'),
        _bad("nested", "arrays in arrays, 4000 deep", b"\x81" * 4000),
        _bad("oversize", "properly sealed, 4097 bytes", big, rule=2),
        _bad("oversize-noise", "5000 bytes of nothing", bytes(5000), rule=2),
    ]
