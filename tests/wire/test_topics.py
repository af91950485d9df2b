# SPDX-License-Identifier: Apache-2.0
"""Topics are spelled once and read in one way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from wire.errors import BadTopic
from wire.topics import (
    ALL_EVENTS,
    ALL_STATES,
    ALL_STATUS,
    ALL_VECTORS,
    TOPIC_MAX_BYTES,
    SensorTopics,
    device_status,
    parse_vectors,
)

STEADY = settings(derandomize=True, deadline=None, max_examples=300, database=None)
names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
WARD = SensorTopics("ward-7", "device-1", "cam-0")


def test_the_layout():
    assert WARD.vectors == "lethe/v1/ward-7/device-1/cam-0/vectors"
    assert WARD.events == "lethe/v1/ward-7/device-1/cam-0/events"
    assert WARD.state == "lethe/v1/ward-7/device-1/cam-0/state"
    assert device_status("ward-7", "device-1") == "lethe/v1/ward-7/device-1/status"


@STEADY
@given(names, names, names)
def test_a_topic_comes_back_as_its_names(site, device, sensor):
    topics = SensorTopics(site, device, sensor)
    assert parse_vectors(topics.vectors) == topics
    assert len(topics.vectors) <= TOPIC_MAX_BYTES


@STEADY
@given(st.text(max_size=150))
def test_arbitrary_text_is_no_topic(text):
    with pytest.raises(BadTopic):
        parse_vectors(text)


@STEADY
@given(st.data())
def test_a_changed_topic_is_none_or_spells_itself(data):
    text = list(WARD.vectors)
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.characters())
    changed = "".join(text)
    try:
        assert parse_vectors(changed).vectors == changed
    except BadTopic:
        return


@pytest.mark.parametrize(
    "name", ["", "+", "#", "a/b", "A", "-a", "a b", "a\n", "a\0", "\u00e9", "\u0661", "a" * 33]
)
def test_a_name_that_could_be_misread_is_refused(name):
    for names in ((name, "d", "s"), ("w", name, "s"), ("w", "d", name)):
        with pytest.raises(BadTopic):
            SensorTopics(*names)
    with pytest.raises(BadTopic):
        device_status("w", name)
    with pytest.raises(BadTopic):
        device_status(name, "d")


def test_each_subscription_matches_its_own_topics_only():
    topics = {
        ALL_VECTORS: WARD.vectors,
        ALL_EVENTS: WARD.events,
        ALL_STATES: WARD.state,
        ALL_STATUS: device_status("ward-7", "device-1"),
    }
    for subscription, own in topics.items():
        matched = [topic for topic in topics.values() if topic_matches_sub(subscription, topic)]
        assert matched == [own]


def test_control_names_of_32_characters_are_allowed():
    assert SensorTopics("a" * 32, "0", "9-").site == "a" * 32
