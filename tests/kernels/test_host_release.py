# SPDX-License-Identifier: Apache-2.0
"""release.cu, run on the host, is the definition bit for bit; a kernel that is not is caught."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kernels.reference import noise_table
from tests.kernels.host.batches import (
    FLOAT32,
    SIGMAS,
    even_batch,
    every_fault,
    extreme_batches,
    plain_batch,
    random_batches,
)
from tests.kernels.host.build import ROOT, Kernels, build, python
from tests.kernels.host.releases import DONE, NO_KEY, NOT_FINITE, answer, run
from tests.kernels.test_reference import any_float32, full_scales
from tests.kernels.test_vectors import DRAWS, RELEASES, lines_of, read_release

CAMPAIGN = Path(__file__).parent / "host" / "campaign.py"
RELEASES_PER_SEED = 50_000
SOURCE = ROOT / "kernels" / "release.cu"


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    return Kernels(build(tmp_path_factory.mktemp("release"), SOURCE)).launch


def test_a_hundred_thousand_releases_and_every_extreme_are_as_defined_under_both_sanitizers(
    tmp_path,
):
    library = build(tmp_path, SOURCE, sanitize=True)
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(python, CAMPAIGN, library, seed, RELEASES_PER_SEED) for seed in (1, 2)]
    for done in (one.result() for one in runs):
        assert done.returncode == 0, done.stderr
        assert int(done.stdout.split()[0]) > RELEASES_PER_SEED


def test_control_the_campaign_fails_on_a_wrong_release_and_on_a_wrong_access(tmp_path):
    for number, (old, new, said) in enumerate(
        [
            ("return max(below + 1, full_scale);", "return max(below, full_scale);", "differ"),
            (
                "sums[row] = __dp4a(projection[k",
                "sums[row] = __dp4a(projection[1 + k",
                "heap-buffer",
            ),
        ]
    ):
        library = build(tmp_path / str(number), SOURCE, sanitize=True, replace={old: new})
        done = python(CAMPAIGN, library, 1, 100)
        assert done.returncode != 0
        assert said in done.stderr


@pytest.mark.parametrize("path", RELEASES, ids=lambda p: p.stem)
def test_the_known_answers(launch, path):
    _, p, embedding, keys, _, zs = read_release(path)
    tables = [noise_table(p.sigmas[0])]
    batch = even_batch(
        p.projection, embedding[None, :], p.embedding_scale, p.clip_norm, p.full_scale, tables
    )
    finite = np.isfinite(embedding).all()
    for before, after, z in zip(keys, keys[1:], zs, strict=False):
        batch.keys[0] = np.frombuffer(before, np.uint8)
        got, _ = run(launch, batch)
        assert got.keys[0].tobytes() == after
        assert got.receipts["flags"][0] == (DONE if finite else DONE | NOT_FINITE)
        assert got.vectors[0].tolist() == (z if finite else [0] * len(z))


WORDS_ARE_THE_KEY = {"out[i] = x[i] + start[i];": "out[i] = key[i % KEY_WORDS];"}


@pytest.fixture(scope="module")
def draw(tmp_path_factory):
    """Draws from words that are chosen: with K = 2, a kernel whose keystream is the key, twice."""
    folder = tmp_path_factory.mktemp("draws")
    kernels = Kernels(build(folder, SOURCE, replace=WORDS_ARE_THE_KEY))

    def draw_two_by_two(table, words):
        padded = np.concatenate([words, words[-1:]])[: len(words) + len(words) % 2]
        e = np.zeros((len(padded) // 2, 1), np.float32)
        batch = even_batch(np.zeros((2, 1), np.int8), e, tables=[table])
        batch.keys = padded.view(np.uint8).reshape(-1, 32)
        got, _ = run(kernels.launch, batch)
        good = got.receipts["flags"] == DONE
        assert (good == batch.keys.any(axis=1)).all()
        assert good.any()
        return got.vectors[good].reshape(-1), padded.reshape(-1, 2, 2)[good].reshape(-1, 2)

    return draw_two_by_two


@pytest.mark.parametrize("path", DRAWS, ids=lambda p: p.stem)
def test_known_draws_beside_the_thresholds(draw, path):
    lines = lines_of(path)
    known = dict(value.split() for name, value in lines if name == "draw")
    words = np.frombuffer(bytes.fromhex("".join(known)), np.uint64).reshape(-1, 2)
    drawn, used = draw(noise_table(int(dict(lines)["sigma"])), words)
    assert drawn.tolist() == [int(known[word.tobytes().hex()]) for word in used]


@pytest.mark.parametrize("sigma", [*SIGMAS, 3100])
def test_draws_at_every_threshold_and_one_beside_it(draw, sigma):
    table = noise_table(sigma)
    thresholds = table.thresholds()
    step = len(thresholds) // 1000 + 1  # every one of the smaller tables
    chosen = [t + d for t in thresholds[::step] for d in (-1, 0, 1) if t + d < 2**127]
    words = np.array([(r & 2**64 - 1, r >> 64) for r in chosen], np.uint64)
    words[::2, 1] |= np.uint64(2**63)
    drawn, used = draw(table, words)
    exact = [(int(high) << 64 | int(low)) & 2**127 - 1 for low, high in used]
    wanted = np.searchsorted(np.array(thresholds, object), np.array(exact, object), side="right")
    assert np.array_equal(drawn, np.where(used[:, 1] >> np.uint64(63), -wanted, wanted))


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.data(), st.integers(1, 9), st.integers(1, 9), st.integers(1, 32757), full_scales)
def test_any_small_release_is_as_defined(launch, data, K, D, C, M):
    P = data.draw(arrays(np.int8, (K, D)))
    e = data.draw(arrays(np.float32, (3, D), elements=any_float32))
    s = data.draw(st.floats(float(FLOAT32.tiny), float(FLOAT32.max), width=32))
    batch = even_batch(P, e, s, C, M)
    got, left = run(launch, batch)
    assert not left
    assert got.differs_from(answer(batch)) == []


def test_consecutive_releases_turn_the_key_of_each_sensor_once(launch):
    batch = plain_batch(np.random.default_rng(5), 7, 63, 33)
    for _ in range(5):
        expected = answer(batch)
        got, _ = run(launch, batch)
        assert got.differs_from(expected) == []
        changed = (got.keys != batch.keys).any(axis=1)
        assert (
            changed
            == (batch.keys.any(axis=1) & (batch.levels >= 0) & (batch.levels < len(batch.tables)))
        ).all()
        batch.keys = got.keys


def test_a_batch_is_its_releases_one_by_one_in_any_order(launch):
    batch = plain_batch(np.random.default_rng(6), 12, 64, 301)
    expected = answer(batch)
    for seed in range(4):
        assert run(launch, batch, seed)[0].differs_from(expected) == []


def test_faults_release_nothing_and_say_so(launch):
    got, left = run(launch, every_fault())
    assert left == 0
    bad = (got.receipts["flags"] != DONE) | (got.receipts["level"] < 0)
    assert set(got.receipts["flags"]) >= {1, 3, 5, 9, 11, 15}
    assert not got.vectors[bad].any()
    assert got.vectors[~bad].any()
    assert (got.receipts["flags"] & NO_KEY != 0).sum() == len(bad) // 2


# One constant, sign, place or barrier each.
BROKEN = {
    "a rotation": ("d = rotate(d ^ a, 16);", "d = rotate(d ^ a, 15);"),
    "the counter": ("static_cast<uint32_t>(block)", "static_cast<uint32_t>(lane)"),
    "half of the key is not turned": ("if (lane < KEY_WORDS) key", "if (lane < 4) key"),
    "C": ("uint32_t>(clip_norm), m)", "uint32_t>(clip_norm - 1), m)"),
    "floored, not truncated": ("u < 0 ? -quotient : quotient;", "u < 0 ? ~quotient : quotient;"),
    "at most, not less": ("* larger < square", "* larger <= square"),
    "the root is not rounded up": ("return max(below + 1,", "return max(below,"),
    "truncated, not rounded": ("rintf(fminf", "truncf(fminf"),
    "a table offset": ("tree + (1 << steps);", "tree + (1 << steps) + 1;"),
    "the upper limb": ("+ borrow <= high", "+ borrow < high"),
    "the sign bit": ("word[3] >> 31)", "word[3] >> 30 & 1)"),
    "something is released with a NaN": ("if (turns && finite)", "if (turns)"),
    "the ticket": ("{orders[b].ticket, level, flags}", "{orders[b].ticket + 1, level, flags}"),
    "no wipe": ("    wipe(room, lane);", ""),
    "no barrier in the turn": ("    __syncwarp();\n    if (lane < KEY", "    if (lane < KEY"),
}
BROKEN_AS_WELL = {
    "the last rotation": ("b = rotate(b ^ c, 7);", "b = rotate(b ^ c, 8);"),
    "rounds": ("round < 20", "round < 18"),
    "a constant of ChaCha20": ("0x79622D32", "0x79622D33"),
    "the key word of a block": ("key[4],     key[5],", "key[5],     key[4],"),
    "the last addition": ("out[i] = x[i] + start[i];", "out[i] = x[i];"),
    "the key is not turned": ("if (lane < KEY_WORDS) key", "if (lane < 0) key"),
    "the next key is a word": ("room.stream + KEY_WORDS +", "room.stream +"),
    "a step of the division": ("for (int bit = 14;", "for (int bit = 13;"),
    "a step of the root": ("for (int bit = 30;", "for (int bit = 29;"),
    "M": ("return max(below + 1, full_scale);", "return below + 1 + 0 * full_scale;"),
    "the wide square": (
        "static_cast<uint64_t>(static_cast<int64_t>(sum) * sum)",
        "static_cast<uint32_t>(sum) * static_cast<uint32_t>(sum)",
    ),
    "rows past the last count": ("if (first + row < released_dim) {", "if (true) {"),
    "the bound of q": ("ratio, -127.0f)", "ratio, -128.0f)"),
    "the upper bound of q": (", 127.0f))", ", 126.0f))"),
    "infinity is a number": ("fabsf(e) < INFINITY", "fabsf(e) <= INFINITY"),
    "the padding of q": ("i < embedding_dim ?", "i <= embedding_dim ?"),
    "the table of another level": ("trees + levels[2 * level]", "trees + levels[0]"),
    "the tree's other side": ("tree_low[node] > low", "tree_low[node] >= low"),
    "the sign is part of the number": ("word[3] & 0x7FFFFFFF", "word[3]"),
    "a step of the search": ("step < steps;", "step < steps - 1;"),
    "the level -1 turns the key": ("level >= 0 && any_bit", "any_bit"),
    "a level too many": ("-1 <= level", "-2 <= level"),
    "a key of zeros": ("(any_bit != 0 ? 0 : NO_KEY)", "0u"),
    "nothing is said of a NaN": ("(finite ? 0 : NOT_FINITE)", "0u"),
    "a stale vector is left": ("k += LANES) vector[k] = 0;", "k += LANES) continue;"),
    "half a wipe": ("word < end; word += LANES) *word", "word + 4 < end; word += LANES) *word"),
    "no barrier after P q": (
        "            __syncwarp();\n#pragma unroll 1\n            for",
        "            for",
    ),
    "no barrier before the receipt": (
        "        __syncwarp();\n        if (lane == 0)",
        "        if (lane == 0)",
    ),
}


@pytest.fixture(scope="module")
def answered():
    """Batches and their answers, those first that tell the most."""
    batches = chain([every_fault()], random_batches(7, 500), extreme_batches())
    return [(batch, answer(batch)) for batch in batches]


def is_caught(folder, answered, old, new):
    kernels = Kernels(build(folder, SOURCE, replace={old: new}))
    outcomes = ((run(kernels.launch, batch), wanted) for batch, wanted in answered)
    return any(left or got.differs_from(wanted) for (got, left), wanted in outcomes)


@pytest.mark.parametrize("name", BROKEN)
def test_control_a_broken_kernel_is_caught(tmp_path, answered, name):
    assert is_caught(tmp_path, answered, *BROKEN[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN_AS_WELL)
def test_control_every_broken_kernel_is_caught(tmp_path, answered, name):
    assert is_caught(tmp_path, answered, *BROKEN_AS_WELL[name])


def test_control_the_kernel_as_it_is_is_not_caught(tmp_path, answered):
    assert not is_caught(tmp_path, answered, "int bit = 14;", "int bit = 15;")  # a step for nothing
