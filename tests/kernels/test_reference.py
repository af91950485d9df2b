# SPDX-License-Identifier: Apache-2.0
"""Quantise, project, clip: exact, and never past norm C, whatever comes in."""

import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kernels.reference import ReleaseError, ReleaseParameters, clip, project, quantise
from kernels.scratch import Scratch
from kernels.table import noise_table

U_MAX = 4096 * 127 * 128

whole_norms = st.integers(1, 32766)
full_scales = st.one_of(st.just(1), st.integers(1, 2**31 - 1))
projected = st.integers(1, 40).flatmap(
    lambda K: arrays(
        np.int32,
        K,
        elements=st.one_of(st.integers(-U_MAX, U_MAX), st.sampled_from([0, 1, -1, U_MAX, -U_MAX])),
    )
)
any_float32 = st.floats(width=32, allow_nan=True, allow_infinity=True)


def square_norm(values):
    return sum(int(x) ** 2 for x in values)


@settings(deadline=None, derandomize=True)
@given(projected, whole_norms, full_scales)
def test_nothing_gets_past_norm_c(u, C, M):
    v = clip(u, C, M)
    assert v.dtype == np.int32
    assert square_norm(v) <= C * C


@pytest.mark.parametrize("C", [1, 2, 255, 256, 32766])
@pytest.mark.parametrize("K", [1, 7, 31, 1024])
@pytest.mark.parametrize("x", [0, 1, -1, 3, U_MAX, -U_MAX])
def test_extremes_do_not_get_past_norm_c(C, K, x):
    for u in (np.full(K, x), np.eye(1, K, dtype=np.int64)[0] * x, np.arange(K) % 2 * 2 * x - x):
        assert square_norm(clip(u.astype(np.int32), C, 1)) <= C * C


@settings(deadline=None, derandomize=True)
@given(projected, whole_norms, full_scales)
def test_clip_truncates_the_exact_quotient(u, C, M):
    square = square_norm(u)
    m = max(M, math.isqrt(square) + (math.isqrt(square) ** 2 < square))
    assert m >= M
    assert m * m >= square
    assert clip(u, C, M).tolist() == [math.trunc(Fraction(int(x) * C, m)) for x in u]


def test_full_norm_is_reached_and_small_vectors_stay_small():
    assert clip(np.array([10**6, 0], np.int32), 256, 1).tolist() == [256, 0]
    assert clip(np.array([3, 4], np.int32), 100, 5).tolist() == [60, 80]
    assert clip(np.array([3, -4], np.int32), 100, 500).tolist() == [0, 0]
    assert clip(np.array([0, 0], np.int32), 100, 1).tolist() == [0, 0]


def test_controls_a_floored_root_or_rounded_quotient_gets_past_norm_c():
    """What the exact ceiling and the truncation are for."""
    u, C = np.array([1, 1], np.int32), 1000
    assert square_norm(int(x) * C // math.isqrt(square_norm(u)) for x in u) > C * C
    assert square_norm(clip(u, C, 1)) <= C * C
    u, C = np.array([1, 1, 1], np.int32), 1
    rounded = [round(Fraction(int(x) * C * 1000, 1732)) for x in u]
    assert square_norm(rounded) > C * C
    assert square_norm(clip(u, C, 1)) <= C * C


@settings(deadline=None, derandomize=True)
@given(arrays(np.float32, st.integers(1, 64), elements=any_float32), st.floats(1e-12, 1e12))
def test_quantise_maps_everything_into_its_range(e, s):
    q = quantise(e, s)
    assert q.dtype == np.int8
    assert q.min() >= -127


def test_quantise_defines_what_is_not_a_number_and_ties():
    e = [math.nan, math.inf, -math.inf, 0.5, 1.5, 2.5, -0.5, -1.5, 126.5, 127.4, 128, -128, 3e38]
    wanted = [0, 127, -127, 0, 2, 2, 0, -2, 126, 127, 127, -127, 127]
    assert quantise(np.array(e, np.float32), 1.0).tolist() == wanted
    assert quantise(np.array([1e-38, 3e38], np.float32), 1e-12).tolist() == [0, 127]


@pytest.mark.parametrize(("K", "D"), [(1, 1), (7, 63), (31, 129), (8, 64), (3, 4096)])
def test_projection_is_exact(K, D):
    random = np.random.default_rng(K)
    P = random.integers(-128, 128, (K, D), dtype=np.int8)
    for q in (random.integers(-127, 128, D, dtype=np.int8), np.full(D, -127, np.int8)):
        wanted = [sum(int(a) * int(b) for a, b in zip(row, q, strict=True)) for row in P]
        assert project(P, q).tolist() == wanted
    assert project(np.full((K, D), -128, np.int8), np.full(D, -127, np.int8))[0] == 128 * 127 * D


def zeros(shape, dtype):
    return np.zeros(shape, dtype)


@settings(deadline=None, derandomize=True)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(1, 1), (7, 63), (31, 129), (8, 64)]),
    st.floats(1e-3, 1e3),
    whole_norms,
    full_scales,
)
def test_wiped_memory_computes_the_same_as_the_definition(seed, shape, s, C, M):
    random = np.random.default_rng(seed)
    P = random.integers(-128, 128, shape, dtype=np.int8)
    e = (random.standard_cauchy(shape[1]) * 100).astype(np.float32)
    e[random.integers(0, shape[1])] = random.choice([0, np.nan, np.inf, -np.inf, 1e38])
    scratch = Scratch(P, s, C, M, zeros)
    scratch.clip(e)
    assert scratch._v.tolist() == clip(project(P, quantise(e, s)), C, M).tolist()


@pytest.mark.parametrize("step", [-1, 0, 1])
@pytest.mark.parametrize("root", [1, 2, 1000, 2**26 - 1, 2**30 + 12345, 2**31 - 2])
def test_the_divisor_is_exact_beside_perfect_squares(root, step):
    """Sums of squares up to 2^62, far beyond what a float holds."""
    scratch = Scratch(np.ones((1, 1), np.int8), 1.0, 1, 1, zeros)
    square = root * root + step
    scratch._u = four_squares(square)
    scratch._divisor()
    assert int(scratch._m) == max(1, math.isqrt(square - 1) + 1 if square else 1)


def four_squares(square):
    """Some integers with this sum of squares."""
    found = []
    while square:
        found.append(math.isqrt(square))
        square -= found[-1] ** 2
    return np.array(found or [0], dtype=np.int64)


def test_the_largest_sizes_do_not_overflow():
    P = np.full((1024, 4096), -128, np.int8)
    scratch = Scratch(P, 1.0, 32766, 1, zeros)
    scratch.clip(np.full(4096, -np.inf, np.float32))
    assert scratch._v.tolist() == clip(np.full(1024, U_MAX, np.int32), 32766, 1).tolist()
    assert square_norm(scratch._v) <= 32766**2


GOOD = {
    "projection": np.ones((2, 3), np.int8),
    "embedding_scale": 0.5,
    "clip_norm": 256,
    "full_scale": 1000,
    "sigmas": (344, 1032),
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("projection", np.ones((2, 3), np.int16)),
        ("projection", np.ones(3, np.int8)),
        ("projection", np.ones((0, 3), np.int8)),
        ("projection", np.ones((1025, 3), np.int8)),
        ("projection", np.ones((1, 4097), np.int8)),
        ("embedding_scale", 0.0),
        ("embedding_scale", -1.0),
        ("embedding_scale", math.nan),
        ("embedding_scale", math.inf),
        ("embedding_scale", 1e-45),
        ("clip_norm", 0),
        ("clip_norm", 32767),
        ("clip_norm", 256.0),
        ("full_scale", 0),
        ("full_scale", 2**31),
        ("sigmas", ()),
        ("sigmas", (344,) * 17),
        ("sigmas", (0,)),
        ("sigmas", (3101,)),
        ("sigmas", (344.0,)),
    ],
)
def test_parameters_out_of_range_are_refused(key, value):
    ReleaseParameters(**GOOD)
    with pytest.raises(ReleaseError):
        ReleaseParameters(**{**GOOD, key: value})


def test_what_would_not_fit_int16_is_refused_exactly():
    room = 32767 - noise_table(3000).bound
    ReleaseParameters(**{**GOOD, "clip_norm": room, "sigmas": (3000,)})
    with pytest.raises(ReleaseError, match="int16"):
        ReleaseParameters(**{**GOOD, "clip_norm": room + 1, "sigmas": (3000,)})


def test_the_example_in_the_readme_runs():
    text = (Path(__file__).parents[2] / "kernels" / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(block, names)  # noqa: S102
    assert names["out"].shape == (8,)
    assert names["out"].any()
