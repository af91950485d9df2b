# SPDX-License-Identifier: Apache-2.0
"""Clips as the encoder sees them: desensitised planes and what is true at each time step.

Letters: N time steps of a clip, Q kinds (`networks.KINDS`). Frames pass the daemon's own capture
and desensitisation, so training, evaluation and deployment see the same planes. They live in
memory only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.data import Clip
from calibration.networks import KINDS
from calibration.rooms.store import load_planes
from calibration.rooms.track import RATE_HZ
from edge.camera import open_camera
from edge.processors.cpu import GREY_CANVAS
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES, Desensitiser

DECODE_TIMEOUT_S = 30.0
PROGRESS_EVERY_S = 5.0

FALLING_S = (0.2, 2.2)  # of a `fall` interval: when "a fall is happening" is true
DOWN_AFTER_S = 1.3  # into a `fall` interval: from here the person lies
EMPTY_LABELS = frozenset({"empty"})
HIDDEN_LABELS = frozenset({"hidden"})  # of a rendered clip: what happens cannot be seen
RENDERED = ".npz"
# What looks most like a fall or like lying on the floor, and how much more it weighs in the loss.
HARD_LABELS = frozenset({"sit", "bend", "squat", "getup", "crawl", "exercise"})
HARD_WEIGHT = 2.5
SILENT_SETS = frozenset({"surv_fight", "intel"})  # sets whose labels do not say who is present

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Footage:
    """planes (N, 3, 64, 80) uint8; truth (N, Q) float32 in {0, 1}; known (N, Q) float32.

    `known` is a weight in the loss: 0 where the labels do not say, more than 1 where it is hard.
    """

    clip: Clip
    planes: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.float32]
    known: npt.NDArray[np.float32]


def watch(clip: Clip) -> npt.NDArray[np.uint8]:
    """Every frame of a clip at RATE_HZ -> planes (N, 3, 64, 80). Raises CameraError."""
    desensitiser, canvas = Desensitiser(RATE_HZ), np.zeros(GREY_CANVAS.nbytes, np.uint8)
    planes, source = [], str(clip.path)
    with open_camera(source, RATE_HZ, GREY_CANVAS, canvas, realtime=False) as camera:
        while (frame := camera.next(DECODE_TIMEOUT_S)) is not None:
            out = np.empty((PLANES, CANVAS_H, CANVAS_W), np.uint8)
            with frame:
                desensitiser.planes(frame.pixels.reshape(CANVAS_H, CANVAS_W), out)
            planes.append(out)
    return np.stack(planes) if planes else np.empty((0, PLANES, CANVAS_H, CANVAS_W), np.uint8)


def load_footage(clips: Sequence[Clip]) -> list[Footage]:
    """Watch all clips, with a progress line every few seconds; rendered ones bring their planes.

    Raises CameraError, and RoomsError for a rendered clip that is not whole.
    """
    return [_footage(clip, _planes(clip)) for clip in _with_progress(clips)]


def _planes(clip: Clip) -> npt.NDArray[np.uint8]:
    return load_planes(clip.path) if clip.path.suffix == RENDERED else watch(clip)


def _with_progress(clips: Sequence[Clip]) -> Iterator[Clip]:
    said = time.monotonic()
    for number, clip in enumerate(clips):
        if time.monotonic() - said > PROGRESS_EVERY_S:
            said = time.monotonic()
            log.info("watched %d of %d clips", number, len(clips))
        yield clip


def _footage(clip: Clip, planes: npt.NDArray[np.uint8]) -> Footage:
    truth, known = targets(clip, len(planes))
    return Footage(clip, planes, truth, known)


def targets(clip: Clip, steps: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What is true at each of `steps` time steps -> (truth, known), each (steps, Q).

    A `fall` interval runs from the onset to the end of lying: its first two seconds are the fall,
    the rest is down. During a fight the labels do not say whether somebody lies on the floor.
    """
    t = np.arange(steps) / RATE_HZ
    truth = np.zeros((steps, len(KINDS)), np.float32)
    known = np.ones_like(truth)
    present, fall, down, fight = (KINDS.index(k) for k in ("present", "fall", "down", "fight"))
    for start, end in clip.spans(HARD_LABELS):
        known[_within(t, start, end), fall] = known[_within(t, start, end), down] = HARD_WEIGHT
    for start, end in clip.spans(["fall"]):
        inside = _within(t, start, end)
        known[inside, fall] = known[inside, down] = 1
        truth[_within(t, start + FALLING_S[0], min(start + FALLING_S[1], end)), fall] = 1
        truth[_within(t, start + DOWN_AFTER_S, end), down] = 1
        known[_within(t, start - 0.2, start + FALLING_S[0]), fall] = 0
        known[_within(t, start, start + DOWN_AFTER_S), down] = 0
        known[_within(t, end, end + 1.0), down] = 0
    for start, end in clip.spans(["fight"]):
        inside = _within(t, start, end)
        truth[inside, fight] = 1
        known[inside, down] = known[inside, fall] = 0
    truth[:, present] = 1
    for start, end in clip.spans(EMPTY_LABELS):
        truth[_within(t, start, end), present] = 0
    for start, end in clip.spans(HIDDEN_LABELS):
        known[_within(t, start, end)] = 0
    if clip.set in SILENT_SETS:
        known[:, present] = 0
    return truth, known


def _within(t: npt.NDArray[np.float64], start: float, end: float) -> npt.NDArray[np.bool_]:
    return (t >= start - 1e-6) & (t < end)


def total_seconds(footage: Iterable[Footage]) -> float:
    """Seconds of video in all."""
    return sum(len(item.planes) for item in footage) / RATE_HZ
