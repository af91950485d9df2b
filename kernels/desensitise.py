# SPDX-License-Identifier: Apache-2.0
"""Turn a small grey frame into motion and shape, and keep no appearance. In integers only.

Order, per frame: smooth, cancel a change of exposure, difference to the previous frame, motion
history, foreground against the learned empty room, then learn the room where nobody is.

Three planes come out, each (H, W) uint8:

0. motion: absolute grey difference to the previous frame;
1. motion history: the same, decaying within about a second (Bobick and Davis, 2001);
2. foreground: a soft mask of what does not belong to the empty room. A person who lies still is
   invisible to planes 0 and 1 and stays visible here.

The room is learned only outside the foreground, so a motionless person is never absorbed. What was
in the room before its first frame leaves a ghost when it goes; a ghost is known by its outline,
which is an edge in the learned room and no edge in the present frame, and only that is absorbed.

`desensitise.cu` equals this bit for bit. Units: a frame is held in 1/16 of a grey level, the room
in 1/4096, the history in 1/256. State and scratch are low-resolution, live in memory that the
caller provides, written in place; the scratch is zeroed after every frame, all of it by `wipe`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from kernels.errors import FormatError
from kernels.frame import CANVAS_H, CANVAS_W
from kernels.noise import Carver

__all__ = ["CANVAS_H", "CANVAS_W", "PLANES", "Desensitiser", "Rates"]

PLANES = 3
PIXELS = CANVAS_H * CANVAS_W

MOTION_SHIFT = 2  # motion = deviation in 1/4 grey levels, up to 63.75
HISTORY_HALF_LIFE_S = 0.4
FOREGROUND_FLOOR = 6 * 16  # sensor noise that never counts
FOREGROUND_SPAN = 408  # above the floor; 5/8 of it is white
MASK_THRESHOLD = 12 * 16  # above it a pixel is not learned as room
MOVING = 48 << 8  # history from which on a pixel counts as moving
ROOM_TIME_CONSTANT_S = 5
SCENE_CHANGE = PIXELS * 7 // 10  # masked pixels: the light was switched or the camera was moved
GHOST_QUIET_S = 1.5  # a blob must have been motionless this long before it is judged
GHOST_EDGE_RATIO = 2
GHOST_STRIDE = 3  # frames between two steps of peeling a ghost: it is the dearest step
REACH = 9  # pixels around an outline that its evidence speaks for
SUBSAMPLE = 5  # every fifth pixel is enough for a median
LOWER_MEDIAN = PIXELS // SUBSAMPLE // 2 - 1  # its rank, from 0
FASTEST_HZ = 100

SMOOTH = np.array([1, 2, 1], np.float32)  # per axis; 16 in all
SQUARE = np.ones((3, 3), np.uint8)

U8 = NDArray[np.uint8]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
Allocate = Callable[[tuple[int, ...], Any], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Rates:
    """What depends on the frame rate, as the kernels take it."""

    decay: int  # of the history, per frame, in 1/65536
    learn: int  # share of a difference that the room takes over per frame, in 1/8192
    quiet_frames: int

    @classmethod
    def at(cls, rate_hz: int) -> Rates:
        """Frames per second, 1 to 100; FormatError otherwise."""
        if not 1 <= rate_hz <= FASTEST_HZ:
            raise FormatError(f"rate_hz must be 1 to {FASTEST_HZ}, not {rate_hz}")
        return cls(
            decay=round(65536 * 0.5 ** (1.0 / (HISTORY_HALF_LIFE_S * rate_hz))),
            learn=round(8192 / (ROOM_TIME_CONSTANT_S * rate_hz)),
            quiet_frames=round(GHOST_QUIET_S * rate_hz),
        )


class Desensitiser:
    """Keeps the previous frame and the learned room of one sensor.

    `allocate(shape, dtype)` provides zeroed memory; the daemon passes its locked arena.
    """

    def __init__(self, rate_hz: int, allocate: Allocate = np.zeros) -> None:
        shape = (CANVAS_H, CANVAS_W)
        self._rates = Rates.at(rate_hz)
        self._previous: I16 = allocate(shape, np.int16)
        self._room: I32 = allocate(shape, np.int32)
        self._history: NDArray[np.uint32] = allocate(shape, np.uint32)
        self._quiet: U8 = allocate(shape, np.uint8)
        self._scratch = _Scratch(allocate)
        self._started = False
        self._phase = 0

    def planes(self, grey: U8, out: U8) -> None:
        """grey (64, 80) uint8 -> out (3, 64, 80) uint8, written in place."""
        scratch = self._scratch
        cv2.sepFilter2D(grey, cv2.CV_16S, SMOOTH, SMOOTH, dst=scratch.grey)
        if not self._started:
            self._previous[:] = scratch.grey
            self._learn_at_once()
            self._started = True
        self._motion(out[0])
        self._remember(out[0], out[1])
        self._foreground(out[2])
        self._learn_room()
        self._previous[:] = scratch.grey
        scratch.wipe()

    def wipe(self) -> None:
        """Forget everything that was seen; the next frame starts a new room. Idempotent."""
        for array in (self._previous, self._room, self._history, self._quiet):
            array.fill(0)
        self._scratch.wipe()
        self._started = False
        self._phase = 0

    def _deviation(self, reference: I16) -> I16:
        """|grey - reference| with a common change of brightness taken out, in 1/16 grey levels."""
        deviation, sample = self._scratch.deviation, self._scratch.sample
        np.subtract(self._scratch.grey, reference, out=deviation)
        np.copyto(sample, deviation.ravel()[::SUBSAMPLE])
        sample.partition(LOWER_MEDIAN)
        np.subtract(deviation, sample[LOWER_MEDIAN], out=deviation)
        np.abs(deviation, out=deviation)
        return deviation

    def _motion(self, out: U8) -> None:
        deviation = self._deviation(self._previous)
        np.right_shift(deviation, MOTION_SHIFT, out=deviation)
        np.minimum(deviation, 255, out=deviation)
        np.copyto(out, deviation, casting="unsafe")

    def _remember(self, motion: U8, out: U8) -> None:
        wide = self._scratch.wide.view(np.uint32)
        np.multiply(self._history, self._rates.decay, out=self._history)
        np.right_shift(self._history, 16, out=self._history)
        np.copyto(wide, motion)
        np.left_shift(wide, 8, out=wide)
        np.maximum(self._history, wide, out=self._history)
        np.right_shift(self._history, 8, out=wide)
        np.copyto(out, wide, casting="unsafe")

    def _foreground(self, out: U8) -> None:
        scratch = self._scratch
        np.add(self._room, 128, out=scratch.wide)
        np.right_shift(scratch.wide, 8, out=scratch.wide)
        np.copyto(scratch.learned, scratch.wide, casting="unsafe")
        deviation = self._deviation(scratch.learned)
        np.greater(deviation, MASK_THRESHOLD, out=scratch.byte.view(np.bool_))
        cv2.medianBlur(scratch.byte, 3, dst=scratch.mask)
        np.subtract(deviation, FOREGROUND_FLOOR, out=deviation)
        np.maximum(deviation, 0, out=deviation)
        np.minimum(deviation, FOREGROUND_SPAN, out=deviation)
        np.multiply(deviation, 5, out=deviation)
        np.right_shift(deviation, 3, out=deviation)
        np.copyto(scratch.byte, deviation, casting="unsafe")
        cv2.medianBlur(scratch.byte, 3, dst=out)

    def _learn_room(self) -> None:
        scratch = self._scratch
        if cv2.countNonZero(scratch.mask) > SCENE_CHANGE:
            self._learn_at_once()
            self._quiet.fill(0)
            return
        cv2.dilate(scratch.mask, SQUARE, dst=scratch.covered)
        self._absorb_ghosts()
        step = self._room_error()
        np.multiply(step, self._rates.learn, out=step)
        np.add(step, 4096, out=step)
        np.right_shift(step, 13, out=step)
        np.bitwise_xor(scratch.covered, 1, out=scratch.byte)
        self._change_room(step, scratch.byte)

    def _learn_at_once(self) -> None:
        np.copyto(self._room, self._scratch.grey)
        np.left_shift(self._room, 8, out=self._room)

    def _room_error(self) -> I32:
        """The frame - the room, in 1/4096 grey levels."""
        error = self._scratch.wide
        np.copyto(error, self._scratch.grey)
        np.left_shift(error, 8, out=error)
        np.subtract(error, self._room, out=error)
        return error

    def _change_room(self, step: I32, where: U8) -> None:
        """Add `step` to the room where `where` is 1 and not where it is 0."""
        select = self._scratch.select
        np.copyto(select, where)
        np.negative(select, out=select)  # no bit or all bits
        np.bitwise_and(step, select, out=step)
        np.add(self._room, step, out=self._room)

    def _absorb_ghosts(self) -> None:
        """Replace in the room, from its outline inwards, what has left since it was learned."""
        scratch, needed = self._scratch, self._rates.quiet_frames
        np.less(self._history, MOVING, out=scratch.byte.view(np.bool_))
        np.bitwise_and(scratch.byte, scratch.mask, out=scratch.byte)
        np.add(self._quiet, 1, out=self._quiet)
        np.minimum(self._quiet, needed, out=self._quiet)
        np.multiply(self._quiet, scratch.byte, out=self._quiet)
        self._phase = (self._phase + 1) % GHOST_STRIDE
        if self._phase or int(self._quiet.max()) < needed:
            return
        np.less(self._outline_evidence(), 0, out=scratch.byte.view(np.bool_))
        np.equal(self._quiet, needed, out=scratch.ripe.view(np.bool_))
        np.bitwise_and(scratch.byte, scratch.ripe, out=scratch.byte)
        self._change_room(self._room_error(), scratch.byte)
        np.bitwise_xor(scratch.byte, 1, out=scratch.byte)
        np.multiply(self._quiet, scratch.byte, out=self._quiet)

    def _outline_evidence(self) -> I32:
        """(H, W): positive near an outline that the present frame has, negative near a ghost's.

        Peeling works because an absorbed rim leaves a new false edge in the room, one step further
        inside, while the outline of somebody present is an edge of the frame and stays.
        """
        scratch = self._scratch
        votes, other = scratch.wide, scratch.select
        np.copyto(votes, _gradient(scratch.grey, scratch.deviation, scratch.slope))
        np.multiply(votes, GHOST_EDGE_RATIO, out=votes)
        np.copyto(other, _gradient(scratch.learned, scratch.deviation, scratch.slope))
        np.subtract(votes, other, out=votes)
        cv2.erode(scratch.mask, SQUARE, dst=scratch.byte)
        np.subtract(scratch.covered, scratch.byte, out=scratch.byte)  # the outline: 0 or 1
        np.copyto(other, scratch.byte)
        np.multiply(votes, other, out=votes)
        cv2.boxFilter(votes, -1, (REACH, REACH), dst=other, normalize=False)
        return other


class _Scratch:
    """What one frame needs between its stages: arrays (64, 80), but for `sample`, in one block."""

    def __init__(self, allocate: Allocate) -> None:
        samples = PIXELS // SUBSAMPLE
        self._block: U8 = allocate((20 * PIXELS + 2 * samples,), np.uint8)
        carve = Carver(self._block)
        self.wide, self.select = (_plane(carve, np.int32) for _ in range(2))
        self.grey, self.learned = (_plane(carve, np.int16) for _ in range(2))
        self.deviation, self.slope = (_plane(carve, np.int16) for _ in range(2))
        self.sample: I16 = carve(samples, np.int16)
        self.byte, self.mask = (_plane(carve, np.uint8) for _ in range(2))
        self.covered, self.ripe = (_plane(carve, np.uint8) for _ in range(2))

    def wipe(self) -> None:
        """Zero every array of this room."""
        self._block.fill(0)


def _plane(carve: Carver, dtype: DTypeLike) -> NDArray[Any]:
    return carve(PIXELS, dtype).reshape(CANVAS_H, CANVAS_W)


def _gradient(image: I16, out: I16, slope: I16) -> I16:
    """Gradient magnitude (L1) by Sobel, (H, W), at most 6 * 4080."""
    cv2.Sobel(image, cv2.CV_16S, 1, 0, dst=out, ksize=3)
    cv2.Sobel(image, cv2.CV_16S, 0, 1, dst=slope, ksize=3)
    np.abs(out, out=out)
    np.abs(slope, out=slope)
    np.add(out, slope, out=out)
    return out
