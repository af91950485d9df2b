# SPDX-License-Identifier: Apache-2.0
"""Which devices exist, which key, profile and sensors each has, and which sensors share a room.

Read once from the configuration and never changed by a message.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud_bridge.errors import ConfigError
from wire.profile import Profile

Sensor = tuple[str, str, str]  # site, device, sensor
ROOM_SENSORS_MAX = 4


def label(sensor: Sensor) -> str:
    """A sensor within its site, as results name it: device/sensor."""
    return "/".join(sensor[1:])


@dataclass(frozen=True, slots=True)
class Device:
    """One registered device."""

    site: str
    name: str
    public_key: Ed25519PublicKey
    profile: Profile
    sensors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """1 to ROOM_SENSORS_MAX sensors of one site whose vectors are judged together."""

    site: str
    name: str | None  # None: one sensor that was put into no room
    sensors: tuple[Sensor, ...]

    @property
    def speaker(self) -> Sensor:
        """The sensor in whose name, and on whose topic, events are published."""
        return self.sensors[0]

    @property
    def title(self) -> str:
        """For the log and for errors."""
        return f"{self.site}/{self.name or label(self.speaker)}"


class Registry:
    """All registered devices, and all of their sensors by rooms."""

    def __init__(self, devices: Iterable[Device], rooms: Iterable[Place] = ()) -> None:
        """Raises ConfigError if a device occurs twice, two share a key, or rooms do not fit."""
        self._devices: dict[tuple[str, str], Device] = {}
        keys: dict[bytes, str] = {}  # raw public key -> site/device
        for device in devices:
            label = f"{device.site}/{device.name}"
            if (device.site, device.name) in self._devices:
                raise ConfigError(f"device {label} is registered twice")
            other = keys.setdefault(device.public_key.public_bytes_raw(), label)
            if other != label:
                raise ConfigError(f"devices {other} and {label} have the same public_key")
            self._devices[device.site, device.name] = device
        self.places = _places(self.sensors, list(rooms))

    def find(self, site: str, device: str) -> Device | None:
        """The device of that name at that site, or None."""
        return self._devices.get((site, device))

    @property
    def devices(self) -> list[Device]:
        """All devices, in the order of the configuration."""
        return list(self._devices.values())

    @property
    def sensors(self) -> list[Sensor]:
        """All of them."""
        return [
            (device.site, device.name, sensor)
            for device in self._devices.values()
            for sensor in device.sensors
        ]


def _places(sensors: list[Sensor], rooms: list[Place]) -> list[Place]:
    """The rooms, then every sensor that is in none as one by itself."""
    room_of: dict[Sensor, Place] = {}
    titles: set[str] = set()
    for room in rooms:
        if room.title in titles:
            raise ConfigError(f"room {room.title} occurs twice")
        titles.add(room.title)
        if len(room.sensors) > ROOM_SENSORS_MAX:
            raise ConfigError(f"room {room.title} has more than {ROOM_SENSORS_MAX} sensors")
        for sensor in room.sensors:
            _check_known(room, sensor, sensors)
            other = room_of.setdefault(sensor, room)
            if other is not room:
                raise ConfigError(
                    f"sensor {label(sensor)} is in the rooms {other.title} and {room.title}"
                )
    alone = [Place(sensor[0], None, (sensor,)) for sensor in sensors if sensor not in room_of]
    return [*rooms, *alone]


def _check_known(room: Place, sensor: Sensor, sensors: list[Sensor]) -> None:
    if sensor in sensors:
        return
    elsewhere = [other[0] for other in sensors if other[1:] == sensor[1:]]
    hint = f"; it is at {elsewhere[0]}, and a room lies in one site" if elsewhere else ""
    raise ConfigError(
        f"room {room.title}: no sensor {label(sensor)} is registered at {sensor[0]}{hint}"
    )
