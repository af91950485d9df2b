# SPDX-License-Identifier: Apache-2.0
"""Where randomness comes from: one stream per purpose, so that changing one part moves no other.

Streams are NumPy's PCG64, seeded by `SeedSequence` with spawn keys: two different keys never lead
to the same stream, and a stream depends on nothing but its key.
"""

from __future__ import annotations

import numpy as np

from calibration.rooms.errors import RoomsError

CAMERAS = 8  # of one moment, at most
PURPOSES = (
    *("room", "cast", "script", "physics", "moment"),
    *(f"{part}{camera}" for part in ("camera", "sensor") for camera in range(CAMERAS)),
)
MOMENT, BODY, ROOM = range(3)
WORLD = 0x4C45544845  # bodies and rooms are the same in every set


def stream(seed: int, moment: int, attempt: int, purpose: str) -> np.random.Generator:
    """The stream of one purpose in one attempt at one moment; seed in [0, 2^63).

    Raises RoomsError for a seed out of range or an unknown purpose.
    """
    if not 0 <= seed < 2**63:
        raise RoomsError(f"a seed lies in 0 .. 2^63 - 1, not {seed}")
    if purpose not in PURPOSES:
        raise RoomsError(f"no stream called {purpose!r}")
    return _generator(seed, MOMENT, moment, attempt, PURPOSES.index(purpose))


def of_body(number: int) -> np.random.Generator:
    """Everything about one body."""
    return _generator(WORLD, BODY, number)


def of_room(number: int) -> np.random.Generator:
    """Everything about one room."""
    return _generator(WORLD, ROOM, number)


def _generator(entropy: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=key)))
