# SPDX-License-Identifier: Apache-2.0
"""The bridge's error family.

`ConfigError` and `ModelError` stop the program before it starts; `StoreError` and
`BrokerError` stop it while it runs. `Refused` is no fault of ours: it is the answer to a
message that breaks a rule of `wire/SPEC.md`, and never carries any of the message's bytes.
"""


class BridgeError(Exception):
    """Everything that the bridge raises on purpose."""


class ConfigError(BridgeError):
    """The configuration is missing, unreadable or out of range; names the key."""


class ModelError(BridgeError):
    """A network or its card is missing, or does not fit the profile or the rooms in use."""


class StoreError(BridgeError):
    """What must be durable could not be made durable."""


class BrokerError(BridgeError):
    """The broker cannot be used with this configuration (waiting would not help)."""


class Refused(BridgeError):
    """A message breaks rule `rule` of wire/SPEC.md."""

    def __init__(self, rule: int, reason: str) -> None:
        super().__init__(f"rule {rule}: {reason}")
        self.rule = rule
        self.reason = reason
