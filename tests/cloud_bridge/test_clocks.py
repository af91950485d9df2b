# SPDX-License-Identifier: Apache-2.0
"""Who runs ahead of the others is left out until it agrees; who is late is not."""

from cloud_bridge.clocks import AHEAD_S, BACK_S, Clocks

A, B, C = (("home", "device", name) for name in "abc")
PATIENCE_S = 25.0


def hear(clocks, sensor, now_s, lag_s):
    return clocks.hear(sensor, now_s - lag_s, now_s)


def test_clocks_that_agree_all_lead():
    clocks = Clocks([A, B], PATIENCE_S)
    for now_s in range(10):
        assert hear(clocks, A, now_s, 0.1) == []
        assert hear(clocks, B, now_s, 1.5) == []
    assert clocks.leading(10) == [A, B]


def test_one_that_runs_ahead_is_left_out_whoever_is_heard_first():
    for order in ([A, B], [B, A]):
        clocks = Clocks([A, B], PATIENCE_S)
        for sensor in order:
            hear(clocks, sensor, 0, 0.1 if sensor == A else -20.0)
        assert clocks.is_out(B)
        assert clocks.leading(0) == [A]


def test_it_comes_back_only_when_it_clearly_agrees():
    clocks = Clocks([A, B], PATIENCE_S)
    hear(clocks, A, 0, 0.0)
    assert hear(clocks, B, 0, -AHEAD_S - 0.1) == [B]
    assert hear(clocks, B, 1, -AHEAD_S + 0.1) == []
    assert clocks.is_out(B)
    assert hear(clocks, B, 2, -BACK_S + 0.1) == [B]
    assert hear(clocks, B, 3, -AHEAD_S + 0.1) == []
    assert not clocks.is_out(B)


def test_one_that_is_late_or_slow_is_not_left_out():
    clocks = Clocks([A, B], PATIENCE_S)
    hear(clocks, A, 0, 0.1)
    assert hear(clocks, B, 0, 800.0) == []
    assert clocks.leading(0) == [A, B]


def test_a_bridge_whose_own_clock_is_wrong_leaves_nobody_out():
    for wrong_s in (-20.0, 20.0):
        clocks = Clocks([A, B], PATIENCE_S)
        hear(clocks, A, 0, wrong_s)
        hear(clocks, B, 0, wrong_s + 0.5)
        assert clocks.leading(0) == [A, B]


def test_the_last_one_left_leads_even_if_its_clock_is_wrong():
    clocks = Clocks([A, B], PATIENCE_S)
    hear(clocks, A, 0, 0.1)
    hear(clocks, B, 0, -20.0)
    hear(clocks, B, PATIENCE_S - 1, -20.0)
    assert clocks.leading(PATIENCE_S - 1) == [A]
    assert hear(clocks, B, PATIENCE_S + 1, -20.0) == [B]
    assert clocks.leading(PATIENCE_S + 1) == [B]


def test_one_alone_is_never_left_out():
    clocks = Clocks([C], PATIENCE_S)
    for lag_s in (0.0, -30.0, 900.0, -3000.0):
        assert hear(clocks, C, 0, lag_s) == []
        assert clocks.leading(0) == [C]
