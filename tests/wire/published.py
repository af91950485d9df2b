# SPDX-License-Identifier: Apache-2.0
"""Examples and Hypothesis strategies of everything that is published as JSON."""

from __future__ import annotations

import uuid

from hypothesis import strategies as st

from wire.events import KINDS, PHASES, STREAMS, Event, Evidence, OpenEvent, SensorState
from wire.status import CAMERAS, FAULTS, MODES, STATUSES, Bits, DeviceStatus

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
model_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
ids = st.builds(lambda number: str(uuid.UUID(int=number, version=4)), st.integers(0, 2**128 - 1))
times = st.integers(0, 253_402_300_799_000).map(lambda ms: ms / 1000.0)
counts = st.integers(0, 2**53 - 1)
probabilities = st.floats(0.0, 1.0)
profile_ids = st.binary(min_size=16, max_size=16)
sensor_lists = st.lists(st.builds("{}/{}".format, names, names), max_size=4, unique=True).map(tuple)
bits = st.builds(Bits, *[st.floats(0.0, 1e12)] * 3)

evidences = st.tuples(times, times, counts, counts, sensor_lists).map(
    lambda drawn: Evidence(min(drawn[:2]), max(drawn[:2]), *drawn[2:])
)
events = st.builds(
    Event,
    event_id=ids,
    kind=st.sampled_from(KINDS),
    phase=st.sampled_from(PHASES),
    probability=probabilities,
    onset_time=times,
    detection_time=times,
    site=names,
    device=names,
    sensor=names,
    room=st.none() | names,
    model_id=model_ids,
    profile_id=profile_ids,
    evidence=evidences,
)
open_events = st.builds(
    OpenEvent, ids, kind=st.sampled_from(KINDS), phase=st.sampled_from(PHASES[:2])
)
states = st.builds(
    SensorState,
    site=names,
    device=names,
    sensor=names,
    room=st.none() | names,
    stream=st.sampled_from(STREAMS),
    present=st.booleans(),
    probabilities=st.dictionaries(st.sampled_from(("present", "fall", "down")), probabilities),
    persons=st.none() | st.integers(0, 15),
    open_events=st.lists(open_events, max_size=3).map(tuple),
    sensors=sensor_lists,
    last_vector_time=st.none() | times,
    admitted=counts,
    refused=st.dictionaries(st.integers(1, 10).map(str), counts),
    updated_time=times,
    model_id=model_ids,
    profile_id=profile_ids,
)
statuses = st.builds(
    DeviceStatus,
    site=names,
    device=names,
    sensor=names,
    status=st.sampled_from(STATUSES),
    mode=st.sampled_from(MODES),
    camera=st.sampled_from(CAMERAS),
    fault=st.none() | st.sampled_from(FAULTS),
    frames=counts,
    frames_wiped=counts,
    releases=counts,
    repeated=counts,
    dropped_messages=counts,
    outbox=counts,
    spent_bits=bits,
    cap_bits=bits,
    profile_id=profile_ids,
    epoch=counts,
    updated_time=times,
)

EVENT = Event(
    event_id="6b5c9b7e-62a1-4f0c-9d5e-3f5a5a0c1d2e",
    kind="fall",
    phase="suspected",
    probability=0.75,
    onset_time=1_900_000_000.25,
    detection_time=1_900_000_001.5,
    site="ward-7",
    device="device-1",
    sensor="cam-0",
    room="bath",
    model_id="recogniser-1",
    profile_id=bytes(range(16)),
    evidence=Evidence(
        1_899_999_998.0, 1_900_000_001.5, 34, 1, ("device-1/cam-0", "device-2/cam-0")
    ),
)
STATE = SensorState(
    site="ward-7",
    device="device-1",
    sensor="cam-0",
    room=None,
    stream="live",
    present=True,
    probabilities={"fall": 0.5, "present": 1},
    persons=2,
    open_events=(OpenEvent(EVENT.event_id, "fall", "suspected"),),
    sensors=("device-1/cam-0",),
    last_vector_time=1_900_000_001.5,
    admitted=600,
    refused={"4": 2, "9": 1},
    updated_time=1_900_000_002.0,
    model_id="recogniser-1",
    profile_id=bytes(range(16)),
)
STATUS = DeviceStatus(
    site="ward-7",
    device="device-1",
    sensor="cam-0",
    status="online",
    mode="full",
    camera="live",
    fault=None,
    frames=100,
    frames_wiped=99,
    releases=98,
    repeated=2,
    dropped_messages=0,
    outbox=1,
    spent_bits=Bits(7.5, 100.0, 900.0),
    cap_bits=Bits(16.0, 2000.0, 20000.0),
    profile_id=bytes(range(16)),
    epoch=1_900_000_000,
    updated_time=1_900_000_002.0,
)
USUAL = {"event": EVENT, "state": STATE, "status": STATUS}
