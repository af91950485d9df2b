# SPDX-License-Identifier: Apache-2.0
"""Unix seconds as RFC 3339 in UTC with milliseconds, and back. No other form is written or read."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from wire.checks import Checks

TIME_MAX_S = 253402300799.0  # the last second of the year 9999
_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def check_time(checks: Checks, key: str, value: object) -> float:
    """A time in unix seconds, from 1970 to the year 9999."""
    return checks.number(key, value, 0.0, TIME_MAX_S)


def rfc3339(time_s: float) -> str:
    """Unix seconds, rounded to the nearest millisecond, as `2030-01-02T03:04:05.678Z`."""
    moment = _EPOCH + timedelta(milliseconds=round(time_s * 1000.0))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def unix_time(checks: Checks, key: str, value: object) -> float:
    """Unix seconds of a text that `rfc3339` can have written."""
    text = checks.text(key, value, _FORM)
    try:
        moment = datetime.strptime(text[:-1] + "000+0000", "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        raise checks.refuse(key, "a date that exists") from None
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return check_time(checks, key, milliseconds / 1000.0)
