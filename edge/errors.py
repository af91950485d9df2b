# SPDX-License-Identifier: Apache-2.0
"""The one family of errors of this package.

Each room raises its own member and nothing else. Messages say what to do next, and never carry a
password, a key or anything of a frame.
"""

LASTING_FAULTS = frozenset({"no-driver", "driver-too-old", "no-kernels"})


class EdgeError(Exception):
    """Base of everything that `edge` raises on purpose."""


class ConfigError(EdgeError):
    """A setting is unknown, out of range or names something that does not exist."""


class HygieneError(EdgeError):
    """The operating system refused a protection of memory that saw a person."""


class UseAfterWipe(EdgeError):
    """Memory was asked for after its owner had wiped it."""


class CameraError(EdgeError):
    """The source cannot be opened, or broke and cannot be rebuilt."""


class EncoderError(EdgeError):
    """The encoder's engine is missing, or the model does not fit it."""


class ProcessorError(EdgeError):
    """The way from a frame to its vector failed, and released nothing.

    `fault` is one of `wire.status.FAULTS`, which says more about each.
    """

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault

    @property
    def restart_may_cure(self) -> bool:
        """Whether it is worth while to start again before somebody has looked."""
        return self.fault not in LASTING_FAULTS


class LedgerError(EdgeError):
    """The privacy ledger cannot be read or made durable; nothing may be released."""


class OutboxError(EdgeError):
    """The outbox cannot be read or written."""


class IdentityError(EdgeError):
    """The device's key is missing, unreadable or readable by others."""
