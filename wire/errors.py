# SPDX-License-Identifier: Apache-2.0
"""The one family of errors of this package.

Whatever bytes arrive from outside, functions of `wire` return a valid value or raise one of
these. Messages name the field and its allowed range, never the rejected data.
"""


class WireError(Exception):
    """Base of everything that `wire` raises on purpose."""


class Malformed(WireError):
    """The bytes are not laid out as SPEC.md says, or a field is out of its range."""


class BadSeal(WireError):
    """The layout is right, but the signature does not belong to these bytes, topic and key."""


class BadTopic(WireError):
    """A topic or one of the names in it is not of the documented form."""


class BadProfile(WireError):
    """A profile cannot be read, or one of its values is out of range."""
