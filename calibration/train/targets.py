# SPDX-License-Identifier: Apache-2.0
"""What is true at each time step of a clip, and how far its labels may be believed.

Letters: T time steps, P persons. Behaviours come from the labelled intervals. Postures, counts and
identities come from what the renderer stored of each person: whoever covers CLEAR_PIXELS counts,
whoever covers fewer than SEEN_PIXELS is not there for this camera, and between the two nobody can
say. Several people may fall: what is certainly true of one is not made doubtful by another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from calibration.data import Clip, Interval
from calibration.rooms.labels import CLEAR_PIXELS, SEEN_PIXELS
from calibration.rooms.track import RATE_HZ, Posture

KINDS = ("present", "fall", "down", "fight")
POSTURES = ("stand", "walk", "sit", "low", "crawl", "lie", "getup")
COUNTS = 5  # 0, 1, 2, 3, and 4 or more persons
ONSET_MAX_S = 20.0  # an older fall or fight has no onset any more

FALL_FROM_S, FALL_UNTIL_S = 0.2, 2.2  # after the onset: when "a fall is happening" is true
FALL_AFTER_IMPACT_S = 0.5  # a slow one is still happening
DOWN_AFTER_IMPACT_S = 0.3
DOWN_AFTER_ONSET_S = 1.3  # where nobody wrote down the impact
DOUBT_BEFORE_S = 0.2  # an onset is not sharper than that
RISING_S = 1.0  # after the end of lying
FALL, FIGHT, EMPTY = ("fall",), ("fight",), ("empty",)
HIDDEN = ("hidden",)  # of a rendered clip: what happens cannot be seen
# What looks most like a fall or like lying on the floor, and how much more it weighs in the loss.
HARD = ("sit", "bend", "squat", "getup", "crawl", "exercise", "lie")
HARD_WEIGHT = 2.5
SILENT_SETS = frozenset({"surv_fight", "intel"})  # their labels do not say who is present
LONE_SETS = frozenset({"gmdcsa24"})  # one person, always: one posture means none of the others
SPOKEN = ("stand", "walk", "sit", "lie")  # postures that people write down of real clips
SHOWS = {
    Posture.STAND: "stand",
    Posture.WALK: "walk",
    Posture.RUN: "walk",
    Posture.SIT: "sit",
    Posture.SQUAT: "low",
    Posture.BEND: "low",
    Posture.CRAWL: "crawl",
    Posture.LIE: "lie",
    Posture.GETUP: "getup",
}

Truth = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Targets:
    """Arrays over T steps; what is not known has weight 0 and must not be learnt.

    behaviours (T, 4) of KINDS and postures (T, 7) of POSTURES: float32, 0 or 1, true if it is so of
    anybody. known (T, 4) and postures_known (T, 7): float32 weights in the loss, more than 1 where
    it is hard. count (T,) int64, 0 to COUNTS - 1, and count_known (T,) float32. onset (T,) float32:
    seconds since the latest fall or fight began, NaN if none did within ONSET_MAX_S or nobody knows
    when. person (T,) int32: the body, if exactly one is to be seen and is rendered, else -1.
    """

    behaviours: Weights
    known: Weights
    postures: Weights
    postures_known: Weights
    count: npt.NDArray[np.int64]
    count_known: Weights
    onset: Weights
    person: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.onset)

    def at(self, where: slice | npt.NDArray[np.integer]) -> Targets:
        """Those of some steps."""
        return Targets(*(getattr(self, field.name)[where] for field in fields(self)))


def concatenate(parts: Sequence[Targets]) -> Targets:
    """The steps of all parts, one after the other; at least one part."""
    names = [field.name for field in fields(Targets)]
    return Targets(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True)
class Bodies:
    """Rendered persons: ids (P,), posture (T, P) of `Posture`, pixels (T, P) out of 160 x 128."""

    ids: tuple[int, ...]
    posture: npt.NDArray[np.uint8]
    pixels: npt.NDArray[np.uint16]


def targets(clip: Clip, steps: int, bodies: Bodies | None = None) -> Targets:
    """What is true at each of `steps` time steps; `bodies` of a rendered clip."""
    behaviours, known = _behaviours(clip, steps)
    shown = _spoken(clip, steps) if bodies is None else _shown(bodies)
    postures, postures_known = shown
    count, count_known = _told_count(clip, known, steps) if bodies is None else _count(bodies)
    return Targets(
        behaviours=behaviours,
        known=known,
        postures=postures.astype(np.float32),
        postures_known=postures_known.astype(np.float32),
        count=count,
        count_known=count_known.astype(np.float32),
        onset=_onset(clip, steps),
        person=np.full(steps, -1, np.int32) if bodies is None else _person(bodies),
    )


def _behaviours(clip: Clip, steps: int) -> tuple[Weights, Weights]:
    """(truth, known), each (steps, 4).

    A `fall` interval runs from the onset to the end of lying: its first two seconds are the fall,
    and from the impact on the person is down. Who lies on the floor in a fight is not said, but for
    those whose fall is labelled.
    """
    truth = np.zeros((steps, len(KINDS)), np.bool_)
    known = np.ones((steps, len(KINDS)), np.float32)
    doubtful = np.zeros_like(truth)
    present, fall, down, fight = range(len(KINDS))
    known[_any(clip, HARD, steps), fall : down + 1] = HARD_WEIGHT
    known[_any(clip, FALL, steps), fall : down + 1] = 1
    for event in clip.labelled(FALL):
        onset, falls_until, down_from = _phases(event)
        truth[_within(steps, onset + FALL_FROM_S, min(falls_until, event.end_s)), fall] = True
        truth[_within(steps, down_from, event.end_s), down] = True
        doubtful[_within(steps, event.start_s - DOUBT_BEFORE_S, onset + FALL_FROM_S), fall] = True
        doubtful[_within(steps, event.start_s, down_from), down] = True
        doubtful[_within(steps, event.end_s, event.end_s + RISING_S), down] = True
    truth[:, fight] = _any(clip, FIGHT, steps)
    doubtful[:, fall : down + 1] |= truth[:, [fight]]
    truth[:, present] = ~_any(clip, EMPTY, steps)
    known[doubtful & ~truth] = 0
    known[_any(clip, HIDDEN, steps)] = 0
    if clip.set in SILENT_SETS:
        known[:, present] = 0
    return truth.astype(np.float32), known


def _phases(event: Interval) -> tuple[float, float, float]:
    """Of a fall, in seconds: its onset, until when it is happening, from when somebody is down."""
    onset = event.start_s if event.onset_s is None else event.onset_s
    if event.impact_s is None:
        return onset, onset + FALL_UNTIL_S, onset + DOWN_AFTER_ONSET_S
    until = max(onset + FALL_UNTIL_S, event.impact_s + FALL_AFTER_IMPACT_S)
    return onset, until, event.impact_s + DOWN_AFTER_IMPACT_S


def _shown(bodies: Bodies) -> tuple[Truth, Truth]:
    """Postures and whether they are known, each (T, 7)."""
    clear, faint = _clear(bodies), _faint(bodies)
    truth = np.zeros((len(clear), len(POSTURES)), np.bool_)
    doubtful = np.zeros_like(truth)
    for posture, name in SHOWS.items():
        so = bodies.posture == posture
        truth[:, POSTURES.index(name)] |= (so & clear).any(axis=1)
        doubtful[:, POSTURES.index(name)] |= (so & faint).any(axis=1)
    return truth, truth | ~doubtful


def _spoken(clip: Clip, steps: int) -> tuple[Truth, Truth]:
    """The same from labels. What is not said is unknown, unless there is only one person."""
    truth = np.zeros((steps, len(POSTURES)), np.bool_)
    for name in SPOKEN:
        truth[:, POSTURES.index(name)] = _any(clip, [name], steps)
    known = truth.copy()
    if clip.set in LONE_SETS:
        said = truth.any(axis=1) & ~_any(clip, FALL, steps)
        known[:, [POSTURES.index(name) for name in SPOKEN]] |= said[:, None]
    return truth, known


def _count(bodies: Bodies) -> tuple[npt.NDArray[np.int64], Truth]:
    """How many are to be seen, and whether that is known, each (T,)."""
    clear = _clear(bodies).sum(axis=1)
    known = ~_faint(bodies).any(axis=1) | (clear >= COUNTS - 1)
    return np.minimum(clear, COUNTS - 1).astype(np.int64), known


def _told_count(clip: Clip, known: Weights, steps: int) -> tuple[npt.NDArray[np.int64], Truth]:
    """The same of a clip about whose people only labels speak."""
    empty = _any(clip, EMPTY, steps)
    lone = np.full(steps, clip.set in LONE_SETS)
    return (~empty & lone).astype(np.int64), (empty | lone) & (known[:, 0] > 0)


def _onset(clip: Clip, steps: int) -> Weights:
    """Seconds since the latest onset (T,). A clip that begins in the middle of one cannot tell."""
    t = np.arange(steps) / RATE_HZ
    since = np.full(steps, np.inf)
    for event in clip.labelled([*FALL, *FIGHT]):
        onset = event.start_s if event.onset_s is None else event.onset_s
        after = _within(steps, onset, np.inf)
        since[after] = (t - onset)[after] if onset > 0 else np.inf
    since[(since > ONSET_MAX_S) | _any(clip, HIDDEN, steps)] = np.nan
    return since.astype(np.float32)


def _person(bodies: Bodies) -> npt.NDArray[np.int32]:
    """The body of whoever is alone to be seen (T,), or -1."""
    if not bodies.ids:
        return np.full(len(bodies.pixels), -1, np.int32)
    clear = _clear(bodies)
    alone = (clear.sum(axis=1) == 1) & ~_faint(bodies).any(axis=1)
    return np.where(alone, np.array(bodies.ids)[clear.argmax(axis=1)], -1).astype(np.int32)


def _clear(bodies: Bodies) -> Truth:
    return np.asarray(bodies.pixels >= CLEAR_PIXELS)


def _faint(bodies: Bodies) -> Truth:
    return np.asarray((bodies.pixels >= SEEN_PIXELS) & (bodies.pixels < CLEAR_PIXELS))


def _any(clip: Clip, labels: Sequence[str], steps: int) -> Truth:
    """(steps,): inside any interval with one of the labels."""
    inside = np.zeros(steps, np.bool_)
    for start, end in clip.spans(labels):
        inside |= _within(steps, start, end)
    return inside


def _within(steps: int, start_s: float, end_s: float) -> Truth:
    """(steps,): from start_s to before end_s, to a millionth, as sums of tenths are not exact."""
    t = np.arange(steps) / RATE_HZ
    return np.asarray((t >= start_s - 1e-6) & (t < end_s - 1e-6))
