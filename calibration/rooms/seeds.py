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
BODY, ROOM = 1, 2
# Moments are numbered across the splits, each series of long recordings by itself.
SERIES = {"train": 0, "val": 0, "test": 0} | {
    name: 3 + k for k, name in enumerate(("life_val", "life_test", "after_val", "after_test"))
}
WORLD = 0x4C45544845  # bodies and rooms are the same in every set


def stream(
    seed: int, moment: int, attempt: int, purpose: str, series: str = "train"
) -> np.random.Generator:
    """The stream of one purpose in one attempt at one moment of a series; seed in [0, 2^63).

    Raises RoomsError for a seed out of range, an unknown purpose or an unknown series.
    """
    if not 0 <= seed < 2**63:
        raise RoomsError(f"a seed lies in 0 .. 2^63 - 1, not {seed}")
    if purpose not in PURPOSES:
        raise RoomsError(f"no stream called {purpose!r}")
    if series not in SERIES:
        raise RoomsError(f"no series called {series!r}")
    return _generator(seed, SERIES[series], moment, attempt, PURPOSES.index(purpose))


def of_body(number: int) -> np.random.Generator:
    """Everything about one body."""
    return _generator(WORLD, BODY, number)


def of_room(number: int) -> np.random.Generator:
    """Everything about one room."""
    return _generator(WORLD, ROOM, number)


def _generator(entropy: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=key)))
