# SPDX-License-Identifier: Apache-2.0
"""The seal refuses what the COSE library alone would accept."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cwt import COSE, COSEKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors.bad_envelope import bad_envelope
from tests.vectors.bad_seal import WEAK_KEYS, forge
from tests.vectors.coin import KEY, PUBLIC, TOPIC, envelope, payload, seal, sign, to_be_signed
from wire.errors import BadSeal, Malformed, WireError
from wire.seal import (
    SEALED_MAX_BYTES,
    bytes_head,
    device_key,
    open_sealed,
    seal_payload,
    signing_key,
)

STEADY = settings(derandomize=True, deadline=None, max_examples=300, database=None)
SEALED = seal(payload())


def library_alone(sealed, topic=TOPIC):
    key = COSEKey.new({1: 1, 3: -8, -1: 6, -2: PUBLIC})
    return COSE.new().decode(sealed, key, external_aad=topic.encode())


def test_the_library_seals_to_the_bytes_made_by_hand():
    assert seal_payload(payload(), TOPIC, signing_key(KEY)) == SEALED


@pytest.mark.parametrize(
    "name",
    [
        "alg-es256",
        "alg-hmac",
        "alg-null",
        "alg-text",
        "alg-missing",
        "alg-twice",
        "alg-unprotected",
        "protected-crit",
        "unprotected-alg",
        "tag-mac0",
        "trailing-byte",
        "payload-parts",
    ],
)
def test_control_the_library_alone_accepts_it_and_we_do_not(name):
    case = next(case for case in bad_envelope() if case.name == f"envelope-{name}")
    assert library_alone(case.sealed) == payload()
    with pytest.raises(Malformed):
        open_sealed(case.sealed, TOPIC, KEY.public_key())


@pytest.mark.parametrize("name", WEAK_KEYS)
def test_control_plain_ed25519_accepts_a_forgery_for_a_weak_key_and_we_do_not(name):
    _, public = WEAK_KEYS[name]
    forged, key = forge(public), Ed25519PublicKey.from_public_bytes(public)
    key.verify(forged[-64:], to_be_signed(forged[9:-66]))
    with pytest.raises(BadSeal):
        open_sealed(forged, TOPIC, key)
    with pytest.raises(Malformed, match="small order"):
        device_key(public)


def test_a_device_key_is_32_bytes():
    assert device_key(PUBLIC).public_bytes_raw() == PUBLIC
    for wrong in (b"", PUBLIC[:-1], PUBLIC + b"\0"):
        with pytest.raises(Malformed, match="32 bytes"):
            device_key(wrong)


@STEADY
@given(st.binary(max_size=400), st.text(max_size=40))
def test_arbitrary_bytes_never_open(data, topic):
    with pytest.raises((BadSeal, Malformed)):
        open_sealed(data, topic, KEY.public_key())


@STEADY
@given(st.binary(max_size=300), st.binary(min_size=64, max_size=64))
def test_arbitrary_payloads_in_a_right_envelope_never_open(body, signature):
    with pytest.raises(BadSeal):
        open_sealed(envelope(body, signature), TOPIC, KEY.public_key())


@STEADY
@given(st.integers(0, 8 * len(SEALED) - 1))
def test_no_flipped_bit_opens(bit):
    changed = bytearray(SEALED)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((BadSeal, Malformed)):
        open_sealed(bytes(changed), TOPIC, KEY.public_key())


@STEADY
@given(st.binary(max_size=4000))
def test_every_payload_that_was_sealed_opens_to_itself(body):
    sealed = seal_payload(body, TOPIC, signing_key(KEY))
    assert open_sealed(sealed, TOPIC, KEY.public_key()) == body


@pytest.mark.parametrize("size", [0, 1, 23, 24, 25, 255, 256, 257, 4019, 4020])
def test_sizes_around_a_change_of_head(size):
    body = bytes(size)
    sealed = envelope(body, sign(body))
    assert sealed[7:-66] == bytes_head(size) + body
    assert open_sealed(sealed, TOPIC, KEY.public_key()) == body


def test_the_limit_is_exact():
    assert len(seal(bytes(4020))) == SEALED_MAX_BYTES
    with pytest.raises(Malformed, match="at most 4096 bytes"):
        open_sealed(seal(bytes(4021)), TOPIC, KEY.public_key())


def test_a_topic_that_is_no_text_has_no_seal():
    with pytest.raises(WireError):
        open_sealed(SEALED, "\ud800", KEY.public_key())
