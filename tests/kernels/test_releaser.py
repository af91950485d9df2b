# SPDX-License-Identifier: Apache-2.0
"""The releaser: what it computes, which key it used, and what it leaves behind."""

import re

import numpy as np
import pytest

import kernels.scratch
from kernels.reference import (
    ReleaseError,
    ReleaseParameters,
    Releaser,
    clip,
    noise_table,
    project,
    quantise,
    ratchet,
    sample,
)

KEY = bytes(range(1, 33))
SHAPES = [(1, 1), (7, 63), (31, 129), (8, 64), (16, 1)]


def parameters(K=8, D=64, sigmas=(244, 732)):
    projection = np.random.default_rng(K).integers(-127, 128, (K, D), dtype=np.int8)
    return ReleaseParameters(projection, 0.02, 256, 20_000, sigmas)


def embedding_of(D, seed=0):
    return np.random.default_rng(seed).normal(size=D).astype(np.float32)


class Bench:
    """A releaser with its key and result at hand."""

    def __init__(self, K=8, D=64):
        self.parameters = parameters(K, D)
        self.key = bytearray(KEY)
        self.releaser = Releaser(self.parameters, memoryview(self.key))
        self.embedding = embedding_of(D)
        self.out = np.zeros(K, dtype=np.int16)

    def release(self, level=0):
        self.releaser.release(self.embedding, level, self.out)
        return self.out.tolist()

    @property
    def scratch(self):
        return self.releaser._scratch


@pytest.fixture
def bench():
    return Bench()


@pytest.mark.parametrize(("K", "D"), SHAPES)
@pytest.mark.parametrize("level", [0, 1])
def test_a_release_is_the_composition_of_the_pure_functions(K, D, level):
    bench = Bench(K, D)
    p, key = bench.parameters, KEY
    v = clip(project(p.projection, quantise(bench.embedding, 0.02)), 256, 20_000)
    for _ in range(3):
        key, words = ratchet(key, K)
        g = sample(noise_table(p.sigmas[level]), words)
        assert bench.release(level) == (v + g).tolist()
        assert bench.key == key


def test_control_another_level_gives_another_vector(bench):
    assert bench.release(0) != Bench().release(1)


def test_strided_arrays_are_served(bench):
    wide = np.zeros((64, 3), dtype=np.float32)
    wide[:, 1] = bench.embedding
    out = np.zeros((8, 2), dtype=np.int16)
    bench.releaser.release(wide[:, 1], 0, out[:, 1])
    assert out[:, 1].tolist() == Bench().release()
    assert not out[:, 0].any()


def test_no_key_is_used_twice(bench, monkeypatch):
    used = []
    plain = kernels.scratch.keystream

    def recorded(key, out, zeros):
        used.append(bytes(key))
        plain(key, out, zeros)

    monkeypatch.setattr(kernels.scratch, "keystream", recorded)
    for i in range(1000):
        bench.release(i % 2)
    assert len(set(used)) == len(used) == 1000
    assert bytes(bench.key) not in used


def test_a_release_that_fails_half_way_has_spent_its_key_and_is_wiped(bench, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(bench.scratch, "clip", fail)
    with pytest.raises(MemoryError):
        bench.release()
    assert bench.key == ratchet(KEY, 8)[0]
    assert not bench.scratch.block.any()
    assert not bench.out.any()


def test_nothing_is_left_in_the_scratch(bench):
    bench.release()
    assert not bench.scratch.block.any()


def test_every_scratch_array_lies_in_the_block_that_is_wiped(bench):
    """Control for the test above: with wiping off, every array holds something and is seen."""
    scratch = bench.scratch
    rooms = {**vars(scratch), **vars(scratch._search)}
    arrays = {name: a for name, a in rooms.items() if isinstance(a, np.ndarray)}
    inside = {name for name, a in arrays.items() if np.shares_memory(a, scratch.block)}
    assert set(arrays) - inside == {"_projection"}
    scratch.wipe = lambda: None
    bench.embedding[0] = np.nan
    bench.release()
    assert {name for name in inside if not arrays[name].any()} <= {"_borrow", "_borrow_flag"}


def test_scratch_comes_from_the_allocator_given():
    asked = []

    def allocate(shape, dtype):
        asked.append(np.zeros(shape, dtype))
        return asked[-1]

    releaser = Releaser(parameters(), memoryview(bytearray(KEY)), allocate)
    assert len(asked) == 1
    assert releaser._scratch.block is asked[0]


def test_close_wipes_the_key_and_stays_closed(bench):
    bench.release()
    bench.releaser.close()
    bench.releaser.close()
    assert bench.key == bytes(32)
    with pytest.raises(ReleaseError, match="after close"):
        bench.release()


def test_a_wiped_key_is_refused_at_every_release(bench):
    bench.release()
    bench.key[:] = bytes(32)
    with pytest.raises(ReleaseError, match="zeros"):
        bench.release()


@pytest.mark.parametrize(
    "key", [bytearray(31), bytearray(33), bytes(32), memoryview(bytearray(64))[::2]]
)
def test_a_key_that_cannot_be_turned_is_refused(key):
    with pytest.raises(ReleaseError, match="32 writable"):
        Releaser(parameters(), memoryview(key))


@pytest.mark.parametrize(
    ("embedding", "level", "out"),
    [
        (np.zeros(63, np.float32), 0, np.zeros(8, np.int16)),
        (np.zeros(64, np.float64), 0, np.zeros(8, np.int16)),
        (np.zeros((1, 64), np.float32), 0, np.zeros(8, np.int16)),
        (np.zeros(64, np.float32), 2, np.zeros(8, np.int16)),
        (np.zeros(64, np.float32), -1, np.zeros(8, np.int16)),
        (np.zeros(64, np.float32), 0, np.zeros(7, np.int16)),
        (np.zeros(64, np.float32), 0, np.zeros(8, np.int32)),
    ],
)
def test_arrays_that_do_not_fit_are_refused_before_a_key_is_used(bench, embedding, level, out):
    with pytest.raises(ReleaseError):
        bench.releaser.release(embedding, level, out)
    assert bench.key == KEY


def test_no_secret_is_shown(bench):
    bench.release()
    shown = f"{bench.releaser!r} {bench.releaser} {bench.scratch!r} {bench.parameters!r}"
    assert not re.search(r"array|bytearray|\[", shown)
    assert bytes(bench.key).hex() not in shown
