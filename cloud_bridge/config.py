# SPDX-License-Identifier: Apache-2.0
"""The bridge's configuration: one TOML file, read once into one frozen object.

Unknown keys and values out of range are refused with the key's name and what is allowed.
Secrets come as paths of files. `cloud_bridge/example.toml` explains every key.
"""

import base64
import binascii
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import tomli

from cloud_bridge.alarm_parameters import RANGES, alarm_parameters
from cloud_bridge.card import Threshold
from cloud_bridge.errors import ConfigError
from cloud_bridge.registry import ROOM_SENSORS_MAX, Device, Place, Registry
from cloud_bridge.table import Table
from wire.errors import BadProfile, Malformed
from wire.profile import Profile
from wire.seal import device_key

DEFAULT_PATH = Path("/etc/lethe/bridge.toml")
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
PORTS = {"mqtts": 8883, "mqtt": 1883}
MAX_DEVICES = 10_000
MAX_SENSORS = 64  # per device
THRESHOLD_KINDS = ("fall", "down", "fight", "present")


@dataclass(frozen=True, slots=True)
class Broker:
    """Where results go and vectors come from."""

    host: str
    port: int
    tls: bool
    ca: Path | None  # None: the system's certificate authorities
    certificate: Path | None
    key: Path | None
    client_id: str
    session_expiry_s: int  # how long the broker keeps messages while the bridge is away


@dataclass(frozen=True, slots=True)
class Admission:
    """How old, and how far ahead of our clock, a vector may be."""

    max_age_s: float
    max_ahead_s: float


@dataclass(frozen=True, slots=True)
class Model:
    """The recogniser's card, which names its networks, and its share of the machine."""

    card: Path
    threads: int


@dataclass(frozen=True, slots=True)
class Config:
    """All of it."""

    broker: Broker
    state_directory: Path
    model: Model
    admission: Admission
    step_s: float  # a room is judged after this much capture time
    stalled_after_s: float
    state_every_s: float
    alarms: dict[str, float]  # overrides, see alarm_parameters
    thresholds: dict[str, Threshold]  # overrides of the card's
    registry: Registry


def load_config(path: Path, broker_url: str | None = None) -> Config:
    """Read the file; broker_url replaces its broker.url. Raises ConfigError and nothing else."""
    try:
        values = tomli.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; write one after {files('cloud_bridge') / 'example.toml'}"
            " and name it with --config"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        return _config(Table("", values, path.resolve().parent), broker_url)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _config(root: Table, broker_url: str | None) -> Config:
    stream = root.table("stream")
    thresholds = root.table("thresholds")
    alarms = root.table("alarms")
    config = Config(
        broker=_broker(root.table("broker"), broker_url),
        state_directory=root.path("state_directory") or _default_state_directory(),
        model=_model(root.table("model")),
        admission=_admission(root.table("admission")),
        step_s=stream.number("step_s", 0.1, 10, 0.5),
        stalled_after_s=stream.number("stalled_after_s", 0.5, 3600, 5),
        state_every_s=stream.number("state_every_s", 0.5, 600, 5),
        alarms=alarms.numbers(RANGES),
        thresholds=_thresholds(thresholds),
        registry=_registry(root.tables("device"), root.tables("rooms")),
    )
    stream.end("step_s, stalled_after_s, state_every_s")
    alarms.end(", ".join(RANGES))
    alarm_parameters(config.alarms)  # raises now, not when the model has been loaded
    thresholds.end(", ".join(THRESHOLD_KINDS))
    root.end(
        "broker, state_directory, model, admission, stream, alarms, thresholds, [[device]]"
        " and [[rooms]]"
    )
    return config


def _broker(table: Table, url: str | None) -> Broker:
    written = table.text("url", "mqtts://localhost:8883")
    host, port, tls = parse_broker_url(url or written)
    broker = Broker(
        host=host,
        port=port,
        tls=tls,
        ca=table.path("ca"),
        certificate=table.path("certificate"),
        key=table.path("key"),
        client_id=table.text("client_id", "lethe-bridge"),
        session_expiry_s=table.whole("session_expiry_s", 0, 30 * 86400, 86400),
    )
    table.end("url, ca, certificate, key, client_id, session_expiry_s")
    if (broker.certificate is None) != (broker.key is None):
        raise ConfigError("broker.certificate and broker.key must be given together")
    for key in ("ca", "certificate", "key"):
        path = getattr(broker, key)
        if path is not None and not path.is_file():
            raise ConfigError(f"broker.{key} must be a file, {path} is none")
    return broker


def parse_broker_url(url: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS is used; plain MQTT only to this machine."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"broker.url is no URL: {error}") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise ConfigError("broker.url must be mqtts://host:port (or mqtt://localhost:port)")
    if parts.username or parts.password or parts.path.strip("/") or parts.query:
        raise ConfigError("broker.url must name host and port only; identity is a certificate")
    if parts.scheme == "mqtt" and parts.hostname not in LOCAL_HOSTS:
        raise ConfigError("broker.url must be mqtts:// unless the broker is on localhost")
    return parts.hostname, port or PORTS[parts.scheme], parts.scheme == "mqtts"


def _model(table: Table) -> Model:
    model = Model(
        card=table.path("card") or _shipped("recogniser.json"),
        threads=table.whole("threads", 1, 256, 1),
    )
    table.end("card, threads")
    return model


def _admission(table: Table) -> Admission:
    admission = Admission(
        max_age_s=table.number("max_age_s", 1, 30 * 86400, 900),
        max_ahead_s=table.number("max_ahead_s", 0, 3600, 30),
    )
    table.end("max_age_s, max_ahead_s")
    return admission


def _thresholds(table: Table) -> dict[str, Threshold]:
    found = {}
    for kind in THRESHOLD_KINDS:
        entry = table.table(kind)
        values = entry.numbers(("suspect", "confirm"))
        entry.end("suspect, confirm")
        if not values:
            continue
        if len(values) != 2 or not all(0 < value < 1 for value in values.values()):
            raise ConfigError(f"thresholds.{kind} needs suspect and confirm between 0 and 1")
        found[kind] = Threshold(float(values["suspect"]), float(values["confirm"]))
    return found


def _registry(devices: list[Table], rooms: list[Table]) -> Registry:
    if not 1 <= len(devices) <= MAX_DEVICES:
        raise ConfigError(f"[[device]] must occur 1 to {MAX_DEVICES} times, got {len(devices)}")
    return Registry(
        [_device(index, table) for index, table in enumerate(devices)],
        [_room(table) for table in rooms],
    )


def _room(table: Table) -> Place:
    site, name = table.name("site"), table.name("name")
    sensors = table.sensors("sensors", ROOM_SENSORS_MAX)
    table.end("site, name, sensors")
    return Place(site, name, tuple((site, device, sensor) for device, sensor in sensors))


def _device(index: int, table: Table) -> Device:
    site, name = table.name("site"), table.name("name")
    try:
        raw = base64.b64decode(table.text("public_key"), validate=True)
        key = device_key(raw)
        profile = Profile.load(table.path("profile") or _shipped("profile.json"))
        profile.require_cap_kept()
    except (binascii.Error, Malformed) as error:
        raise ConfigError(
            f"device[{index}].public_key must be the base64 of 32 bytes: {error}"
        ) from error
    except BadProfile as error:
        raise ConfigError(f"device[{index}].profile: {error}") from error
    device = Device(site, name, key, profile, table.names("sensors", MAX_SENSORS))
    table.end("site, name, public_key, profile, sensors")
    return device


def _shipped(name: str) -> Path:
    return Path(str(files("models") / name))


def _default_state_directory() -> Path:
    given = os.environ.get("STATE_DIRECTORY")  # set by systemd
    return Path(given) if given else Path.home() / ".local/state/lethe-bridge"
