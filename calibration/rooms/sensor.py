# SPDX-License-Identifier: Apache-2.0
"""From light to the grey numbers a cheap camera gives out.

Each Sensor is one camera with habits of its own, drawn once: a lens that blurs, darkens its corners
and flares; an exposure that follows the picture with a delay; a tone curve; noise that grows when
it is dark, and a filter against it that leaves trails; a mount that trembles; compression.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration.rooms.codec import Codec, Quality
from calibration.rooms.view import HEIGHT, WIDTH

Floats = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]

WHITE = 1.0  # exposed light at which a pixel saturates
METER = 8  # the meter sees means of METER x METER pixels
GAINS = (0.05, 30.0)  # of the exposure
FLARE_SIZE = (WIDTH // 8, HEIGHT // 8)
SECOND = 10  # frames
NOISE_SPARE = 96  # rows and columns of noise beyond a frame
CURVE = 4096  # entries of the tone curve, even in the root of light


@dataclass(frozen=True, slots=True)
class Habits:
    """What distinguishes one camera from the next."""

    target: float  # mean grey the exposure aims at, 0..1
    centred: float  # how much the middle counts in metering, 0..1
    pace: float  # share of the way to the wanted exposure made in a frame
    blur: float  # pixels, sigma
    sharpen: float  # of what the blur took
    vignette: float
    flare: float  # share of all light that goes astray
    glare: float  # of what saturates that spreads around
    gamma: float
    black: float  # grey of no light
    contrast: float  # of the curve's S
    read_noise: float  # in exposed light, at a gain of 1
    shot_noise: float
    trail: float  # weight of the past where nothing seems to move
    tremble: float  # pixels
    overlay: str  # a clock in the picture: "", "top" or "bottom"


def draw(rng: np.random.Generator, *, infrared: bool) -> Habits:
    """A camera's habits."""
    good = rng.random() < 0.5
    return Habits(
        target=float(rng.uniform(0.36, 0.6)),
        centred=float(rng.uniform(0, 0.7)),
        pace=float(rng.choice((0.04, 0.12, 0.4))),
        blur=float(rng.uniform(0.2, 0.5 if good else 0.9)),
        sharpen=float(rng.choice((0.0, rng.uniform(0.3, 1.4)), p=(0.35, 0.65))),
        vignette=float(rng.uniform(0, 0.9 if infrared else 0.5)),
        flare=float(rng.uniform(0, 0.02 if good else 0.07)),
        glare=float(rng.uniform(0, 0.06 if good else 0.2)),
        gamma=float(rng.uniform(1.7, 2.5)),
        black=float(rng.uniform(0, 0.04)),
        contrast=float(rng.uniform(0.3, 1.5)),
        read_noise=float(rng.uniform(0.0003, 0.0015 if good else 0.006)) * (2 if infrared else 1),
        shot_noise=float(rng.uniform(0.003, 0.012 if good else 0.03)),
        trail=float(rng.choice((0.0, rng.uniform(0.3, 0.8)))),
        tremble=float(rng.choice((0.0, rng.uniform(0.05, 0.5)), p=(0.85, 0.15))),
        overlay=str(rng.choice(("", "top", "bottom"), p=(0.7, 0.2, 0.1))),
    )


def draw_quality(rng: np.random.Generator) -> Quality:
    """Of the compression: hardly to be seen up to badly starved."""
    return Quality(
        step=float(2 ** rng.uniform(1, 4.8)),
        dead_zone=float(rng.uniform(0.15, 0.4)),
        skip=float(rng.choice((0.0, rng.uniform(0.3, 2.0)))),
        period=int(rng.integers(8, 60)),
    )


class Sensor:
    """One camera's way from light to grey; it remembers the frame before."""

    def __init__(self, rng: np.random.Generator, *, infrared: bool) -> None:
        self._rng = rng
        self.habits = draw(rng, infrared=infrared)
        self._codec = Codec(draw_quality(rng))
        self._corners = _corners(self.habits.vignette)
        self._weights = _metering(self.habits.centred)
        self._curve = _curve(self.habits)
        self._exposure: float | None = None
        self._past: Floats | None = None
        # Drawing a window of one field is ten times quicker than drawing a new field.
        shape = HEIGHT + NOISE_SPARE, WIDTH + NOISE_SPARE
        self._field = rng.standard_normal(shape, np.float32)
        self._frame = 0
        self._clock = int(rng.integers(86400))

    def grey(self, radiance: Floats) -> Grey:
        """radiance (128, 160), linear -> (128, 160) uint8; reused by the next call."""
        light = self._through_lens(radiance)
        light *= np.float32(self._exposed(light))
        self._stray(light)
        self._noise(light)
        grey = self._toned(self._denoised(light))
        if self.habits.overlay:
            self._write_clock(grey)
        self._frame += 1
        return self._codec.decoded(grey)

    def _through_lens(self, radiance: Floats) -> Floats:
        habits = self.habits
        if habits.tremble:
            radiance = self._shaken(radiance)
        soft: Floats = np.asarray(cv2.GaussianBlur(radiance, (5, 5), habits.blur), np.float32)
        if habits.sharpen:
            wide = cv2.GaussianBlur(soft, (7, 7), 1.2)
            soft += np.float32(habits.sharpen) * (soft - wide)
            np.maximum(soft, 0, out=soft)
        soft *= self._corners
        return soft

    def _shaken(self, light: Floats) -> Floats:
        x, y = self._rng.normal(0, self.habits.tremble, 2)
        shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
        moved = cv2.warpAffine(light, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)

    def _exposed(self, light: Floats) -> float:
        """The exposure now; it starts right and then follows."""
        small = cv2.resize(light, self._weights.shape[::-1], interpolation=cv2.INTER_AREA)
        seen = np.minimum(small * (self._exposure or 0), 4 * WHITE) if self._exposure else small
        level = float((seen * self._weights).sum()) / (self._exposure or 1.0)
        wanted = self.habits.target**self.habits.gamma / max(level, 1e-6)
        wanted = min(max(wanted, GAINS[0]), GAINS[1])
        if self._exposure is None:
            self._exposure = wanted
        self._exposure *= (wanted / self._exposure) ** self.habits.pace
        return self._exposure

    def _stray(self, light: Floats) -> None:
        """Light that leaves its way in the lens: everywhere a little, and around what is bright."""
        habits = self.habits
        small = cv2.resize(light, FLARE_SIZE, interpolation=cv2.INTER_AREA)
        mean = min(float(small.mean()), 3 * WHITE)
        bright = np.minimum(np.maximum(small - WHITE, 0), 8 * WHITE)
        if bright.any():
            halo = cv2.GaussianBlur(bright, (0, 0), 2.0)
            wide = cv2.resize(halo, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
            light += np.float32(habits.glare) * wide
        light += np.float32(habits.flare * mean)

    def _noise(self, light: Floats) -> None:
        habits = self.habits
        x, y = self._rng.integers((NOISE_SPARE + 1,) * 2)
        noise = self._field[y : y + HEIGHT, x : x + WIDTH].copy()
        gain = np.float32(self._exposure or 1.0)
        read = np.float32(habits.read_noise) * np.sqrt(gain)
        noise *= read + np.float32(habits.shot_noise) * np.sqrt(np.minimum(light, WHITE))
        light += noise

    def _denoised(self, light: Floats) -> Floats:
        """The past shines through where the change is within the noise."""
        trail = self.habits.trail
        if not trail:
            return light
        if self._past is None:
            self._past = light.copy()
        past: Floats = self._past
        changed = cv2.blur(np.abs(light - past), (3, 3))
        weight = np.float32(trail) * np.maximum(1 - changed / np.float32(0.06), 0)
        past -= light
        past *= weight
        past += light
        return past

    def _toned(self, light: Floats) -> Grey:
        root = np.clip(light, 0, WHITE)
        np.sqrt(root, out=root)
        root *= np.float32(CURVE - 1)
        return np.asarray(self._curve[root.astype(np.intp)])

    def _write_clock(self, grey: Grey) -> None:
        second = (self._clock + self._frame // SECOND) % 86400
        text = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        y = 9 if self.habits.overlay == "top" else HEIGHT - 4
        cv2.putText(grey, text, (4, y), cv2.FONT_HERSHEY_PLAIN, 0.6, 255, 1)


def _corners(vignette: float) -> Floats:
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    return np.asarray(1 - vignette * np.minimum(1, (x * x + y * y) / 2), np.float32)


def _metering(centred: float) -> Floats:
    y, x = np.mgrid[-1 : 1 : HEIGHT // METER * 1j, -1 : 1 : WIDTH // METER * 1j]
    weights = 1 - centred * np.minimum(1, x * x + y * y)
    return np.asarray(weights / weights.sum(), np.float32)


def _curve(habits: Habits) -> Grey:
    """Grey by the root of light: gamma, then an S about its middle, lifted by the black level."""
    light = np.linspace(0, 1, CURVE) ** 2
    tone = light ** (1 / habits.gamma)
    tone += habits.contrast * (tone * tone * (3 - 2 * tone) - tone)
    tone = habits.black + (1 - habits.black) * np.clip(tone, 0, 1)
    return np.asarray(255 * tone + 0.5).astype(np.uint8)
