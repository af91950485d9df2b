# SPDX-License-Identifier: Apache-2.0
"""What the bridge publishes: events, and the retained state of each sensor, as JSON.

Field names and forms are those of `schemas/event.schema.json` and `schemas/state.schema.json`
(JSON Schema 2020-12, see `schema`). Times are RFC 3339 in UTC with milliseconds, profile ids are 32
hex digits. Evidence says which window of which sensors was judged; there is no place for a picture.
Reading raises Malformed and nothing else; a value that cannot be published cannot be constructed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from wire.checks import JSON_INTEGER_MAX, NAME, Checks, json_bytes
from wire.errors import Malformed
from wire.profile import ID_BYTES
from wire.times import check_time, rfc3339, unix_time

KINDS = ("fall", "fight", "person_down", "overstay")
PHASES = ("suspected", "confirmed", "cleared")
STREAMS = ("live", "stalled")
OPEN_EVENTS_MAX = 16
PROBABILITIES_MAX = 16
SENSORS_MAX = 16  # of one room
PERSONS_MAX = 15
RESULT_MAX_BYTES = 16384

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LABEL = re.compile(r"[a-z][a-z0-9_]{0,31}")
SENSOR = re.compile(rf"{NAME.pattern}/{NAME.pattern}")  # device/sensor
RULE = re.compile(r"[1-9][0-9]?")
PROFILE_ID_HEX = re.compile(r"[0-9a-f]{32}")

_EVENT = Checks(Malformed, "event")
_STATE = Checks(Malformed, "state")


def schema(name: str) -> dict[str, Any]:
    """The published JSON Schema of `event`, `state` or `status`."""
    text = (files("wire") / "schemas" / f"{name}.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@dataclass(frozen=True, slots=True)
class Evidence:
    """Which vectors were judged: a window in time, how much of it was seen, by which sensors."""

    window_start: float  # unix seconds
    window_end: float
    vectors: int  # time steps with a new vector, of whichever sensor
    gaps: int  # time steps without
    sensors: tuple[str, ...]  # device/sensor of those with a new vector in the window

    def __post_init__(self) -> None:
        check_time(_EVENT, "window_start", self.window_start)
        check_time(_EVENT, "window_end", self.window_end)
        _EVENT.integer("vectors", self.vectors, 0, JSON_INTEGER_MAX)
        _EVENT.integer("gaps", self.gaps, 0, JSON_INTEGER_MAX)
        if self.window_end < self.window_start:
            raise _EVENT.refuse("window_end", "no earlier than window_start")
        _check_sensors(_EVENT, self.sensors)


@dataclass(frozen=True, slots=True)
class Event:
    """One phase of one event. All phases of an event share its id."""

    event_id: str  # UUID version 4
    kind: str  # of KINDS
    phase: str  # of PHASES
    probability: float
    onset_time: float  # unix seconds: when it began
    detection_time: float  # unix seconds: when this phase was decided
    site: str
    device: str
    sensor: str  # with site and device: the one in whose name its room speaks
    room: str | None  # as the bridge's configuration names it; None: the sensor stands alone
    model_id: str
    profile_id: bytes  # 16 bytes
    evidence: Evidence

    def __post_init__(self) -> None:
        _EVENT.text("event_id", self.event_id, UUID4)
        _EVENT.choice("kind", self.kind, KINDS)
        _EVENT.choice("phase", self.phase, PHASES)
        _EVENT.number("probability", self.probability, 0.0, 1.0)
        check_time(_EVENT, "onset_time", self.onset_time)
        check_time(_EVENT, "detection_time", self.detection_time)
        _check_origin(_EVENT, self)
        if not isinstance(self.evidence, Evidence):
            raise _EVENT.refuse("evidence", "Evidence")

    def to_json(self) -> bytes:
        """As `schemas/event.schema.json` has it; times rounded to milliseconds."""
        found = asdict(self)
        for key in ("onset_time", "detection_time"):
            found[key] = rfc3339(found[key])
        for key in ("window_start", "window_end"):
            found["evidence"][key] = rfc3339(found["evidence"][key])
        found["profile_id"] = self.profile_id.hex()
        return json_bytes(found)

    @classmethod
    def from_json(cls, data: bytes) -> Event:
        """Raise Malformed for anything that is not an event, and nothing else."""
        found = _EVENT.json_object(data, cls.__slots__, RESULT_MAX_BYTES)
        evidence = _EVENT.mapping("evidence", found["evidence"], Evidence.__slots__)
        for key in ("onset_time", "detection_time"):
            found[key] = unix_time(_EVENT, key, found[key])
        for key in ("window_start", "window_end"):
            evidence[key] = unix_time(_EVENT, key, evidence[key])
        evidence["sensors"] = _read_sensors(_EVENT, evidence["sensors"])
        found["evidence"] = Evidence(**evidence)
        found["profile_id"] = read_profile_id(_EVENT, found["profile_id"])
        return cls(**found)


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """An event of a room that is not cleared yet."""

    event_id: str
    kind: str
    phase: str  # suspected or confirmed

    def __post_init__(self) -> None:
        _STATE.text("event_id", self.event_id, UUID4)
        _STATE.choice("kind", self.kind, KINDS)
        _STATE.choice("phase", self.phase, PHASES[:2])


@dataclass(frozen=True, slots=True)
class SensorState:
    """What the bridge knows of one sensor and its room now. Published retained."""

    site: str
    device: str
    sensor: str
    room: str | None  # as the bridge's configuration names it; None: the sensor stands alone
    stream: str  # live, or stalled: no vector admitted for a while
    present: bool  # somebody is in the room
    probabilities: Mapping[str, float]  # the recogniser's last output for the room, by kind
    persons: int | None  # its likeliest count, the largest meaning "or more"; None before the first
    open_events: tuple[OpenEvent, ...]  # of the room
    sensors: tuple[str, ...]  # device/sensor of those that took part in that output
    last_vector_time: float | None  # capture time, unix seconds; None before the first
    admitted: int  # vectors since the bridge started
    refused: Mapping[str, int]  # messages since the bridge started, by number of the rule
    updated_time: float  # unix seconds
    model_id: str
    profile_id: bytes  # 16 bytes

    def __post_init__(self) -> None:
        _check_origin(_STATE, self)
        _STATE.choice("stream", self.stream, STREAMS)
        _STATE.boolean("present", self.present)
        _check_table("probabilities", self.probabilities, LABEL)
        for probability in self.probabilities.values():
            _STATE.number("probabilities", probability, 0.0, 1.0)
        if self.persons is not None:
            _STATE.integer("persons", self.persons, 0, PERSONS_MAX)
        if type(self.open_events) is not tuple or len(self.open_events) > OPEN_EVENTS_MAX:
            raise _STATE.refuse("open_events", f"at most {OPEN_EVENTS_MAX} events")
        if not all(isinstance(event, OpenEvent) for event in self.open_events):
            raise _STATE.refuse("open_events", "made of OpenEvent")
        _check_sensors(_STATE, self.sensors)
        if self.last_vector_time is not None:
            check_time(_STATE, "last_vector_time", self.last_vector_time)
        _STATE.integer("admitted", self.admitted, 0, JSON_INTEGER_MAX)
        _check_table("refused", self.refused, RULE)
        for count in self.refused.values():
            _STATE.integer("refused", count, 0, JSON_INTEGER_MAX)
        check_time(_STATE, "updated_time", self.updated_time)

    def to_json(self) -> bytes:
        """As `schemas/state.schema.json` has it; times rounded to milliseconds."""
        found = {key: getattr(self, key) for key in self.__slots__}
        found["probabilities"] = dict(self.probabilities)
        found["refused"] = dict(self.refused)
        found["open_events"] = [asdict(event) for event in self.open_events]
        if self.last_vector_time is not None:
            found["last_vector_time"] = rfc3339(self.last_vector_time)
        found["updated_time"] = rfc3339(self.updated_time)
        found["profile_id"] = self.profile_id.hex()
        return json_bytes(found)

    @classmethod
    def from_json(cls, data: bytes) -> SensorState:
        """Raise Malformed for anything that is not a sensor's state, and nothing else."""
        found = _STATE.json_object(data, cls.__slots__, RESULT_MAX_BYTES)
        if not isinstance(found["open_events"], list):
            raise _STATE.refuse("open_events", "a list")
        found["open_events"] = tuple(
            OpenEvent(**_STATE.mapping("open_events", event, OpenEvent.__slots__))
            for event in found["open_events"]
        )
        found["sensors"] = _read_sensors(_STATE, found["sensors"])
        if found["last_vector_time"] is not None:
            found["last_vector_time"] = unix_time(
                _STATE, "last_vector_time", found["last_vector_time"]
            )
        found["updated_time"] = unix_time(_STATE, "updated_time", found["updated_time"])
        found["profile_id"] = read_profile_id(_STATE, found["profile_id"])
        return cls(**found)


def read_profile_id(checks: Checks, value: object) -> bytes:
    """A profile's id of its 32 hex digits."""
    return bytes.fromhex(checks.text("profile_id", value, PROFILE_ID_HEX))


def _check_origin(checks: Checks, found: Event | SensorState) -> None:
    checks.name("site", found.site)
    checks.name("device", found.device)
    checks.name("sensor", found.sensor)
    if found.room is not None:
        checks.name("room", found.room)
    checks.text("model_id", found.model_id, MODEL_ID)
    checks.octets("profile_id", found.profile_id, ID_BYTES)


def _check_table(key: str, table: object, pattern: re.Pattern[str]) -> None:
    if not isinstance(table, Mapping) or len(table) > PROBABILITIES_MAX:
        raise _STATE.refuse(key, f"a table of at most {PROBABILITIES_MAX} entries")
    for label in table:
        _STATE.text(f"key of {key}", label, pattern)


def _read_sensors(checks: Checks, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise checks.refuse("sensors", "a list")
    return tuple(value)


def _check_sensors(checks: Checks, sensors: object) -> None:
    if type(sensors) is not tuple or len(sensors) > SENSORS_MAX:
        raise checks.refuse("sensors", f"at most {SENSORS_MAX} sensors")
    for sensor in sensors:
        checks.text("sensors", sensor, SENSOR)
    if len(set(sensors)) != len(sensors):
        raise checks.refuse("sensors", "named once each")
