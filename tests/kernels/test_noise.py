# SPDX-License-Identifier: Apache-2.0
"""Keystream, ratchet and draws: against RFC 8439, against the exact distribution, step by step."""

import math

import numpy as np
import pytest
from scipy.stats import chi2

from kernels.noise import keystream, ratchet, sample
from kernels.table import NoiseTable, noise_table

KEY = bytes(range(32))
MANY = 10_000_000
CHUNK = 1 << 16

# RFC 8439: section 2.3.2, then appendix A.1, test vectors 1 to 5. key, nonce, counter, block
RFC_BLOCKS = [
    (
        bytes(range(32)).hex(),
        "000000090000004a00000000",
        1,
        (
            "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
            "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
        ),
    ),
    (
        "00" * 32,
        "00" * 12,
        0,
        (
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
            "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        ),
    ),
    (
        "00" * 32,
        "00" * 12,
        1,
        (
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
            "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
        ),
    ),
    (
        "00" * 31 + "01",
        "00" * 12,
        1,
        (
            "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
            "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"
        ),
    ),
    (
        "00ff" + "00" * 30,
        "00" * 12,
        2,
        (
            "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
            "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"
        ),
    ),
    (
        "00" * 32,
        "00" * 11 + "02",
        0,
        (
            "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
            "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d"
        ),
    ),
]


def block_of(key, nonce, counter):
    out = bytearray(64)
    keystream(bytes.fromhex(key), out, bytes(64), counter, bytes.fromhex(nonce))
    return out.hex()


@pytest.mark.parametrize(("key", "nonce", "counter", "block"), RFC_BLOCKS)
def test_keystream_is_rfc_8439(key, nonce, counter, block):
    assert block_of(key, nonce, counter) == block
    assert block_of(key, nonce, counter + 1) != block


def test_ratchet_takes_the_next_key_first_and_noise_from_the_rest():
    """With the zero key the whole answer is in the RFC's vectors 1 and 2."""
    following, words = ratchet(bytes(32), 4)
    assert following.hex() == RFC_BLOCKS[1][3][:64]
    assert words[:2].tobytes().hex() == RFC_BLOCKS[1][3][64:]
    assert words[2:].tobytes().hex() == RFC_BLOCKS[2][3][:64]


def test_control_ratchet_of_another_key_shares_nothing():
    following, words = ratchet(KEY, 4)
    other, others = ratchet(bytes([1, *KEY[1:]]), 4)
    assert following != other
    assert not np.isin(words, others).any()


def exact_pmf(sigma, bound):
    """By floating point and its own sum: independent of the integer table."""
    x = np.arange(-bound, bound + 1)
    weights = np.exp(-(x.astype(float) ** 2) / (2.0 * sigma**2))
    return weights / math.fsum(weights)


def counts_of(table, draws, key):
    """How often each of -bound .. bound, from `draws` draws."""
    state, counts = bytearray(key), np.zeros(2 * table.bound + 1, dtype=np.int64)
    for start in range(0, draws, CHUNK):
        state[:], words = ratchet(state, min(CHUNK, draws - start))
        counts += np.bincount(sample(table, words) + table.bound, minlength=counts.size)
    return counts


def chi_square_p(counts, pmf):
    """Tail bins are joined until each expects at least 25."""
    expected = pmf * counts.sum()
    inside = np.flatnonzero(expected >= 25.0)
    low, high = inside[0], inside[-1] + 1

    def joined(a):
        return np.array([a[:low].sum(), *a[low:high], a[high:].sum()], dtype=float)

    seen, wanted = joined(counts), joined(expected)
    kept = wanted > 5.0
    statistic = ((seen - wanted)[kept] ** 2 / wanted[kept]).sum()
    return chi2.sf(statistic, np.count_nonzero(kept) - 1)


def test_ten_million_draws_fit_the_exact_distribution_and_no_neighbour():
    table = noise_table(244)
    counts = counts_of(table, MANY, KEY)
    assert counts.sum() == MANY
    assert chi_square_p(counts, exact_pmf(244, table.bound)) > 1e-3
    assert chi_square_p(counts, exact_pmf(246, table.bound)) < 1e-9
    assert chi_square_p(counts, exact_pmf(242, table.bound)) < 1e-9


@pytest.mark.parametrize("sigma", [1, 2, 7, 151, 1032])
def test_a_million_draws_fit_at_other_sigmas(sigma):
    table = noise_table(sigma)
    counts = counts_of(table, MANY // 10, KEY)
    assert chi_square_p(counts, exact_pmf(sigma, table.bound)) > 1e-3
    another = noise_table(sigma + 1 + sigma // 50)
    wrong = counts_of(another, MANY // 10, KEY)
    middle = another.bound - table.bound
    outside = wrong[:middle].sum() + wrong[middle + 2 * table.bound + 1 :].sum()
    rejected = chi_square_p(wrong[middle:][: counts.size], exact_pmf(sigma, table.bound)) < 1e-9
    assert outside > 0 or rejected


def test_control_a_coin_that_is_not_fair_is_rejected():
    table = noise_table(151)
    counts = counts_of(table, MANY // 10, KEY).astype(float)
    counts[table.bound + 1 :] *= 1.1
    assert chi_square_p(counts, exact_pmf(151, table.bound)) < 1e-9


class CountedLookups(np.ndarray):
    """A table that remembers which entries were asked for."""

    visits: list

    def take(self, indices, **options):
        self.visits.append(indices.tolist())
        return np.ndarray.take(self.view(np.ndarray), indices, **options)


def counted(sigma):
    table = NoiseTable(sigma)
    for name in ("high", "low"):
        limb = getattr(table, name).view(CountedLookups)
        limb.visits = []
        object.__setattr__(table, name, limb)
    return table


@pytest.mark.parametrize("sigma", [1, 151, 1032])
@pytest.mark.parametrize("word", [0, 1, 2**63, 2**64, 2**127 - 1, 2**127, 2**128 - 1])
def test_every_word_takes_the_same_number_of_lookups(sigma, word):
    table = counted(sigma)
    limbs = np.frombuffer(word.to_bytes(16, "little"), dtype=np.uint64).reshape(1, 2)
    sample(table, limbs)
    assert len(table.high.visits) == len(table.low.visits) == table.steps
    assert table.high.visits == table.low.visits
    for level, (node,) in enumerate(table.high.visits):
        assert 2**level <= node < 2 ** (level + 1)


@pytest.mark.parametrize("count", [1, 2, 7, 31, 129])
def test_draws_do_not_depend_on_their_neighbours(count):
    _, words = ratchet(KEY, count)
    table = noise_table(344)
    together = sample(table, words)
    assert together.dtype == np.int32
    assert [int(sample(table, words[i : i + 1])[0]) for i in range(count)] == together.tolist()
    assert sample(table, words[::-1]).tolist() == together[::-1].tolist()
