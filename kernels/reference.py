# SPDX-License-Identifier: Apache-2.0
"""The definition of a release: an embedding in, a short noisy integer vector out.

Order: quantise, project, clip to norm C in exact integers, add discrete Gaussian noise. The pure
functions say what is computed; `Releaser` computes the same in memory that it wipes, and turns the
key. A kernel for an accelerator must equal both bit for bit.

Dimensions (README.md): D embedding, K released. Secrets: key, words, noise, everything before the
noise. None of them is ever logged, shown by repr, or carried by an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kernels.errors import ReleaseError
from kernels.noise import KEY_BYTES, keystream, ratchet, sample
from kernels.scratch import Allocate, Scratch
from kernels.table import SIGMA_MAX, NoiseTable, noise_table

__all__ = [
    "NoiseTable",
    "ReleaseError",
    "ReleaseParameters",
    "Releaser",
    "clip",
    "keystream",
    "noise_table",
    "project",
    "quantise",
    "ratchet",
    "sample",
]

D_MAX = 4096  # with K_MAX: the sum of K squares of u stays below 2^62
K_MAX = 1024
INT16_MAX = 32767
LEVELS_MAX = 16
QUANTISED_MAX = np.float32(127)

_NO_KEY = bytes(KEY_BYTES)


@dataclass(frozen=True, slots=True, eq=False)
class ReleaseParameters:
    """The public constants of one release mechanism; ReleaseError when one is out of range."""

    projection: NDArray[np.int8] = field(repr=False)  # P (K, D)
    embedding_scale: float  # s: q = rint(e / s)
    clip_norm: int  # C: largest norm of v
    full_scale: int  # M: norm of u that is mapped onto C; larger ones are shrunk
    sigmas: tuple[int, ...]  # noise per level, finest first

    def __post_init__(self) -> None:
        matrix = self.projection
        if matrix.dtype != np.int8 or matrix.ndim != 2:
            raise ReleaseError("projection must be int8 (K, D)")
        _require("released_dim", matrix.shape[0], K_MAX)
        _require("embedding_dim", matrix.shape[1], D_MAX)
        _require("full_scale", self.full_scale, 2**31 - 1)
        _require("clip_norm", self.clip_norm, INT16_MAX - 1)
        scale = float(np.float32(self.embedding_scale))
        if not np.finfo(np.float32).tiny <= scale < math.inf:
            raise ReleaseError("embedding_scale must be a positive normal float32")
        if not 1 <= len(self.sigmas) <= LEVELS_MAX:
            raise ReleaseError(f"sigmas must be 1 to {LEVELS_MAX} levels")
        for sigma in self.sigmas:
            _require("sigma", sigma, SIGMA_MAX)
            if self.clip_norm + noise_table(sigma).bound > INT16_MAX:
                raise ReleaseError(f"clip_norm {self.clip_norm} + noise {sigma} do not fit int16")


def _require(name: str, value: int, largest: int) -> None:
    if type(value) is not int or not 1 <= value <= largest:
        raise ReleaseError(f"{name} must be an integer from 1 to {largest}")


def quantise(e: NDArray[np.float32], s: float) -> NDArray[np.int8]:
    """e (D) float32 -> q = clamp(rint(e / s), -127, 127) int8 (D), in IEEE single precision.

    Ties go to even; NaN becomes 0, infinities +-127. So every input has a defined, bounded image.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = np.divide(e, np.float32(s), dtype=np.float32)
    ratio = np.where(np.isnan(ratio), np.float32(0), np.rint(ratio))
    clamped: NDArray[np.float32] = np.clip(ratio, -QUANTISED_MAX, QUANTISED_MAX)
    return clamped.astype(np.int8)


def project(P: NDArray[np.int8], q: NDArray[np.int8]) -> NDArray[np.int32]:
    """P (K, D), q (D) -> u = P q, exact int32 (K)."""
    return np.asarray(P.astype(np.int32) @ q.astype(np.int32), dtype=np.int32)


def clip(u: NDArray[np.int32], C: int, M: int) -> NDArray[np.int32]:
    """u (K) -> v = trunc(u C / m), m = max(ceil(sqrt(sum u^2)), M), int32 (K), norm at most C.

    |v_k| <= |u_k| C / m for every k, and m >= ||u||, so ||v|| <= C ||u|| / m <= C: exactly.
    """
    square = sum(int(x) * int(x) for x in u)
    m = max(math.isqrt(square - 1) + 1 if square else 0, M)
    return np.array([(abs(int(x)) * C // m) * (1 if x > 0 else -1) for x in u], dtype=np.int32)


def _zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[np.uint8]:
    return np.zeros(shape, dtype=dtype)


class Releaser:
    """Releases vectors, one key per release, and leaves nothing of them behind.

    `key`: 32 writable bytes, fresh from the kernel's random source; used, overwritten at every
    release and wiped by `close`. A key of zeros is refused: that is what a wiped page holds, and
    noise from it would be known to everyone. `allocate` makes the one scratch block: pass an
    arena's `array` to have it locked in memory. Not for use by two threads at once.
    """

    __slots__ = ("_key", "_parameters", "_scratch", "_tables")

    def __init__(
        self, parameters: ReleaseParameters, key: memoryview, allocate: Allocate = _zeros
    ) -> None:
        view = memoryview(key)
        if view.readonly or view.nbytes != KEY_BYTES or not view.c_contiguous:
            raise ReleaseError(f"key must be {KEY_BYTES} writable bytes")
        self._key: memoryview | None = view.cast("B")
        self._parameters = parameters
        self._tables = tuple(noise_table(sigma) for sigma in parameters.sigmas)
        self._scratch = Scratch(
            parameters.projection,
            parameters.embedding_scale,
            parameters.clip_norm,
            parameters.full_scale,
            allocate,
        )

    def release(self, embedding: NDArray[np.float32], level: int, out: NDArray[np.int16]) -> None:
        """embedding (D) float32 -> out (K) int16, with the noise of sigmas[level]."""
        key = self._open_key()
        self._check(embedding, level, out)
        scratch = self._scratch
        try:
            scratch.turn(key)
            scratch.clip(embedding)
            scratch.add_noise(self._tables[level], out)
        finally:
            scratch.wipe()

    def close(self) -> None:
        """Wipe key and scratch. Idempotent; `release` raises ReleaseError afterwards."""
        if self._key is not None:
            self._key[:] = _NO_KEY
            self._key = None
        self._scratch.wipe()

    def _open_key(self) -> memoryview:
        if self._key is None:
            raise ReleaseError("used after close")
        if self._key == _NO_KEY:
            raise ReleaseError("the noise key is all zeros")
        return self._key

    def _check(self, embedding: NDArray[np.float32], level: int, out: NDArray[np.int16]) -> None:
        released_dim, embedding_dim = self._parameters.projection.shape
        if embedding.shape != (embedding_dim,) or embedding.dtype != np.float32:
            raise ReleaseError(f"embedding must be float32 ({embedding_dim},)")
        if out.shape != (released_dim,) or out.dtype != np.int16:
            raise ReleaseError(f"out must be int16 ({released_dim},)")
        if not 0 <= level < len(self._tables):
            raise ReleaseError(f"level must be from 0 to {len(self._tables) - 1}")
