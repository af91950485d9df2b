# SPDX-License-Identifier: Apache-2.0
"""Whatever can be published validates against the published schemas and comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.published import EVENT, STATE, STATUS, USUAL, events, states, statuses
from wire.errors import Malformed
from wire.events import Event, Evidence, OpenEvent, SensorState, schema
from wire.status import DeviceStatus

STEADY = settings(derandomize=True, deadline=None, max_examples=100, database=None)
VALIDATORS = {name: jsonschema.Draft202012Validator(schema(name)) for name in USUAL}


def check_one(name, found):
    text = found.to_json()
    VALIDATORS[name].validate(json.loads(text))
    assert type(found).from_json(text) == found
    assert type(found).from_json(text).to_json() == text


@pytest.mark.parametrize("name", USUAL)
def test_a_schema_is_a_schema_and_leaves_nothing_open(name):
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert schema(name)["additionalProperties"] is False
    assert set(schema(name)["required"]) == set(type(USUAL[name]).__slots__)
    assert set(schema(name)["properties"]) == set(type(USUAL[name]).__slots__)


@pytest.mark.parametrize("name", USUAL)
def test_the_usual_one_validates(name):
    check_one(name, USUAL[name])


@STEADY
@given(events)
def test_any_event_validates_and_comes_back(event):
    check_one("event", event)


@STEADY
@given(states)
def test_any_state_validates_and_comes_back(state):
    check_one("state", state)


@STEADY
@given(statuses)
def test_any_status_validates_and_comes_back(status):
    check_one("status", status)


def test_times_and_ids_are_written_as_documented():
    found = json.loads(EVENT.to_json())
    assert found["onset_time"] == "2030-03-17T17:46:40.250Z"
    assert found["evidence"]["window_start"] == "2030-03-17T17:46:38.000Z"
    assert found["profile_id"] == "000102030405060708090a0b0c0d0e0f"


def test_times_are_rounded_to_the_millisecond():
    event = replace(EVENT, detection_time=1_900_000_001.9996)
    assert Event.from_json(event.to_json()).detection_time == 1_900_000_002.0


BAD = [
    ("event", "event_id", "6b5c9b7e-62a1-1f0c-9d5e-3f5a5a0c1d2e"),
    ("event", "event_id", EVENT.event_id.upper()),
    ("event", "kind", "theft"),
    ("event", "phase", "over"),
    ("event", "probability", 1.01),
    ("event", "probability", "0.5"),
    ("event", "probability", True),
    ("event", "onset_time", 1_900_000_000.25),
    ("event", "onset_time", "2030-03-17T17:46:40Z"),
    ("event", "onset_time", "2030-03-17T17:46:40.250+01:00"),
    ("event", "detection_time", None),
    ("event", "site", "Ward"),
    ("event", "room", "The bath"),
    ("event", "room", 1),
    ("event", "model_id", ""),
    ("event", "profile_id", "00"),
    ("event", "evidence", None),
    ("event", "evidence", {"window_start": 1}),
    *(
        ("event", "evidence", {**json.loads(EVENT.to_json())["evidence"], "sensors": sensors})
        for sensors in (None, "a/b", ["a"], ["a/b/c"], ["a/b", "a/b"], [1], [["a/b"]], ["A/b"])
    ),
    ("event", "picture", "data:image/png;base64,"),
    ("state", "stream", "slow"),
    ("state", "present", 1),
    ("state", "probabilities", {"fall": 2}),
    ("state", "probabilities", {"Fall": 0.5}),
    ("state", "probabilities", []),
    ("state", "room", ""),
    ("state", "persons", -1),
    ("state", "persons", 16),
    ("state", "persons", 1.5),
    ("state", "persons", True),
    ("state", "sensors", {}),
    ("state", "sensors", ["device-1"]),
    ("state", "sensors", [f"device-{n}/main" for n in range(17)]),
    ("state", "open_events", [{"event_id": EVENT.event_id, "kind": "fall", "phase": "cleared"}]),
    ("state", "open_events", [{"event_id": EVENT.event_id, "kind": "fall"}]),
    ("state", "open_events", ["fall"]),
    ("state", "open_events", {}),
    ("state", "last_vector_time", 0),
    ("state", "admitted", -1),
    ("state", "admitted", 2**53),
    ("state", "refused", {"0": 1}),
    ("state", "refused", {"4": -1}),
    ("state", "frames", 3),
    ("status", "status", "away"),
    ("status", "mode", "off"),
    ("status", "camera", "broken"),
    ("status", "fault", ""),
    ("status", "fault", "unlucky"),
    ("status", "fault", 0),
    ("status", "frames", 1.5),
    ("status", "frames", False),
    ("status", "spent_bits", {"window": 1, "hour": 2}),
    ("status", "cap_bits", {"window": 1, "hour": 2, "day": -1}),
    ("status", "epoch", -1),
    ("status", "people", 2),
]


@pytest.mark.parametrize(("name", "key", "value"), BAD)
def test_control_a_bad_one_is_refused_by_schema_and_reader_alike(name, key, value):
    found = {**json.loads(USUAL[name].to_json()), key: value}
    assert not VALIDATORS[name].is_valid(found)
    with pytest.raises(Malformed):
        type(USUAL[name]).from_json(json.dumps(found).encode())


@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name in USUAL for key in type(USUAL[name]).__slots__]
)
def test_control_no_key_may_be_missing(name, key):
    found = json.loads(USUAL[name].to_json())
    del found[key]
    assert not VALIDATORS[name].is_valid(found)
    with pytest.raises(Malformed):
        type(USUAL[name]).from_json(json.dumps(found).encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 5000,
        EVENT.to_json().replace(b"0.75", b"NaN"),
        EVENT.to_json().replace(b"0.75", b"1e999"),
        EVENT.to_json().replace(b"2030-03-17", b"2030-02-30"),
        EVENT.to_json().replace(b"2030-03-17", b"1969-03-17"),
        EVENT.to_json().replace(b'"kind":"fall"', b'"kind":"fall","kind":"fight"'),
        EVENT.to_json() + b" " * 20_000,
    ],
)
def test_text_that_is_no_event_is_malformed(text):
    for kind in (Event, SensorState, DeviceStatus):
        with pytest.raises(Malformed):
            kind.from_json(text)


@STEADY
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_malformed(data):
    for kind in (Event, SensorState, DeviceStatus):
        with pytest.raises(Malformed):
            kind.from_json(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(STEADY, max_examples=300)
@given(st.sampled_from(sorted(USUAL)), st.data())
def test_any_value_for_any_key_is_read_right_or_malformed(name, data):
    found = json.loads(USUAL[name].to_json())
    found[data.draw(st.sampled_from(sorted(found)))] = data.draw(values)
    try:
        read = type(USUAL[name]).from_json(json.dumps(found).encode())
    except Malformed:
        return
    VALIDATORS[name].validate(json.loads(read.to_json()))


@pytest.mark.parametrize(
    ("usual", "key", "value"),
    [
        (EVENT, "evidence", {"window_start": 0.0}),
        (EVENT, "profile_id", "00" * 16),
        (EVENT, "onset_time", -1.0),
        (EVENT, "probability", float("nan")),
        (STATE, "open_events", ["fall"]),
        (STATE, "open_events", [OpenEvent(EVENT.event_id, "fall", "suspected")]),
        (STATE, "sensors", ["device-1/cam-0"]),
        (STATE, "sensors", ("device-1/cam-0",) * 2),
        (STATE, "refused", {4: 2}),
        (STATE, "probabilities", {f"kind_{n}": 0.5 for n in range(17)}),
        (STATUS, "spent_bits", (1.0, 2.0, 3.0)),
        (STATUS, "frames", 2**53),
        (STATUS, "fault", "a frame of a person"),
    ],
)
def test_what_cannot_be_published_cannot_be_made(usual, key, value):
    with pytest.raises(Malformed, match=key):
        replace(usual, **{key: value})


def test_evidence_does_not_end_before_it_starts():
    with pytest.raises(Malformed, match="window_end"):
        Evidence(2.0, 1.0, 0, 0, ())
