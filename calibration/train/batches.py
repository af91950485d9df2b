# SPDX-License-Identifier: Apache-2.0
"""What a training step sees: short windows of pixels, or long ones of embeddings.

Letters: B windows, N sensors, T time steps, D embedding size.

Rooms are empty or quiet most of the time. Windows are therefore drawn around what is rare as well:
a step of a fall, of lying there, of a fight, of what looks like a fall and is none; and the rest
anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from calibration.train.augment import augment
from calibration.train.objective import Truth
from calibration.train.packed import Packed, PackedClip
from calibration.train.targets import KINDS, Targets

# Around what a window is drawn; "any" is a step of any clip.
AROUND = {"fall": 0.14, "down": 0.14, "fight": 0.16, "hard": 0.16, "any": 0.4}
AFTER = 14  # steps that a window goes on, at most, after the step it was drawn around
CAMERAS = np.array([0.55, 0.3, 0.15])  # share of windows with one, two, three, where there are
GOES_ON = 0.6  # of windows that are not full yet: another moment goes before
COARSE_SHARE, COARSE = 0.1, 1 / 9  # windows at the second noise level, and its weight
LOSSY_SHARE, OUTAGE_SHARE, LATE_SHARE = 0.2, 0.12, 0.2
EVERY = 3  # frames of which one is looked at in stage one
MOST_OF = 0.5  # of a window's steps must show one person alone to ask who it is

Generator = np.random.Generator
Steps = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Clips of one set by their index in the packed set, and their share of a batch."""

    name: str
    clips: tuple[int, ...]
    share: float


class Draw:
    """Draws windows of a packed set: which clip, which steps."""

    def __init__(self, packed: Packed, groups: Sequence[Group]) -> None:
        self._first = np.array([clip.start for clip in packed.clips], np.int64)
        self._steps = np.array([clip.steps for clip in packed.clips], np.int64)
        self._groups = [group for group in groups if group.clips]
        shares = np.array([group.share for group in self._groups])
        self._shares = shares / shares.sum()
        self._around = [self._places(packed.targets, group) for group in self._groups]

    def window(self, rng: Generator, length: int) -> tuple[int, int, int]:
        """Index of a clip, first step inside it, and how many: at most `length`."""
        k = int(rng.choice(len(self._groups), p=self._shares))
        names = [name for name in AROUND if name == "any" or len(self._around[k][name])]
        odds = np.array([AROUND[name] for name in names])
        name = names[int(rng.choice(len(names), p=odds / odds.sum()))]
        if name == "any":
            group = self._groups[k].clips
            clip = group[int(rng.integers(len(group)))]
            steps = int(self._steps[clip])
            at = int(rng.integers(min(length, steps), steps + 1))
        else:
            places = self._around[k][name]
            place = int(places[int(rng.integers(len(places)))])
            clip = int(np.searchsorted(self._first, place, "right")) - 1
            at = min(int(self._steps[clip]), place - int(self._first[clip]) + 1)
            at = min(int(self._steps[clip]), at + int(rng.integers(AFTER)))
        start = max(0, at - length)
        return clip, start, at - start

    def _places(self, targets: Targets, group: Group) -> dict[str, Steps]:
        inside = np.zeros(len(targets.behaviours), bool)
        for clip in group.clips:
            inside[self._first[clip] : self._first[clip] + self._steps[clip]] = True
        true = (targets.behaviours > 0) & (targets.known > 0)
        places = {
            name: np.nonzero(inside & true[:, KINDS.index(name)])[0]
            for name in ("fall", "down", "fight")
        }
        places["hard"] = np.nonzero(inside & (targets.known[:, KINDS.index("fall")] > 1))[0]
        return places


def truth_of(targets: Targets, places: Sequence[tuple[int, int]], length: int) -> Truth:
    """Targets of B windows (first global step, steps), each at the end of `length` steps."""
    shape = len(places), length

    def gathered(name: str, fill: float, dtype: type) -> Tensor:
        source = getattr(targets, name)
        out = np.full((*shape, *source.shape[1:]), fill, dtype)
        for b, (first, steps) in enumerate(places):
            out[b, length - steps :] = source[first : first + steps]
        return torch.from_numpy(out)

    return Truth(
        behaviours=gathered("behaviours", 0, np.float32),
        known=gathered("known", 0, np.float32),
        postures=gathered("postures", 0, np.float32),
        postures_known=gathered("postures_known", 0, np.float32),
        count=gathered("count", 0, np.int64),
        count_known=gathered("count_known", 0, np.float32),
        onset=gathered("onset", math.nan, np.float32),
    )


def person_of(targets: Targets, first: int, steps: int) -> int:
    """Whose window this is: the id of the one person seen in most of it, -1 if there is none."""
    seen = targets.person[first : first + steps]
    alone = seen[seen >= 0]
    if len(alone) < MOST_OF * steps or (alone != alone[0]).any():
        return -1
    return int(alone[0])


@dataclass(frozen=True, slots=True)
class PixelBatch:
    """planes (B, T / EVERY, 3, 64, 80) uint8, weight (B, T) 1 where there is a step, whose (B,)."""

    planes: Tensor
    weight: Tensor
    truth: Truth
    persons: list[int]


def pixel_batch(
    packed: Packed, draw: Draw, rng: Generator, windows: int, length: int
) -> PixelBatch:
    """Windows of augmented planes; a clip that is shorter than `length` begins later.

    Neighbouring frames are nearly the same picture, so one of EVERY stands for all of them: as many
    frames show so many more windows. `length` is a multiple of EVERY.
    """
    planes = np.zeros((windows, length // EVERY, *packed.planes.shape[1:]), np.uint8)
    weight = np.zeros((windows, length), np.float32)
    places, persons = [], []
    for b in range(windows):
        clip, start, steps = draw.window(rng, length)
        first = packed.clips[clip].start + start
        seen = first + np.arange(steps - length + EVERY // 2, steps, EVERY)
        seen = seen[seen >= first]
        if len(seen):
            planes[b, -len(seen) :] = augment(packed.planes[seen], rng)
            weight[b, -min(steps, EVERY * len(seen)) :] = 1
        places.append((first, steps))
        persons.append(person_of(packed.targets, first, steps))
    truth = truth_of(packed.targets, places, length)
    return PixelBatch(torch.from_numpy(planes), torch.from_numpy(weight), truth, persons)


@dataclass(frozen=True, slots=True)
class VectorBatch:
    """embedding (B, N, T, D), weight (B, N, T): 1, COARSE of a noisier vector, 0 for a gap."""

    embedding: Tensor
    weight: Tensor
    truth: Truth


@dataclass(frozen=True, slots=True)
class Embedded:
    """A packed set after the frozen encoder: (V, F, D) float16, V variants of it.

    Variant 0 is the set as it is, the others were augmented.
    """

    packed: Packed
    variants: npt.NDArray[np.float16]

    def of(self, clip: PackedClip) -> npt.NDArray[np.float32]:
        """A clip as it is, (T, D)."""
        return self.variants[0, clip.span].astype(np.float32)


class Streams:
    """Long windows as a bridge would hold them, of the cameras of one moment together.

    A clip is shorter than a window. Some windows begin with their stream, as after a restart; for
    the others another moment of the same set goes before: a cut, but no stretch without a past.
    """

    def __init__(self, embedded: Embedded, groups: Sequence[Group], length: int) -> None:
        self._embedded, self._length = embedded, length
        self._draw = Draw(embedded.packed, groups)
        self._together = _together(embedded.packed)

    def batch(self, rng: Generator, windows: int) -> VectorBatch:
        """So many windows; room is made for as many sensors as the largest moment has."""
        drawn = [self._window(rng) for _ in range(windows)]
        sensors = max(len(rows) for rows, _, _ in drawn)
        dim = self._embedded.variants.shape[-1]
        embedding = np.zeros((windows, sensors, self._length, dim), np.float32)
        weight = np.zeros((windows, sensors, self._length), np.float32)
        for b, (rows, weights, _) in enumerate(drawn):
            places = rng.permutation(sensors)[: len(rows)]
            embedding[b, places], weight[b, places] = rows, weights
        truth = _stacked([truth for _, _, truth in drawn])
        return VectorBatch(torch.from_numpy(embedding), torch.from_numpy(weight), truth)

    def _window(
        self, rng: Generator
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], Truth]:
        """One window -> rows (N, T, D), weights (N, T), truth (1, T)."""
        cameras, left = self._cameras(rng), self._length
        clip, start, steps = self._draw.window(rng, left)
        pieces = [(self._views(rng, clip, cameras), start, steps)]
        left -= steps
        while left > 0 and rng.random() < GOES_ON:
            clip, start, steps = self._draw.window(rng, left)
            pieces.append((self._views(rng, clip, cameras), start, steps))
            left -= steps
        return self._joined(rng, pieces[::-1], left)

    def _joined(
        self, rng: Generator, pieces: Sequence[tuple[list[int], int, int]], left: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], Truth]:
        sensors = max(len(views) for views, _, _ in pieces)
        variants, clips = self._embedded.variants, self._embedded.packed.clips
        rows = np.zeros((sensors, self._length, variants.shape[-1]), np.float32)
        weights = np.zeros((sensors, self._length), np.float32)
        truths, at = [], left
        for views, start, steps in pieces:
            variant = variants[int(rng.integers(len(variants)))]
            for n, view in enumerate(views):
                first = clips[view].start + start
                rows[n, at : at + steps] = variant[first : first + steps]
                weights[n, at : at + steps] = 1
            truths.append(self._seen_by_any(views, start, steps))
            at += steps
        alone = sensors == 1
        weights *= np.stack([_losses(rng, self._length, alone=alone) for _ in range(sensors)])
        if rng.random() < COARSE_SHARE:
            weights *= COARSE
        return rows, weights, _padded(truths, left)

    def _cameras(self, rng: Generator) -> int:
        return 1 + int(rng.choice(len(CAMERAS), p=CAMERAS))

    def _views(self, rng: Generator, clip: int, most: int) -> list[int]:
        """The clip, and up to most - 1 others of its moment."""
        others = [other for other in self._together[clip] if other != clip]
        return [clip, *(others[int(k)] for k in rng.permutation(len(others))[: most - 1])]

    def _seen_by_any(self, views: Sequence[int], start: int, steps: int) -> Truth:
        """What is true in the room as far as one of the cameras can see it: (1, steps, ...)."""
        packed = self._embedded.packed
        places = [(packed.clips[view].start + start, steps) for view in views]
        each = truth_of(packed.targets, places, steps)
        behaviours = (each.behaviours * (each.known > 0)).amax(0, keepdim=True)
        postures = (each.postures * (each.postures_known > 0)).amax(0, keepdim=True)
        onset = torch.nan_to_num(each.onset, nan=math.inf).amin(0, keepdim=True)
        return Truth(
            behaviours=behaviours,
            known=each.known.amax(0, keepdim=True),
            postures=postures,
            postures_known=each.postures_known.amax(0, keepdim=True),
            count=each.count.amax(0, keepdim=True),
            count_known=each.count_known.amin(0, keepdim=True),
            onset=torch.where(torch.isinf(onset), torch.full_like(onset, math.nan), onset),
        )


def _together(packed: Packed) -> list[tuple[int, ...]]:
    """Of every clip, the clips of its moment, itself among them."""
    index = {clip.start: k for k, clip in enumerate(packed.clips)}
    found: dict[int, tuple[int, ...]] = {}
    for moment in packed.moments():
        views = tuple(index[clip.start] for clip in moment)
        found |= dict.fromkeys(views, views)
    return [found[k] for k in range(len(packed.clips))]


def _losses(rng: Generator, length: int, *, alone: bool) -> npt.NDArray[np.float32]:
    """(T,) 1 for a vector that arrived: single losses, an outage, a sensor that is late."""
    arrived = np.ones(length, np.float32)
    if rng.random() < LOSSY_SHARE:
        arrived[rng.random(length) < rng.uniform(0, 0.3)] = 0
    if rng.random() < OUTAGE_SHARE:
        start = int(rng.integers(length))
        arrived[start : start + int(rng.integers(5, 60))] = 0
    if not alone and rng.random() < LATE_SHARE:
        arrived[length - int(rng.integers(1, 20)) :] = 0
    return arrived


def _padded(truths: Sequence[Truth], left: int) -> Truth:
    """One after the other, with `left` unknown steps before the first: (1, T, ...)."""

    def joined(name: str) -> Tensor:
        parts = [getattr(truth, name) for truth in truths]
        fill = math.nan if name == "onset" else 0
        empty = torch.full((1, left, *parts[0].shape[2:]), fill, dtype=parts[0].dtype)
        return torch.cat([empty, *parts], dim=1)

    return Truth(*(joined(field.name) for field in fields(Truth)))


def _stacked(truths: Sequence[Truth]) -> Truth:
    names = [field.name for field in fields(Truth)]
    return Truth(*(torch.cat([getattr(truth, name) for truth in truths]) for name in names))
