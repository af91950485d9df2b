# SPDX-License-Identifier: Apache-2.0
"""The table against the exact distribution, computed once more in decimals of 60 digits."""

from decimal import Decimal, getcontext, localcontext
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest

from calibration.accounting import MASS_ERROR
from kernels.bounds import TABLE_EXCESS_BITS
from kernels.errors import ReleaseError
from kernels.noise import sample
from kernels.table import SIGMA_MAX, TAIL_BITS, NoiseTable, noise_table

SIGMAS = [1, 2, 7, 31, 151, 344]
UNIT = Decimal(2**127)


@pytest.fixture(autouse=True)
def sixty_digits():
    with localcontext():
        getcontext().prec = 60
        yield


@lru_cache
def exact_masses(sigma):
    """P(|G| = x), x = 0, 1, ..., of the uncut distribution, to 50 digits."""
    weights = [Decimal(1)]
    while weights[-1] > Decimal(10) ** -50:
        weights.append(2 * (Decimal(-(len(weights) ** 2)) / (2 * sigma * sigma)).exp())
    total = sum(weights)
    return [weight / total for weight in weights]


def table_masses(table):
    """P(|g| = x) of the table, as exact decimals."""
    edges = [0, *table.thresholds(), 2**127]
    return [Decimal(b - a) / UNIT for a, b in pairwise(edges)]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_thresholds_are_the_exact_ones_rounded(sigma):
    table = noise_table(sigma)
    exact, kept = exact_masses(sigma), Decimal(0)
    whole = sum(exact[: table.bound + 1])
    for x, threshold in enumerate(table.thresholds()):
        kept += exact[x]
        assert abs(kept / whole * UNIT - threshold) < Decimal("0.500001")


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_tail_that_is_cut_is_below_the_promise_and_no_more_than_needed(sigma):
    table, exact = noise_table(sigma), exact_masses(sigma)
    assert sum(exact[table.bound + 1 :]) < Decimal(2) ** -TAIL_BITS
    assert sum(exact[table.bound :]) > Decimal(2) ** -TAIL_BITS


@pytest.mark.parametrize("sigma", SIGMAS)
def test_divergence_from_the_uncut_distribution_is_below_the_published_excess(sigma):
    """The second route to the table's effect on the information bound: summed term by term."""
    masses = table_masses(noise_table(sigma))
    pairs = zip(masses, exact_masses(sigma), strict=False)
    divergence = sum(p * (p / q).ln() for p, q in pairs) / Decimal(2).ln()
    assert 0 < divergence < Decimal(TABLE_EXCESS_BITS)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_no_mass_is_off_by_more_than_the_published_part(sigma):
    table = noise_table(sigma)
    exact = exact_masses(sigma)
    whole = sum(exact[: table.bound + 1])
    pairs = zip(table_masses(table), exact, strict=False)
    assert max(abs(p * whole / q - 1) for p, q in pairs) < Decimal(MASS_ERROR)


def test_the_largest_sigma_keeps_the_published_part_too():
    """The smallest mass is the last; for sigma = SIGMA_MAX by its logarithm, in floats."""
    table = noise_table(SIGMA_MAX)
    log2_last = -((table.bound / SIGMA_MAX) ** 2) / 2 / np.log(2) - np.log2(2.5067 * SIGMA_MAX)
    assert 2.0 ** (-128 - log2_last) < MASS_ERROR
    assert 1 + table.bound <= 32767


@pytest.mark.parametrize("sigma", [1, 7, 344])
def test_both_signs_have_the_same_mass_word_for_word(sigma):
    table = noise_table(sigma)
    random = np.random.default_rng(sigma)
    words = random.integers(0, 2**64, (5000, 2), dtype=np.uint64)
    mirrored = words.copy()
    mirrored[:, 1] ^= np.uint64(2**63)
    assert (sample(table, words) == -sample(table, mirrored)).all()


def test_thresholds_rise_and_padding_is_never_reached():
    table = noise_table(151)
    thresholds = table.thresholds()
    assert all(a < b for a, b in pairwise(thresholds))
    assert len(thresholds) == table.bound < 2**table.steps == len(table.high)
    every_bit = np.full((1, 2), 2**64 - 1, dtype=np.uint64)
    assert sample(table, every_bit).tolist() == [-table.bound]


def test_a_table_is_public_and_cannot_be_changed():
    table = noise_table(7)
    with pytest.raises(ValueError, match="read-only"):
        table.high[1] = 0
    assert noise_table(7) is table


@pytest.mark.parametrize("sigma", [0, -1, SIGMA_MAX + 1, 1.5, True, "7"])
def test_a_sigma_out_of_range_is_refused(sigma):
    with pytest.raises(ReleaseError, match=str(SIGMA_MAX)):
        NoiseTable(sigma)
