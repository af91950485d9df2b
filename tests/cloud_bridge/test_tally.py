# SPDX-License-Identifier: Apache-2.0
"""Refusals are counted by sensor and rule; a flood grows neither memory nor log."""

import logging

import pytest

from cloud_bridge.admit import RULES
from cloud_bridge.errors import Refused
from cloud_bridge.tally import LOG_EVERY_S, Tally

SENSORS = [("home", "device-1", "hall"), ("home", "device-2", "main")]
TOPIC = "lethe/v1/home/device-1/hall/vectors"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tally(clock):
    return Tally(SENSORS, clock)


def test_refusals_are_counted_by_sensor_and_rule(tally):
    tally.count_admitted(SENSORS[0])
    tally.count_refused(TOPIC, Refused(4, "seal"))
    tally.count_refused(TOPIC, Refused(4, "seal"))
    tally.count_refused(TOPIC, Refused(9, "replay"))
    assert tally.admitted(SENSORS[0]) == 1
    assert tally.refused(SENSORS[0]) == {"4": 2, "9": 1}
    assert tally.refused(SENSORS[1]) == {}
    assert tally.totals == {4: 2, 9: 1}


def test_a_flood_of_strangers_has_one_heading_and_few_lines(tally, clock, caplog):
    caplog.set_level(logging.WARNING)
    for number in range(5000):
        clock.now = number / 5000 * 2 * LOG_EVERY_S
        topic = f"lethe/v1/home/device-{number}/hall/vectors" if number % 2 else f"junk/{number}"
        tally.count_refused(topic, Refused(3 if number % 2 else 1, "unknown"))
    assert tally.totals == {1: 2500, 3: 2500}
    assert len(caplog.records) <= 6
    assert len(tally._refused) == len(SENSORS) + 1
    assert len(tally._told) <= len(RULES)
    assert "junk" not in caplog.text


def test_control_a_line_comes_again_after_a_while_and_tells_how_many(tally, clock, caplog):
    for number in range(10):
        clock.now = number * 0.1
        tally.count_refused(TOPIC, Refused(4, "seal"))
    clock.now = LOG_EVERY_S + 1
    tally.count_refused(TOPIC, Refused(4, "seal"))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "home/device-1/hall: rule 4 (seal): seal; 10 since the last line, 11 in all" in lines[1]


def test_dropped_messages_are_told_now_and_then(tally, clock, caplog):
    for number in range(1000):
        clock.now = number / 1000 * 1.5 * LOG_EVERY_S
        tally.note_dropped(number)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "no room for 1 messages, 1 in all"
    assert len(lines) == 2
