# SPDX-License-Identifier: Apache-2.0
"""The release in memory that is wiped: what reference.py defines, computed in place.

Everything before the noise, the noise and the keystream lie in one block. Every call writes into
it and keeps its type, so that NumPy makes no copies of its own; one `fill` wipes all of it. The
wide integers are there for that reason only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kernels.noise import KEY_BYTES, WORD_BYTES, Carver, Search, keystream
from kernels.table import NoiseTable

Allocate = Callable[[tuple[int, ...], DTypeLike], NDArray[np.uint8]]

_QUANTISED_MAX = np.float32(127)
_NEIGHBOURS = np.array([-1, 0, 1], dtype=np.int64)
_GAPS = 16 * 64  # alignment between the arrays below


class Scratch:
    """Room for one release of D values to K. Use: turn, clip, add_noise; then wipe, always."""

    def __init__(
        self, projection: NDArray[np.int8], scale: float, C: int, M: int, allocate: Allocate
    ) -> None:
        K, D = projection.shape
        self._projection = projection.astype(np.int64)
        self._scale, self._C, self._M = np.float32(scale), np.int64(C), np.int64(M)
        stream_bytes = KEY_BYTES + WORD_BYTES * K
        self._zeros = bytes(stream_bytes)
        size = stream_bytes + 13 * D + 24 * K + 128 + _GAPS + Search.bytes_needed(K)
        self.block = allocate((size,), np.uint8)
        carve = Carver(self.block)
        stream = carve(stream_bytes, np.uint8)
        self._stream = stream.data
        self._words = stream[KEY_BYTES:].view(np.uint64).reshape(K, 2)
        self._search = Search(K, carve)
        self._ratio, self._nan, self._q = (carve(D, t) for t in (np.float32, np.bool_, np.int64))
        self._u, self._v, self._sign = (carve(K, np.int64) for _ in range(3))
        self._square = carve(1, np.int64).reshape(())
        self._m = carve(1, np.int64).reshape(())
        self._count = carve(1, np.int64).reshape(())
        self._root = carve(1, np.float64).reshape(())
        self._near = carve(3, np.int64)
        self._near_below = carve(3, np.bool_)

    def turn(self, key: memoryview) -> None:
        """Make this release's words, and overwrite the key before any of them is used."""
        keystream(key, self._stream, self._zeros)
        key[:] = self._stream[:KEY_BYTES]

    def clip(self, embedding: NDArray[np.float32]) -> None:
        """embedding (D) -> v (K): quantise, project, clip."""
        self._quantise(embedding)
        np.dot(self._projection, self._q, out=self._u)
        self._divisor()
        np.sign(self._u, out=self._sign)
        np.abs(self._u, out=self._v)
        np.multiply(self._v, self._C, out=self._v)
        np.floor_divide(self._v, self._m, out=self._v)
        np.multiply(self._v, self._sign, out=self._v)

    def add_noise(self, table: NoiseTable, out: NDArray[np.int16]) -> None:
        """v + g -> out (K) int16; in range because C + table.bound is."""
        self._search.run(table, self._words)
        np.add(self._v, self._search.draws, out=self._v)
        np.copyto(out, self._v, casting="same_kind")

    def wipe(self) -> None:
        """Zero every array of this room."""
        self.block.fill(0)

    def _quantise(self, embedding: NDArray[np.float32]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            np.divide(embedding, self._scale, out=self._ratio)
        np.isnan(self._ratio, out=self._nan)
        np.copyto(self._ratio, np.float32(0), where=self._nan)
        np.rint(self._ratio, out=self._ratio)
        np.maximum(self._ratio, -_QUANTISED_MAX, out=self._ratio)
        np.minimum(self._ratio, _QUANTISED_MAX, out=self._ratio)
        np.copyto(self._q, self._ratio, casting="unsafe")

    def _divisor(self) -> None:
        """m = max(ceil(sqrt(sum u^2)), M) without leaving the block.

        The float root of a sum below 2^62 is off by less than one, so the ceiling is r - 1 plus how
        many of r - 1, r, r + 1 have a square below the sum (for sum 0 it is M that counts).
        """
        np.dot(self._u, self._u, out=self._square)
        np.copyto(self._root, self._square)
        np.sqrt(self._root, out=self._root)
        np.copyto(self._m, self._root, casting="unsafe")
        np.add(self._m, _NEIGHBOURS, out=self._near)
        np.multiply(self._near, self._near, out=self._near)
        np.less(self._near, self._square, out=self._near_below)
        np.copyto(self._near, self._near_below)
        np.add.reduce(self._near, out=self._count)
        np.add(self._m, self._count, out=self._m)
        np.subtract(self._m, 1, out=self._m)
        np.maximum(self._m, self._M, out=self._m)
