# SPDX-License-Identifier: Apache-2.0
"""The recogniser's card: what its network expects, and the thresholds it was tuned for.

A card is data that was shipped with a model; a value that does not fit is refused with the
key's name, before anything is computed with it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from cloud_bridge.alarm_parameters import alarm_parameters
from cloud_bridge.errors import ConfigError, ModelError
from wire.events import MODEL_ID

KINDS = ("present", "fall", "down", "fight")
MAX_STEPS = 10_000  # T; bounds a window's memory
MAX_DIM = 1024  # K


@dataclass(frozen=True, slots=True)
class Threshold:
    """Probabilities at which a kind is suspected, and above which evidence confirms it."""

    suspect: float
    confirm: float


@dataclass(frozen=True, slots=True)
class Card:
    """What `models/recogniser.json` says."""

    model_id: str
    profile_ids: frozenset[bytes]  # profiles that the network was trained for
    window: int  # T, vectors
    rate_hz: int
    released_dim: int  # K
    sigmas: tuple[int, ...]  # noise levels, finest first
    thresholds: dict[str, Threshold]  # one for each of KINDS
    alarms: dict[str, float]  # alarm parameters tuned with this model; may be empty


def load_card(path: Path) -> Card:
    """Read a card; raises ModelError that names the file and the key."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: no readable card ({error})") from error
    try:
        return _card(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: {type(error).__name__} at {error}") from error
    except ConfigError as error:
        raise ModelError(f"{path}: {error}") from error


def _card(data: dict[str, object]) -> Card:
    kinds = data["kinds"]
    if kinds != list(KINDS):
        raise ValueError(f"kinds must be {list(KINDS)}, got {kinds}")
    sigmas = tuple(_whole("sigmas", value, 2**31) for value in _items(data["sigmas"]))
    if not sigmas:
        raise ValueError("sigmas must name at least one noise level")
    alarms = {str(key): float(value) for key, value in _table(data.get("alarms", {})).items()}
    alarm_parameters(alarms)
    return Card(
        model_id=_model_id(data["model_id"]),
        profile_ids=frozenset(bytes.fromhex(str(item)) for item in _items(data["profile_ids"])),
        window=_whole("window", data["window"], MAX_STEPS),
        rate_hz=_whole("rate_hz", data["rate_hz"], 100),
        released_dim=_whole("released_dim", data["released_dim"], MAX_DIM),
        sigmas=sigmas,
        thresholds={kind: _threshold(kind, data["thresholds"]) for kind in KINDS},
        alarms=alarms,
    )


def _model_id(value: object) -> str:
    if not isinstance(value, str) or MODEL_ID.fullmatch(value) is None:
        raise ValueError(f"model_id must be of the form {MODEL_ID.pattern}")
    return value


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"a list is wanted, got {type(value).__name__}")
    return value


def _table(value: object) -> dict[str, float]:
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
