# SPDX-License-Identifier: Apache-2.0
"""Messages that are right, among them the smallest, the largest and the extremes."""

from __future__ import annotations

from typing import Any

from tests.vectors.coin import FIELDS, TOPIC, Case, payload, seal


def good() -> list[Case]:
    long_name = "a-name-of-exactly-32-characters0"
    most = (2**64 - 1).to_bytes(8, "big")
    extremes = {"epoch": most, "sequence": most, "capture_time": most, "noise_level": b"\xff"}
    nothing = {"epoch": bytes(8), "sequence": bytes(8), "capture_time": bytes(8)}
    return [
        _ok("usual", "sixteen coordinates"),
        _ok("repeated", "the last vector again", repeated=b"\x01"),
        _ok("one-coordinate", "the smallest vector", z=b"\xff\xff"),
        _ok(
            "eleven-coordinates",
            "the longest vector with a length in its head byte",
            z=b"\x01" * 22,
        ),
        _ok("twelve-coordinates", "the shortest vector with a length byte", z=b"\x01" * 24),
        _ok("most-coordinates", "the largest vector, 1024 coordinates", z=bytes(range(256)) * 8),
        _ok("extremes", "every number at its largest", z=b"\x7f\xff\x80\x00", **extremes),
        _ok("zeros", "every number zero", z=bytes(32), **nothing),
        _ok("short-names", "names of one character", device="0", sensor="z"),
        _ok("long-names", "names of 32 characters", device=long_name, sensor=long_name),
    ]


def _ok(name: str, comment: str, **changed: Any) -> Case:
    fields = {**FIELDS, **changed}
    topic = TOPIC.replace("device-1", fields["device"]).replace("cam-0", fields["sensor"])
    sealed = seal(payload(**changed), topic)
    return Case(f"ok-{name}", "ok", 0, comment, sealed, topic, fields=fields)
