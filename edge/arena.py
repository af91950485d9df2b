# SPDX-License-Identifier: Apache-2.0
"""Memory for everything of ours that saw a person: locked, undumped, empty in a forked child.

One anonymous private mapping, cut from the front into zeroed pieces that are never given back one
by one. `wipe` zeroes all pieces; `close` wipes and lets the mapping go. Nothing here is ever
copied into a Python `bytes`, which could not be wiped.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
from types import TracebackType
from typing import Any, final

import numpy as np
import numpy.typing as npt

from edge.errors import HygieneError, UseAfterWipe

ALIGNMENT = 64  # bytes: one cache line, and what vector instructions of an engine ask for
MADV_WIPEONFORK = 18  # linux/mman.h; Python 3.10 does not name it

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mlock.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


@final
class Arena:
    """`size_bytes` of locked memory, rounded up to pages. Raises HygieneError if it cannot be had.

    Not safe for use by several threads while pieces are being cut.
    """

    def __init__(self, size_bytes: int) -> None:
        pages = max(1, math.ceil(size_bytes / mmap.PAGESIZE))
        self.size = pages * mmap.PAGESIZE
        self._map = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._whole = np.frombuffer(self._map, np.uint8)
        self._used = 0
        self._closed = False
        try:
            self._protect()
        except OSError as error:
            self.close()
            raise HygieneError(f"cannot protect {self.size} bytes: {error}") from error

    def array(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """A zeroed array that lives here. Raises HygieneError when the arena is full."""
        kind = np.dtype(dtype)
        return self._cut(math.prod(shape) * kind.itemsize).view(kind).reshape(shape)

    def buffer(self, size_bytes: int) -> memoryview:
        """Zeroed writable bytes that live here. Raises HygieneError when the arena is full."""
        return self._cut(size_bytes).data

    def wipe(self) -> None:
        """Zero every piece. Idempotent; the pieces stay usable."""
        if not self._closed:
            self._whole.fill(0)

    def close(self) -> None:
        """Wipe, then unmap: at once, or as soon as the last view of a piece is gone. Idempotent."""
        if self._closed:
            return
        self.wipe()
        self._closed = True
        self._whole = np.empty(0, np.uint8)
        try:
            self._map.close()
        except BufferError:
            return  # a view is alive: unmapping under it would be a crash, and it reads zeros

    def __enter__(self) -> Arena:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _cut(self, size_bytes: int) -> npt.NDArray[np.uint8]:
        if self._closed:
            raise UseAfterWipe("this arena is closed")
        start = -(-self._used // ALIGNMENT) * ALIGNMENT
        if size_bytes < 0 or start + size_bytes > self.size:
            raise HygieneError(f"{size_bytes} bytes do not fit: {self.size - start} are left")
        self._used = start + size_bytes
        return self._whole[start : self._used]

    def _protect(self) -> None:
        self._map.madvise(mmap.MADV_DONTDUMP)
        self._map.madvise(MADV_WIPEONFORK)
        if _libc.mlock(self._whole.ctypes.data, self.size) != 0:
            number = ctypes.get_errno()
            raise OSError(
                number,
                f"{os.strerror(number)}; raise the limit on locked memory "
                "(LimitMEMLOCK= in a unit, ulimit -l in a shell)",
            )
