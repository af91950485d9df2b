# SPDX-License-Identifier: Apache-2.0
"""What this room raises. No error carries a key, a word or a value."""

from __future__ import annotations


class ReleaseError(Exception):
    """A parameter out of range, an array of the wrong shape or type, or use after close."""


class FormatError(Exception):
    """A frame's layout or size, or a frame rate, that nothing here is made for."""


class AcceleratorError(Exception):
    """The GPU, its driver or its engine failed; the message names the cure.

    `fault`: "no-driver", "driver-too-old", "no-device", "no-kernels", "out-of-memory",
    "device-lost", "engine-nan", "bad-receipt" or "engine".
    """

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault
