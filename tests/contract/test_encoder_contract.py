# SPDX-License-Identifier: Apache-2.0
"""What every engine must do with planes, and must not keep of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx.reference import ReferenceEvaluator

from edge.encoders import open_encoder
from edge.errors import ConfigError, EncoderError, UseAfterWipe
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES
from tests.contract.backends import BACKENDS, open_on, skip_without
from tests.contract.tiny_models import tiny_encoder

ROOT = Path(__file__).parents[2]
ON_A_CPU = ["openvino"]
SHAPE = (PLANES, CANVAS_H, CANVAS_W)
DIM = 64


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("model") / "tiny.onnx", DIM)


@pytest.fixture(params=BACKENDS)
def backend(request):
    skip_without(request.param)
    return request.param


@pytest.fixture
def encoder(backend, model):
    opened = open_on(backend, model)
    yield opened
    opened.close()


def some_planes(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)


def embedding_of(encoder, planes) -> np.ndarray:
    out = np.zeros(encoder.dim, np.float32)
    encoder.embed(planes, out)
    return out


def cosine(a, b) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_an_embedding_is_what_the_network_defines(encoder, model):
    planes = some_planes(1)
    defined = ReferenceEvaluator(onnx.load(model)).run(None, {"planes": planes[None]})[0][0]
    got = embedding_of(encoder, planes)
    assert got.shape == (encoder.dim,) == (DIM,)
    assert cosine(got, defined) > 0.999


def test_it_depends_on_the_planes_alone(encoder):
    first, other = embedding_of(encoder, some_planes(1)), embedding_of(encoder, some_planes(2))
    assert np.array_equal(first, embedding_of(encoder, some_planes(1)))
    assert not np.array_equal(first, other)


def test_planes_need_not_lie_in_one_piece_and_are_not_changed(encoder):
    wide = np.zeros((PLANES, CANVAS_H, 2 * CANVAS_W), np.uint8)
    wide[:, :, ::2] = some_planes(3)
    assert np.array_equal(
        embedding_of(encoder, wide[:, :, ::2]), embedding_of(encoder, some_planes(3))
    )
    assert np.array_equal(wide[:, :, ::2], some_planes(3))


def test_input_and_output_of_its_own_are_wiped(encoder):
    embedding_of(encoder, some_planes(4))
    assert not encoder._input.any()
    assert not encoder._output.any()


def test_wrong_planes_are_refused_and_leave_nothing(encoder):
    with pytest.raises(ValueError, match="broadcast"):
        embedding_of(encoder, some_planes(5)[:, 1:])
    assert not encoder._input.any()


def test_after_close_it_refuses(encoder):
    encoder.close()
    encoder.close()
    with pytest.raises(UseAfterWipe):
        embedding_of(encoder, some_planes(6))


def test_a_model_that_cannot_be_used_is_an_error_that_names_it(backend, tmp_path):
    with pytest.raises(EncoderError, match=r"no model at .*gone\.onnx"):
        open_encoder(backend, tmp_path / "gone.onnx", 1, tmp_path)
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"no network")
    with pytest.raises(EncoderError, match=r"garbage\.onnx"):
        open_encoder(backend, garbage, 1, tmp_path)
    other = tiny_encoder(tmp_path / "other.onnx", input_name="picture")
    with pytest.raises(EncoderError, match="planes"):
        open_on(backend, other)


def test_an_unknown_backend_is_an_error_that_names_the_known_ones(model):
    with pytest.raises(ConfigError, match="openvino"):
        open_encoder("abacus", model, 1)


def test_opening_again_and_again_leaves_nothing_behind(backend, model):
    def once():
        encoder = open_on(backend, model)
        embedding_of(encoder, some_planes(7))
        encoder.close()

    process = psutil.Process()
    for _ in range(5):
        once()
    threads, memory = process.num_threads(), process.memory_info().rss
    for _ in range(20):
        once()
    assert process.num_threads() <= threads + 1
    assert process.memory_info().rss - memory < 16 << 20


def memory_of(pid: int) -> dict[str, np.ndarray]:
    """What process `pid` may write, as 8-byte words by span of addresses."""
    words = {}
    with (
        Path(f"/proc/{pid}/maps").open() as maps,
        Path(f"/proc/{pid}/mem").open("rb", 0) as memory,
    ):
        for line in maps:
            span, permissions, *_ = line.split()
            if permissions.startswith("rw"):
                low, high = (int(edge, 16) for edge in span.split("-"))
                memory.seek(low)
                words[span] = np.frombuffer(memory.read(high - low), np.uint64)
    return words


def new_words(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> np.ndarray:
    """The different words that stand in `after` where something else or nothing stood before."""
    changed = [
        words[words != before[span]] if span in before else words for span, words in after.items()
    ]
    return np.unique(np.concatenate(changed))


def still_there(wanted: np.ndarray, memory: dict[str, np.ndarray]) -> int:
    """How many of the sorted words `wanted` stand anywhere in `memory`."""
    found = np.zeros(len(wanted), bool)
    for words in memory.values():
        at = np.minimum(np.searchsorted(wanted, words), len(wanted) - 1)
        found[at[wanted[at] == words]] = True
    return int(found.sum())


@pytest.mark.parametrize("backend", ON_A_CPU)
def test_no_activation_stays_in_memory(backend, model):
    """New words after an inference are its activations; after `embed` they must be gone.

    On a GPU they lie in its own memory, see tests/edge/test_tensorrt.py.
    """
    environment = {k: v for k, v in os.environ.items() if k != "MALLOC_PERTURB_"}
    with subprocess.Popen(
        [sys.executable, "tests/contract/encoder_child.py", backend, model],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as child:
        child.stdin.write(some_planes(8).tobytes())
        seen = []
        for _ in range(3):
            assert child.stdout.readline() == b"ready\n"
            seen.append(memory_of(child.pid))
            child.stdin.write(b"\n")
    before, control, after = seen
    activations = new_words(before, control)
    assert len(activations) > 500, "the control: an inference alone leaves its activations"
    assert still_there(activations, after) < 0.25 * len(activations), "the interpreter's own words"
