# SPDX-License-Identifier: Apache-2.0
"""The recogniser's card: its networks, what they expect, and the thresholds they were tuned for.

A card is data that was shipped with a model; a value that does not fit is refused with the
key's name, before anything is computed with it. The networks that it names lie beside it.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud_bridge.alarm_parameters import alarm_parameters
from cloud_bridge.errors import ConfigError, ModelError
from wire.events import LABEL, MODEL_ID, PERSONS_MAX, PROBABILITIES_MAX, SENSORS_MAX

VERSION = 2
KINDS = ("present", "fall", "down", "fight")
MAX_STEPS = 10_000  # T; bounds a window's memory
MAX_DIM = 1024  # K
UNUSUAL = "unusual"
POSTURES, COUNT, ONSET = "postures", "count", "onset"
HEADS = (POSTURES, COUNT, ONSET, UNUSUAL)
CAMERA = "camera"  # the modality of every sensor that there is so far
LABELS_MAX = PROBABILITIES_MAX - len(KINDS) - 1  # beside KINDS and UNUSUAL in a state
NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.onnx")


@dataclass(frozen=True, slots=True)
class Threshold:
    """Probabilities at which a kind is suspected, and above which evidence confirms it."""

    suspect: float
    confirm: float


@dataclass(frozen=True, slots=True)
class Exit:
    """One member of the family, smallest first; whoever is surer than its gate leaves there."""

    name: str
    network: Path
    gate: float | None  # least |2 p - 1| of fall, down and fight; None: everybody leaves


@dataclass(frozen=True, slots=True)
class Card:
    """What `models/recogniser.json` says."""

    model_id: str
    profile_ids: frozenset[bytes]  # profiles that the network was trained for
    window: int  # T, vectors
    rate_hz: int
    released_dim: int  # K
    sigmas: tuple[int, ...]  # noise levels, finest first
    sensors_max: int  # N, sensors that may be judged together
    modalities: tuple[str, ...]  # kinds of sensors, in the order of the network's numbers
    exits: tuple[Exit, ...]
    heads: frozenset[str]  # of HEADS: what its networks say besides the behaviours
    postures: tuple[str, ...]
    counts: int  # classes of the number of persons; the last means so many or more
    thresholds: dict[str, Threshold]  # one for each of KINDS
    alarms: dict[str, float]  # alarm parameters tuned with this model; may be empty


def load_card(path: Path) -> Card:
    """Read a card; raises ModelError that names the file and the key."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: no readable card ({error})") from error
    try:
        return _card(data, path.parent)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: {type(error).__name__} at {error}") from error
    except ConfigError as error:
        raise ModelError(f"{path}: {error}") from error


def _card(data: dict[str, object], folder: Path) -> Card:
    if data.get("version") != VERSION:
        raise ValueError(
            f"version must be {VERSION}, got {data.get('version')}; this bridge takes the models"
            " that were shipped with it, not those of another version"
        )
    kinds = data["kinds"]
    if kinds != list(KINDS):
        raise ValueError(f"kinds must be {list(KINDS)}, got {kinds}")
    sigmas = tuple(_whole("sigmas", value, 2**31) for value in _items(data["sigmas"]))
    if not sigmas:
        raise ValueError("sigmas must name at least one noise level")
    modalities = _labels("modalities", data["modalities"])
    if CAMERA not in modalities:
        raise ValueError(f"modalities must name {CAMERA}")
    heads = _heads(_items(data["heads"]))
    alarms = {str(key): float(value) for key, value in _table(data.get("alarms", {})).items()}
    alarm_parameters(alarms)
    return Card(
        model_id=_model_id(data["model_id"]),
        profile_ids=frozenset(bytes.fromhex(str(item)) for item in _items(data["profile_ids"])),
        window=_whole("window", data["window"], MAX_STEPS),
        rate_hz=_whole("rate_hz", data["rate_hz"], 100),
        released_dim=_whole("released_dim", data["released_dim"], MAX_DIM),
        sigmas=sigmas,
        sensors_max=_whole("sensors_max", data["sensors_max"], SENSORS_MAX),
        modalities=modalities,
        exits=_exits(_items(data["exits"]), folder),
        heads=heads,
        postures=_labels("postures", data["postures"]) if POSTURES in heads else (),
        counts=_whole("counts", data["counts"], PERSONS_MAX + 1) if COUNT in heads else 0,
        thresholds={kind: _threshold(kind, data["thresholds"]) for kind in KINDS},
        alarms=alarms,
    )


def _model_id(value: object) -> str:
    if not isinstance(value, str) or MODEL_ID.fullmatch(value) is None:
        raise ValueError(f"model_id must be of the form {MODEL_ID.pattern}")
    return value


def _heads(names: list[object]) -> frozenset[str]:
    """What a family may lack is told as absent by the bridge, never made up."""
    if len(set(map(str, names))) < len(names) or not set(names) <= set(HEADS):
        raise ValueError(f"heads must be different names of {list(HEADS)}, got {names}")
    return frozenset(str(name) for name in names)


def _exits(entries: list[object], folder: Path) -> tuple[Exit, ...]:
    tables = [_table(entry) for entry in entries]
    names = _labels("exits", [table["name"] for table in tables])
    if "gate" in tables[-1]:
        raise ValueError("the last of exits has no gate: nobody would judge whom it holds back")
    gates = [*(_gate(table["gate"]) for table in tables[:-1]), None]
    files = [_network(table["network"]) for table in tables]
    return tuple(
        Exit(name, folder / file, gate)
        for name, file, gate in zip(names, files, gates, strict=True)
    )


def _network(value: object) -> str:
    if not isinstance(value, str) or NETWORK.fullmatch(value) is None:
        raise ValueError(f"exits.network must be a file beside the card, {NETWORK.pattern}")
    return value


def _gate(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"exits.gate must lie in 0 to 1, got {value!r}")
    return float(value)


def _labels(key: str, value: object) -> tuple[str, ...]:
    """1 to LABELS_MAX different names, none of them one that a state uses already."""
    names = _items(value)
    taken = {*KINDS, UNUSUAL}
    for name in names:
        if not isinstance(name, str) or LABEL.fullmatch(name) is None or name in taken:
            raise ValueError(f"{key} must be different names of the form {LABEL.pattern}")
        taken.add(name)
    if not 1 <= len(names) <= LABELS_MAX:
        raise ValueError(f"{key} must be 1 to {LABELS_MAX} names, got {len(names)}")
    return tuple(str(name) for name in names)


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"a list is wanted, got {type(value).__name__}")
    return value


def _table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"an object is wanted, got {type(value).__name__}")
    return value


def _whole(key: str, value: object, limit: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise ValueError(f"{key} must be a whole number in 1 to {limit}, got {value!r}")
    return value


def _threshold(kind: str, table: object) -> Threshold:
    entry = _table(_table(table)[kind])
    suspect, confirm = float(entry["suspect"]), float(entry["confirm"])
    for name, value in (("suspect", suspect), ("confirm", confirm)):
        if not 0 < value < 1:
            raise ValueError(f"thresholds.{kind}.{name} must lie between 0 and 1, got {value}")
    return Threshold(suspect, confirm)
