# SPDX-License-Identifier: Apache-2.0
"""How the kernels are called: their parameters, grids and shared memory, and what they are given.

The other half of what the heads of the .cu files say. All constants here are public.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

import numpy as np

from kernels.cuda import Device, Kernel
from kernels.desensitise import Rates
from kernels.frame import CANVAS_H, PIXELS, FrameFormat
from kernels.reference import ReleaseParameters
from kernels.table import noise_table

FATBIN = Path(__file__).with_name("lethe.fatbin")  # ./build.sh kernels makes it

# P address, i int, I unsigned, f float: as `struct` has it
PARAMETERS = {
    "empty": "",
    "area_resize": "PPiii",
    "planes": "PPPIII",
    "release": "PPPPPPPPiiiifii",
}

STATE_BYTES = 46_088  # of PlaneState: what is kept of a room. All zeros: nothing was seen

_AVERAGE_THREADS = 256  # per row of the canvas
_PLANES_THREADS = 1024  # the kernel is made for exactly one such block
_SCRATCH_BYTES = 46_080
_LANES = 32
_MAX_WARPS = 4  # per block; the kernel is compiled for so many
_SHARED_BYTES = 48 * 1024  # per block, what every GPU has without being asked


@final
class PlaneKernels:
    """From a frame to the planes of one camera, on a device."""

    def __init__(
        self, device: Device, compiled: Mapping[str, Kernel], layout: FrameFormat, rates: Rates
    ) -> None:
        self._device = device
        self._area_resize = compiled["area_resize"]
        self._planes = compiled["planes"]
        self._layout = layout
        self._rates = rates

    def average(self, frame: int, canvas: int) -> None:
        """Device addresses: u8 (nbytes,) -> u8 (64, 80)."""
        self._device.launch(
            self._area_resize,
            (CANVAS_H, 1),
            (_AVERAGE_THREADS, 1, 1),
            frame,
            canvas,
            PIXELS.index(self._layout.pixels),
            self._layout.width,
            self._layout.height,
            shared_bytes=4 * self._layout.width,
        )

    def planes(self, canvas: int, state: int, planes: int) -> None:
        """Device addresses: u8 (64, 80), the state -> u8 (3, 64, 80)."""
        self._device.launch(
            self._planes,
            (1, 1),
            (_PLANES_THREADS, 1, 1),
            canvas,
            state,
            planes,
            self._rates.decay,
            self._rates.learn,
            self._rates.quiet_frames,
            shared_bytes=_SCRATCH_BYTES,
        )


@final
class ReleaseKernel:
    """The release on a device, with its constants in the device's memory."""

    def __init__(self, device: Device, kernel: Kernel, parameters: ReleaseParameters) -> None:
        K, D = parameters.projection.shape
        tables = [noise_table(sigma) for sigma in parameters.sigmas]
        trees = [limbs for table in tables for limbs in (table.high, table.low)]
        starts = np.cumsum([0, *(2 * len(table.high) for table in tables)])
        levels = [[start, table.steps] for start, table in zip(starts, tables, strict=False)]
        padded = np.pad(parameters.projection, ((0, 0), (0, -D % 4)))
        self._device = device
        self._kernel = kernel
        self._parameters = parameters
        self.constants = (
            device.upload(np.ascontiguousarray(padded)),
            device.upload(np.concatenate(trees)),
            device.upload(np.array(levels, np.int32)),
        )
        self._warp_bytes = _round64(D + -D % 4) + _round64(4 * K) + _round64(32 + 16 * K)

    def enqueue(
        self, embeddings: int, orders: int, keys: int, vectors: int, receipts: int, batch: int
    ) -> None:
        """Device addresses: f32 (B, D), ORDER (B), u8 (B, 32) -> i16 (B, K), RECEIPT (B)."""
        K, D = self._parameters.projection.shape
        warps = min(batch, _MAX_WARPS, _SHARED_BYTES // self._warp_bytes)
        self._device.launch(
            self._kernel,
            (-(-batch // warps), 1),
            (_LANES, warps, 1),
            embeddings,
            *(constant.pointer for constant in self.constants),
            orders,
            keys,
            vectors,
            receipts,
            batch,
            K,
            D,
            len(self._parameters.sigmas),
            self._parameters.embedding_scale,
            self._parameters.clip_norm,
            self._parameters.full_scale,
            shared_bytes=warps * self._warp_bytes,
        )


def _round64(nbytes: int) -> int:
    return -(-nbytes // 64) * 64
