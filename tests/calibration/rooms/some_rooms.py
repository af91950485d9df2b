# SPDX-License-Identifier: Apache-2.0
"""Real rooms, each built once for all tests."""

from __future__ import annotations

import functools

from calibration.rooms.room import Room, build_room


@functools.cache
def room(number: int) -> Room:
    return build_room(number)
