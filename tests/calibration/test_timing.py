# SPDX-License-Identifier: Apache-2.0
"""The timing test: it convicts what leaks by time, and its statistic is the textbook's."""

import time

import numpy as np
import pytest
from scipy.stats import ttest_ind

from calibration import audit, timing
from calibration.timing import LIMIT, early_exit_run, sampler_run, timing_test, welch_t
from kernels.noise import sample
from kernels.table import noise_table

TABLE = noise_table(244)
RUNS = 2000
SURELY = 12.0  # a quick test on a busy machine; a million runs of the command keep to LIMIT


def test_the_sampler_shows_no_difference():
    found = timing_test(sampler_run(244, 12), TABLE, RUNS, 12)
    assert found.worst < SURELY
    assert found.constant == (found.worst <= LIMIT)


def test_what_is_timed_is_the_sampler_of_the_product():
    run = sampler_run(244, 12)
    words = np.random.default_rng(1).integers(0, 2**64, (12, 2), dtype=np.uint64)
    run(words)
    search = run.__closure__[0].cell_contents
    assert (search.draws == sample(TABLE, words)).all()


def rejecting(words):
    """The textbook's fault: draws again and again until a word is small enough."""
    state = int(words[0, 1])
    while state >= 2**62:
        state = state * 6364136223846793005 + 1442695040888963407 & (2**64 - 1)
        sample(TABLE, words)


def peeking(words):
    """One more look at words of a kind: some microseconds."""
    if words.any():
        sum(range(300))


@pytest.mark.parametrize("fault", [early_exit_run(244), rejecting, peeking])
def test_a_sampler_whose_time_depends_on_its_words_is_convicted(fault):
    found = timing_test(fault, TABLE, RUNS)
    assert found.worst > SURELY
    assert not found.constant


def test_welch_is_welch():
    random = np.random.default_rng(3)
    a, b = random.normal(10, 1, 500), random.normal(10.1, 3, 80)
    assert welch_t(a, b) == pytest.approx(ttest_ind(a, b, equal_var=False).statistic)
    assert welch_t(np.ones(5), np.ones(5)) == 0.0
    assert welch_t(np.ones(5), np.full(5, 2.0)) == -np.inf


def test_too_few_runs_are_refused():
    with pytest.raises(ValueError, match="at least 1000"):
        timing_test(sampler_run(244), TABLE, 999)


@pytest.mark.parametrize(("honest", "status"), [(0.0, 0), (LIMIT + 1, audit.EXIT_CONVICTED)])
def test_the_command_reports_by_its_exit_status(capsys, monkeypatch, honest, status):
    """With a made-up outcome: the real one is not the same on every machine."""
    found = iter([honest, 99.0])

    def outcome(_run, _table, runs, _count):
        return timing.TimingResult(runs, (next(found),), time.perf_counter_ns())

    monkeypatch.setattr(audit, "timing_test", outcome)
    monkeypatch.setattr(audit, "BELOW", (100.0,))
    assert audit.run_timing(244, 12, 5000, as_json=False) == status
    assert ("CONVICTED" in capsys.readouterr().out) == bool(status)
