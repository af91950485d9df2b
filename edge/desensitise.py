# SPDX-License-Identifier: Apache-2.0
"""Turn a small grey frame into motion and shape, and keep no appearance.

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

The state (previous frame, room, history) is low-resolution, lives in memory that the caller
provides and is zeroed by `wipe`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

CANVAS_H = 64
CANVAS_W = 80
PLANES = 3

MOTION_GAIN = 4.0
HISTORY_HALF_LIFE_S = 0.4
FOREGROUND_FLOOR = 6.0  # grey levels of sensor noise that never count
FOREGROUND_GAIN = 10.0
MASK_THRESHOLD = 12.0  # grey levels above which a pixel is not learned as room
ROOM_TIME_CONSTANT_S = 5.0
SCENE_CHANGE_SHARE = 0.7  # of the canvas: the light was switched or the camera was moved
GHOST_QUIET_S = 1.5  # a blob must have been motionless this long before it is judged
GHOST_EDGE_RATIO = 2.0
GHOST_STRIDE = 3  # frames between two steps of peeling a ghost: it is the dearest step
REACH = 9  # pixels around an outline that its evidence speaks for
SUBSAMPLE = 5  # every fifth pixel is enough for a median
CROSS = np.ones((3, 3), np.uint8)

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Allocate = Callable[[tuple[int, ...], Any], npt.NDArray[Any]]


class Desensitiser:
    """Keeps the previous frame and the learned room of one sensor.

    `allocate(shape, dtype)` provides zeroed memory; the daemon passes its locked arena.
    """

    def __init__(self, rate_hz: int, allocate: Allocate = np.zeros) -> None:
        shape = (CANVAS_H, CANVAS_W)
        self._decay = float(0.5 ** (1.0 / (HISTORY_HALF_LIFE_S * rate_hz)))
        self._learn = 1.0 / (ROOM_TIME_CONSTANT_S * rate_hz)
        self._quiet_frames = round(GHOST_QUIET_S * rate_hz)
        self._grey: F32 = allocate(shape, np.float32)
        self._previous: F32 = allocate(shape, np.float32)
        self._room: F32 = allocate(shape, np.float32)
        self._history: F32 = allocate(shape, np.float32)
        self._scratch: F32 = allocate(shape, np.float32)
        self._mask: U8 = allocate(shape, np.uint8)
        self._quiet: npt.NDArray[np.uint16] = allocate(shape, np.uint16)
        self._started = False
        self._frames = 0

    def planes(self, grey: U8, out: U8) -> None:
        """grey (64, 80) uint8 -> out (3, 64, 80) uint8, written in place."""
        self._scratch[:] = grey
        cv2.GaussianBlur(self._scratch, (3, 3), 0, dst=self._grey)
        if not self._started:
            self._previous[:] = self._grey
            self._room[:] = self._grey
            self._started = True
        self._motion(out[0])
        self._remember(out[0], out[1])
        self._foreground(out[2])
        self._learn_room()
        self._previous[:] = self._grey
        self._scratch.fill(0)

    def wipe(self) -> None:
        """Forget everything that was seen; the next frame starts a new room. Idempotent."""
        for array in (self._grey, self._previous, self._room, self._history, self._scratch):
            array.fill(0)
        self._mask.fill(0)
        self._quiet.fill(0)
        self._started = False

    def _deviation(self, reference: F32) -> F32:
        """|grey - reference| with a common change of brightness taken out, in grey levels."""
        np.subtract(self._grey, reference, out=self._scratch)
        shift = np.median(self._scratch.ravel()[::SUBSAMPLE])
        np.subtract(self._scratch, shift, out=self._scratch)
        np.abs(self._scratch, out=self._scratch)
        return self._scratch

    def _motion(self, out: U8) -> None:
        deviation = self._deviation(self._previous)
        deviation *= np.float32(MOTION_GAIN)
        np.minimum(deviation, 255.0, out=deviation)
        out[:] = deviation

    def _remember(self, motion: U8, out: U8) -> None:
        self._history *= np.float32(self._decay)
        np.maximum(self._history, motion, out=self._history)
        out[:] = self._history

    def _foreground(self, out: U8) -> None:
        deviation = self._deviation(self._room)
        np.greater(deviation, MASK_THRESHOLD, out=self._mask, casting="unsafe")
        deviation -= np.float32(FOREGROUND_FLOOR)
        deviation *= np.float32(FOREGROUND_GAIN)
        np.clip(deviation, 0.0, 255.0, out=deviation)
        out[:] = deviation
        cv2.medianBlur(out, 3, dst=out)

    def _learn_room(self) -> None:
        cv2.medianBlur(self._mask, 3, dst=self._mask)
        if int(np.count_nonzero(self._mask)) > SCENE_CHANGE_SHARE * self._mask.size:
            self._room[:] = self._grey
            self._quiet.fill(0)
            return
        self._absorb_ghosts()
        covered = cv2.dilate(self._mask, CROSS)
        np.subtract(self._grey, self._room, out=self._scratch)
        self._scratch *= np.float32(self._learn)
        self._scratch[covered > 0] = 0.0
        self._room += self._scratch

    def _absorb_ghosts(self) -> None:
        """Replace in the room, from its outline inwards, what has left since it was learned."""
        moving = self._history >= MASK_THRESHOLD * MOTION_GAIN
        np.minimum(self._quiet + np.uint16(1), 60_000, out=self._quiet, casting="unsafe")
        self._quiet[moving | (self._mask == 0)] = 0
        self._frames += 1
        quiet = self._quiet >= self._quiet_frames
        if self._frames % GHOST_STRIDE or not bool(quiet.any()):
            return
        ghost = quiet & (self._outline_evidence() < 0.0)
        self._room[ghost] = self._grey[ghost]
        self._quiet[ghost] = 0

    def _outline_evidence(self) -> F32:
        """(H, W): positive near an outline that the present frame has, negative near a ghost's.

        Peeling works because an absorbed rim leaves a new false edge in the room, one step further
        inside, while the outline of somebody present is an edge of the frame and stays.
        """
        outline = cv2.morphologyEx(self._mask, cv2.MORPH_GRADIENT, CROSS).astype(np.float32)
        present, learned = _gradient(self._grey), _gradient(self._room)
        votes = (GHOST_EDGE_RATIO * present - learned) * outline
        return np.asarray(cv2.blur(votes, (REACH, REACH)), dtype=np.float32)


def _gradient(image: F32) -> F32:
    """Gradient magnitude (L1) by Sobel, (H, W) float32."""
    dx = cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=3)
    dy = cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=3)
    return np.asarray(np.abs(dx) + np.abs(dy), dtype=np.float32)
