# SPDX-License-Identifier: Apache-2.0
"""The drawn law by other routes: a channel that is solved exactly, and another library's figures.

Two messages, +C and -C on one coordinate, released n times: the likelihood ratio depends on the
sum of the releases alone, and the law of a sum of discrete Gaussians is a convolution. So the leak,
the delta, the best guess and every detector of this channel can be written down and compared.
"""

import math

import numpy as np
import pytest

from calibration.accounting import delta_for, deployed_privacy, epsilon_for
from calibration.evidence import evidence_bits, kl_bits, least_false_positive_rate
from calibration.exact_noise import exact_noise, table_bits
from calibration.privacy import report
from kernels.bounds import TABLE_EXCESS_BITS, leak_bits, zcdp_rho
from kernels.errors import ReleaseError
from kernels.table import noise_table

C = 6
CASES = [(8, 1), (12, 3), (24, 10), (60, 30)]  # sigma, releases


def drawn(sigma):
    """The table's own law on -bound .. bound, from its integers."""
    edges = np.diff([0.0, *(t / 2**127 for t in noise_table(sigma).thresholds()), 1.0])
    return np.concatenate([edges[:0:-1] / 2, edges[:1], edges[1:] / 2])


def poles(sigma, n):
    """Laws of the sum of n releases of +C and of -C, on one axis."""
    total, one = np.ones(1), drawn(sigma)
    for _ in range(n):
        total = np.convolve(total, one)
    gap = np.zeros(2 * n * C)
    return np.concatenate([gap, total]), np.concatenate([total, gap])


def divergence_bits(p, q):
    """Where both tables reach: outside lies less than 2^-70 of either, and no finite divergence."""
    both = (p > 1e-25) & (q > 1e-25)
    return (p[both] * np.log2(p[both] / q[both])).sum()


@pytest.mark.parametrize(("sigma", "n"), CASES)
def test_the_channel_of_two_messages_keeps_every_floor(sigma, n):
    plus, minus = poles(sigma, n)
    middle = (plus + minus) / 2
    leak = (divergence_bits(plus, middle) + divergence_bits(minus, middle)) / 2
    found = report(C, sigma, 1, 10.0, n / 10).floors[1]
    assert found.releases == n
    assert 0.4 * found.capacity_bits < leak <= found.capacity_bits <= found.bits
    guess = np.maximum(plus, minus).sum() / 2
    assert kl_bits(guess, 0.5) <= found.capacity_bits
    assert divergence_bits(plus, minus) == pytest.approx(evidence_bits(found.bits), rel=1e-6)
    exact = np.maximum(plus - math.exp(found.epsilon) * minus, 0.0).sum()
    assert exact <= found.delta
    assert np.maximum(plus - math.exp(0.8 * found.epsilon) * minus, 0.0).sum() > found.delta


@pytest.mark.parametrize(("sigma", "n"), CASES)
def test_no_threshold_has_fewer_false_alarms_than_the_law_allows(sigma, n):
    plus, minus = (np.cumsum(law[::-1])[::-1] for law in poles(sigma, n))
    likely = (plus > 0.5) & (plus < 0.99)
    pairs = list(zip(plus[likely], minus[likely], strict=True))
    evidence = evidence_bits(n * leak_bits(C, sigma))
    assert all(f >= least_false_positive_rate(evidence, r) for r, f in pairs)
    quarter = evidence / 4  # the leak itself would be no bound
    assert any(f < least_false_positive_rate(quarter, r) for r, f in pairs)


@pytest.mark.parametrize("sigma", [2, 8, 60, 344])
def test_the_sums_of_the_table_by_floats(sigma):
    exact, law = exact_noise(sigma), drawn(sigma)
    x = np.arange(len(law)) - len(law) // 2
    assert exact.variance == pytest.approx(math.fsum(law * x * x), rel=1e-12)
    assert exact.variance == pytest.approx(sigma**2, rel=1e-12)
    for reach in (0, sigma, 5 * sigma):
        assert exact.beyond(reach) == pytest.approx(math.fsum(law[np.abs(x) > reach]), rel=1e-9)
        assert exact.beyond(reach) <= 2 * math.exp(-(reach**2) / (2 * sigma**2))


def test_a_small_sigma_has_less_variance_than_its_square():
    """The control: sigma^2 would not do for the variance everywhere."""
    assert 1e-7 < 1 - exact_noise(1).variance < 1e-6


@pytest.mark.parametrize("sigma", [1, 8, 344])
def test_the_excess_is_the_cut_tail_and_below_what_is_published(sigma):
    exact = exact_noise(sigma)
    cut = exact.beyond(noise_table(sigma).bound)
    assert exact.excess_bits == pytest.approx(cut / math.log(2), rel=1e-6)
    assert 0 < exact.excess_bits < TABLE_EXCESS_BITS
    assert table_bits(0.4, 12, sigma) > 0.4


def test_what_has_no_table_or_no_meaning_is_refused():
    with pytest.raises(ReleaseError):
        exact_noise(0)
    with pytest.raises(ValueError, match="reach"):
        exact_noise(8).beyond(-1)
    assert exact_noise(8).beyond(10_000) == 0.0


# (sigma, releases) -> epsilon at delta = 1e-6, C = 256. Google's dp-accounting 0.6.0: RdpAccountant
# over orders 1.01, 1.02, .. 31 and 31 .. 199 on GaussianDpEvent(sigma / 2C), and the privacy loss
# distribution of the discrete Gaussian of sensitivity 2C, discretised at 1e-3, composed.
KNOWN = {
    (244, 1): (12.383488, 11.656358),
    (244, 20): (91.534511, 87.839938),
    (344, 1): (8.242089, 7.736077),
    (344, 20): (55.578297, 53.049318),
    (344, 300): (465.119453, 454.060105),
    (1032, 1): (2.398612, 2.235391),
    (1032, 20): (13.247931, 12.485918),
}


@pytest.mark.parametrize(("sigma", "n"), KNOWN)
def test_epsilon_agrees_with_dp_accounting(sigma, n):
    by_orders, by_loss = KNOWN[sigma, n]
    rho = n * zcdp_rho(256, sigma)
    ours = epsilon_for(rho, 1e-6)
    assert ours == pytest.approx(by_orders, rel=3e-5)
    assert ours <= by_orders  # every order here, a grid of orders there
    assert by_loss < ours < 1.08 * by_loss  # the tight one along one axis is smaller, not by much
    assert delta_for(rho, by_loss) > 1e-6
    assert deployed_privacy(256, sigma, 12, n, 1e-6)[0] == pytest.approx(ours, abs=1e-7)
