# SPDX-License-Identifier: Apache-2.0
"""What every way from frame to vector must do, and must not keep."""

from __future__ import annotations

import time
from contextlib import closing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import EdgeError, UseAfterWipe
from edge.frame import Frame
from kernels.frame import FrameFormat
from tests.contract.processors import BACKENDS, open_rig, witness
from tests.edge.gpu import OVER_GPU, run_over
from tests.edge.oracle import Witness

UNTOUCHED = np.int16(-12345)


@pytest.fixture(scope="module", params=BACKENDS)
def rig(request, tmp_path_factory):
    with open_rig(request.param, tmp_path_factory.mktemp("rig")) as opened:
        yield opened


@pytest.fixture
def processor(rig):
    with closing(rig.open()) as opened:
        yield opened


def new_out(rig):
    return np.full(rig.profile.released_dim, UNTOUCHED, np.int16)


def show(processor, seed):
    """Put a frame on the canvas, as the camera does; -> the frame, and a copy of its pixels."""
    processor.canvas[:] = np.random.default_rng(seed).integers(0, 256, processor.canvas.size)
    return Frame(processor.canvas, time.monotonic_ns()), processor.canvas.copy()


def process(processor, seed, level, out):
    """-> pixels of what was shown, laps."""
    laps = []
    frame, pixels = show(processor, seed)
    processor.process(frame, level, out, lambda: laps.append(time.monotonic_ns()))
    return pixels, laps


def test_it_says_what_it_wants_and_brings_the_memory_for_it(processor):
    assert isinstance(processor.format, FrameFormat)
    assert processor.canvas.shape == (processor.format.nbytes,)
    assert processor.canvas.dtype == np.uint8
    assert processor.canvas.flags.c_contiguous
    assert not processor.canvas.any()
    assert len(processor.stages) == len(set(processor.stages)) > 0


def test_vectors_are_those_of_the_definition(rig, processor):
    defined = witness(rig, processor)
    for seed, level in enumerate([0, 1, 0, 0, 1, 1]):
        out = new_out(rig)
        pixels, laps = process(processor, seed, level, out)
        assert np.array_equal(out, defined.release(defined.embedding(pixels), level))
        assert len(laps) == len(processor.stages)
        assert laps == sorted(laps)


@settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(levels=st.lists(st.sampled_from([None, 0, 1]), max_size=6))
def test_a_frame_without_a_level_is_looked_at_and_releases_nothing(rig, levels):
    """It moves the learned room on, and does not turn the key."""
    with closing(rig.open()) as processor:
        defined = witness(rig, processor)
        for seed, level in enumerate(levels):
            out = new_out(rig)
            pixels, _ = process(processor, seed, level, out)
            embedding = defined.embedding(pixels)
            wanted = new_out(rig) if level is None else defined.release(embedding, level)
            assert np.array_equal(out, wanted)


def test_the_frame_is_wiped(rig, processor):
    for level in (0, None):
        frame, pixels = show(processor, 1)
        assert pixels.any()
        processor.process(frame, level, new_out(rig), lambda: None)
        assert not processor.canvas.any()
        with pytest.raises(UseAfterWipe):
            _ = frame.pixels


@pytest.mark.parametrize("level", [-1, 2, 1000])
def test_a_level_that_is_none_is_refused_and_the_frame_is_wiped(rig, processor, level):
    out = new_out(rig)
    with pytest.raises(EdgeError, match="level"):
        process(processor, 1, level, out)
    assert (out == UNTOUCHED).all()
    assert not processor.canvas.any()


def test_a_result_that_does_not_fit_is_refused_and_the_frame_is_wiped(rig, processor):
    K = rig.profile.released_dim
    for out in (np.zeros(K + 1, np.int16), np.zeros(K - 1, np.int16), np.zeros(K, np.int32)):
        with pytest.raises(EdgeError, match="out must be int16"):
            process(processor, 1, 0, out)
        assert not out.any()
        assert not processor.canvas.any()


def test_a_frame_that_was_wiped_is_refused(rig, processor):
    frame, _ = show(processor, 1)
    frame.wipe()
    out = new_out(rig)
    with pytest.raises(UseAfterWipe):
        processor.process(frame, 0, out, lambda: None)
    assert (out == UNTOUCHED).all()


def test_after_close_all_is_zero_and_it_refuses(rig):
    processor = rig.open()
    process(processor, 1, 0, new_out(rig))
    canvas, out = processor.canvas, new_out(rig)
    frame, _ = show(processor, 2)
    processor.close()
    processor.close()
    assert not canvas.any()
    with pytest.raises(UseAfterWipe):
        processor.process(frame, 0, out, lambda: None)
    assert (out == UNTOUCHED).all()


def test_no_start_has_the_noise_of_another(rig):
    def vectors(key):
        with closing(rig.open(key)) as processor:
            outs = [new_out(rig) for _ in range(3)]
            for out in outs:
                process(processor, 1, 0, out)
            return [out.tobytes() for out in outs]

    fresh = vectors(None) + vectors(None)
    assert len(set(fresh)) == len(fresh)


def test_control_the_definition_with_another_key_or_room_is_told_apart(rig, processor):
    other_key = Witness(rig.profile, bytes(range(1, 33)), processor.format, rig.embed)
    late = witness(rig, processor)
    for seed in range(2):
        out = new_out(rig)
        pixels, _ = process(processor, seed, 0, out)
        assert not np.array_equal(out, other_key.release(other_key.embedding(pixels), 0))
    # The same frame, before which another was seen.
    late.release(late.embedding(pixels // 2), 0)
    assert not np.array_equal(out, late.release(late.embedding(pixels), 0))


if not OVER_GPU:  # in this process there is no GPU's way, but perhaps a machine that has it

    def test_the_contract_holds_over_the_cuda_driver_on_the_cpu(cpu_machine):
        assert run_over(cpu_machine, __file__) >= 12

    @pytest.mark.gpu
    def test_the_contract_holds_on_a_gpu(gpu_machine):
        assert run_over(gpu_machine, __file__) >= 12
