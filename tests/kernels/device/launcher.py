# SPDX-License-Identifier: Apache-2.0
"""Launch one kernel on a device with arrays of the host, as ../host/build.py does without one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kernels.cuda import Device
from kernels.launch import PARAMETERS


class Launcher:
    """Kernels of a compiled file; what they write comes back into the arrays they were given."""

    def __init__(self, device: Device, image: Path) -> None:
        self._device = device
        self._kernels = device.load(image, PARAMETERS)

    def launch(
        self,
        name: str,
        grid: Sequence[int],
        block: Sequence[int],
        shared_bytes: int,
        args: Sequence[np.ndarray | np.generic],
        seed: int = 0,  # noqa: ARG002 - the order of threads is the device's own
    ) -> int:
        """Returns 0: what is left in shared memory cannot be seen here."""
        device, buffers, values = self._device, [], []
        for argument in args:
            if isinstance(argument, np.ndarray):
                buffers.append((device.allocate(max(1, argument.nbytes)), argument))
                device.copy_in(*buffers[-1])
                values.append(buffers[-1][0].pointer)
            else:
                values.append(argument.item())
        across, down = (*grid, 1)[:2]
        wide, high, deep = (*block, 1, 1)[:3]
        where = (across, down), (wide, high, deep)
        device.launch(self._kernels[name], *where, *values, shared_bytes=shared_bytes)
        for buffer, array in buffers:
            if array.flags.writeable:
                device.copy_out(array, buffer)
        device.free(*(buffer for buffer, _ in buffers))
        return 0
