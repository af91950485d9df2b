# SPDX-License-Identifier: Apache-2.0
"""What can go wrong when people who never existed are rendered."""


class RoomsError(Exception):
    """The set cannot be made; the message says what to do."""


class AssetError(RoomsError):
    """An asset is missing or is not the one expected; says which, where from, under which terms."""


class NoFit(RoomsError):
    """This draw cannot be staged: no free spot, no path, nobody visible. Another draw may do."""
