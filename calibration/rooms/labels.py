# SPDX-License-Identifier: Apache-2.0
"""What is true of a recording, as rows of its list of labels.

Letters: N steps of 0.1 s, P persons. A moment is what happened; a recording is what one camera saw
of it. So the acts and events come from the moment, and the visible pixels decide what may be said:
nobody to be seen is `empty`, somebody whose doings matter and who cannot be seen well is `hidden`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calibration.rooms.errors import NoFit
from calibration.rooms.track import RATE_HZ, Act, Event, Moment, Posture

SEEN_PIXELS = 12  # of 160 x 128: fewer than that is nobody
CLEAR_PIXELS = 60  # fewer than that is somebody, and no one can say what he does
EVENT_SEEN = 0.7  # of an event's frames must show one of its persons clearly
HIDDEN_AT_MOST = 0.5  # of a recording
SHORTEST_STEPS = 3  # an interval below this is no act


@dataclass(frozen=True, slots=True)
class Row:
    """One label of a recording; `person` is the position among its people, -1 for none."""

    label: str
    start_s: float
    end_s: float
    onset_s: float | None = None
    impact_s: float | None = None
    person: int = -1
    how: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the clip's own notes."""
        return asdict(self)


def rows(moment: Moment, pixels: npt.NDArray[np.uint16]) -> tuple[Row, ...]:
    """Every label of a recording of `moment`, by start; raises NoFit if too little is seen.

    pixels (N, P): how much of each person this camera sees.
    """
    for event in moment.events:
        _check_seen(event, pixels)
    unknown = hidden(moment, pixels)
    if unknown.mean() > HIDDEN_AT_MOST:
        raise NoFit(f"{100 * unknown.mean():.0f} % of what happens is hidden")
    found = [
        _row(act.label, act.start, act.end, person)
        for person, track in enumerate(moment.tracks)
        for act in _cut(track.acts, _taken(moment, person))
    ]
    found += [_event_row(event, len(pixels)) for event in moment.events]
    found += [_row("empty", *span, -1) for span in spans(pixels.max(axis=1) < SEEN_PIXELS)]
    found += [_row("hidden", *span, -1) for span in spans(unknown)]
    return tuple(sorted(found, key=lambda row: (row.start_s, row.person, row.label)))


def hidden(moment: Moment, pixels: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
    """(N,): the labels of this step must not be learnt from this camera.

    Either no one is seen clearly although somebody is there, or the person of an event is not.
    """
    best = pixels.max(axis=1)
    unclear = (best >= SEEN_PIXELS) & (best < CLEAR_PIXELS)
    here = np.stack([t.posture != Posture.ABSENT for t in moment.tracks], axis=1)
    unclear |= here.any(axis=1) & (best < SEEN_PIXELS)
    for event in moment.events:
        seen = pixels[event.onset : event.end, list(event.persons)].max(axis=1)
        unclear[event.onset : event.end] |= seen < CLEAR_PIXELS
    return np.asarray(unclear, dtype=np.bool_)


def spans(true: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and one-past-last step of every run of True in (N,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2):
        yield int(start), int(end)


def _check_seen(event: Event, pixels: npt.NDArray[np.uint16]) -> None:
    seen = pixels[event.onset : event.end, list(event.persons)].max(axis=1) >= CLEAR_PIXELS
    if not len(seen) or seen.mean() < EVENT_SEEN:
        raise NoFit(f"the {event.kind} is visible in {100 * seen.mean() if len(seen) else 0:.0f} %")


def _taken(moment: Moment, person: int) -> npt.NDArray[np.bool_]:
    """(N,): an event says what this person does."""
    taken = np.zeros(moment.steps, np.bool_)
    for event in moment.events:
        if person in event.persons:
            taken[event.onset : event.end] = True
    return taken


def _cut(acts: Sequence[Act], taken: npt.NDArray[np.bool_]) -> Iterator[Act]:
    """What of the acts lies outside of events, none of it too short to be an act."""
    for act in acts:
        mine = np.zeros_like(taken)
        mine[act.start : act.end] = True
        for start, end in spans(mine & ~taken):
            if end - start >= SHORTEST_STEPS:
                yield Act(act.label, start, end)


def _row(label: str, start: int, end: int, person: int) -> Row:
    return Row(label, start / RATE_HZ, end / RATE_HZ, person=person)


def _event_row(event: Event, steps: int) -> Row:
    return Row(
        event.kind,
        event.onset / RATE_HZ,
        min(event.end, steps) / RATE_HZ,
        onset_s=event.onset / RATE_HZ,
        impact_s=None if event.impact is None else event.impact / RATE_HZ,
        person=event.persons[0],
        how=event.how,
    )
