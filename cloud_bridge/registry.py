# SPDX-License-Identifier: Apache-2.0
"""Which devices exist, which key and profile each has, and which sensors it carries.

Read once from the configuration and never changed by a message.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud_bridge.errors import ConfigError
from wire.profile import Profile


@dataclass(frozen=True, slots=True)
class Device:
    """One registered device."""

    site: str
    name: str
    public_key: Ed25519PublicKey
    profile: Profile
    sensors: tuple[str, ...]


class Registry:
    """All registered devices."""

    def __init__(self, devices: Iterable[Device]) -> None:
        """Raises ConfigError if a device occurs twice or two share a key."""
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

    def find(self, site: str, device: str) -> Device | None:
        """The device of that name at that site, or None."""
        return self._devices.get((site, device))

    @property
    def devices(self) -> list[Device]:
        """All devices, in the order of the configuration."""
        return list(self._devices.values())

    @property
    def sensors(self) -> list[tuple[str, str, str]]:
        """All (site, device, sensor)."""
        return [
            (device.site, device.name, sensor)
            for device in self._devices.values()
            for sensor in device.sensors
        ]
