# SPDX-License-Identifier: Apache-2.0
"""A frame as it lies in memory, and its reduction to the canvas: exact area averages in integers.

Rows are packed: no padding, planes one after the other. What counts is luma, as it is stored:

GRAY8   one plane (H, W), the sample itself
NV12    luma (H, W), then the chroma pairs, which are not read
I420    luma (H, W), then two chroma planes, which are not read
BGRx    (H, W, 4), luma = (77 R + 150 G + 29 B + 128) >> 8: BT.601 in 1/256
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kernels.errors import FormatError

CANVAS_H, CANVAS_W = 64, 80
WIDEST, HIGHEST = 3840, 2160

Pixels = Literal["GRAY8", "NV12", "I420", "BGRx"]  # as GStreamer calls them
PIXELS: tuple[Pixels, ...] = get_args(Pixels)  # in the order of their numbers in desensitise.cu

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """Layout and size in pixels, at least the canvas; FormatError for what no kernel is made for.

    NV12 and I420 halve their chroma and need even sizes.
    """

    pixels: Pixels
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.pixels not in PIXELS:
            raise FormatError(f"pixels must be one of {', '.join(PIXELS)}, not {self.pixels!r}")
        if not (CANVAS_W <= self.width <= WIDEST and CANVAS_H <= self.height <= HIGHEST):
            raise FormatError(
                f"a frame must be {CANVAS_W} x {CANVAS_H} to {WIDEST} x {HIGHEST} pixels, "
                f"not {self.width} x {self.height}"
            )
        if self.pixels in ("NV12", "I420") and (self.width % 2 or self.height % 2):
            raise FormatError(f"{self.pixels} needs even sizes, not {self.width} x {self.height}")

    @property
    def nbytes(self) -> int:
        """Bytes of one frame."""
        area = self.width * self.height
        return {"GRAY8": area, "NV12": area * 3 // 2, "I420": area * 3 // 2, "BGRx": area * 4}[
            self.pixels
        ]


def area_resize(frame: U8, layout: FrameFormat) -> U8:
    """frame (nbytes,) uint8 -> the canvas (64, 80) uint8: every pixel its area's average luma.

    In units of 1/80 of a source pixel's width and 1/64 of its height all borders are integers:
    source column x covers [80 x, 80 (x + 1)), column j of the canvas [W j, W (j + 1)), and rows
    alike with 64 and H. The average over W H such units is rounded half up. Raises FormatError.
    """
    if frame.shape != (layout.nbytes,) or frame.dtype != np.uint8:
        raise FormatError(f"frame must be uint8 ({layout.nbytes},)")
    across = _covered(_luma(frame, layout), CANVAS_W)
    area = layout.width * layout.height
    total = _covered(across.T, CANVAS_H).T
    return np.asarray((total + area // 2) // area, dtype=np.uint8)


def _luma(frame: U8, layout: FrameFormat) -> I64:
    """(H, W) int64, 0 to 255."""
    shape = layout.height, layout.width
    if layout.pixels == "BGRx":
        blue, green, red = (frame.reshape(*shape, 4)[..., i].astype(np.int64) for i in range(3))
        return (77 * red + 150 * green + 29 * blue + 128) >> 8
    return frame[: layout.height * layout.width].reshape(shape).astype(np.int64)


def _covered(values: I64, count: int) -> I64:
    """(N, size) -> (N, count): what each of `count` equal parts of a row covers, in 1/count."""
    rows, size = values.shape
    whole, part = np.divmod(np.arange(count + 1) * size, count)
    before = np.concatenate([np.zeros((rows, 1), np.int64), values.cumsum(axis=1)], axis=1)
    onward = np.concatenate([values, np.zeros((rows, 1), np.int64)], axis=1)
    integral: I64 = count * before[:, whole] + part * onward[:, whole]
    return integral[:, 1:] - integral[:, :-1]
