# SPDX-License-Identifier: Apache-2.0
"""Windows as cameras nobody has seen would have delivered them.

Letters: T time steps. Every draw holds for a whole window, as a camera stays what it is. A plane
that is zero throughout is no input and stays so. The body's labels stay true: nothing here can make
a fall of no fall, nor hide more than a piece of furniture does.

What is changed, and which difference between cameras it stands for:

- mirrored, moved, scaled: where the camera hangs, how far people are from it;
- gain, of motion and its history together, of the foreground, and a little of each plane: contrast
  of lens and light, and how far a sensor's curve bends it;
- noise on motion, and on the history as far as noise would be remembered: a cheap sensor at night;
- flicker, which lifts all of the motion in some steps: lamps, and exposure that hunts;
- a rectangle without anything: a door frame, a shelf, a smear on the lens;
- repeated steps: a stream that loses frames.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from calibration.rooms.track import RATE_HZ
from kernels.desensitise import HISTORY_HALF_LIFE_S

SHIFT_PIXELS = 6.0
SCALE_MEAN = -0.15  # of the logarithm: people across a room are smaller than most clips show
SCALE_SPREAD = 0.25
SCALE_MOST = 2.0  # either way
GAIN_SPREAD = 0.25  # of the logarithm, as the next
PLANE_GAIN_SPREAD = 0.1
NOISE_SHARE, NOISE_MOST = 0.3, 10.0  # of the windows; standard deviation, in quarter grey levels
FLICKER_SHARE, FLICKER_MOST, FLICKER_STEPS = 0.15, 24.0, 0.3  # level; of the steps
HIDDEN_SHARE, HIDDEN_SIDE = 0.2, (0.1, 0.4)  # side of the rectangle, as a share of the frame's
LOSSY_SHARE, LOST_MOST = 0.2, 0.4  # of the steps
BANK_SPREAD = 32.0  # of the noise that is drawn once and scaled for every use
DECAY = 0.5 ** (1.0 / (HISTORY_HALF_LIFE_S * RATE_HZ))

Planes = npt.NDArray[np.uint8]
Generator = np.random.Generator


def augment(planes: Planes, rng: Generator) -> Planes:
    """planes (T, 3, 64, 80), of motion, its history and foreground -> new ones of that shape."""
    used = np.asarray(planes.any(axis=(0, 2, 3)))
    steps = _repeated(len(planes), rng)
    across, down = _geometry(planes.shape[-1], planes.shape[-2], rng)
    mirrored = rng.random() < 0.5
    gains = _gains(rng)
    out = np.zeros_like(planes)
    for step, target in zip(steps, out, strict=True):
        for plane in np.flatnonzero(used):
            _place(planes[step, plane], across, down, gains[plane], target[plane])
    if mirrored:
        flipped = cv2.flip(out.reshape(-1, out.shape[-1]), 1)
        out = np.asarray(flipped, np.uint8).reshape(out.shape)
    noise, levels = _noise(rng), _flicker(len(planes), rng)
    _disturb(out, used, noise, levels, rng)
    _hide(out, rng)
    return out


def _repeated(steps: int, rng: Generator) -> npt.NDArray[np.int64]:
    """Which step is shown at each step (T,): a lost one is the one before it."""
    lost = rng.random() < LOSSY_SHARE
    share = rng.uniform(0.0, LOST_MOST) if lost else 0.0
    kept = rng.random(steps) >= share
    return np.maximum.accumulate(np.where(kept, np.arange(steps), 0))


# From where to where of a side, in pixels: source from, to; target from, to.
Side = tuple[int, int, int, int]


def _geometry(width: int, height: int, rng: Generator) -> tuple[Side, Side]:
    """What lands where, across and down. Whole pixels: resizing is faster than warping."""
    drawn = math.exp(rng.normal(SCALE_MEAN, SCALE_SPREAD))
    scale = min(max(drawn, 1.0 / SCALE_MOST), SCALE_MOST)
    shift = rng.uniform(-SHIFT_PIXELS, SHIFT_PIXELS, 2)
    return _side(width, scale, shift[0]), _side(height, scale, shift[1])


def _side(length: int, scale: float, shift: float) -> Side:
    first = (1.0 - scale) * length / 2 + shift
    start, end = round(max(0.0, first)), round(min(float(length), first + scale * length))
    source = [round((edge - first) / scale) for edge in (start, end)]
    return max(0, source[0]), min(length, source[1]), start, end


def _gains(rng: Generator) -> list[float]:
    motion, shape = rng.normal(0.0, GAIN_SPREAD, 2)
    each = rng.normal(0.0, PLANE_GAIN_SPREAD, 3)
    return [float(gain) for gain in np.exp(np.array([motion, motion, shape]) + each)]


def _place(plane: Planes, across: Side, down: Side, gain: float, target: Planes) -> None:
    """One plane (64, 80), cut, resized and brightened, into `target` (64, 80), which is zero."""
    x0, x1, left, right = across
    y0, y1, top, bottom = down
    size = (right - left, bottom - top)
    moved = cv2.resize(plane[y0:y1, x0:x1], size, interpolation=cv2.INTER_LINEAR)
    target[top:bottom, left:right] = cv2.convertScaleAbs(moved, alpha=gain)


def _noise(rng: Generator) -> float:
    """Standard deviation of a difference's noise, mostly none."""
    noisy = rng.random() < NOISE_SHARE
    return float(rng.uniform(0.0, NOISE_MOST)) if noisy else 0.0


def _flicker(steps: int, rng: Generator) -> npt.NDArray[np.float64]:
    """By how much all of the motion is lifted in each step (T,), mostly not at all."""
    if rng.random() >= FLICKER_SHARE:
        return np.zeros(steps)
    lifted = rng.random(steps) < FLICKER_STEPS
    return np.where(lifted, rng.uniform(0.0, FLICKER_MOST, steps), 0.0)


def _disturb(
    planes: Planes,
    used: npt.NDArray[np.bool_],
    noise: float,
    levels: npt.NDArray[np.float64],
    rng: Generator,
) -> None:
    """Noise and flicker onto motion; the history remembers both as the daemon's does."""
    if not used[0] or not (noise or levels.any()):
        return
    pixels = planes[0, 0].size
    starts = rng.integers(0, _BANK.size - pixels, len(planes))
    remembered = np.zeros(planes.shape[-2:], np.uint8)
    for (motion, history, _), start, level in zip(planes, starts, levels, strict=True):
        grain = _BANK[start : start + pixels].reshape(motion.shape)
        extra = cv2.convertScaleAbs(grain, alpha=noise / BANK_SPREAD, beta=level)
        cv2.add(motion, extra, dst=motion)
        if used[1]:
            remembered = np.maximum(cv2.convertScaleAbs(remembered, alpha=DECAY), motion)
            np.maximum(history, remembered, out=history)


def _hide(planes: Planes, rng: Generator) -> None:
    """Nothing inside one rectangle, mostly none."""
    if rng.random() >= HIDDEN_SHARE:
        return
    height, width = (round(side * rng.uniform(*HIDDEN_SIDE)) for side in planes.shape[-2:])
    top = int(rng.integers(planes.shape[-2] - height + 1))
    left = int(rng.integers(planes.shape[-1] - width + 1))
    planes[:, :, top : top + height, left : left + width] = 0


def _bank() -> Planes:
    """Half-normal noise, as of an absolute difference; windows differ in where they begin in it."""
    drawn = np.random.default_rng(0).normal(0.0, BANK_SPREAD, 1 << 20)
    return np.minimum(np.abs(drawn), 255.0).astype(np.uint8)


_BANK = _bank()
