# SPDX-License-Identifier: Apache-2.0
"""Inputs for the kernels of desensitise.cu: frames of every format and size, scenes of canvases;
random ones without end and the extremes. Each knows how to compare a kernel with the definition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES, Desensitiser, Rates
from kernels.frame import PIXELS, FrameFormat, Pixels, area_resize

Launch = Callable[..., int]
U8 = NDArray[np.uint8]

SHAPE = (CANVAS_H, CANVAS_W)
STATE = np.dtype(
    [
        ("room", "<i4", SHAPE),
        ("previous", "<i2", SHAPE),
        ("history", "<u2", SHAPE),
        ("quiet", "u1", SHAPE),
        ("started", "<u4"),
        ("phase", "<u4"),
    ]
)
SHARED_BYTES = 46080
RATES = (1, 2, 3, 7, 10, 30, 60, 100)


# ---- frames -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    layout: FrameFormat
    frame: U8
    threads: int = 256

    def __len__(self) -> int:
        return 1

    def is_wrong(self, launch: Launch, seed: int) -> str:
        """What differs from the definition, or nothing."""
        canvas = np.full(SHAPE, 0xEE, np.uint8)
        arguments = [PIXELS.index(self.layout.pixels), self.layout.width, self.layout.height]
        left = launch(
            "area_resize",
            (CANVAS_H,),
            (self.threads,),
            4 * self.layout.width,
            [self.frame, canvas, *np.array(arguments, np.int32)],
            seed,
        )
        wrong = int((canvas != area_resize(self.frame, self.layout)).sum())
        return f"{self.layout}: {wrong} pixels differ, {left} bytes left" if wrong or left else ""


def picture(random: Generator, pixels: Pixels, width: int, height: int) -> Picture:
    layout = FrameFormat(pixels, width, height)
    frame = random.integers(0, 256, layout.nbytes, dtype=np.uint8)
    if random.random() < 0.3:
        frame = np.where(frame < random.integers(256), 0, 255).astype(np.uint8)
    return Picture(layout, frame, int(random.choice((32, 96, 256, 1024))))


def random_pictures(seed: int, count: int) -> Iterator[Picture]:
    random = np.random.default_rng(seed)
    for _ in range(count):
        pixels = PIXELS[random.integers(len(PIXELS))]
        width, height = int(random.integers(80, 400)), int(random.integers(64, 300))
        if pixels in ("NV12", "I420"):
            width, height = width + width % 2, height + height % 2
        yield picture(random, pixels, width, height)


def extreme_pictures() -> Iterator[Picture]:
    random = np.random.default_rng(1)
    for pixels in PIXELS:
        for size in ((80, 64), (160, 128), (82, 66), (640, 480), (1280, 720)):
            yield picture(random, pixels, *size)
    for size in ((81, 65), (1279, 719), (3839, 65), (81, 2159)):
        yield picture(random, "GRAY8", *size)
        yield picture(random, "BGRx", *size)
    for value in (0, 1, 254, 255):  # the largest sums
        layout = FrameFormat("GRAY8", 3840, 2160)
        yield Picture(layout, np.full(layout.nbytes, value, np.uint8))
    layout = FrameFormat("BGRx", 80, 64)
    for colour in np.ndindex(2, 2, 2, 2):
        yield Picture(layout, np.tile(np.array(colour, np.uint8) * 255, CANVAS_H * CANVAS_W))


# ---- scenes -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """Canvases (N, 64, 80), one after the other, of a camera of this rate."""

    name: str
    rate_hz: int
    canvases: U8

    def __len__(self) -> int:
        return len(self.canvases)

    def is_wrong(self, launch: Launch, seed: int) -> str:
        """The first frame after which planes or state differ from the definition, or nothing."""
        device, wanted = Device(launch, self.rate_hz), Desensitiser(self.rate_hz)
        expected = np.zeros((PLANES, *SHAPE), np.uint8)
        for number, canvas in enumerate(self.canvases):
            wanted.planes(canvas, expected)
            planes, left = device.watch(canvas, seed + number)
            differ = [*differing_planes(planes, expected), *device.differing_state(wanted)]
            if differ or left:
                return f"{self.name}, frame {number}: {', '.join(differ)} differ, {left} bytes left"
        return ""


class Device:
    """The kernel `planes` with the state of one camera."""

    def __init__(self, launch: Launch, rate_hz: int) -> None:
        rates = Rates.at(rate_hz)
        self._launch = launch
        self._state = np.zeros(1, STATE)
        self._rates = np.array([rates.decay, rates.learn, rates.quiet_frames], np.uint32)

    def watch(self, canvas: U8, seed: int) -> tuple[U8, int]:
        """Planes (3, 64, 80), and how many bytes of shared memory are left other than zero."""
        planes = np.full((PLANES, *SHAPE), 0xEE, np.uint8)
        arguments = [canvas.copy(), self._state, planes, *self._rates]
        return planes, self._launch("planes", (1,), (1024,), SHARED_BYTES, arguments, seed)

    def differing_state(self, wanted: Desensitiser) -> list[str]:
        state = self._state[0]
        names = ("room", "previous", "history", "quiet", "started", "phase")
        return [n for n in names if not np.array_equal(state[n], getattr(wanted, f"_{n}"))]


def differing_planes(planes: U8, expected: U8) -> list[str]:
    return [f"plane {i}" for i in range(PLANES) if not np.array_equal(planes[i], expected[i])]


def empty_room(random: Generator, count: int, noise: float = 1.0) -> NDArray[np.float64]:
    """(count, 64, 80): slanting light, a piece of furniture, the sensor's noise."""
    light = np.add.outer(np.linspace(0, 40, CANVAS_H), np.linspace(60, 140, CANVAS_W))
    light[40:60, 60:75] -= 30
    return light + random.normal(0, noise, (count, *SHAPE))


def scene(name: str, rate_hz: int, canvases: Sequence[object] | NDArray[np.float64]) -> Scene:
    return Scene(name, rate_hz, np.clip(np.asarray(canvases), 0, 255).astype(np.uint8))


def random_scenes(seed: int, frames: int) -> Iterator[Scene]:
    """Noise, and rooms in which blobs come, stay, move and go while the light changes."""
    random = np.random.default_rng(seed)
    while frames > 0:
        count = min(frames, int(random.integers(4, 40)))
        frames -= count
        rate_hz = int(random.choice(RATES))
        if random.random() < 0.2:
            noise = random.integers(0, 256, (count, *SHAPE))
            yield scene("noise", rate_hz, noise)
        else:
            yield scene("people", rate_hz, people(random, count))


def people(random: Generator, count: int) -> NDArray[np.float64]:
    canvases = empty_room(random, count, noise=float(random.choice((0.0, 0.5, 2.0, 8.0))))
    for _ in range(random.integers(1, 5)):
        come, go = sorted(random.integers(-count, 2 * count, 2))
        y, x = random.integers(-10, 60, 2)
        height, width = random.integers(1, 50, 2)
        step = random.choice((0, 0, 1, 3), 2)
        grey = random.integers(-150, 150)
        for t in range(max(come, 0), min(go, count)):
            top, left = np.maximum((y, x) + step * t, 0)
            canvases[t, top : top + height, left : left + width] += grey
    if random.random() < 0.5:
        canvases += np.cumsum(random.normal(0, 4, (count, 1, 1)), axis=0)
    return canvases


def extreme_scenes() -> Iterator[Scene]:
    """The short ones first."""
    random = np.random.default_rng(2)
    yield scene("flicker", 10, [np.full(SHAPE, v) for v in (0, 255, 255, 0, 7)])
    yield scene("extreme patterns", 10, list(patterns()))
    yield from scene_change_at_its_threshold()
    yield scene_changes(random)
    yield levels()
    yield moving_threshold()
    yield drift(random)
    for side in (3, 12, 40):
        yield ghost(random, side)
    yield from (haunted(random) for _ in range(3))
    yield stay(random)


def patterns() -> Iterator[NDArray[np.int64]]:
    y, x = np.indices(SHAPE)
    for pattern in (x % 2, (x + y) % 2, y % 2, x // 2 % 2, x == 0, y == 63, (x == 79) & (y == 0)):
        yield pattern * 255
        yield (1 - pattern) * 255


def levels() -> Scene:
    """Squares that differ from the room by 0 to 39 grey levels, of both signs: every threshold."""
    empty, squares = np.full(SHAPE, 100), np.full(SHAPE, 100)
    for i in range(40):
        y, x = divmod(i, 10)
        squares[16 * y + 2 : 16 * y + 8, 8 * x + 1 : 8 * x + 6] += i
        squares[16 * y + 9 : 16 * y + 15, 8 * x + 1 : 8 * x + 6] -= i
    return scene("levels", 1, [empty, squares, squares, empty, squares])


def moving_threshold() -> Scene:
    """Two steps of twelve grey levels: in the mask, and moving at exactly the threshold."""
    steps = np.full((6, *SHAPE), 100)
    steps[1, 10:30, 10:30] += 12
    steps[2:, 10:30, 10:30] += 24
    return scene("moving threshold", 1, steps)


def drift(random: Generator) -> Scene:
    """What is learned: changes below the mask, of both signs, in fractions of a grey level."""
    y, x = np.indices(SHAPE)
    waves = [6 * np.sin(t / 3 + y / 9) * np.cos(x / 7) for t in range(12)]
    return scene("drift", 7, empty_room(random, 12) + np.array(waves))


def ghost(random: Generator, side: int) -> Scene:
    """Somebody who was there from the start goes, while somebody else stays to the end."""
    canvases = empty_room(random, 24, noise=0.5)
    canvases[:3, 12 : 12 + side, 4 : 4 + side] = 220
    canvases[1:, 12:50, 60:72] = 10
    return scene(f"ghost of {side}", 2, canvases)


def haunted(random: Generator) -> Scene:
    """What is there changes into something like it: evidence for and against, side by side."""
    canvases = empty_room(random, 16, noise=0)
    canvases[:3, 4:60, 4:36] = blocks(random)
    canvases[3:, 4:60, 4:36] = blocks(random)
    return scene("haunted", 2, canvases)


def blocks(random: Generator) -> NDArray[np.int64]:
    """(56, 32), squares of four by four."""
    return random.integers(0, 256, (14, 8)).repeat(4, axis=0).repeat(4, axis=1)


def scene_changes(random: Generator) -> Scene:
    """While somebody is counted as quiet."""
    canvases = np.concatenate([empty_room(random, 6), random.integers(0, 256, (3, *SHAPE))])
    canvases[2:6, 20:50, 30:42] = 20
    return scene("scene changes", 1, canvases)


def scene_change_at_its_threshold() -> Iterator[Scene]:
    """3584 and 3585 pixels in the mask, up and down, so that no shift explains them: smoothing adds
    a row of 80 at each of two borders."""
    before = np.full(SHAPE, 100)
    for changed in (3424, 3425):
        after = before.ravel().copy()
        after[: changed // 2] += 100
        after[after.size - changed + changed // 2 :] -= 100
        yield scene(f"{changed} pixels change", 10, [before, after.reshape(SHAPE)])


def stay(random: Generator) -> Scene:
    """Somebody lies still until all is counted that is."""
    canvases = empty_room(random, 160, noise=0.5)
    canvases[2:, 20:50, 30:42] = 20
    return scene("a long stay", 100, canvases)
