# SPDX-License-Identifier: Apache-2.0
"""The only place where trust is decided.

The rules of acceptance of wire/SPEC.md, in its order and under its numbers; the first that
fails raises Refused with that number, and nothing has changed. Only after the last does
freshness advance, and it must be committed before the vector is used. No clock and no file is
touched here but through the two arguments; no byte of a refused message is kept or told.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cloud_bridge.errors import Refused
from cloud_bridge.freshness import Freshness
from cloud_bridge.registry import Device, Registry, Sensor
from wire.errors import BadSeal, BadTopic, Malformed
from wire.message import VectorMessage, open_sealed, unpack
from wire.seal import SEALED_MAX_BYTES
from wire.topics import SensorTopics, parse_vectors

RULES = {
    1: "topic",
    2: "size",
    3: "known",
    4: "seal",
    5: "layout",
    6: "same names",
    7: "profile",
    8: "time",
    9: "never twice",
    10: "possible",
}
MAX_AGE_S = 900.0
MAX_AHEAD_S = 30.0


@dataclass(frozen=True, slots=True)
class Admitted:
    """A message that passed every rule; to be used after freshness has been committed."""

    sensor: Sensor
    message: VectorMessage
    received_s: float  # unix s by the bridge's clock


class Admission:
    """Decides on one message at a time. Holds no state but what freshness holds."""

    def __init__(
        self,
        registry: Registry,
        freshness: Freshness,
        clock: Callable[[], float],
        max_age_s: float = MAX_AGE_S,
        max_ahead_s: float = MAX_AHEAD_S,
    ) -> None:
        """clock gives unix seconds."""
        self._registry, self._freshness, self._clock = registry, freshness, clock
        self._max_age_s, self._max_ahead_s = max_age_s, max_ahead_s

    def admit(self, topic: str, sealed: bytes) -> Admitted:
        """Apply the rules of acceptance; raises Refused and nothing else."""
        topics = _parse(topic)  # 1 topic
        _require(2, len(sealed) <= SEALED_MAX_BYTES, "too long")  # 2 size
        device = self._known(topics)  # 3 known
        payload = _open(sealed, topic, device)  # 4 seal
        message = _unpack(payload)  # 5 layout
        same = (message.device, message.sensor) == (topics.device, topics.sensor)
        _require(6, same, "payload and topic name different sensors")  # 6 same names
        profile_known = message.profile_id == device.profile.id
        _require(7, profile_known, "not the profile registered for the device")  # 7 profile
        now_s = self._clock()
        self._check_time(message, now_s)  # 8 time
        sensor = (topics.site, topics.device, topics.sensor)
        position = (message.epoch, message.sequence)
        newest = self._freshness.newest(sensor)
        fresh = newest is None or position > newest
        _require(9, fresh, "not newer than the last admitted one")  # 9 never twice
        _check_possible(message, device)  # 10 possible
        self._freshness.advance(sensor, position)
        return Admitted(sensor, message, now_s)

    def _known(self, topics: SensorTopics) -> Device:
        device = self._registry.find(topics.site, topics.device)
        if device is None or topics.sensor not in device.sensors:
            raise Refused(3, "site, device or sensor is not registered")
        return device

    def _check_time(self, message: VectorMessage, now_s: float) -> None:
        age_s = now_s - message.capture_time_us / 1e6
        _require(8, age_s <= self._max_age_s, "captured too long ago")
        _require(8, age_s >= -self._max_ahead_s, "captured in the future")


def _parse(topic: str) -> SensorTopics:
    try:
        return parse_vectors(topic)
    except BadTopic:
        raise Refused(1, "no topic of vectors") from None


def _open(sealed: bytes, topic: str, device: Device) -> bytes:
    try:
        return open_sealed(sealed, topic, device.public_key)
    except Malformed:
        raise Refused(4, "not the one allowed envelope") from None
    except BadSeal:
        raise Refused(4, "signature does not belong to message, topic and device") from None


def _unpack(payload: bytes) -> VectorMessage:
    try:
        return unpack(payload)
    except Malformed:
        raise Refused(5, "payload is not laid out as a vector") from None


def _check_possible(message: VectorMessage, device: Device) -> None:
    profile = device.profile
    _require(10, message.noise_level < len(profile.sigmas), "no such noise level")
    _require(10, len(message.vector) == profile.released_dim, "wrong length of vector")
    # int32: the absolute value of -32768 does not fit int16.
    largest = int(np.abs(message.vector.astype(np.int32)).max())
    _require(10, largest <= profile.coordinate_bound(message.noise_level), "value out of reach")


def _require(rule: int, holds: bool, reason: str) -> None:
    if not holds:
        raise Refused(rule, reason)
