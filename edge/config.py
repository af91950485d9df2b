# SPDX-License-Identifier: Apache-2.0
"""All settings of the daemon: read once from TOML, checked, frozen.

Every key may be missing. An unknown key, a value of the wrong type or out of range is refused by
ConfigError with the key's name and what is allowed. Relative paths are relative to the file they
stand in. Secrets come as paths of files; a source with a password in it is never shown. Only
`defaults` looks at the environment, for the state directory.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import tomli

from edge.errors import ConfigError
from wire.checks import NAME

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_PORTS = {"mqtts": 8883, "mqtt": 1883}

Read = Callable[[str, object, Path], Any]  # where, value, folder of the file -> checked value
Section = TypeVar("Section")


def _integer(low: int, high: int) -> Read:
    def read(where: str, value: object, _: Path) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ConfigError(f"{where} must be a whole number from {low} to {high}")
        return value

    return read


def _number(low: float, high: float) -> Read:
    def read(where: str, value: object, _: Path) -> float:
        if isinstance(value, (int, float)) and type(value) is not bool and low <= value <= high:
            return float(value)
        raise ConfigError(f"{where} must be a number from {low:g} to {high:g}")

    return read


def _text(where: str, value: object, _: Path) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ConfigError(f"{where} must be text that is not empty")
    return value


def _name(where: str, value: object, _: Path) -> str:
    if not isinstance(value, str) or NAME.fullmatch(value) is None:
        raise ConfigError(f"{where} must be 1 to 32 of a-z, 0-9 and -, and not begin with -")
    return value


def _path(where: str, value: object, folder: Path) -> Path:
    text = _text(where, value, folder)
    try:
        return folder / Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(f"{where}: {text!r} begins with the home of nobody here") from None


def _broker_url(where: str, value: object, folder: Path) -> str:
    split_broker_url(_text(where, value, folder), where)
    return str(value)


def split_broker_url(url: str, where: str = "the broker's address") -> tuple[bool, str, int]:
    """-> (whether TLS is spoken, host, port); ConfigError names what is allowed."""
    form = f"{where} must be mqtts://HOST[:PORT], or mqtt://localhost[:PORT] on this machine"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(form) from None
    if parts.username is not None:
        raise ConfigError(f"{form}, without user or password: the certificate says who we are")
    more = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or more:
        raise ConfigError(form)
    if parts.scheme == "mqtt" and parts.hostname not in LOCAL_HOSTS:
        raise ConfigError(f"{form}: without TLS anybody on the way could read and alter")
    return parts.scheme == "mqtts", parts.hostname, port or DEFAULT_PORTS[parts.scheme]


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """Where frames come from."""

    source: str | None = field(default=None, repr=False)  # it may hold a password


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Which engine runs which model."""

    backend: str = "openvino"
    model: Path | None = None  # None: the shipped one
    threads: int = 1


@dataclass(frozen=True, slots=True)
class ProfileConfig:
    """The release mechanism's constants."""

    path: Path | None = None  # None: the shipped one


@dataclass(frozen=True, slots=True)
class PrivacyConfig:
    """Caps in bits, if lower than the profile's. None: what the profile needs all day."""

    window_bits: float | None = None
    hour_bits: float | None = None
    day_bits: float | None = None


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """Where messages go, and who we are there."""

    url: str = "mqtt://localhost:1883"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class OutboxConfig:
    """How much waits for the broker, and how long."""

    max_messages: int = 6000
    max_age_s: float = 600.0


@dataclass(frozen=True, slots=True)
class StateConfig:
    """Where ledger, epoch, key and outbox live. None: see `state_dir`."""

    dir: Path | None = None


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """Everything `lethe-edge run` obeys."""

    site: str = "home"
    device: str = ""  # empty: this machine's host name
    sensor: str = "camera-0"
    camera: CameraConfig = field(default_factory=CameraConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    profile: ProfileConfig = field(default_factory=ProfileConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    broker: BrokerConfig = field(default_factory=BrokerConfig)
    outbox: OutboxConfig = field(default_factory=OutboxConfig)
    state: StateConfig = field(default_factory=StateConfig)

    def overridden(self, source: str | None, broker: str | None) -> EdgeConfig:
        """With the command line's source and broker in place of the file's."""
        camera, link, here = self.camera, self.broker, Path()
        if source is not None:
            camera = CameraConfig(_text("--source", source, here))
        if broker is not None:
            link = replace(link, url=_broker_url("--broker", broker, here))
        return replace(self, camera=camera, broker=link)


SECTIONS: Mapping[str, type[Any]] = {
    "camera": CameraConfig,
    "encoder": EncoderConfig,
    "profile": ProfileConfig,
    "privacy": PrivacyConfig,
    "broker": BrokerConfig,
    "outbox": OutboxConfig,
    "state": StateConfig,
}

READERS: Mapping[type[Any], Mapping[str, Read]] = {
    CameraConfig: {"source": _text},
    EncoderConfig: {"backend": _text, "model": _path, "threads": _integer(1, 64)},
    ProfileConfig: {"path": _path},
    PrivacyConfig: dict.fromkeys(("window_bits", "hour_bits", "day_bits"), _number(1e-6, 1e9)),
    BrokerConfig: {"url": _broker_url, "ca_file": _path, "cert_file": _path, "key_file": _path},
    OutboxConfig: {"max_messages": _integer(10, 1_000_000), "max_age_s": _number(1, 86400)},
    StateConfig: {"dir": _path},
    EdgeConfig: {"site": _name, "device": _name, "sensor": _name},
}


def load_config(path: Path | None) -> EdgeConfig:
    """The settings in the file, the defaults where it is silent or where there is none."""
    table = {} if path is None else _parse(path)
    folder = Path() if path is None else path.parent
    sections = {
        name: _section(kind, table.pop(name, {}), f"[{name}] ", folder)
        for name, kind in SECTIONS.items()
    }
    config = replace(_section(EdgeConfig, table, "", folder), **sections)
    return config if config.device else replace(config, device=host_name(socket.gethostname()))


def host_name(name: str) -> str:
    """A machine's host name as a device's name: what is not allowed becomes a dash."""
    cleaned = re.sub(r"[^a-z0-9-]", "-", name.partition(".")[0].lower()).strip("-")
    return cleaned[:32] or "device"


def shipped(name: str) -> Path:
    """The path of a file that is shipped in models/; ConfigError if this checkout has none."""
    try:
        path = Path(str(files("models") / name))
    except ModuleNotFoundError:
        path = Path("models") / name
    if not path.is_file():
        raise ConfigError(f"{path} is not shipped here: name your own in [encoder] and [profile]")
    return path


def state_dir(config: StateConfig) -> Path:
    """The configured directory, else systemd's ($STATE_DIRECTORY), else one in the user's home."""
    if config.dir is not None:
        return config.dir
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given) if given else Path.home() / ".local" / "state" / "lethe"


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"configuration {path}: {error.strerror}") from error
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path} is not TOML: {error}") from error


def _section(kind: type[Section], table: object, where: str, folder: Path) -> Section:
    """Build one frozen section from its table."""
    readers = READERS[kind]
    if not isinstance(table, dict):
        raise ConfigError(f"{where.strip()} must be a table")
    unknown = sorted(set(table) - set(readers))
    if unknown:
        allowed = ", ".join([*readers, *([] if where else [f"[{name}]" for name in SECTIONS])])
        raise ConfigError(f"unknown key {where}{unknown[0]}; allowed are: {allowed}")
    return kind(**{key: readers[key](where + key, table[key], folder) for key in table})
