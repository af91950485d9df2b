# SPDX-License-Identifier: Apache-2.0
"""Known answers in vectors/, made by make_vectors.py without NumPy and without our code."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kernels.reference import (
    ReleaseParameters,
    Releaser,
    clip,
    noise_table,
    project,
    quantise,
    ratchet,
    sample,
)

HERE = Path(__file__).parent
RELEASES = sorted(HERE.glob("vectors/release-*.txt"))
DRAWS = sorted(HERE.glob("vectors/draws-*.txt"))


def lines_of(path):
    pairs = [line.split(": ", 1) for line in path.read_text(encoding="ascii").splitlines()]
    return [(name, value) for name, value in pairs]


def integers(text):
    return [int(word) for word in text.split()]


def read_release(path):
    lines = lines_of(path)
    one = dict(lines)
    K, D = int(one["K"]), int(one["D"])
    projection = np.frombuffer(bytes.fromhex(one["projection"]), np.int8).reshape(K, D)
    parameters = ReleaseParameters(
        projection, float(one["scale"]), int(one["C"]), int(one["M"]), (int(one["sigma"]),)
    )
    embedding = np.frombuffer(bytes.fromhex(one["embedding"]), "<f4").astype(np.float32)
    keys = [bytes.fromhex(value) for name, value in lines if name == "key"]
    zs = [integers(value) for name, value in lines if name == "z"]
    gs = [integers(value) for name, value in lines if name == "g"]
    return one, parameters, embedding, keys, gs, zs


def test_there_are_vectors():
    assert len(RELEASES) >= 9
    assert len(DRAWS) >= 5


def test_the_files_are_what_the_independent_definition_writes(tmp_path):
    subprocess.run([sys.executable, HERE / "make_vectors.py", tmp_path], check=True)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in (HERE / "vectors").iterdir()}


@pytest.mark.parametrize("path", RELEASES, ids=lambda p: p.stem)
def test_pure_functions_give_the_known_answers(path):
    one, p, embedding, keys, gs, zs = read_release(path)
    q = quantise(embedding, p.embedding_scale)
    u = project(p.projection, q)
    v = clip(u, p.clip_norm, p.full_scale)
    assert [q.tolist(), u.tolist(), v.tolist()] == [integers(one[n]) for n in "quv"]
    for key, following, g, z in zip(keys, keys[1:], gs, zs, strict=False):
        turned, words = ratchet(key, len(v))
        drawn = sample(noise_table(p.sigmas[0]), words)
        assert bytes(turned) == following
        assert drawn.tolist() == g
        assert (v + drawn).tolist() == z


@pytest.mark.parametrize("path", RELEASES, ids=lambda p: p.stem)
def test_the_releaser_gives_the_known_answers(path):
    _, p, embedding, keys, _, zs = read_release(path)
    key = bytearray(keys[0])
    releaser = Releaser(p, memoryview(key))
    out = np.empty(len(p.projection), dtype=np.int16)
    for following, z in zip(keys[1:], zs, strict=True):
        releaser.release(embedding, 0, out)
        assert out.tolist() == z
        assert bytes(key) == following


def test_control_one_flipped_bit_of_a_key_changes_the_answer():
    _, p, embedding, keys, _, zs = read_release(RELEASES[-1])
    key = bytearray(keys[0])
    key[31] ^= 0x80
    out = np.empty(len(p.projection), dtype=np.int16)
    Releaser(p, memoryview(key)).release(embedding, 0, out)
    assert out.tolist() != zs[0]


@pytest.mark.parametrize("path", DRAWS, ids=lambda p: p.stem)
def test_words_beside_a_threshold_are_drawn_as_known(path):
    lines = lines_of(path)
    table = noise_table(int(dict(lines)["sigma"]))
    assert table.bound == int(dict(lines)["bound"])
    known = [value.split() for name, value in lines if name == "draw"]
    words = np.frombuffer(bytes.fromhex("".join(word for word, _ in known)), np.uint64)
    assert sample(table, words.reshape(-1, 2)).tolist() == [int(g) for _, g in known]
    assert any(abs(int(g)) == table.bound for _, g in known)
