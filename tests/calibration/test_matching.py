# SPDX-License-Identifier: Apache-2.0
"""One alarm, one event: by hand, against a search of all matchings, and what may never happen."""

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.matching import match

TIMES = st.lists(st.integers(0, 20).map(float), max_size=5)
WINDOWS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 8)).map(lambda w: (float(w[0]), float(sum(w)))),
    max_size=5,
)


def size(times, windows):
    return sum(t is not None for t in match(times, windows))


def largest(times, windows):
    """By trying every order of the windows with every order of the times."""
    padded = [*times, *[None] * len(windows)]
    return max(
        (
            sum(t is not None and a <= t <= b for t, (a, b) in zip(order, windows, strict=True))
            for order in set(permutations(padded, len(windows)))
        ),
        default=0,
    )


def test_by_hand():
    assert match([4.0], [(0.0, 9.0), (3.0, 5.0)]) == [None, 4.0]
    assert match([4.0, 8.0], [(0.0, 9.0), (3.0, 5.0)]) == [8.0, 4.0]
    assert match([1.0, 2.0], [(0.0, 9.0)]) == [1.0]
    assert match([9.1], [(0.0, 9.0)]) == [None]  # the control: outside is outside
    assert match([], [(0.0, 9.0)]) == [None]
    assert match([1.0], []) == []


@settings(max_examples=150, deadline=None)
@given(TIMES, WINDOWS)
def test_no_matching_is_larger(times, windows):
    assert size(times[:4], windows[:4]) == largest(times[:4], windows[:4])


@settings(max_examples=200, deadline=None)
@given(TIMES, WINDOWS)
def test_every_match_is_a_time_in_its_window_and_is_used_once(times, windows):
    matched = match(times, windows)
    used = [t for t in matched if t is not None]
    assert len(matched) == len(windows)
    assert all(used.count(t) <= times.count(t) for t in used)
    for t, (start, end) in zip(matched, windows, strict=True):
        assert t is None or start <= t <= end


@settings(max_examples=200, deadline=None)
@given(TIMES, WINDOWS, st.integers(0, 20), st.randoms())
def test_order_is_nothing_and_one_alarm_more_finds_at_most_one_more(times, windows, more, random):
    shuffled = random.sample(times, len(times))
    assert match(shuffled, windows) == match(times, windows)
    assert size([*times, float(more)], windows) - size(times, windows) in {0, 1}
