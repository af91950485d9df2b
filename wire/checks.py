# SPDX-License-Identifier: Apache-2.0
"""Checks of single values, and JSON read strictly.

Every check returns the value it was given or raises the error family chosen at construction,
naming the key and what is allowed, never the value. Types are exact: `True` is no integer, and
text is no number. Duplicate keys, NaN and infinities in JSON are refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from wire.errors import WireError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
UINT64_MAX = 2**64 - 1
JSON_INTEGER_MAX = 2**53 - 1  # beyond it JSON readers that use doubles would round


class _RefusedError(ValueError):
    """Raised inside the JSON parser's hooks, which may only raise ValueError."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RefusedError("a key occurs twice")
    return found


def _no_constant(name: str) -> float:
    raise _RefusedError(f"{name} is no number")


@dataclass(frozen=True, slots=True)
class Checks:
    """Checks that speak of `what` and raise `error`."""

    error: type[WireError]
    what: str

    def refuse(self, key: str, allowed: str) -> WireError:
        """The error to raise: `what: key must be allowed`."""
        return self.error(f"{self.what}: {key} must be {allowed}")

    def integer(self, key: str, value: object, low: int, high: int) -> int:
        """An int within [low, high]; no bool, no NumPy scalar."""
        if type(value) is not int or not low <= value <= high:
            raise self.refuse(key, f"an integer from {low} to {high}")
        return value

    def number(self, key: str, value: object, low: float, high: float) -> float:
        """An int or a finite float within [low, high], returned as float."""
        if type(value) is int and low <= value <= high:
            return float(value)
        if type(value) is not float or not math.isfinite(value) or not low <= value <= high:
            raise self.refuse(key, f"a number from {low:g} to {high:g}")
        return value

    def boolean(self, key: str, value: object) -> bool:
        """True or False, no number."""
        if type(value) is not bool:
            raise self.refuse(key, "true or false")
        return value

    def text(self, key: str, value: object, pattern: re.Pattern[str]) -> str:
        """Text that matches the pattern from end to end."""
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise self.refuse(key, f"text of the form {pattern.pattern}")
        return value

    def name(self, key: str, value: object) -> str:
        """A name as it may stand in a topic."""
        return self.text(key, value, NAME)

    def choice(self, key: str, value: object, allowed: Collection[str]) -> str:
        """One of the allowed words."""
        if not isinstance(value, str) or value not in allowed:
            raise self.refuse(key, "one of " + ", ".join(allowed))
        return value

    def octets(self, key: str, value: object, size: int) -> bytes:
        """Bytes of exactly this size."""
        if type(value) is not bytes or len(value) != size:
            raise self.refuse(key, f"{size} bytes")
        return value

    def mapping(self, key: str, value: object, keys: Collection[str]) -> dict[str, Any]:
        """A dict with exactly these keys."""
        if not isinstance(value, dict) or set(value) != set(keys):
            raise self.refuse(key, "an object with exactly the keys " + ", ".join(keys))
        return value

    def json_object(self, data: bytes, keys: Collection[str], limit: int) -> dict[str, Any]:
        """Parse UTF-8 JSON of at most `limit` bytes: one object with exactly these keys."""
        if len(data) > limit:
            raise self.refuse("text", f"at most {limit} bytes")
        try:
            found = json.loads(
                data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
            )
        except (ValueError, RecursionError):
            raise self.refuse("text", "strict JSON in UTF-8, no key twice, no NaN") from None
        return self.mapping("text", found, keys)


def json_bytes(found: dict[str, Any]) -> bytes:
    """Compact UTF-8 JSON; keys in the order given."""
    return json.dumps(found, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
