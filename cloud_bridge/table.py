# SPDX-License-Identifier: Apache-2.0
"""One table of the configuration, read strictly.

Every value is taken once, by name, with its type and range; `end` refuses whatever was not
taken. The error names the key with its table and says what is allowed.
"""

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cloud_bridge.errors import ConfigError
from wire.checks import NAME
from wire.events import SENSOR


class Table:
    """A TOML table under a dotted name."""

    def __init__(self, name: str, values: object, base: Path) -> None:
        """base: the directory that relative paths start from."""
        if not isinstance(values, dict):
            raise ConfigError(f"{name or 'the file'} must be a table")
        self._name, self._base = name, base
        self._left: dict[str, Any] = dict(values)

    def number(self, key: str, low: float, high: float, default: float) -> float:
        """A finite number within [low, high]."""
        value = self._left.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._refuse(key, f"a number from {low:g} to {high:g}")
        if not math.isfinite(value) or not low <= value <= high:
            raise self._refuse(key, f"from {low:g} to {high:g}, got {value}")
        return float(value)

    def whole(self, key: str, low: int, high: int, default: int) -> int:
        """A whole number within [low, high]."""
        value = self._left.pop(key, default)
        if type(value) is not int or not low <= value <= high:
            raise self._refuse(key, f"a whole number from {low} to {high}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A non-empty string; must be there if there is no default."""
        value = self._left.pop(key, default)
        if not isinstance(value, str) or not value:
            raise self._refuse(key, "a non-empty string")
        return value

    def name(self, key: str) -> str:
        """A name as topics allow it."""
        return self._check_name(key, self._left.pop(key, None))

    def names(self, key: str, limit: int) -> tuple[str, ...]:
        """1 to limit different names."""
        values = self._left.pop(key, None)
        if not isinstance(values, list) or not 1 <= len(values) <= limit:
            raise self._refuse(key, f"a list of 1 to {limit} names")
        names = tuple(self._check_name(key, value) for value in values)
        if len(set(names)) != len(names):
            raise self._refuse(key, "a list without repetitions")
        return names

    def sensors(self, key: str, limit: int) -> tuple[tuple[str, str], ...]:
        """1 to limit different (device, sensor), each written device/sensor."""
        values = self._left.pop(key, None)
        if not isinstance(values, list) or not 1 <= len(values) <= limit:
            raise self._refuse(key, f'a list of 1 to {limit} sensors, each as "device/sensor"')
        pairs = tuple(self._check_sensor(key, value) for value in values)
        if len(set(pairs)) != len(pairs):
            raise self._refuse(key, "a list without repetitions")
        return pairs

    def path(self, key: str) -> Path | None:
        """A path, relative to the configuration's directory; None if it is not there."""
        if key not in self._left:
            return None
        text = self.text(key)
        try:
            return self._base / Path(text).expanduser()
        except RuntimeError:
            raise self._refuse(
                key, f"a path; {text!r} begins with the home of nobody here"
            ) from None

    def table(self, key: str) -> "Table":
        """A table inside this one, empty if it is not there."""
        return Table(self._full(key), self._left.pop(key, {}), self._base)

    def tables(self, key: str) -> list["Table"]:
        """An array of tables."""
        values = self._left.pop(key, [])
        if not isinstance(values, list):
            raise self._refuse(key, f"written as [[{key}]]")
        return [
            Table(f"{self._full(key)}[{index}]", value, self._base)
            for index, value in enumerate(values)
        ]

    def numbers(self, keys: Collection[str]) -> dict[str, float]:
        """All of these keys that are there; their ranges are checked by whoever uses them."""
        found = {key: self._left.pop(key) for key in keys if key in self._left}
        for key, value in found.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise self._refuse(key, "a number")
        return found

    def end(self, known: str) -> None:
        """Refuse what is left over."""
        for key in self._left:
            raise ConfigError(f"{self._full(key)} is unknown; known here: {known}")

    def _check_name(self, key: str, value: object) -> str:
        if not isinstance(value, str) or NAME.fullmatch(value) is None:
            raise self._refuse(key, f"made of names of the form {NAME.pattern}")
        return value

    def _check_sensor(self, key: str, value: object) -> tuple[str, str]:
        if not isinstance(value, str) or SENSOR.fullmatch(value) is None:
            raise self._refuse(key, f'made of "device/sensor", names of the form {NAME.pattern}')
        device, _, sensor = value.partition("/")
        return device, sensor

    def _full(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def _refuse(self, key: str, allowed: str) -> ConfigError:
        return ConfigError(f"{self._full(key)} must be {allowed}")
