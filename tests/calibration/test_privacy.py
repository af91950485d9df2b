# SPDX-License-Identifier: Apache-2.0
"""Privacy arithmetic: by its inverse, by a second route, and by controls that must fail."""

import argparse
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import entropy, norm

from calibration import privacy
from calibration.accounting import (
    delta_for,
    deployed_privacy,
    epsilon_for,
    release_bits,
    releases_in,
    sigma_for,
)
from calibration.evidence import (
    evidence_bits,
    kl_bits,
    largest_rate,
    least_false_positive_rate,
    needed_bits,
    needed_releases,
    reidentification_cap,
)
from kernels.bounds import capacity_bits, leak_bits, zcdp_rho
from kernels.table import noise_table

ROOT = Path(__file__).resolve().parents[2]
FORMS = ["leak", "capacity"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bits", [0.5, 4.0, 8.0, 16.0, 32.0])
@pytest.mark.parametrize(("C", "K", "releases"), [(256, 8, 20), (64, 1, 10), (300, 31, 1)])
def test_sigma_and_bits_are_inverse(form, bits, C, K, releases):
    sigma = sigma_for(bits, releases, C, K, form)
    assert releases * release_bits(C, sigma, K, form) <= bits
    assert sigma == 1 or releases * release_bits(C, sigma - 1, K, form) > bits
    assert sigma_for(releases * release_bits(C, sigma, K, form), releases, C, K, form) == sigma


def test_sigma_by_the_closed_form():
    for bits in (4.0, 8.0, 16.0):
        wanted = math.ceil(256 * math.sqrt(20 / (2 * math.log(2) * bits)))
        assert sigma_for(bits, 20, 256, 8, "leak") == wanted


def test_capacity_never_asks_for_more_noise():
    for bits in (1.0, 8.0, 32.0):
        assert sigma_for(bits, 20, 256, 8, "capacity") < sigma_for(bits, 20, 256, 8, "leak")


def test_a_cap_that_no_noise_keeps_is_refused():
    with pytest.raises(ValueError, match="no sigma"):
        sigma_for(1e-6, 20, 256, 8, "leak")
    with pytest.raises(ValueError, match="positive"):
        sigma_for(0.0, 20, 256, 8, "leak")


def test_releases_in_a_stretch_of_time():
    assert [releases_in(2, 10), releases_in(2.05, 10), releases_in(3600, 10)] == [20, 21, 36_000]
    with pytest.raises(ValueError, match="positive"):
        releases_in(0, 10)


@pytest.mark.parametrize("rho", [1e-4, 0.125, 2.0, 44.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-6, 1e-2])
def test_epsilon_and_delta_are_inverse(rho, delta):
    epsilon = epsilon_for(rho, delta)
    if epsilon > 1e-9:
        assert delta_for(rho, epsilon) == pytest.approx(delta, rel=1e-6)
        assert delta_for(rho, 0.99 * epsilon) > delta
    else:
        assert delta_for(rho, 0.0) <= delta
    assert epsilon <= rho + 2 * math.sqrt(rho * math.log(1 / delta))


@pytest.mark.parametrize(("rho", "epsilon"), [(0.5, 4.0), (2.0, 11.7), (8.0, 27.8)])
def test_delta_by_another_minimiser(rho, epsilon):
    def log_delta(log_excess):
        excess = math.exp(log_excess)
        alpha = 1 + excess
        whole = excess * (alpha * rho - epsilon) + alpha * math.log(1 - 1 / alpha)
        return whole - math.log(excess)

    best = minimize_scalar(log_delta, bounds=(-8, 8), method="bounded", options={"xatol": 1e-10})
    assert delta_for(rho, epsilon) == pytest.approx(math.exp(best.fun), rel=1e-6)


def hockey_stick(sigma, C, epsilon, bound=None):
    """delta of opposite poles, summed over every outcome of the (cut) discrete Gaussian."""
    reach = bound or 40 * sigma + C
    x = np.arange(-reach - C, reach + C + 1)

    def at(pole):
        weights = np.exp(-((x - pole).astype(float) ** 2) / (2.0 * sigma**2))
        return np.where(np.abs(x - pole) <= reach, weights, 0.0) / weights.sum()

    return np.maximum(at(C) - math.exp(epsilon) * at(-C), 0.0).sum()


@pytest.mark.parametrize("sigma", [5, 10, 20])
def test_zcdp_covers_the_exact_delta_of_the_discrete_gaussian(sigma):
    C = 10
    rho = zcdp_rho(C, sigma)
    for epsilon in (0.5 * rho, rho, 3 * rho):
        exact = hockey_stick(sigma, C, epsilon)
        mu = 2 * C / sigma
        gaussian = norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(
            -mu / 2 - epsilon / mu
        )
        assert exact == pytest.approx(gaussian, rel=0.2)
        assert exact <= delta_for(rho, epsilon)
        assert exact > delta_for(zcdp_rho(C, 2 * sigma), epsilon)


@pytest.mark.parametrize(("C", "sigma"), [(10, 5), (10, 10), (256, 344)])
def test_the_deployed_delta_covers_the_cut_table(C, sigma):
    epsilon, delta = deployed_privacy(C, sigma, 1, 1, 1e-6)
    cut = hockey_stick(sigma, C, epsilon, noise_table(sigma).bound)
    assert cut <= delta
    assert 1e-6 < delta < 1.1e-6
    assert hockey_stick(sigma, C, epsilon, 3 * sigma) > delta  # a careless cut is seen


def test_what_the_table_adds_grows_with_the_draws_and_is_small_in_a_window():
    window = deployed_privacy(256, 244, 8, 20, 1e-6)
    assert window[0] == pytest.approx(epsilon_for(20 * zcdp_rho(256, 244), 1e-6), abs=1e-8)
    assert window[1] == pytest.approx(1e-6, rel=1e-3)
    assert deployed_privacy(32_000, 60, 8, 20, 1e-6)[1] == 1.0  # nothing left to promise


@pytest.mark.parametrize("p", [0.0, 0.2, 0.9, 1.0])
def test_kl_is_relative_entropy(p):
    assert kl_bits(p, 0.3) == pytest.approx(entropy([p, 1 - p], [0.3, 0.7], base=2))
    assert kl_bits(p, 0.0) == (0.0 if p == 0 else math.inf)
    with pytest.raises(ValueError, match="probabilities"):
        kl_bits(1.5, 0.5)


@pytest.mark.parametrize("people", [2, 25, 1000])
@pytest.mark.parametrize("bits", [0.0, 0.05, 0.72, 2.0])
def test_reidentification_cap_is_the_inverse_of_kl(people, bits):
    cap = reidentification_cap(bits, people)
    if cap < 1.0:
        assert kl_bits(cap, 1 / people) == pytest.approx(bits, abs=1e-9)
    assert cap >= 1 / people
    assert reidentification_cap(20.0, people) == 1.0


def test_reidentification_cap_holds_for_the_best_guess_from_one_release():
    """Second route: people spread over one coordinate, the most likely one named every time."""
    C, sigma, people = 10, 10, 5
    x = np.arange(-200, 201)
    at = np.linspace(-C, C, people).round()
    likelihood = np.exp(-((x[None, :] - at[:, None]) ** 2) / (2.0 * sigma**2))
    likelihood /= likelihood.sum(axis=1, keepdims=True)
    success = likelihood.max(axis=0).sum() / people
    assert 1 / people < success <= reidentification_cap(leak_bits(C, sigma), people)
    assert success > reidentification_cap(leak_bits(C, 4 * sigma), people)


def test_evidence_between_poles_is_four_times_the_leak():
    """Second route: relative entropy of the released distributions at +C and -C, summed."""
    C, sigma = 10, 12
    x = np.arange(-400, 401)
    plus, minus = (np.exp(-((x - pole) ** 2) / (2.0 * sigma**2)) for pole in (C, -C))
    assert entropy(plus, minus, base=2) == pytest.approx(evidence_bits(leak_bits(C, sigma)))


def test_no_threshold_beats_the_evidence_law():
    """Every likelihood-ratio test of the two poles keeps kl(r || f) below the evidence."""
    C, sigma = 10, 12
    x = np.arange(-400, 401)
    plus, minus = (np.exp(-((x - pole) ** 2) / (2.0 * sigma**2)) for pole in (C, -C))
    plus, minus = plus / plus.sum(), minus / minus.sum()
    cap = evidence_bits(leak_bits(C, sigma))
    found = [kl_bits(plus[i:].sum(), minus[i:].sum()) for i in range(350, 450)]
    assert 0.5 * cap < max(found) <= cap
    assert max(found) > leak_bits(C, sigma)  # the leak cap itself would be no bound here


def test_the_published_evidence_figures():
    assert needed_bits(0.95, 1 / 43_200) == pytest.approx(14.3, abs=0.05)
    assert evidence_bits(8.0) / 2 == 16.0  # one second of a fall at 8 bits per 2 s
    assert evidence_bits(8.0) * 5 == 160.0  # ten seconds on the floor
    assert needed_releases(0.95, 1 / 43_200, 8.0 / 20) == 9
    assert largest_rate(16.0, 1 / 43_200) == 1.0
    assert largest_rate(8.0, 1 / 43_200) < 0.6
    with pytest.raises(ValueError, match="more than nothing"):
        needed_releases(0.95, 0.1, 0.0)


@pytest.mark.parametrize("recall", [0.5, 0.95, 1.0])
@pytest.mark.parametrize("bits", [0.0, 0.3, 14.3, 160.0])
def test_the_least_false_positive_rate_is_the_inverse_of_kl(recall, bits):
    rate = least_false_positive_rate(bits, recall)
    assert kl_bits(recall, rate) == pytest.approx(bits, abs=1e-9)
    assert kl_bits(recall, 0.9 * rate) > bits
    assert largest_rate(bits, rate) == pytest.approx(recall, abs=1e-6)


@pytest.mark.parametrize(("bits", "recall"), [(-1.0, 0.9), (1.0, 0.0), (1.0, 1.1)])
def test_no_rate_for_senseless_evidence(bits, recall):
    with pytest.raises(ValueError, match="recall"):
        least_false_positive_rate(bits, recall)


def answer(capsys, *words):
    parser = argparse.ArgumentParser()
    privacy.add_arguments(parser)
    assert privacy.run(parser.parse_args(words)) == 0
    return capsys.readouterr().out


def floors(found):
    return {f["name"]: f for f in found["floors"]}


def test_the_command_finds_sigma_and_says_what_it_means(capsys):
    found = json.loads(answer(capsys, "--bits", "16", "--json"))
    assert found["noise"]["sigma"] == 244
    assert floors(found)["window"]["bits"] <= 16 < 20 * leak_bits(256, 243)
    back = json.loads(answer(capsys, "--sigma", "244", "--json"))
    assert back == found
    other = json.loads(answer(capsys, "--bits", "16", "--form", "capacity", "--json"))
    assert other["noise"]["sigma"] < 244
    assert floors(other)["window"]["capacity_bits"] <= 16


def test_every_stretch_of_time_adds_up_from_one_release(capsys):
    found = floors(json.loads(answer(capsys, "--sigma", "344", "--json")))
    counts = {"release": 1, "window": 20, "visit": 300, "hour": 36_000, "day": 864_000}
    assert {name: f["releases"] for name, f in found.items()} == counts
    for f in found.values():
        assert f["bits"] == pytest.approx(f["releases"] * leak_bits(256, 344), rel=1e-12)
        assert f["bits"] >= f["releases"] * leak_bits(256, 344)  # the table's part is on top
        assert f["capacity_bits"] == pytest.approx(
            f["releases"] * capacity_bits(256, 344, 12), rel=1e-12
        )
        assert f["rho"] == pytest.approx(4 * math.log(2) * f["bits"], rel=1e-12)
        assert delta_for(f["rho"], f["epsilon"]) <= 1e-6 <= f["delta"] < 1.001e-6
        assert f["naming"]["25"] == reidentification_cap(f["capacity_bits"], 25)
        assert f["naming"]["25"] >= f["naming"]["1000"]


@pytest.mark.parametrize("epsilon", [4.0, 8.0, 55.6])
def test_from_an_epsilon_to_the_smallest_sigma(capsys, epsilon):
    found = json.loads(answer(capsys, "--epsilon", str(epsilon), "--delta", "1e-5", "--json"))
    sigma = found["noise"]["sigma"]
    assert floors(found)["window"]["epsilon"] <= epsilon
    assert epsilon_for(20 * zcdp_rho(256, sigma - 1), 1e-5) > epsilon - 1e-6
    assert floors(json.loads(answer(capsys, "--sigma", str(sigma), "--json")))


@pytest.mark.parametrize("people", ["25", "1000"])
def test_from_a_naming_cap_to_the_smallest_sigma(capsys, people):
    for form in FORMS:
        words = ["--naming", "0.5", "--people", people, "--form", form, "--json"]
        found = json.loads(answer(capsys, *words))
        sigma = found["noise"]["sigma"]
        assert floors(found)["window"]["naming"][people] <= 0.5
        finer = 20 * release_bits(256, sigma - 1, 12, form)
        assert reidentification_cap(finer, int(people)) > 0.5


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["--bits", "0.01"], "release less often"),
        (["--epsilon", "0.1"], "lower the clip norm"),
        (["--naming", "0.5", "--window", "30"], "allow more"),
        (["--naming", "0.04"], "blindly"),
        (["--naming", "1.0"], "blindly"),
        (["--naming", "0.5", "--people", "1"], "blindly"),
        (["--bits", "-1"], "positive"),
        (["--bits", "8", "--rate", "0"], "positive"),
        (["--epsilon", "8", "--delta", "0"], "delta"),
    ],
)
def test_a_wish_that_cannot_be_granted_says_what_to_do(capsys, words, cure):
    with pytest.raises(ValueError, match=cure):
        answer(capsys, *words)


def test_the_text_answer_carries_the_same_figures(capsys):
    text = answer(capsys, "--bits", "8", "--window", "2", "--rate", "10", "--released-dim", "8")
    assert "sigma 344" in text
    assert re.search(r"window, 2 s +20 +7\.990 +7\.725 +22\.153 +55\.578 ", text)
    assert "one false alarm a day takes 14.3 bits: at least 0.9 s" in text
    assert text.count("assume") == 2


def test_the_document_shows_the_table_that_the_command_prints(capsys):
    printed = answer(capsys, "--table").strip()
    document = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    assert printed in document
    assert printed.replace("0.721", "0.720") not in document


def test_the_table_is_right_by_hand(capsys):
    rows = [line.split("|")[1:-1] for line in answer(capsys, "--table").splitlines()[2:]]
    for ratio, bits, capacity, rho, epsilon, of_25, _ in ([float(c) for c in row] for row in rows):
        assert bits == pytest.approx(1 / (2 * ratio**2 * math.log(2)), abs=5e-4)
        assert capacity == pytest.approx(4 * math.log2(1 + 1 / (8 * ratio**2)), abs=5e-4)
        assert rho == 2 / ratio**2
        assert delta_for(rho, epsilon) == pytest.approx(1e-6, rel=0.2)
        assert kl_bits(of_25, 1 / 25) == pytest.approx(bits, abs=5e-3)


@pytest.mark.parametrize("words", [[], ["--bits", "8", "--sigma", "3"], ["--bits", "x"]])
def test_a_question_that_is_none_is_refused(capsys, words):
    with pytest.raises(SystemExit):
        answer(capsys, *words)


def test_the_document_shows_the_figures_that_the_command_prints(capsys):
    document = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    printed = answer(capsys, "--bits", "8", "--window", "2", "--rate", "10").splitlines()[6:11]
    for line in printed:
        figures = re.split(r" {2,}", line)[1:]
        assert len(figures) == 8
        assert any(row[1:] == figures for row in _cells(document)), line
    for words, cells in _plain_rows(document).items():
        window = floors(json.loads(answer(capsys, *words.split(), "--json")))["window"]
        naming = [f"{p:.3f}" if p < 1 else "no cap" for p in window["naming"].values()]
        assert [f"{window['epsilon']:.1f}", *naming] == cells[1:]
        assert float(cells[0]) == pytest.approx(window["bits"], abs=0.05)


def _cells(document):
    return [[c.strip() for c in line.split("|")[1:-1]] for line in document.splitlines()]


def _plain_rows(document):
    """The table of the plain words: words of the command -> the other cells."""
    found = [row for row in _cells(document) if row and "`lethe-calibrate privacy --" in row[0]]
    words = [row[0].partition("`lethe-calibrate privacy ")[2].rstrip("`") for row in found]
    assert len(words) == 4
    return dict(zip(words, [row[1:] for row in found], strict=True))
