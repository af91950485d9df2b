# SPDX-License-Identifier: Apache-2.0
"""An order for the release kernel, and how its result is known to be the one that was ordered.

The host writes an order with a fresh ticket and poisons the place of the result; the kernel writes
the vector and, last of all, a receipt that repeats the ticket; both come back in one copy. A result
counts if the receipt is that of this very order, without a fault, and no coordinate is out of
reach, as the poison is. So a release that failed, was left out, or came back in part is not taken.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from kernels.cuda import Buffer, Device
from kernels.errors import ReleaseError
from kernels.libcuda import failure
from kernels.reference import ReleaseParameters
from kernels.table import noise_table

ORDER = np.dtype([("ticket", "<u8"), ("level", "<i4"), ("reserved", "<u4")])
RECEIPT = np.dtype([("ticket", "<u8"), ("level", "<i4"), ("flags", "<u4")])
NO_LEVEL = -1  # release nothing, and leave the key as it is
DONE = 1
NOT_FINITE = 2  # a NaN or an infinity in the embedding

_POISON = np.int16(-32768)  # no release reaches it


@final
class Exchange:
    """One order and its result, in memory of the host and of the device."""

    def __init__(self, device: Device, parameters: ReleaseParameters) -> None:
        self._device = device
        self._reach = [parameters.clip_norm + noise_table(s).bound for s in parameters.sigmas]
        self._ticket = 0
        self._level = NO_LEVEL
        vector_bytes = 2 * parameters.projection.shape[0]
        receipt_at = -(-vector_bytes // RECEIPT.itemsize) * RECEIPT.itemsize
        self._host_order = device.pinned(ORDER.itemsize)
        self._host_result = device.pinned(receipt_at + RECEIPT.itemsize)
        self._receipt = self._host_result[receipt_at:].view(RECEIPT)
        self._vector = self._host_result[:vector_bytes].view(np.int16)
        self._order = device.allocate(ORDER.itemsize)
        self._result = device.allocate(receipt_at + RECEIPT.itemsize)
        self.order = self._order.pointer
        self.vector = self._result.pointer
        self.receipt = self._result.pointer + receipt_at

    @property
    def buffers(self) -> tuple[Buffer, Buffer]:
        """The device's side."""
        return self._order, self._result

    def check(self, level: int | None, out: NDArray[np.int16]) -> None:
        """Raise ReleaseError if this cannot be ordered, or not delivered there."""
        if out.shape != self._vector.shape or out.dtype != np.int16:
            raise ReleaseError(f"out must be int16 {self._vector.shape}")
        if level is not None and not 0 <= level < len(self._reach):
            raise ReleaseError(f"level must be from 0 to {len(self._reach) - 1}, or None")

    def place(self, level: int | None) -> None:
        """Write the next order; without a level, nothing is to be released."""
        self._ticket += 1
        self._level = NO_LEVEL if level is None else level
        self._host_order.view(ORDER)[0] = (self._ticket, self._level, 0)
        self._vector.fill(_POISON)
        self._receipt.view(np.uint8).fill(0xFF)

    def send(self) -> None:
        """Enqueue the copy of the order."""
        self._device.copy_in(self._order, self._host_order)

    def fetch(self) -> None:
        """Enqueue the copy of the result."""
        self._device.copy_out(self._host_result, self._result)

    def verify(self) -> None:
        """Raise AcceleratorError unless the result is whole, and the one that was ordered."""
        ticket, level, flags = self._receipt[0].tolist()
        if (ticket, level) != (self._ticket, self._level) or not flags & DONE:
            raise failure("bad-receipt", "the release was not carried out as ordered")
        if flags & NOT_FINITE:
            raise failure("engine-nan", "the embedding holds a NaN or an infinity")
        if flags != DONE:
            raise failure("bad-receipt", f"the release was refused (flags {flags})")
        if level != NO_LEVEL and not self._within(self._reach[level]):
            raise failure("bad-receipt", "the released vector is not whole")

    def deliver(self, out: NDArray[np.int16]) -> None:
        """The vector, if one was ordered -> out (K,) int16. Verify first."""
        if self._level != NO_LEVEL:
            np.copyto(out, self._vector)

    def wipe(self) -> None:
        """Enqueue zeros for the device's side, and forget the host's."""
        for buffer in self.buffers:
            self._device.wipe(buffer)
        self._host_order.fill(0)
        self._host_result.fill(0)

    def _within(self, reach: int) -> bool:
        return -reach <= int(self._vector.min()) and int(self._vector.max()) <= reach
