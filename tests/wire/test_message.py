# SPDX-License-Identifier: Apache-2.0
"""A message has one encoding, one size, and comes back as it was."""

from __future__ import annotations

from dataclasses import replace

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.vectors.coin import FIELDS, KEY, TOPIC
from tests.vectors.coin import payload as coined_payload
from wire.errors import BadTopic, Malformed
from wire.message import Signer, VectorMessage, open_sealed, pack, unpack
from wire.topics import SensorTopics

STEADY = settings(derandomize=True, deadline=None, max_examples=200, database=None)

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
u64 = st.integers(0, 2**64 - 1)
vectors = arrays.arrays(np.int16, st.integers(1, 200), elements=st.integers(-32768, 32767))
messages = st.builds(
    VectorMessage,
    profile_id=st.binary(min_size=16, max_size=16),
    device=names,
    sensor=names,
    epoch=u64,
    sequence=u64,
    capture_time_us=u64,
    noise_level=st.integers(0, 255),
    repeated=st.booleans(),
    vector=vectors,
)

USUAL = VectorMessage(
    profile_id=FIELDS["profile_id"],
    device="device-1",
    sensor="cam-0",
    epoch=1_900_000_000,
    sequence=4711,
    capture_time_us=1_900_000_123_456_789,
    noise_level=0,
    repeated=False,
    vector=np.arange(-700, 900, 100, dtype=np.int16),
)


@STEADY
@given(messages)
def test_a_message_comes_back_as_it_was(message):
    back = unpack(pack(message))
    assert back == message
    assert hash(back) == hash(message)
    assert (back.epoch, back.sequence) == (message.epoch, message.sequence)
    assert (back.device, back.sensor) == (message.device, message.sensor)
    assert (back.noise_level, back.repeated) == (message.noise_level, message.repeated)
    assert np.array_equal(back.vector, message.vector)
    assert back.vector.dtype == np.int16


@STEADY
@given(messages, st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True))
def test_a_sealed_message_opens_on_its_topic(message, site):
    topic = SensorTopics(site, message.device, message.sensor).vectors
    sealed = Signer(KEY).seal(message, topic)
    assert unpack(open_sealed(sealed, topic, KEY.public_key())) == message


@STEADY
@given(messages, messages)
def test_size_depends_on_names_and_length_only(one, other):
    other = replace(other, device=one.device, sensor=one.sensor)
    same_length = np.resize(other.vector, len(one.vector))
    assert len(pack(one)) == len(pack(replace(other, vector=same_length)))


@pytest.mark.parametrize(("K", "size"), [(12, 165), (16, 173), (32, 205), (60, 261)])
def test_size_of_a_sealed_message_is_the_formula_of_the_specification(K, size):
    message = replace(USUAL, vector=np.zeros(K, np.int16))
    assert len(Signer(KEY).seal(message, TOPIC)) == size == 128 + 2 * K + 8 + 5


def test_the_bytes_are_those_of_an_independent_encoder():
    assert pack(USUAL) == coined_payload()
    assert cbor2.dumps(cbor2.loads(pack(USUAL)), canonical=True) == pack(USUAL)


@STEADY
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_malformed(data):
    with pytest.raises(Malformed):
        unpack(data)


@settings(STEADY, max_examples=400)
@given(st.data())
def test_what_is_accepted_has_exactly_this_encoding(data):
    changed = bytearray(pack(USUAL))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] = data.draw(st.integers(0, 255))
    try:
        message = unpack(bytes(changed))
    except Malformed:
        return
    assert pack(message) == bytes(changed)


@STEADY
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=20,
    )
)
def test_arbitrary_cbor_is_malformed(value):
    with pytest.raises(Malformed):
        unpack(cbor2.dumps(value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("profile_id", bytes(15)),
        ("profile_id", bytearray(16)),
        ("device", "Device"),
        ("sensor", "cam/0"),
        ("epoch", -1),
        ("epoch", 2**64),
        ("sequence", 1.0),
        ("capture_time_us", True),
        ("noise_level", 256),
        ("repeated", 1),
        ("vector", np.zeros(16, np.int32)),
        ("vector", np.zeros((4, 4), np.int16)),
        ("vector", np.zeros(0, np.int16)),
        ("vector", np.zeros(1025, np.int16)),
        ("vector", [1, 2, 3]),
    ],
)
def test_a_message_that_cannot_be_sent_cannot_be_made(key, value):
    with pytest.raises(Malformed, match=key):
        replace(USUAL, **{key: value})


def test_a_refusal_does_not_carry_what_it_refused():
    with pytest.raises(Malformed) as refused:
        replace(USUAL, device="Somebody Private")
    assert "Somebody" not in str(refused.value)


@pytest.mark.parametrize("topic", [TOPIC.replace("e-1", "e-2"), TOPIC.replace("cam-0", "cam-1")])
def test_a_signer_refuses_the_topic_of_another_sensor(topic):
    with pytest.raises(BadTopic):
        Signer(KEY).seal(USUAL, topic)


def test_control_messages_that_differ_are_not_equal():
    assert replace(USUAL, sequence=4712) != USUAL
    assert replace(USUAL, vector=USUAL.vector + np.int16(1)) != USUAL
    assert USUAL != "a message"
