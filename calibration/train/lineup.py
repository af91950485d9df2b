# SPDX-License-Identifier: Apache-2.0
"""Who is shown to an attacker: windows of 2 s in which one rendered person is alone.

A moment belongs to one part as a whole, so the attacker meets every person again at another time,
mostly in another room and before another camera, and never a window of a moment that it learnt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.data import DataError
from calibration.train.packed import Packed

WINDOW = 20  # steps, 2 s
# learn: the attacker's; stop: says when it has learnt enough; test: what it is judged on.
PARTS = {"learn": 0.5, "stop": 0.15, "test": 0.35}
MOST_WINDOWS = 80  # of one person in one part
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Place:
    """A window: its first step in the packed set, the body, and where it was seen."""

    first: int
    person: int
    clip: int
    moment: int


Lineup = dict[str, list[Place]]  # by part


def places(packed: Packed, sets: Collection[str]) -> list[Place]:
    """Every window of rendered clips in which one person is alone, none over another.

    `sets` names the sets that are looked at; all if it is empty.
    """
    moment_of = {
        clip.start: number for number, group in enumerate(packed.moments()) for clip in group
    }
    return [
        Place(clip.start + first, person, index, moment_of[clip.start])
        for index, clip in enumerate(packed.clips)
        if clip.clip.rendered and (not sets or clip.clip.set in sets)
        for first, person in _alone(packed.targets.person[clip.span])
    ]


def lineup(found: Sequence[Place], people: int, seed: int) -> Lineup:
    """Windows of so many persons: of those to learn and to test, the ones seen in most moments.

    Who was met in one room only is hardly learnt, so these are the attacker's best. Not all of them
    need a moment to stop by. Raises DataError if there are fewer, or none has.
    """
    rng = np.random.default_rng(seed)
    part_of = _dealt(found, rng)
    in_part = Counter((place.person, part_of[place.moment]) for place in found)
    again = [p for p in _met(found) if in_part[p, "learn"] and in_part[p, "test"]]
    chosen = set(again[:people])
    if len(chosen) < max(2, people):
        raise DataError(
            f"{len(again)} persons are alone for 2 s in more moments than one, and {people} are "
            f"wanted: render more clips, or name fewer"
        )
    if not any(in_part[p, "stop"] for p in chosen):
        raise DataError("none of the persons is alone for 2 s in three moments: render more clips")
    shown: Lineup = {part: [] for part in PARTS}
    seen: Counter[tuple[int, str]] = Counter()
    for k in rng.permutation(len(found)):
        place = found[k]
        key = place.person, part_of[place.moment]
        if place.person in chosen and seen[key] < MOST_WINDOWS:
            seen[key] += 1
            shown[key[1]].append(place)
    return shown


def _alone(seen: np.ndarray[tuple[int], np.dtype[np.int32]]) -> Iterator[tuple[int, int]]:
    """(first step, person) of every window inside a run of one person, (T,) -> ..."""
    edges = np.flatnonzero(np.diff(seen)) + 1
    starts, ends = [0, *edges.tolist()], [*edges.tolist(), len(seen)]
    for start, end in zip(starts, ends, strict=True):
        if end > start and seen[start] != NOBODY:
            for first in range(start, end - WINDOW + 1, WINDOW):
                yield first, int(seen[start])


def _met(found: Sequence[Place]) -> list[int]:
    """Persons by the moments in which they are seen, then by windows, most first."""
    moments = Counter(person for person, _ in {(place.person, place.moment) for place in found})
    windows = Counter(place.person for place in found)
    return sorted(windows, key=lambda person: (-moments[person], -windows[person], person))


def _dealt(found: Sequence[Place], rng: np.random.Generator) -> dict[int, str]:
    """Moment -> part. Each goes, in random order, where its persons have least of their share."""
    shows: dict[int, Counter[int]] = {}
    for place in found:
        shows.setdefault(place.moment, Counter())[place.person] += 1
    moments, names = sorted(shows), list(PARTS)
    shares = np.array(list(PARTS.values()))
    have: dict[int, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    dealt = {}
    for k in rng.permutation(len(moments)):
        persons = shows[moments[k]]
        lack = np.zeros(len(names))
        for person, windows in persons.items():
            held = have.setdefault(person, np.zeros(len(names)))
            lack += shares * (held.sum() + windows) - held
        part = int(np.argmax(lack))
        dealt[moments[k]] = names[part]
        for person, windows in persons.items():
            have[person][part] += windows
    return dealt
