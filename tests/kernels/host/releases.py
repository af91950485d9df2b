# SPDX-License-Identifier: Apache-2.0
"""Batches of releases: what the kernel is given, and what the definition says it must answer.

`answer` is put together from the pure functions of kernels/reference.py and knows nothing of the
kernel but its interface. `run` needs something that launches: host/build.py's `Kernels.launch`, or
a GPU's launcher of the same signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.noise import KEY_BYTES
from kernels.reference import clip, project, quantise, ratchet, sample
from kernels.table import NoiseTable

DONE, NOT_FINITE, NO_SUCH_LEVEL, NO_KEY = 1, 2, 4, 8
MAX_WARPS = 4

ORDER = np.dtype([("ticket", "<u8"), ("level", "<i4"), ("reserved", "<u4")])
RECEIPT = np.dtype([("ticket", "<u8"), ("level", "<i4"), ("flags", "<u4")])

Launch = Callable[..., int]


@dataclass(eq=False)
class Batch:
    """B releases of one mechanism, which need not be one that ReleaseParameters would allow."""

    projection: NDArray[np.int8]  # (K, D)
    scale: float
    C: int
    M: int
    tables: list[NoiseTable]  # per level; anything with high, low and steps
    embeddings: NDArray[np.float32]  # (B, D)
    levels: NDArray[np.int32]  # (B,); the kernel must bear any
    keys: NDArray[np.uint8]  # (B, 32)
    tickets: NDArray[np.uint64] = field(init=False)  # (B,)

    def __post_init__(self) -> None:
        self.tickets = np.arange(len(self.levels), dtype=np.uint64) * np.uint64(0x1_0000_0001) + 7


@dataclass(eq=False)
class Answer:
    vectors: NDArray[np.int16]  # (B, K)
    keys: NDArray[np.uint8]  # (B, 32)
    receipts: NDArray[np.void]  # (B,) RECEIPT

    def differs_from(self, other: Answer) -> list[int]:
        """The releases that are not the same, byte for byte."""
        same = (
            (self.vectors == other.vectors).all(axis=1)
            & (self.keys == other.keys).all(axis=1)
            & (self.receipts == other.receipts)
        )
        return np.flatnonzero(~same).tolist()


def answer(batch: Batch) -> Answer:
    """What must come out, from the definition."""
    K = len(batch.projection)
    vectors, keys = np.zeros((len(batch.levels), K), np.int16), batch.keys.copy()
    receipts = np.zeros(len(batch.levels), RECEIPT)
    receipts["ticket"], receipts["level"] = batch.tickets, batch.levels
    finite = np.isfinite(batch.embeddings).all(axis=1)
    known = (batch.levels >= -1) & (batch.levels < len(batch.tables))
    keyed = batch.keys.any(axis=1)
    receipts["flags"] = DONE | ~finite * NOT_FINITE | ~known * NO_SUCH_LEVEL | ~keyed * NO_KEY
    words = np.zeros((len(batch.levels), K, 2), np.uint64)
    for b in np.flatnonzero(known & keyed & (batch.levels >= 0)):
        turned, words[b] = ratchet(batch.keys[b].tobytes(), K)
        keys[b] = np.frombuffer(turned, np.uint8)
    for level, table in enumerate(batch.tables):
        chosen = np.flatnonzero(finite & keyed & (batch.levels == level))
        noise = sample(table, words[chosen].reshape(-1, 2)).reshape(-1, K)
        vectors[chosen] = _clipped(batch, chosen) + noise
    return Answer(vectors, keys, receipts)


def _clipped(batch: Batch, chosen: NDArray[np.intp]) -> NDArray[np.int32]:
    q = quantise(batch.embeddings[chosen], batch.scale)
    u = project(batch.projection, q.T).T
    v = np.zeros((len(chosen), len(batch.projection)), np.int32)
    for row, projected in zip(v, u, strict=True):
        row[:] = clip(projected, batch.C, batch.M)
    return v


def room_bytes(K: int, D: int) -> int:
    """Dynamic shared memory of one warp."""
    return sum(-(-size // 64) * 64 for size in (D + 3 & ~3, 4 * K, KEY_BYTES + 16 * K))


def run(launch: Launch, batch: Batch, seed: int = 0) -> tuple[Answer, int]:
    """The kernel's answer, and how many bytes of shared memory it left other than zero."""
    (K, D), B = batch.projection.shape, len(batch.levels)
    padded = np.zeros((K, D + 3 & ~3), np.int8)
    padded[:, :D] = batch.projection
    trees, places = [], []
    for table in batch.tables:
        places.append((sum(map(len, trees)), table.steps))
        trees += [table.high, table.low]
    orders = np.zeros(B, ORDER)
    orders["ticket"], orders["level"] = batch.tickets, batch.levels
    unwritten = np.full((B, RECEIPT.itemsize), 0xEE, np.uint8).view(RECEIPT)[:, 0]
    got = Answer(np.full((B, K), -9999, np.int16), batch.keys.copy(), unwritten)
    warps = max(1, min(MAX_WARPS, B, 48 * 1024 // room_bytes(K, D)))
    arguments = [
        np.ascontiguousarray(batch.embeddings),
        padded,
        np.concatenate(trees),
        np.array(places, np.int32),
        orders,
        got.keys,
        got.vectors,
        got.receipts,
        *np.array([B, K, D, len(batch.tables)], np.int32),
        np.float32(batch.scale),
        *np.array([batch.C, batch.M], np.int32),
    ]
    grid, shared = (-(-B // warps),), warps * room_bytes(K, D)
    left = launch("release", grid, (32, warps), shared, arguments, seed)
    return got, left
