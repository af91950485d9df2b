# SPDX-License-Identifier: Apache-2.0
"""Does the sampler take longer for some words? Fixed against random words, Welch's t-test.

After dudect (Reparaz, Balasch and Verbauwhede 2017): two classes of input in random order, the
time of each run, and a t-test on all times and on those below a few limits, which take away what
the machine does besides. |t| above 4.5 convicts. Both classes are copied into one place, and the
whole table is read before each run, so that no run profits from the caches its forerunner left:
which lines of the table are touched still depends on the word, and this is no test of that.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.noise import Carver, Search, Words
from kernels.table import NoiseTable, noise_table

LIMIT = 4.5  # of |t|: a chance of 1 in 10^5 for an honest sampler
BELOW = (100.0, 99.0, 90.0, 50.0)  # percentiles of the first times; above them is cut away
FIRST_SHARE = 0.1  # of the runs: these times choose the limits and are not tested
LEAST_RUNS = 1000

Run = Callable[[Words], object]


@dataclass(frozen=True, slots=True)
class TimingResult:
    """What the test found."""

    runs: int
    t: tuple[float, ...]  # one for each of BELOW
    median_ns: float

    @property
    def worst(self) -> float:
        """The largest |t|."""
        return max(abs(value) for value in self.t)

    @property
    def constant(self) -> bool:
        """False convicts the sampler."""
        return self.worst <= LIMIT


def timing_test(run: Run, table: NoiseTable, runs: int, count: int = 1) -> TimingResult:
    """Time `run` on words (count, 2) that are all zero against random ones."""
    if runs < LEAST_RUNS:
        raise ValueError(f"a timing test takes at least {LEAST_RUNS} runs, got {runs}")
    random = np.random.default_rng()
    fixed = random.integers(0, 2, runs).astype(np.bool_)
    both = np.zeros((2, count, 2), np.uint64)  # [1]: the fixed words, zeros; [0]: random ones
    words = np.empty((count, 2), np.uint64)
    times = np.empty(runs, np.int64)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for i in range(runs):
            both[0] = random.integers(0, 2**64, (count, 2), dtype=np.uint64)
            np.copyto(words, both[int(fixed[i])])
            table.high.sum()
            table.low.sum()
            start = time.perf_counter_ns()
            run(words)
            times[i] = time.perf_counter_ns() - start
    finally:
        if collecting:
            gc.enable()
    first = int(runs * FIRST_SHARE)
    limits = np.percentile(times[:first], BELOW)
    limits[0] = times.max()
    tested, classes = times[first:].astype(np.float64), fixed[first:]
    found = tuple(_below(tested, classes, limit) for limit in limits)
    return TimingResult(runs, found, float(np.median(tested)))


def sampler_run(sigma: int, count: int = 1) -> Run:
    """The product's own search for `count` draws, in memory that is there beforehand."""
    table = noise_table(sigma)
    search = Search(count, Carver(np.zeros(Search.bytes_needed(count), np.uint8)))
    return lambda words: search.run(table, words)


def early_exit_run(sigma: int) -> Run:
    """The planted fault: another search of the same table, which is done once no draw goes on."""
    thresholds = np.array([value >> 64 for value in noise_table(sigma).thresholds()], np.uint64)
    steps = thresholds[:: max(1, len(thresholds) // 64)]

    def run(words: Words) -> None:
        magnitudes = words[:, 1] & np.uint64(2**63 - 1)
        for step in steps:
            if (magnitudes < step).all():
                return

    return run


def welch_t(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Welch's t of two samples; 0 where neither varies and both agree, infinite if they do not."""
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    gap = float(a.mean() - b.mean())
    if error > 0.0:
        return gap / float(error)
    return 0.0 if gap == 0.0 else float(np.copysign(np.inf, gap))


def _below(times: NDArray[np.float64], fixed: NDArray[np.bool_], limit: float) -> float:
    a, b = times[fixed & (times <= limit)], times[~fixed & (times <= limit)]
    return welch_t(a, b) if min(len(a), len(b)) > 1 else 0.0
