# SPDX-License-Identifier: Apache-2.0
"""Work that is recorded once and replayed by one call, and moments in it that can be timed.

A graph holds addresses and numbers, no content. Replaying it allocates nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import byref, c_float, c_void_p
from typing import final

import numpy as np
from numpy.typing import NDArray

from kernels.cuda import Device
from kernels.errors import AcceleratorError
from kernels.libcuda import check, libcuda

_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads call does no harm
_EXTERNAL = 1  # CU_EVENT_RECORD_EXTERNAL: a node of the graph, which can be timed


@final
class Graph:
    """What `work` enqueues on the device: not done, but recorded. Raises AcceleratorError."""

    def __init__(self, device: Device, work: Callable[[], None]) -> None:
        self._device = device
        self._executable = c_void_p()
        recorded = self._record(work)
        instantiate = libcuda().cuGraphInstantiateWithFlags
        status = instantiate(byref(self._executable), recorded, 0)
        libcuda().cuGraphDestroy(recorded)
        check(status, "cuGraphInstantiate")
        try:
            # What the driver needs for it is made now, and not for the first frame.
            check(libcuda().cuGraphUpload(self._executable, device.stream), "cuGraphUpload")
            device.synchronise()
        except AcceleratorError:
            self.close()
            raise

    def replay(self) -> None:
        """Enqueue all of it."""
        check(libcuda().cuGraphLaunch(self._executable, self._device.stream), "cuGraphLaunch")

    def close(self) -> None:
        """Give it back to the driver. Idempotent."""
        if self._executable:
            libcuda().cuGraphExecDestroy(self._executable)
            self._executable = c_void_p()

    def _record(self, work: Callable[[], None]) -> c_void_p:
        stream, recorded = self._device.stream, c_void_p()
        check(libcuda().cuStreamBeginCapture_v2(stream, _THREAD_LOCAL), "cuStreamBeginCapture")
        try:
            work()
        except BaseException:
            libcuda().cuStreamEndCapture(stream, byref(recorded))
            libcuda().cuGraphDestroy(recorded)
            raise
        check(libcuda().cuStreamEndCapture(stream, byref(recorded)), "cuStreamEndCapture")
        return recorded


@final
class Marks:
    """`count` moments in a graph, passed in order."""

    def __init__(self, device: Device, count: int) -> None:
        self._device = device
        self._events: list[c_void_p] = []
        for _ in range(count):
            event = c_void_p()
            check(libcuda().cuEventCreate(byref(event), 0), "cuEventCreate")
            self._events.append(event)

    def record(self, index: int) -> None:
        """Record that this moment is here."""
        status = libcuda().cuEventRecordWithFlags(
            self._events[index], self._device.stream, _EXTERNAL
        )
        check(status, "cuEventRecordWithFlags")

    def elapsed_s(self) -> NDArray[np.float64]:
        """Seconds between neighbours in the last replay (count - 1,), to half a microsecond."""
        found = []
        for start, end in zip(self._events, self._events[1:], strict=False):
            elapsed_ms = c_float()
            status = libcuda().cuEventElapsedTime(byref(elapsed_ms), start, end)
            check(status, "cuEventElapsedTime")
            found.append(elapsed_ms.value / 1000)
        return np.array(found)

    def close(self) -> None:
        """Give them back to the driver. Idempotent."""
        while self._events:
            libcuda().cuEventDestroy_v2(self._events.pop())
