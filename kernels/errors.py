# SPDX-License-Identifier: Apache-2.0
"""The one error that the release mechanism raises. It never carries a key, a word or a value."""

from __future__ import annotations


class ReleaseError(Exception):
    """A parameter out of range, an array of the wrong shape or type, or use after close."""
