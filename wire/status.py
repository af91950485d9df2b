# SPDX-License-Identifier: Apache-2.0
"""What a device publishes about itself, retained: birth, every 10 s, and the will `offline`.

Only numbers that do not depend on what the camera sees. The form is `schemas/status.schema.json`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from wire.checks import JSON_INTEGER_MAX, Checks, json_bytes
from wire.errors import Malformed
from wire.events import RESULT_MAX_BYTES, read_profile_id
from wire.profile import ID_BYTES
from wire.times import check_time, rfc3339, unix_time

STATUSES = ("online", "offline", "stopping")
MODES = ("full", "coarse", "repeating")
CAMERAS = ("live", "frozen", "missing", "ended")
# What ended the way from a frame to its vector; SPEC.md says what each is and what cures it.
FAULTS = (
    "no-driver",
    "driver-too-old",
    "no-device",
    "no-kernels",
    "out-of-memory",
    "device-lost",
    "engine",
    "engine-nan",
    "bad-receipt",
)
BITS_MAX = 1e12

_COUNTERS = (
    "frames",
    "frames_wiped",
    "releases",
    "repeated",
    "dropped_messages",
    "outbox",
)
_CHECKS = Checks(Malformed, "status")


@dataclass(frozen=True, slots=True)
class Bits:
    """Leaked-bit caps, or what of them is charged: per window, hour and day."""

    window: float
    hour: float
    day: float

    def __post_init__(self) -> None:
        _CHECKS.number("window", self.window, 0.0, BITS_MAX)
        _CHECKS.number("hour", self.hour, 0.0, BITS_MAX)
        _CHECKS.number("day", self.day, 0.0, BITS_MAX)


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """One device (with its one sensor) as it sees itself."""

    site: str
    device: str
    sensor: str
    status: str  # of STATUSES; the will says offline
    mode: str  # full: finest noise; coarse: a coarser level; repeating: a cap is reached
    camera: str  # of CAMERAS
    fault: str | None  # of FAULTS; None: none
    frames: int  # since the daemon started, like all counters here
    frames_wiped: int
    releases: int
    repeated: int
    dropped_messages: int
    outbox: int  # messages waiting
    spent_bits: Bits
    cap_bits: Bits
    profile_id: bytes  # 16 bytes
    epoch: int
    updated_time: float  # unix seconds

    def __post_init__(self) -> None:
        _CHECKS.name("site", self.site)
        _CHECKS.name("device", self.device)
        _CHECKS.name("sensor", self.sensor)
        _CHECKS.choice("status", self.status, STATUSES)
        _CHECKS.choice("mode", self.mode, MODES)
        _CHECKS.choice("camera", self.camera, CAMERAS)
        if self.fault is not None:
            _CHECKS.choice("fault", self.fault, FAULTS)
        for key in _COUNTERS:
            _CHECKS.integer(key, getattr(self, key), 0, JSON_INTEGER_MAX)
        if not isinstance(self.spent_bits, Bits) or not isinstance(self.cap_bits, Bits):
            raise _CHECKS.refuse("spent_bits and cap_bits", "Bits")
        _CHECKS.octets("profile_id", self.profile_id, ID_BYTES)
        _CHECKS.integer("epoch", self.epoch, 0, JSON_INTEGER_MAX)
        check_time(_CHECKS, "updated_time", self.updated_time)

    def to_json(self) -> bytes:
        """As `schemas/status.schema.json` has it; the time rounded to milliseconds."""
        found = asdict(self)
        found["profile_id"] = self.profile_id.hex()
        found["updated_time"] = rfc3339(self.updated_time)
        return json_bytes(found)

    @classmethod
    def from_json(cls, data: bytes) -> DeviceStatus:
        """Raise Malformed for anything that is not a device's status, and nothing else."""
        found = _CHECKS.json_object(data, cls.__slots__, RESULT_MAX_BYTES)
        for key in ("spent_bits", "cap_bits"):
            found[key] = Bits(**_CHECKS.mapping(key, found[key], Bits.__slots__))
        found["profile_id"] = read_profile_id(_CHECKS, found["profile_id"])
        found["updated_time"] = unix_time(_CHECKS, "updated_time", found["updated_time"])
        return cls(**found)
