# SPDX-License-Identifier: Apache-2.0
"""The MQTT topics: one place where they are spelled.

`lethe/v1/<site>/<device>/<sensor>/vectors|events|state` and `lethe/v1/<site>/<device>/status`.
Every name matches `[a-z0-9][a-z0-9-]{0,31}`: no slash, wildcard, space or upper case can occur, so
a topic has one reading. The topic of a vector is also signed with it (SPEC.md, the seal).
"""

from __future__ import annotations

from dataclasses import dataclass

from wire.checks import Checks
from wire.errors import BadTopic

ROOT = "lethe/v1"
TOPIC_MAX_BYTES = len(ROOT) + 3 * 33 + len("/vectors")

ALL_VECTORS = f"{ROOT}/+/+/+/vectors"
ALL_EVENTS = f"{ROOT}/+/+/+/events"
ALL_STATES = f"{ROOT}/+/+/+/state"
ALL_STATUS = f"{ROOT}/+/+/status"

_CHECKS = Checks(BadTopic, "topic")


@dataclass(frozen=True, slots=True)
class SensorTopics:
    """The topics of one sensor (one camera) of one device at one site."""

    site: str
    device: str
    sensor: str

    def __post_init__(self) -> None:
        _CHECKS.name("site", self.site)
        _CHECKS.name("device", self.device)
        _CHECKS.name("sensor", self.sensor)

    @property
    def vectors(self) -> str:
        """Sealed vectors, written by the device. QoS 1, not retained."""
        return f"{ROOT}/{self.site}/{self.device}/{self.sensor}/vectors"

    @property
    def events(self) -> str:
        """Events as JSON, written by the bridge. QoS 1, not retained."""
        return f"{ROOT}/{self.site}/{self.device}/{self.sensor}/events"

    @property
    def state(self) -> str:
        """The sensor's state as JSON, written by the bridge. QoS 1, retained."""
        return f"{ROOT}/{self.site}/{self.device}/{self.sensor}/state"


def device_status(site: str, device: str) -> str:
    """Status as JSON, written by the device (birth, every 10 s, will). QoS 1, retained."""
    _CHECKS.name("site", site)
    _CHECKS.name("device", device)
    return f"{ROOT}/{site}/{device}/status"


def parse_vectors(topic: str) -> SensorTopics:
    """Read a topic of vectors; BadTopic for anything else."""
    parts = topic.split("/", 6) if len(topic) <= TOPIC_MAX_BYTES else []
    if len(parts) != 6 or f"{parts[0]}/{parts[1]}" != ROOT or parts[5] != "vectors":
        raise BadTopic(f"topic: must be of the form {ALL_VECTORS}")
    return SensorTopics(parts[2], parts[3], parts[4])
