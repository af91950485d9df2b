# SPDX-License-Identifier: Apache-2.0
"""A window shows what came, when it came, and what did not come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_bridge.windows import Placed, Window
from tests.cloud_bridge.scene import DIM, RATE, SIGMAS, START_US, STEPS

STEP_US = 1_000_000 // RATE


def make() -> Window:
    return Window(STEPS, DIM, RATE, SIGMAS)


def put(window: Window, step: float, value: int = 100, level: int = 0, *, repeated: bool = False):
    time_us = START_US + round(step * STEP_US)
    return window.append(time_us, np.full(DIM, value, np.int16), level, repeated=repeated)


def newest(window: Window) -> np.ndarray:
    return window.tensor(window.newest_step)


def weights(window: Window) -> list[float]:
    return newest(window)[:, -1].tolist()


def test_vectors_stand_in_order_of_time_with_the_newest_last():
    window = make()
    for step in range(STEPS + 7):
        put(window, step, 100 + step)
    expected = (100.0 + np.arange(7, STEPS + 7)) / SIGMAS[0]
    assert np.allclose(newest(window)[:, 0], expected)
    assert weights(window) == [1.0] * STEPS


def test_a_coarser_vector_counts_by_its_variance():
    window = make()
    put(window, 0, 100, level=1)
    row = newest(window)[-1]
    assert row[0] == pytest.approx(100 * SIGMAS[0] / SIGMAS[1] ** 2)
    assert row[-1] == pytest.approx((SIGMAS[0] / SIGMAS[1]) ** 2)


def test_a_gap_is_rows_of_zeros():
    window = make()
    put(window, 0)
    put(window, 4)
    assert weights(window)[-5:] == [1, 0, 0, 0, 1]


@pytest.mark.parametrize("later", [-STEPS - 1, -STEPS, -7, -1, 0, 1, 7, STEPS - 1, STEPS, 1000])
def test_it_is_cut_out_of_the_common_grid_at_any_step(later):
    window = make()
    for step in range(3 * STEPS):
        put(window, step, 100 + step)
    whole = np.zeros(5 * STEPS + 2001)
    whole[2 * STEPS : 3 * STEPS] = 100.0 + np.arange(2 * STEPS, 3 * STEPS)
    end = 3 * STEPS - 1 + later
    found = window.tensor(window.newest_step + later)
    assert np.allclose(found[:, 0] * SIGMAS[0], whole[end - STEPS + 1 : end + 1])
    assert np.array_equal(found[:, -1] > 0, found[:, 0] > 0)


def test_a_gap_longer_than_the_window_leaves_nothing_old():
    window = make()
    for step in range(STEPS):
        put(window, step, 999)
    put(window, 1000 * STEPS, 1)
    assert np.count_nonzero(newest(window)[:-1]) == 0


def test_a_repeated_vector_weighs_nothing_and_shows_as_a_gap():
    window = make()
    put(window, 0)
    assert put(window, 1, repeated=True) is Placed.NEW_STEP
    assert weights(window)[-2:] == [1, 0]
    assert not newest(window)[-1].any()


@pytest.mark.parametrize("step", [5.0, 4.9, 2.0, -1.0])
def test_what_is_not_newer_is_ignored(step):
    window = make()
    put(window, 5)
    before = newest(window)
    assert put(window, step, 7) is Placed.LATE
    assert np.array_equal(newest(window), before)


def test_a_clock_set_back_begins_a_new_window():
    window = make()
    put(window, 10 * STEPS)
    assert put(window, 0) is Placed.RESTARTED
    assert weights(window) == [0] * (STEPS - 1) + [1]
    assert put(window, 1) is Placed.NEW_STEP


def test_jitter_around_the_grid_makes_no_lasting_gaps():
    window = make()
    jitter = np.random.default_rng(1).uniform(-0.3, 0.3, 200)
    for step in range(200):
        put(window, step + 0.5 + jitter[step])
    assert weights(window) == [1.0] * STEPS


@pytest.mark.parametrize(("rate", "least"), [(1.02, 1.0), (2.0, 1.0), (0.5, 0.5)])
def test_a_faster_source_fills_and_a_slower_one_shows_gaps(rate, least):
    window = make()
    for number in range(400):
        put(window, number / rate)
    assert sum(weights(window)) / STEPS == pytest.approx(least, abs=0.06)


@given(st.lists(st.tuples(st.integers(-10_000, 20_000), st.booleans()), max_size=60))
def test_any_sequence_keeps_shape_and_order(moves):
    window, time_ms = make(), 10_000_000
    for move, repeated in moves:
        time_ms = max(0, time_ms + move)
        vector = np.full(DIM, 50, np.int16)
        window.append(time_ms * 1000, vector, 0, repeated=repeated)
        tensor = newest(window)
        assert tensor.shape == (STEPS, DIM + 1)
        assert set(tensor[:, -1]) <= {0.0, 1.0}
        assert np.array_equal(window.tensor(window.newest_step + 3)[:-3], tensor[3:])
