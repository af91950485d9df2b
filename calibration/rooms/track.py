# SPDX-License-Identifier: Apache-2.0
"""What happened: how every body moved, what it was doing, and what befell it.

Letters: N steps, P persons. One step is 0.1 s, the rate at which the daemon looks; a moment knows
no finer time. Turns are unit quaternions w x y z of each bone, global, relative to the T-pose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from calibration.rooms.body import Body
from calibration.rooms.fittings import Room

RATE_HZ = 10  # the rate at which the daemon looks, and models are trained
STEP_S = 1.0 / RATE_HZ


class Posture(IntEnum):
    """How a person is at one step. LIE is on purpose; DOWN is from the impact till getting up."""

    ABSENT = 0
    STAND = 1
    WALK = 2
    RUN = 3
    SIT = 4
    SQUAT = 5
    BEND = 6
    CRAWL = 7
    LIE = 8
    FALLING = 9
    DOWN = 10
    GETUP = 11


# What an interval is called that has no better name than its posture.
LABELS = {
    Posture.STAND: "stand",
    Posture.WALK: "walk",
    Posture.RUN: "run",
    Posture.SIT: "sit",
    Posture.SQUAT: "squat",
    Posture.BEND: "bend",
    Posture.CRAWL: "crawl",
    Posture.LIE: "lie",
    Posture.GETUP: "getup",
}


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does from step `start` to before step `end`."""

    label: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Track:
    """turns (N, 16, 4) float32, root (N, 3) float32 (the pelvis, m), posture (N,) uint8."""

    body: Body
    turns: npt.NDArray[np.float32]
    root: npt.NDArray[np.float32]
    posture: npt.NDArray[np.uint8]
    acts: tuple[Act, ...]


def excerpt(track: Track, start: int, stop: int) -> Track:
    """The track from step `start` to before `stop`; acts are cut, those outside are gone."""
    acts = [
        Act(act.label, max(act.start, start) - start, min(act.end, stop) - start)
        for act in track.acts
        if act.end > start and act.start < stop
    ]
    span = slice(start, stop)
    return Track(
        track.body,
        track.turns[span].copy(),
        track.root[span].copy(),
        track.posture[span].copy(),
        tuple(acts),
    )


@dataclass(frozen=True, slots=True)
class Event:
    """A fall or a fight. A fall ends when its person begins to get up, or with the moment.

    onset: the step at which balance is lost; impact: the trunk meets the floor.
    """

    kind: str
    persons: tuple[int, ...]
    onset: int
    impact: int | None
    end: int
    how: str

    def later(self, steps: int, last: int) -> Event:
        """The same, moved by `steps` and ending by `last`."""
        impact = None if self.impact is None else self.impact + steps
        end = min(self.end + steps, last)
        return Event(self.kind, self.persons, self.onset + steps, impact, end, self.how)


@dataclass(frozen=True, slots=True)
class Moment:
    """One staged scene. moved: prop index -> (N, 3, 4) float32; gains: (N, L + 2) float32."""

    room: Room
    tracks: tuple[Track, ...]
    moved: Mapping[int, npt.NDArray[np.float32]]
    gains: npt.NDArray[np.float32]
    events: tuple[Event, ...]

    @property
    def steps(self) -> int:
        """N."""
        return len(self.gains)
