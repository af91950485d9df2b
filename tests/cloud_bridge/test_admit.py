# SPDX-License-Identifier: Apache-2.0
"""One good message is admitted; every bad one is refused by its own rule and changes nothing."""

import re
from pathlib import Path

import numpy as np
import pytest

from cloud_bridge.admit import MAX_AGE_S, MAX_AHEAD_S, RULES, Admission
from cloud_bridge.errors import Refused
from cloud_bridge.freshness import Freshness
from tests.cloud_bridge.scene import (
    DIM,
    EPOCH,
    PROFILE,
    SITE,
    START_US,
    Sender,
    key_of,
    make_profile,
    make_registry,
    make_senders,
)
from tests.wire.mutations import mutations
from wire.message import Signer, pack
from wire.seal import seal_payload, signing_key

NOW_S = START_US / 1e6
SENSOR = (SITE, "device-1", "hall")
SPEC = Path(__file__).resolve().parents[2] / "wire" / "SPEC.md"
MANY = 100_000


@pytest.fixture
def freshness(tmp_path):
    store = Freshness(tmp_path / "freshness.sqlite3")
    yield store
    store.close()


@pytest.fixture
def admission(freshness):
    return Admission(make_registry(), freshness, lambda: NOW_S)


@pytest.fixture
def sender():
    return make_senders()[0]


def refusal(admission, topic, sealed):
    with pytest.raises(Refused) as caught:
        admission.admit(topic, sealed)
    return caught.value.rule


def test_a_good_message_is_admitted_with_what_it_says(admission, freshness, sender):
    message = sender.message(START_US)
    admitted = admission.admit(sender.topic, Signer(sender.key).seal(message, sender.topic))
    assert admitted.sensor == SENSOR
    assert admitted.message == message
    assert freshness.newest(SENSOR) == (EPOCH, 1)


def with_payload(sender: Sender, payload: bytes) -> bytes:
    return seal_payload(payload, sender.topic, signing_key(sender.key))


def own(**changed):
    """A message of the registered sensor itself, properly sealed, with these fields changed."""
    return lambda sender: (sender.topic, sender.sealed(START_US, **changed))


def unknown(**changed):
    def make(sender):
        other = Sender(sender.device, sender.sensor, sender.key)
        for name, value in changed.items():
            setattr(other, name, value)
        return other.topic, other.sealed(START_US)

    return make


def at(offset_s):
    return lambda sender: (sender.topic, sender.sealed(START_US + round(offset_s * 1e6)))


def loud(value):
    values = np.zeros(DIM, np.int16)
    values[3] = value
    return values


BOUND = PROFILE.coordinate_bound(0)
OTHER = Sender("device-2", "main", key_of(2))
BAD = {
    "events topic": (1, lambda s: (s.topic.replace("vectors", "events"), s.sealed(START_US))),
    "empty topic": (1, lambda s: ("", s.sealed(START_US))),
    "wildcard topic": (1, lambda s: (s.topic.replace("hall", "+"), s.sealed(START_US))),
    "surrogate topic": (1, lambda s: (s.topic.replace("hall", "\ud800"), s.sealed(START_US))),
    "endless topic": (1, lambda s: (s.topic * 1000, s.sealed(START_US))),
    "oversize": (2, lambda s: (s.topic, s.sealed(START_US) + bytes(4096))),
    "oversize by one": (2, lambda s: (s.topic, bytes(4097))),
    "unknown site": (3, unknown(site="elsewhere")),
    "unknown device": (3, unknown(device="device-9")),
    "unknown sensor": (3, unknown(sensor="attic")),
    "sensor of the other device": (3, unknown(sensor="main")),
    "empty": (4, lambda s: (s.topic, b"")),
    "no COSE": (4, lambda s: (s.topic, b"{}" * 100)),
    "cut": (4, lambda s: (s.topic, s.sealed(START_US)[:-1])),
    "one more byte": (4, lambda s: (s.topic, s.sealed(START_US) + b"\0")),
    "unknown key": (4, unknown(key=key_of(9))),
    "another device's key": (4, unknown(key=key_of(2))),
    "another sensor's topic": (4, lambda s: (s.topic.replace("hall", "bath"), s.sealed(START_US))),
    "another device's topic": (4, lambda s: (OTHER.topic, s.sealed(START_US))),
    "sealed, no CBOR": (5, lambda s: (s.topic, with_payload(s, b"hello"))),
    "sealed, empty": (5, lambda s: (s.topic, with_payload(s, b""))),
    "sealed, one byte more": (
        5,
        lambda s: (s.topic, with_payload(s, pack(s.message(START_US)) + b"\0")),
    ),
    "payload of the other sensor": (
        6,
        lambda s: (s.topic, with_payload(s, pack(s.message(START_US, sensor="bath")))),
    ),
    "payload of the other device": (
        6,
        lambda s: (s.topic, with_payload(s, pack(s.message(START_US, device="device-2")))),
    ),
    "another profile": (7, own(profile_id=make_profile("other").id)),
    "no profile": (7, own(profile_id=bytes(16))),
    "stale": (8, at(-MAX_AGE_S - 1)),
    "from 1970": (8, own(capture_time_us=0)),
    "future": (8, at(MAX_AHEAD_S + 1)),
    "end of time": (8, own(capture_time_us=2**64 - 1)),
    "replayed": (9, own(sequence=100)),
    "out of order": (9, own(sequence=99)),
    "earlier epoch": (9, own(epoch=EPOCH - 1, sequence=10**9)),
    "no such noise level": (10, own(noise_level=2)),
    "noise level 255": (10, own(noise_level=255)),
    "short vector": (10, own(vector=np.zeros(DIM - 1, np.int16))),
    "long vector": (10, own(vector=np.zeros(DIM + 1, np.int16))),
    "value out of reach": (10, own(vector=loud(BOUND + 1))),
    "negative value out of reach": (10, own(vector=loud(-BOUND - 1))),
    "most negative value": (10, own(vector=loud(-32768))),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_is_refused_by_its_rule_and_changes_nothing(
    admission, freshness, sender, name
):
    rule, make = BAD[name]
    admission.admit(sender.topic, sender.sealed(START_US, sequence=100))
    sender.sequence = 100
    before = freshness.newest(SENSOR)
    assert refusal(admission, *make(sender)) == rule
    assert freshness.newest(SENSOR) == before
    # Control: the sensor is not shut out, a good message still passes.
    sender.sequence = 100
    admission.admit(sender.topic, sender.sealed(START_US))


@pytest.mark.parametrize(
    "changed",
    [
        {"epoch": EPOCH + 1, "sequence": 0},
        {"sequence": 2**64 - 1},
        {"sequence": 101, "noise_level": 1},
        {"sequence": 101, "repeated": True},
        {"sequence": 101, "vector": loud(BOUND)},
        {"sequence": 101, "vector": loud(-BOUND)},
        {"sequence": 101, "capture_time_us": START_US - int(MAX_AGE_S * 1e6)},
        {"sequence": 101, "capture_time_us": START_US + int(MAX_AHEAD_S * 1e6)},
    ],
)
def test_what_is_just_within_the_rules_is_admitted(admission, sender, changed):
    admission.admit(sender.topic, sender.sealed(START_US, sequence=100))
    admission.admit(sender.topic, sender.sealed(START_US, **changed))


def test_rules_have_the_numbers_and_order_of_the_spec():
    section = SPEC.read_text().split("## Rules of acceptance")[1]
    titles = re.findall(r"^(\d+)\. \*\*(.+?)\.\*\*", section, re.MULTILINE)
    assert {int(number): title.lower() for number, title in titles} == RULES
    assert {rule for rule, _ in BAD.values()} == set(RULES)


def test_sensors_of_one_device_are_numbered_apart(admission):
    hall, bath, main = make_senders()
    for sender in (hall, bath, main):
        admission.admit(sender.topic, sender.sealed(START_US, sequence=7))
    for sender in (hall, bath, main):
        assert refusal(admission, sender.topic, sender.sealed(START_US, sequence=7)) == 9


def test_no_mutated_message_is_admitted_or_changes_a_state(admission, freshness, sender, tmp_path):
    sealed = sender.sealed(START_US)
    admission.admit(sender.topic, sealed)
    freshness.commit()
    before = snapshot(admission, freshness, tmp_path)
    refused = dict.fromkeys(RULES, 0)
    for _, topic, changed in mutations(sealed, sender.topic, 20, MANY):
        refused[refusal_of(admission, topic, changed)] += 1
    assert sum(refused.values()) == MANY
    assert refused[4] > MANY / 2
    assert snapshot(admission, freshness, tmp_path) == before
    # Control: the snapshot does see the one message that is good.
    admission.admit(sender.topic, sender.sealed(START_US))
    assert snapshot(admission, freshness, tmp_path) != before


def refusal_of(admission, topic, sealed):
    try:
        admission.admit(topic, sealed)
    except Refused as refused:
        return refused.rule
    raise AssertionError("a mutated message was admitted")


def snapshot(admission, freshness, folder):
    """All that admission can write to: its own fields, freshness in memory and on disk."""
    fields = {
        name: value for name, value in vars(admission).items() if not name.startswith("_clock")
    }
    registry = list(fields.pop("_registry").devices)
    memory = (dict(freshness._newest), set(freshness._pending))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return fields, registry, memory, files
