# SPDX-License-Identifier: Apache-2.0
"""The demo's lines and table say what was heard, and say so when something was missed."""

import uuid

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from calibration.demo_story import ClipFacts, Story, fate, others, table
from calibration.listener import Heard
from wire.events import Event, Evidence, SensorState
from wire.message import Signer, VectorMessage
from wire.topics import SensorTopics

START_S = 1_900_000_000.0
ORIGIN = {"site": "demo", "device": "device-1", "sensor": "camera-0"}
TOPICS = SensorTopics(**ORIGIN)
PROFILE_ID = bytes(16)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
CLIP = ClipFacts("a clip", 30.0, 300_000, (("fall", 15.5),))
SUMMARY = {
    "frames": 300,
    "frames_wiped": 300,
    "releases": 290,
    "repeated": 10,
    "signed_bytes": 60_000,
    "latency_ms_p50": 2.0,
    "latency_ms_p99": 5.0,
    "cap_bits_window": 16.0,
    "spent_bits_window_max": 15.5,
    "spent_bits_total": 200.0,
}


def vector(at_s, sequence, repeated=False):
    message = VectorMessage(
        profile_id=PROFILE_ID,
        device="device-1",
        sensor="camera-0",
        epoch=1,
        sequence=sequence,
        capture_time_us=int(at_s * 1e6),
        noise_level=0,
        repeated=repeated,
        vector=np.zeros(4, np.int16),
    )
    return Heard(TOPICS.vectors, Signer(KEY).seal(message, TOPICS.vectors), at_s)


def event(phase, clip_s, kind="fall", event_id=None):
    at_s = START_S + clip_s
    body = Event(
        event_id=event_id or str(uuid.uuid4()),
        kind=kind,
        phase=phase,
        probability=0.75,
        onset_time=at_s - 0.5,
        detection_time=at_s,
        room=None,
        model_id="model",
        profile_id=PROFILE_ID,
        evidence=Evidence(at_s - 2, at_s, 20, 0, ("device-1/camera-0",)),
        **ORIGIN,
    )
    return Heard(TOPICS.events, body.to_json(), at_s + 0.1)


def state(clip_s, *, present=True, stream="live"):
    body = SensorState(
        stream=stream,
        present=present,
        room=None,
        probabilities={"fall": 0.1},
        persons=1,
        open_events=(),
        sensors=("device-1/camera-0",),
        last_vector_time=START_S + clip_s,
        admitted=300,
        refused={"8": 2},
        updated_time=START_S + clip_s,
        model_id="model",
        profile_id=PROFILE_ID,
        **ORIGIN,
    )
    return Heard(TOPICS.state, body.to_json(), START_S + clip_s + 0.1)


@pytest.fixture
def story():
    begun = Story(CLIP, KEY.public_key())
    begun.hear(vector(START_S - 0.1, 0, repeated=True))
    begun.hear(vector(START_S, 1))
    return begun


def test_the_clip_begins_with_the_first_new_vector(story):
    assert story.start_s == START_S
    assert story.vectors == 2


def test_an_event_is_a_line_in_clip_time(story):
    assert story.hear(event("suspected", 16.0)).split() == [
        "16.0",
        "s",
        "fall",
        "suspected",
        "0.75",
    ]


def test_a_state_is_a_line_only_when_it_changes(story):
    assert "somebody is present" in story.hear(state(1.0))
    assert story.hear(state(1.5)) is None
    assert "nobody is present" in story.hear(state(2.0, present=False))


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (
            [("suspected", 16.5), ("confirmed", 20.0)],
            "suspected after 1.0 s, confirmed after 4.5 s",
        ),
        ([("suspected", 16.5)], "suspected after 1.0 s"),
        ([("suspected", 16.5), ("cleared", 20.0)], "suspected after 1.0 s"),
        ([], "MISSED"),
        ([("confirmed", 12.0)], "MISSED"),
        ([("confirmed", 29.0)], "confirmed after 13.5 s"),
        ([("suspected", 29.0)], "suspected after 13.5 s"),
        ([("suspected", 36.0)], "MISSED"),
    ],
)
def test_the_fate_of_an_event_in_the_clip(story, events, told):
    for phase, clip_s in events:
        story.hear(event(phase, clip_s))
    assert fate(story, "fall", 15.5) == told


def test_what_is_not_in_the_clip_is_told_too(story):
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    story.hear(event("suspected", 5.0, event_id=one))
    story.hear(event("cleared", 7.0, event_id=one))
    story.hear(event("suspected", 16.0, event_id=two))
    story.hear(event("confirmed", 19.0, event_id=two))
    story.hear(event("suspected", 20.0, kind="fight"))
    story.hear(event("suspected", 26.0, kind="person_down"))  # who fell is down
    assert others(story) == "fall suspected, fight suspected"
    story.hear(event("suspected", 3.0, kind="person_down"))
    assert others(story) == "fall suspected, fight suspected, person_down suspected"


def test_the_table(story):
    for clip_s in (1.0, 18.0):
        story.hear(vector(START_S + clip_s, round(clip_s * 10)))
    story.hear(state(1.0))
    story.hear(event("confirmed", 18.0))
    story.hear(event("cleared", 25.0))  # about a vector that the operator never heard
    text = "\n".join(table(story, SUMMARY))
    for part in (
        "300, of which wiped 300",
        "300 of 4 messages, 2 refused",
        "confirmed after 2.5 s",
        "2.0 kB/s of signed vectors; the clip in H.264: 10.0 kB/s",
        "at most 15.50, cap 16.00",
        "p50 102 ms, p99 105 ms over 2 results",
    ):
        assert part in text


def test_a_vector_with_another_seal_is_no_part_of_the_story(story):
    other = Story(CLIP, Ed25519PrivateKey.generate().public_key())
    with pytest.raises(Exception, match="signature"):
        other.hear(vector(START_S, 1))
