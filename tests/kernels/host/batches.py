# SPDX-License-Identifier: Apache-2.0
"""Inputs for the release kernel: random ones without end, and every extreme one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from kernels.reference import noise_table, ratchet
from kernels.table import NoiseTable, _heap
from tests.kernels.host.releases import Batch

FLOAT32 = np.finfo(np.float32)
SIGMAS = (1, 2, 7, 57, 244, 732)
STRANGE = (np.nan, np.inf, -np.inf)
UNUSUAL = (0.0, -0.0, 1e-45, -1e-40, FLOAT32.tiny, FLOAT32.max, -FLOAT32.max, 1e30)
NO_LEVELS = (-1, -2, 16, -(2**31), 2**31 - 1)


def keys_for(random: Generator, B: int) -> NDArray[np.uint8]:
    return random.integers(0, 256, (B, 32), dtype=np.uint8)


def plain_batch(random: Generator, K: int, D: int, B: int) -> Batch:
    """Norms on both sides of M, a few faults of every kind."""
    scale = float(np.float32(10.0 ** random.uniform(-3, 1)))
    tables = [noise_table(int(s)) for s in random.choice(SIGMAS, random.integers(1, 4))]
    room = 32767 - max(table.bound for table in tables)
    P = random.integers(-128, 128, (K, D), dtype=np.int8)
    usual = 74 * 40 * np.sqrt(K * D)  # norm of u, with q of 40
    embeddings = random.normal(size=(B, D)) * scale * 10.0 ** random.uniform(-1, 3, (B, 1))
    embeddings[random.random((B, D)) < 0.01] = random.choice(UNUSUAL)
    embeddings[random.random((B, D)) < 0.02 / D] = random.choice(STRANGE)
    levels = random.integers(0, len(tables), B)
    levels[random.random(B) < 0.03] = random.choice((*NO_LEVELS, len(tables)))
    keys = keys_for(random, B)
    keys[random.random(B) < 0.01] = 0
    return Batch(
        P,
        scale,
        C=int(min(room, 2.0 ** random.uniform(0, 15))),
        M=int(min(2**31 - 1, 1 + usual * 10.0 ** random.uniform(-2, 2))),
        tables=tables,
        embeddings=embeddings.astype(np.float32),
        levels=levels.astype(np.int32),
        keys=keys,
    )


def random_batches(seed: int, releases: int) -> Iterator[Batch]:
    """Small sizes in every combination, until that many releases."""
    random = np.random.default_rng(seed)
    while releases > 0:
        K, D = random.choice((1, 2, 3, 7, 8, 12, 16, 31, 33)), random.choice((1, 3, 5, 31, 64, 65))
        batch = plain_batch(random, int(K), int(D), int(min(releases, random.integers(1, 400))))
        releases -= len(batch.levels)
        yield batch


def awkward_batches() -> Iterator[Batch]:
    """Sizes that divide nothing, up to the largest, in every combination."""
    random = np.random.default_rng(1)
    for K in (1, 3, 7, 31, 33, 1024):
        for D in (1, 5, 63, 129, 4096):
            yield plain_batch(random, K, D, 2 if K * D > 4096 else 5)


def even_batch(
    P: NDArray[np.int8],
    embeddings: NDArray[np.float32],
    scale: float = 1.0,
    C: int = 256,
    M: int = 1,
    tables: Sequence[NoiseTable] = (),
) -> Batch:
    """All at level 0, with good keys."""
    B = len(embeddings)
    keys = keys_for(np.random.default_rng(B), B)
    tables = list(tables) or [noise_table(1)]
    return Batch(P, scale, C, M, tables, embeddings, np.zeros(B, np.int32), keys)


def extreme_batches() -> Iterator[Batch]:
    yield from awkward_batches()
    yield from extreme_parameters()
    yield from extreme_embeddings()
    yield from largest_sums()
    yield from perfect_squares()
    yield from thresholds_at_the_words()
    yield every_fault()


def extreme_parameters() -> Iterator[Batch]:
    """The smallest and largest of C, M, sigma and scale."""
    random = np.random.default_rng(2)
    P = random.integers(-128, 128, (8, 64), dtype=np.int8)
    e = random.normal(size=(12, 64)).astype(np.float32)
    for sigma in (1, 3100):
        table = noise_table(sigma)
        for C in (1, 2, 255, 32767 - table.bound):
            for M in (1, 51035, 2**31 - 1):
                yield even_batch(P, e, 1 / 127, min(C, 32767 - table.bound), M, [table])
    for scale in (FLOAT32.tiny, 1e-30, 1e30, FLOAT32.max):
        yield even_batch(P, e, float(scale))
    sixteen = [noise_table(sigma) for sigma in range(1, 17)]
    batch = even_batch(P, np.tile(e, (3, 1)), 1 / 127, 256, 51035, sixteen)
    batch.levels[:] = np.arange(36) % 17 - 1
    yield batch


def extreme_embeddings() -> Iterator[Batch]:
    """Ties, the edges of +-127, denormals, and each strange number at each place."""
    halves = np.arange(-130, 130.5, 0.5, dtype=np.float32)
    near = np.concatenate([halves, np.nextafter(halves, 1e9), np.nextafter(halves, -1e9)])
    P = np.random.default_rng(3).integers(-128, 128, (3, 31), dtype=np.int8)
    rows = near[: near.size // 31 * 31].reshape(-1, 31)
    for scale in (1.0, 0.5, 3.0, 1 / 127):
        yield even_batch(P, (rows * np.float32(scale)).astype(np.float32), scale)
    yield even_batch(P, np.tile(np.float32(UNUSUAL), (31, 4))[:, :31], float(FLOAT32.tiny))
    for D in (1, 5, 64):
        strange = np.zeros((3 * D, D), np.float32)
        strange[np.arange(3 * D), np.arange(3 * D) % D] = np.repeat(np.float32(STRANGE), D)
        yield even_batch(np.ones((7, D), np.int8), strange)


def largest_sums() -> Iterator[Batch]:
    """Every |u| as large as it can be, of both signs; the sum of squares is just below 2^62."""
    for K, D in ((1, 4096), (1024, 4096), (1024, 1), (33, 129)):
        P = np.full((K, D), -128, np.int8)
        P[::3] = 127
        ones = np.array([[1], [-1]], np.float32) * np.full(D, 1e9, np.float32)
        yield even_batch(P, ones, C=32757)
        yield even_batch(np.full((K, D), -128, np.int8), ones[:1], C=32757)


LARGEST_PART = 127 * 127 * 4095


def perfect_squares() -> Iterator[Batch]:
    """Sums of squares beside r^2, where the root must not err by one; r up to nearly 2^31."""
    q = np.full((1, 4096), 127, np.float32)
    q[0, -1] = 1
    for root in (1, 2, 3, 255, 1000, 46340, 46341, 2**24 - 1, 66_000_001, 2**30 + 1, 2_089_000_000):
        for step in (-1, 0, 1):
            P = np.array([row_for(u) for u in parts_of(root * root + step)])
            for C in (1, 32757) if root < 2**30 else (32757,):
                yield even_batch(P, q, C=C)


def parts_of(square: int) -> list[int]:
    """Some integers, of both signs and none too large, with this sum of squares."""
    found = []
    while square:
        root = min(math.isqrt(square), LARGEST_PART)
        found.append(root if len(found) % 2 else -root)
        square -= root**2
    return found or [0]


def row_for(u: int) -> NDArray[np.int8]:
    """A row (4096,) of P with P q = u for q = (127, ..., 127, 1)."""
    row = np.zeros(4096, np.int8)
    whole, row[-1] = divmod(abs(u), 127)
    row[: whole // 127] = 127
    row[whole // 127] += whole % 127
    return row if u > 0 else -row


@dataclass(frozen=True)
class Tree:
    """Any thresholds as a search tree, in the layout of a NoiseTable."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    steps: int

    @classmethod
    def of(cls, thresholds: list[int]) -> Tree:
        steps = len(thresholds).bit_length()
        tree = _heap(sorted(thresholds), steps)
        high, low = ([value >> shift & 2**64 - 1 for value in tree] for shift in (64, 0))
        return cls(np.array(high, np.uint64), np.array(low, np.uint64), steps)


def thresholds_at_the_words() -> Iterator[Batch]:
    """The words follow from the keys and cannot be chosen, but the thresholds can: at each word
    that the releases will meet, one above, one below, and where only a limb differs."""
    random = np.random.default_rng(4)
    for K in (1, 7, 33):
        batch = even_batch(np.ones((K, 1), np.int8), random.normal(size=(16, 1)).astype(np.float32))
        words = np.concatenate([ratchet(key.tobytes(), K)[1] for key in batch.keys]).tolist()
        met = [(high & 2**63 - 1) << 64 | low for low, high in words]
        for steps in ((0,), (-1, 0, 1), (-(2**64), -1, 0, 2**64), (2**64, 1)):
            moved = {max(0, min(2**127, r + step)) for r in met for step in steps}
            limbs = {r >> 64 << 64 for r in met[::5]} | {r | 2**64 - 1 for r in met[::7]}
            yield replace(batch, tables=[Tree.of(sorted(moved | limbs))])


def every_fault() -> Batch:
    """Every combination of level, embedding and key, good and bad."""
    levels = (0, 1, 2, *NO_LEVELS)
    batch = even_batch(
        np.arange(-6, 6, dtype=np.int8).reshape(3, 4),
        np.ones((4 * len(levels), 4), np.float32),
        tables=[noise_table(1), noise_table(7)],
    )
    batch.levels[:] = np.repeat(levels, 4)
    batch.embeddings[1::4, 2] = np.nan
    batch.embeddings[3::4, 0] = np.inf
    batch.keys[2::4] = 0
    batch.keys[3::4] = 0
    return batch
