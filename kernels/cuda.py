# SPDX-License-Identifier: Apache-2.0
"""The GPU: memory, kernels, one stream. The only file that knows PyCUDA.

A `Device` belongs to the thread that made it. Everything is allocated at the start and enqueued on
one stream; nothing waits but `synchronise`, and nothing reads device memory but `copy_out`.

* Device memory is zeroed when it is had and wiped before it is given back. `close` wipes all.
* Host memory for copies is ours (undumped, empty in a forked child) and registered with the driver.
  On a Jetson it lies in the same DRAM as the GPU's; `copy_in` copies there as well, so that what a
  kernel reads is memory that only kernels and the wipe ever touch.
* Every failure is an AcceleratorError. The driver reports a kernel's fault at some later call, and
  from then on at every call: that context is lost, with what its memory holds, until it is closed.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Mapping
from ctypes import byref, c_void_p
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from kernels.errors import AcceleratorError, ReleaseError
from kernels.libcuda import check, failure, failure_in, libcuda

DRIVER_OLDEST = 12020  # CUDA 12.2, of the first JetPack 6

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: no implicit order with the legacy stream
_MADV_WIPEONFORK = 18  # linux/mman.h; Python 3.10 does not name it

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Device memory; `pointer` is its address, a multiple of 256."""

    pointer: int
    nbytes: int
    allocation: Any  # PyCUDA's


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """One compiled function of a device, with what the compiler made of it for this GPU."""

    registers: int  # per thread
    local_bytes: int  # per thread: what did not fit into them


@final
class Device:
    """The first GPU that the driver shows, and its primary context. Raises AcceleratorError.

    Every method is for the thread that made it; ReleaseError otherwise, and after `close`.
    """

    def __init__(self) -> None:
        self._owner = threading.get_ident()
        self._closed = False
        self._buffers: list[Buffer] = []
        self._pinned: list[U8] = []
        self._modules: list[Any] = []
        self._functions: dict[Kernel, Any] = {}
        cuda = _pycuda()
        _call(cuda.init, 0)
        self.driver_version: int = _call(cuda.get_driver_version)
        _require_driver(self.driver_version, cuda.get_version()[0])
        device = _call(cuda.Device, 0)
        self.name: str = _call(device.name)
        self.compute_capability: tuple[int, int] = _call(device.compute_capability)
        self._context = _call(device.retain_primary_context)
        try:
            _call(self._context.push)
            self._stream = _call(cuda.Stream, _NON_BLOCKING)
        except AcceleratorError:
            self._leave()
            raise

    @property
    def stream(self) -> int:
        """The CUstream on which everything happens."""
        self.check_use()
        handle: int = self._stream.handle
        return handle

    # ---- memory ----------------------------------------------------------------------------------

    def allocate(self, nbytes: int) -> Buffer:
        """Zeroed device memory."""
        self.check_use()
        allocation = _call(_pycuda().mem_alloc, nbytes)
        buffer = Buffer(int(allocation), nbytes, allocation)
        self._buffers.append(buffer)
        self.wipe(buffer)
        return buffer

    def upload(self, array: NDArray[Any]) -> Buffer:
        """Device memory that holds a copy of `array`, which is public and needs no wiping here."""
        buffer = self.allocate(array.nbytes)
        self.copy_in(buffer, array)
        self.synchronise()
        return buffer

    def pinned(self, nbytes: int) -> U8:
        """Zeroed host memory (nbytes,) uint8 that the GPU copies from and to.

        It stays valid after `close`, wiped; so does every view of it.
        """
        self.check_use()
        pages = -(-nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = mmap.mmap(-1, pages, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_DONTDUMP)
        memory.madvise(_MADV_WIPEONFORK)  # else a fork would part the GPU's pages from ours
        block = np.frombuffer(memory, np.uint8)
        check(libcuda().cuMemHostRegister_v2(block.ctypes.data, pages, 0), "cuMemHostRegister")
        self._pinned.append(block)
        return block[:nbytes]

    def free(self, *buffers: Buffer) -> None:
        """Wipe device memory and give it back.

        Raises AcceleratorError, in the end, when it went back unwiped: the context was lost.
        """
        self.check_use()
        steps: list[Callable[[], None]] = [partial(self.wipe, buffer) for buffer in buffers]
        fault: AcceleratorError | None = None
        for step in (*steps, self.synchronise):
            try:
                step()
            except AcceleratorError as error:
                fault = error
        for buffer in buffers:
            self._buffers.remove(buffer)
            _call(buffer.allocation.free)
        if fault is not None:
            raise fault

    # ---- work: enqueued, or recorded -------------------------------------------------------------

    def copy_in(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Enqueue a copy of `array` to the start of `buffer`; recorded, it must be pinned."""
        self._require_room(buffer, array)
        _call(_pycuda().memcpy_htod_async, buffer.pointer, array, self._stream)

    def copy_out(self, array: NDArray[Any], buffer: Buffer) -> None:
        """Enqueue a copy of the start of `buffer` to `array`; recorded, it must be pinned."""
        self._require_room(buffer, array)
        _call(_pycuda().memcpy_dtoh_async, array, buffer.pointer, self._stream)

    def wipe(self, buffer: Buffer) -> None:
        """Enqueue zeros for all of `buffer`."""
        self.check_use()
        _call(_pycuda().memset_d8_async, buffer.pointer, 0, buffer.nbytes, self._stream)

    def launch(
        self,
        kernel: Kernel,
        grid: tuple[int, int],
        block: tuple[int, int, int],
        *arguments: float,
        shared_bytes: int = 0,
    ) -> None:
        """Enqueue a kernel; its arguments are addresses and numbers."""
        self.check_use()
        _call(
            self._functions[kernel].prepared_async_call,
            grid,
            block,
            self._stream,
            *arguments,
            shared_size=shared_bytes,
        )

    def synchronise(self) -> None:
        """Wait until all that was enqueued is done."""
        self.check_use()
        _call(self._stream.synchronize)

    # ---- kernels ---------------------------------------------------------------------------------

    def load(self, path: Path, parameters: Mapping[str, str]) -> dict[str, Kernel]:
        """The kernels of a compiled file; `parameters` has, by name, a struct format of each's."""
        self.check_use()
        if not path.is_file():
            raise failure("no-kernels", f"{path} is not there")
        self._modules.append(_call(_pycuda().module_from_file, str(path)))
        return {name: self._kernel(name, form) for name, form in parameters.items()}

    def _kernel(self, name: str, parameters: str) -> Kernel:
        """A function of the module loaded last."""
        function = _call(self._modules[-1].get_function, name)
        function.prepare(parameters)
        # Asking loads the code, which the driver would put off until the first launch.
        registers: int = _call(getattr, function, "num_regs")
        local_bytes: int = _call(getattr, function, "local_size_bytes")
        kernel = Kernel(registers, local_bytes)
        self._functions[kernel] = function
        return kernel

    # ---- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Wipe all memory and let the GPU go, also after a fault. Idempotent.

        Raises AcceleratorError, in the end, when device memory went back to the driver unwiped.
        """
        if self._closed:
            return
        self.check_use()
        try:
            self.free(*self._buffers)
        finally:
            for block in self._pinned:
                block.fill(0)
                libcuda().cuMemHostUnregister(block.ctypes.data)
            self._functions.clear()
            self._modules.clear()
            del self._stream
            self._closed = True
            self._leave()

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _leave(self) -> None:
        """Release the context, and take it off this thread, which PyCUDA would leave to itself."""
        libcuda().cuCtxPopCurrent_v2(byref(c_void_p()))
        _call(self._context.detach)

    def check_use(self) -> None:
        """Raise ReleaseError after `close`, and in any thread but the owner."""
        if self._closed:
            raise ReleaseError("the device is used after close")
        if threading.get_ident() != self._owner:
            raise ReleaseError("the device belongs to the thread that opened it")

    def _require_room(self, buffer: Buffer, array: NDArray[Any]) -> None:
        self.check_use()
        if array.nbytes > buffer.nbytes:
            raise ReleaseError(f"{array.nbytes} bytes do not fit in {buffer.nbytes}")


@cache
def _pycuda() -> Any:  # noqa: ANN401 - it has no types
    libcuda()  # says better than PyCUDA what is wrong with the driver
    try:
        from pycuda import driver
    except ImportError as error:
        # Compiled for a later CUDA than the driver's, or not there at all.
        old = "undefined symbol: cu" in str(error)
        raise failure("driver-too-old" if old else "no-driver", f"PyCUDA: {error}") from None
    return driver


def _call(function: Callable[..., Any], *arguments: object, **options: object) -> Any:  # noqa: ANN401
    """Call PyCUDA; its errors become ours."""
    try:
        return function(*arguments, **options)
    except _pycuda().Error as error:
        # PyCUDA gives a thing back with the last reference to it; a traceback must not hold one.
        del function, arguments
        error.__traceback__ = None
        raise failure_in(str(error)) from None


def _require_driver(version: int, compiled_major: int) -> None:
    """A driver runs what was compiled for its own CUDA major version or an earlier one."""
    oldest = max(DRIVER_OLDEST, 1000 * compiled_major)
    if version < oldest:
        have, need = (f"{v // 1000}.{v % 1000 // 10}" for v in (version, oldest))
        raise failure("driver-too-old", f"the driver is for CUDA {have}, {need} is needed")
