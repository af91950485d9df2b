# SPDX-License-Identifier: Apache-2.0
"""The host's CUDA finds what it is there for: each kind of mistake is planted and must be seen."""

import threading

import numpy as np
import pytest

from tests.kernels.host.build import Kernels, LaunchError, build, python

THREADS = 256

# Every kernel here is right; a test plants its mistake by replacing a marked piece of text.
SOURCE = """
#include <cstdint>

extern "C" __global__ void where(uint32_t* out, uint32_t width) {
    const uint32_t x = blockIdx.x * blockDim.x + threadIdx.x;
    const uint32_t y = blockIdx.y * blockDim.y + threadIdx.y;
    out[y * width + x] = gridDim.x << 24 | blockDim.y << 16 | y << 8 | x;
}

extern "C" __global__ void reverse(const int32_t* in, int32_t* out) {
    __shared__ int32_t kept[1024];
    kept[threadIdx.x] = in[threadIdx.x];
    __syncthreads(); /* meet */
    out[threadIdx.x] = kept[blockDim.x - 1 - threadIdx.x];
}

extern __shared__ int32_t rooms[];

// Each warp sums its lanes' numbers by itself.
extern "C" __global__ void sum(const int32_t* in, int32_t* out) {
    int32_t* room = rooms + threadIdx.y * 32;
    room[threadIdx.x] = in[threadIdx.y * 32 + threadIdx.x];
    __syncwarp(); /* filled */
    int32_t total = 0;
    for (int i = 0; i < 32; i++) total += room[i];
    __syncwarp(); /* read */
    room[threadIdx.x] = 0;
    if (threadIdx.x == 0) out[threadIdx.y] = total;
}

extern "C" __global__ void vote(const int32_t* in, int32_t* count, int32_t* any, int32_t* added) {
    const int found = __syncthreads_count(in[threadIdx.x] > 0);
    const int some = __syncthreads_or(in[threadIdx.x] > 8);
    atomicAdd(added, in[threadIdx.x]);
    if (threadIdx.x == 0) {
        *count = found;
        *any = some;
    }
}

extern "C" __global__ void reduce(const int32_t* in, int32_t* sums, int32_t* bits) {
    const int i = threadIdx.y * 32 + threadIdx.x;
    sums[i] = __reduce_add_sync(0xFFFFFFFF, in[i]);
    bits[i] = static_cast<int32_t>(__reduce_or_sync(0xFFFFFFFF, in[i]));
}

extern "C" __global__ void numbers(int32_t* out, int32_t a, int32_t b) {
    out[0] = __dp4a(a, b, out[0]);
    out[1] = static_cast<int32_t>(__fdiv_rn(a, b));
}
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Builds the source above with a replacement, once for each."""
    built = {}

    def build_one(old=None, new="", *, sanitize=False):
        case = (old, new, sanitize)
        if case not in built:
            folder = tmp_path_factory.mktemp("shim")
            (folder / "cases.cu").write_text(SOURCE, encoding="utf-8")
            replace = {old: new} if old else {}
            built[case] = build(
                folder / "built", folder / "cases.cu", sanitize=sanitize, replace=replace
            )
        return built[case]

    return build_one


@pytest.fixture
def right(planted):
    return Kernels(planted())


def integers(count):
    return np.random.default_rng(count).integers(-99, 99, count, dtype=np.int32)


def test_every_thread_knows_its_place(right):
    out = np.zeros((6, 20), np.uint32)
    right.launch("where", (4, 3), (5, 2), 0, [out, np.uint32(20)], seed=3)
    y, x = np.mgrid[:6, :20].astype(np.uint32)
    assert np.array_equal(out, 4 << 24 | 2 << 16 | y << 8 | x)


@pytest.mark.parametrize("threads", [1, 31, 33, 1024])
def test_a_barrier_is_one(right, threads):
    for seed in range(8):
        out = np.zeros(threads, np.int32)
        right.launch("reverse", (1,), (threads,), 0, [integers(threads), out], seed)
        assert np.array_equal(out, integers(threads)[::-1])


@pytest.mark.parametrize("warps", [1, 7, 32])
def test_a_warp_has_barriers_of_its_own(right, warps):
    out = np.zeros(warps, np.int32)
    left = right.launch("sum", (1,), (32, warps), 128 * warps, [integers(32 * warps), out])
    assert out.tolist() == integers(32 * warps).reshape(-1, 32).sum(axis=1).tolist()
    assert left == 0


def test_votes_and_atomics(right):
    for largest, any_large in ((8, 0), (9, 1)):
        values = np.minimum(integers(100), largest)
        count, any_, added = (np.zeros(1, np.int32) for _ in range(3))
        right.launch("vote", (1,), (100,), 0, [values, count, any_, added])
        assert (count[0], any_[0], added[0]) == ((values > 0).sum(), any_large, values.sum())


def test_the_arithmetic_of_the_device(right):
    a = np.array([127, -128, -1, 3], np.int8)
    b = np.array([-128, -128, 127, 5], np.int8)
    out = np.array([7, 0], np.int32)
    words = a.view(np.int32)[0], b.view(np.int32)[0]
    right.launch("numbers", (1,), (1,), 0, [out, *words])
    assert out[0] == 7 + a.astype(np.int32) @ b.astype(np.int32)
    assert out[1] == int(np.float32(words[0]) / np.float32(words[1]))


def test_warps_add_and_collect_bits(right):
    values = integers(96).reshape(3, 32)
    sums, bits = np.zeros((3, 32), np.int32), np.zeros((3, 32), np.int32)
    right.launch("reduce", (1,), (32, 3), 0, [values, sums, bits], seed=5)
    assert np.array_equal(sums, np.tile(values.sum(axis=1), (32, 1)).T)
    assert np.array_equal(bits, np.tile(np.bitwise_or.reduce(values, axis=1), (32, 1)).T)


def test_the_same_seed_gives_the_same_order_and_another_seed_another(planted):
    """Seen by a kernel without its barrier, whose result depends on the order."""
    racing = Kernels(planted("__syncthreads(); /* meet */"))

    def result(seed):
        out = np.zeros(THREADS, np.int32)
        racing.launch("reverse", (1,), (THREADS,), 0, [integers(THREADS), out], seed)
        return out.tolist()

    assert result(1) == result(1)
    assert result(1) != result(2)


@pytest.mark.parametrize(
    ("barrier", "name", "block"),
    [
        ("__syncthreads(); /* meet */", "reverse", (THREADS,)),
        ("__syncwarp(); /* filled */", "sum", (32, 8)),
        ("__syncwarp(); /* read */", "sum", (32, 8)),
    ],
)
def test_control_a_missing_barrier_is_a_wrong_result_for_every_seed(planted, barrier, name, block):
    for seed in range(8):
        results = []
        for library in (planted(), planted(barrier)):
            out = np.zeros(THREADS, np.int32)
            kernels = Kernels(library)
            kernels.launch(name, (1,), block, 4 * THREADS, [integers(THREADS), out], seed)
            results.append(out.tolist())
        assert results[0] != results[1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("__syncthreads(); /* meet */", "if (threadIdx.x != 5) __syncthreads();", "has ended"),
        (
            "__syncthreads(); /* meet */",
            "if (threadIdx.x == 5) {\nreturn;\n}\n__syncthreads();",
            "ended",
        ),
        (
            "__syncthreads(); /* meet */",
            "if (threadIdx.x == 5) {\n__syncthreads();\n} else {\n__syncthreads();\n}",
            "while thread",
        ),
        ("__syncthreads(); /* meet */", "if (threadIdx.x < 40) __syncwarp();", "has ended"),
        ("__syncthreads(); /* meet */", "__syncwarp(0xFF);", "some lanes only"),
    ],
)
def test_threads_that_can_never_meet_are_an_error_and_the_next_launch_is_fine(
    planted, old, new, said
):
    kernels = Kernels(planted(old, new))
    out = np.zeros(THREADS, np.int32)
    with pytest.raises(LaunchError, match=said):
        kernels.launch("reverse", (1,), (THREADS,), 0, [integers(THREADS), out])
    kernels.launch("sum", (1,), (32, 8), 4 * THREADS, [integers(THREADS), out])
    assert out[:8].tolist() == integers(THREADS).reshape(8, 32).sum(axis=1).tolist()


def test_what_is_left_in_shared_memory_is_counted(planted):
    kernels = Kernels(planted("room[threadIdx.x] = 0;", "room[threadIdx.x] = threadIdx.x == 9;"))
    out = np.zeros(8, np.int32)
    assert kernels.launch("sum", (1,), (32, 8), 1024, [integers(THREADS), out]) == 8


@pytest.mark.parametrize(
    ("name", "block", "written", "left_out"),
    [
        ("sum", (32, 8), "room[threadIdx.x] = in[", "if (threadIdx.x & 1) room[threadIdx.x] = in["),
        ("reverse", (THREADS,), "kept[threadIdx.x] =", "if (threadIdx.x & 1) kept[threadIdx.x] ="),
    ],
)
def test_shared_memory_is_garbage_before_a_block(planted, name, block, written, left_out):
    kernels = Kernels(planted(written, left_out))
    results = []
    for seed in (1, 2):
        out = np.zeros(THREADS, np.int32)
        kernels.launch(name, (1,), block, 1024, [np.zeros(THREADS, np.int32), out], seed)
        results.append(out.tolist())
    assert any(results[0])
    assert results[0] != results[1]


def test_calls_that_cannot_be_right_are_refused(right):
    out = np.zeros(4, np.int32)
    for name, grid, block, shared in (
        ("nothing", (1,), (1,), 0),
        ("numbers", (0,), (1,), 0),
        ("numbers", (1,), (1025,), 0),
        ("numbers", (1,), (1,), 2**20),
    ):
        with pytest.raises(LaunchError):
            right.launch(name, grid, block, shared, [out, np.int32(1), np.int32(1)])
    for wrong in ([out], [out, 1, 1], [out, np.int64(1), np.int32(1)]):
        with pytest.raises(TypeError):
            right.launch("numbers", (1,), (1,), 0, wrong)


def test_a_replacement_that_does_not_occur_exactly_once_is_refused(planted):
    for old in ("not in the text", "__syncwarp()"):
        with pytest.raises(ValueError, match="occurs"):
            planted(old)


def test_launches_from_several_threads_exclude_each_other(right):
    results = [np.zeros(THREADS, np.int32) for _ in range(4)]
    runs = [
        threading.Thread(
            target=right.launch, args=("reverse", (1,), (THREADS,), 0, [integers(THREADS), out])
        )
        for out in results
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert all(np.array_equal(out, integers(THREADS)[::-1]) for out in results)


CHILD = """
import sys
import numpy as np
from pathlib import Path
from tests.kernels.host.build import Kernels

name, y, shared = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
kernels = Kernels(Path(sys.argv[1]))
block = (32, y)
if name == "reverse":
    block = (32 * y,)
args = [np.arange(32 * y, dtype=np.int32), np.zeros(32 * y, np.int32)]
if name == "numbers":
    args, block = [np.full(2, 2**31 - 1, np.int32), np.int32(2**30), np.int32(2**30)], (1,)
for seed in range(20):
    kernels.launch(name, (3,), block, shared, args, seed)
print("clean")
"""


@pytest.mark.parametrize(
    ("old", "new", "name", "said"),
    [
        (None, "", "sum", None),
        (None, "", "reverse", None),
        ("room[threadIdx.x] = 0;", "room[threadIdx.x + 1] = 0;", "sum", "use-after-poison"),
        ("int32_t kept[1024];", "int32_t kept[255];", "reverse", "index 255 out of bounds"),
        ("out[threadIdx.x] = kept", "out[threadIdx.x + 1] = kept", "reverse", "heap-buffer"),
        (
            "in[threadIdx.x];\n    __syncth",
            "in[(int)threadIdx.x - 1];\n    __syncth",
            "reverse",
            "heap-buffer",
        ),
        ("out[0] = __dp4a(a, b, out[0]);", "out[0] += a;", "numbers", "signed integer overflow"),
        ("out[0] = __dp4a(a, b, out[0]);", "out[0] = 3.0e9f;", "numbers", "outside the range"),
    ],
)
def test_the_sanitizers_find_what_is_planted_and_nothing_else(planted, old, new, name, said):
    library = planted(old, new, sanitize=True)
    done = python("-c", CHILD, library, name, 8, 1024)
    if said is None:
        assert (done.returncode, done.stdout) == (0, "clean\n"), done.stderr
    else:
        assert done.returncode != 0
        assert said in done.stderr


def test_a_divergent_launch_does_not_trouble_the_sanitizer(planted):
    script = CHILD.replace(
        "for seed",
        "from tests.kernels.host.build import LaunchError\n"
        "try:\n    kernels.launch('reverse', (1,), (256,), 0, args)\n"
        "except LaunchError:\n    print('refused')\nfor seed",
    )
    library = planted(
        "__syncthreads(); /* meet */", "if (threadIdx.x != 5) __syncthreads();", sanitize=True
    )
    done = python("-c", script, library, "sum", 8, 1024)
    assert (done.returncode, done.stdout) == (0, "refused\nclean\n"), done.stderr
