# SPDX-License-Identifier: Apache-2.0
"""The frame graph does what the CPU does, bit for bit, leaves nothing behind, and fails closed."""

import itertools
import math
import os
import threading
from contextlib import closing, contextmanager, suppress

import numpy as np
import pytest

from kernels.cuda import Device
from kernels.errors import AcceleratorError, ReleaseError
from kernels.exchange import Exchange
from kernels.frame import FrameFormat
from kernels.frame_graph import FrameGraph
from kernels.reference import ratchet
from tests.kernels.device.cpu_path import (
    RATE_HZ,
    CpuPath,
    D,
    K,
    is_release,
    noise,
    parameters,
    scene,
)
from tests.kernels.device.engine import Engine

SMALL = FrameFormat("GRAY8", 80, 64)  # its canvas is the frame itself
FORMATS = [
    SMALL,
    FrameFormat("GRAY8", 161, 97),
    FrameFormat("NV12", 322, 240),
    FrameFormat("I420", 82, 66),
    FrameFormat("BGRx", 97, 113),
]
LEVELS = (0, 1, None)
NEEDLE = 16  # bytes
BUFFERS = ("frame", "canvas", "planes", "embedding", "workspace")
LAUNCH_FAILED, UNKNOWN = 719, 999


def start(device, engine, kernels, key, layout=SMALL):
    """A frame graph with this key, which is a bytearray."""
    return FrameGraph(device, layout, parameters(), RATE_HZ, engine, memoryview(key), kernels)


@pytest.fixture
def opened(kernels, own_kernels, watched):
    """Opens a device, an engine and a frame graph, and closes them in order."""

    @contextmanager
    def open_one(layout=SMALL, key=None, dim=D):
        with Device() as device:
            engine = Engine(device, own_kernels, dim)
            graph = start(device, engine, kernels, bytearray(key or os.urandom(32)), layout)
            graph.spoil = engine.spoil
            with closing(graph):
                yield graph

    return open_one


def needles(cpu):
    """Pieces of what one frame made, by the buffer that held it; none that is all one value."""
    found = {
        "frame": cpu.frame,
        "canvas": cpu.canvas,
        "planes": cpu.planes[0],
        "embedding": cpu.embedding,
    }
    pieces = {}
    for name, array in found.items():
        raw = array.tobytes()
        cut = [raw[i : i + NEEDLE] for i in range(0, len(raw) - NEEDLE, 97)]
        pieces[name] = [piece for piece in cut if len(set(piece)) > 4]
        assert len(pieces[name]) > 2, name
    return pieces


def left(control, cpu):
    """The buffers of which something is in the GPU's memory or in what the host shares with it."""
    return {
        name
        for name, pieces in needles(cpu).items()
        if any(control.count(piece) for piece in pieces)
    }


def unwiped(graph):
    """The buffers that are to be zero after each frame, and are not."""
    device = graph._device
    for name in BUFFERS:
        buffer = getattr(graph, f"_{name}")
        found = np.empty(buffer.nbytes, np.uint8)
        device.copy_out(found, buffer)
        device.synchronise()
        if found.any():
            yield name


def run(graph, frame, level, out):
    graph.frame[:] = frame
    graph.run(level, out)
    assert not graph.frame.any()


# ---- the same as on the CPU ---------------------------------------------------------------------


@pytest.mark.parametrize("layout", FORMATS, ids=str)
@pytest.mark.parametrize("count", [24])
def case_every_vector_is_the_one_of_the_cpu(opened, layout, count):
    key = os.urandom(32)
    cpu = CpuPath(layout, key)
    out, expected = np.zeros(K, np.int16), np.zeros(K, np.int16)
    with opened(layout, key) as graph:
        for frame, level in zip(scene(layout, count), itertools.cycle(LEVELS), strict=False):
            cpu.run(frame, level, expected)
            run(graph, frame, level, out)
            assert np.array_equal(out, expected)
    assert out.any()


def case_a_long_scene_with_its_ghost(opened):
    key = os.urandom(32)
    cpu = CpuPath(SMALL, key)
    out, expected = np.zeros(K, np.int16), np.zeros(K, np.int16)
    with opened(SMALL, key) as graph:
        for frame in scene(SMALL, 64):
            cpu.run(frame, 0, expected)
            run(graph, frame, 0, out)
            assert np.array_equal(out, expected)


def case_another_key_gives_another_vector(opened):
    """The control of the cases above: it is not only the clipped part that is compared."""
    found = []
    for _ in range(2):
        out = np.zeros(K, np.int16)
        with opened() as graph:
            run(graph, noise(SMALL, 1)[0], 0, out)
        found.append(out.tolist())
    assert found[0] != found[1]


def case_a_frame_costs_one_launch_and_one_wait(opened, control):
    out = np.zeros(K, np.int16)
    with opened() as graph:
        before = len(control.trace())
        for frame in noise(SMALL, 3):
            run(graph, frame, 0, out)
        assert control.trace()[before:] == ["cuGraphLaunch", "cuStreamSynchronize"] * 3


def case_every_stage_is_timed(opened):
    with opened() as graph:
        timings = graph.measure(noise(SMALL, 1)[0], 0, 5)
        assert list(timings.stages) == [name for name, _ in graph.stages]
        assert not graph.frame.any()
        seconds = np.array(list(timings.stages.values()))
        assert seconds.shape == (7, 5)
        assert (seconds.sum(axis=0) > 0).all()
        assert timings.replay.shape == (5,)


# ---- what stays ---------------------------------------------------------------------------------


def case_nothing_of_a_frame_is_left_after_it(opened, control):
    cpu, out = CpuPath(SMALL, bytes(31) + b"k"), np.zeros(K, np.int16)
    before, *frames = noise(SMALL, 7)
    with opened(SMALL, cpu.key) as graph:
        cpu.run(before, 0, out)
        run(graph, before, 0, out)
        for frame, level in zip(frames, itertools.cycle(LEVELS), strict=False):
            cpu.run(frame, level, out)
            graph.frame[:] = frame
            assert "frame" in left(control, cpu)  # the search finds what is there
            graph.run(level, out)
            assert left(control, cpu) == set()
    assert control.nonzero() == 0


@pytest.mark.parametrize("forgotten", BUFFERS)
def case_a_buffer_that_is_not_wiped_is_found(opened, control, monkeypatch, forgotten):
    """The control of the case above, buffer by buffer. The workspace holds the planes."""
    wipe = Device.wipe
    cpu, out = CpuPath(SMALL, bytes(31) + b"k"), np.zeros(K, np.int16)
    skipped = []

    def wipe_others(device, buffer):
        if buffer.pointer not in skipped:
            wipe(device, buffer)

    def at_the_stage(graph):
        skipped.append(getattr(graph, f"_{forgotten}").pointer)
        _wipe(graph)
        skipped.clear()

    _wipe = FrameGraph._wipe
    monkeypatch.setattr(Device, "wipe", wipe_others)
    monkeypatch.setattr(FrameGraph, "_wipe", at_the_stage)
    with opened(SMALL, cpu.key) as graph:
        for frame in noise(SMALL, 6):
            cpu.run(frame, 0, out)
            run(graph, frame, 0, out)
        assert forgotten.replace("workspace", "planes") in left(control, cpu)


def case_the_key_is_on_the_device_only_and_only_the_next_one(opened, control):
    cpu, out = CpuPath(SMALL, os.urandom(32)), np.zeros(K, np.int16)
    with opened(SMALL, cpu.key) as graph:
        for frame, level in zip(noise(SMALL, 6), itertools.cycle(LEVELS), strict=False):
            key = bytes(cpu.key)
            assert control.count(key) == 1
            cpu.run(frame, level, out)
            run(graph, frame, level, out)
            assert control.count(key) == (level is None)
        last = bytes(cpu.key)
        assert control.count(last) == 1
    assert control.count(last) == 0


def case_close_wipes_and_frees_everything_and_may_be_repeated(kernels, own_kernels, control):
    with Device() as device:
        engine = Engine(device, own_kernels, D)
        before = control.live()
        key = memoryview(bytearray(os.urandom(32)))
        graph = FrameGraph(device, SMALL, parameters(), RATE_HZ, engine, key, kernels)
        run(graph, noise(SMALL, 1)[0], 0, np.zeros(K, np.int16))
        graph.frame[:] = 1
        graph.close()
        graph.close()
        assert not graph.frame.any()
        assert control.nonzero() == control.nonzero_freed() == 0
        assert control.live() == before + 4  # pinned memory and the module go with the device
        with pytest.raises(ReleaseError, match="close"):
            graph.run(0, np.zeros(K, np.int16))
        with pytest.raises(ReleaseError, match="close"):
            graph.measure(graph.frame, 0, 1)


# ---- what is refused ----------------------------------------------------------------------------


def case_a_key_that_cannot_be_used_is_refused(kernels, own_kernels, watched):
    with Device() as device:
        engine = Engine(device, own_kernels, D)
        for key in (bytes(32), bytearray(31), bytearray(32), bytearray(64)[::2]):
            with pytest.raises(ReleaseError, match="key"):
                FrameGraph(device, SMALL, parameters(), RATE_HZ, engine, memoryview(key), kernels)


def case_an_engine_of_another_size_is_refused(opened):
    with (
        pytest.raises(ReleaseError, match=f"{D + 1} values, the projection takes {D}"),
        opened(dim=D + 1),
    ):
        pass


def case_what_cannot_be_ordered_is_refused(opened):
    with opened() as graph:
        for level, out in [
            (2, np.zeros(K, np.int16)),
            (-1, np.zeros(K, np.int16)),
            (0, np.zeros(K + 1, np.int16)),
            (0, np.zeros(K, np.int32)),
        ]:
            with pytest.raises(ReleaseError):
                graph.run(level, out)


def case_another_thread_is_refused(opened):
    refused = []

    def elsewhere(graph):
        with pytest.raises(ReleaseError, match="thread"):
            graph.run(0, np.zeros(K, np.int16))
        with pytest.raises(ReleaseError, match="thread"):
            graph.close()
        refused.append(True)

    with opened() as graph:
        thread = threading.Thread(target=elsewhere, args=(graph,))
        thread.start()
        thread.join()
        assert refused
        run(graph, noise(SMALL, 1)[0], 0, np.zeros(K, np.int16))


# ---- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("level", LEVELS)
def case_an_embedding_that_is_no_number_is_a_fault_and_the_key_turns(opened, value, level):
    cpu, out, expected = CpuPath(SMALL, os.urandom(32)), *np.zeros((2, K), np.int16)
    first, second, third = noise(SMALL, 3)
    with opened(SMALL, cpu.key) as graph:
        cpu.run(first, 0, expected)
        run(graph, first, 0, out)
        before = out.copy()
        graph.spoil(value)
        with pytest.raises(AcceleratorError, match="NaN or an infinity; build") as caught:
            run(graph, second, level, out)
        assert caught.value.fault == "engine-nan"
        assert np.array_equal(out, before)
        assert not graph.frame.any()
        graph.spoil(0)
        cpu.run(second, level, expected)  # uses up the same key
        cpu.run(third, 1, expected)
        run(graph, third, 1, out)
        assert np.array_equal(out, expected)


def case_an_engine_that_makes_no_numbers_is_seen_at_the_start(kernels, own_kernels, watched):
    with Device() as device:
        engine = Engine(device, own_kernels, D)
        engine.spoil(math.nan)
        key = bytearray(os.urandom(32))
        with pytest.raises(AcceleratorError) as caught:
            FrameGraph(device, SMALL, parameters(), RATE_HZ, engine, memoryview(key), kernels)
        assert caught.value.fault == "engine-nan"
        assert not any(key)


def case_an_engine_that_cannot_be_recorded_is_a_fault(kernels, own_kernels, watched):
    class Allocating(Engine):
        calls = 0

        def enqueue(self, *arguments):
            self.calls += 1
            if self.calls == 2:
                self._device.allocate(1)
            super().enqueue(*arguments)

    with Device() as device:
        engine = Allocating(device, own_kernels, D)
        key = bytearray(os.urandom(32))
        with pytest.raises(AcceleratorError, match="lethe-calibrate engine") as caught:
            FrameGraph(device, SMALL, parameters(), RATE_HZ, engine, memoryview(key), kernels)
        assert caught.value.fault == "engine"


# The context is lost with these.
LOSSES = {
    "launch failed": lambda control: control.fail("cuGraphLaunch", LAUNCH_FAILED),
    "illegal address": lambda control: control.fail("cuStreamSynchronize", 700),
    "memory defect": lambda control: control.break_node(3, 214),
}
FAULTS = {
    "launch refused": (lambda control: control.fail("cuGraphLaunch", 2), "out-of-memory"),
    "unknown": (lambda control: control.fail("cuStreamSynchronize", 999), "device-lost"),
    "nothing copied out": (lambda control: control.truncate_copy(0), "bad-receipt"),
}


@pytest.mark.parametrize("name", LOSSES)
def case_a_lost_device_changes_nothing_and_can_be_closed(kernels, own_kernels, control, name):
    device = Device()
    graph = start(device, Engine(device, own_kernels, D), kernels, bytearray(os.urandom(32)))
    first, second = noise(SMALL, 2)
    out = np.zeros(K, np.int16)
    run(graph, first, 0, out)
    before = out.copy()
    LOSSES[name](control)
    for _ in range(2):
        with pytest.raises(AcceleratorError, match="dmesg") as caught:
            run(graph, second, 1, out)
        assert caught.value.fault == "device-lost"
        assert np.array_equal(out, before)
        assert not graph.frame.any()
    for close in (graph.close, device.close):
        with pytest.raises(AcceleratorError, match="dmesg"):
            close()  # it says that it could not wipe
        close()
    assert not graph.frame.any()


@pytest.mark.parametrize("name", FAULTS)
def case_a_fault_changes_nothing_leaves_nothing_and_the_next_run_may_work(opened, control, name):
    inject, fault = FAULTS[name]
    cpu, out = CpuPath(SMALL, os.urandom(32)), np.zeros(K, np.int16)
    first, second, third = noise(SMALL, 3)
    with opened(SMALL, cpu.key) as graph:
        run(graph, first, 0, out)
        before = out.copy()
        for frame in (first, second):
            cpu.run(frame, None, out)
        inject(control)
        with pytest.raises(AcceleratorError, match="; ") as caught:
            run(graph, second, 1, out)
        assert caught.value.fault == fault
        assert np.array_equal(out, before)
        assert not graph.frame.any()
        assert left(control, cpu) == set()
        run(graph, third, 1, out)
        assert not np.array_equal(out, before)


# ---- every failure there can be -----------------------------------------------------------------

NODES = [
    "frame in",
    "order in",
    "area average",
    "planes",
    "encode",
    "release",
    *(f"wipe {name}" for name in BUFFERS),
    "result out",
]


class Attempts:
    """Runs a frame graph again and again; after each it must have released rightly or nothing."""

    def __init__(self, graph, control, key):
        self._graph, self._control, self.key = graph, control, bytes(key)
        self.out = np.zeros(K, np.int16)
        self._frames = itertools.cycle(noise(SMALL, 7))

    def run(self, level):
        """Whether it released."""
        before = self.out.copy()
        try:
            run(self._graph, next(self._frames), level, self.out)
            released = True
        except AcceleratorError:
            released = False
        following = bytes(ratchet(self.key, K)[0])
        turned = self._control.count(following) == 1
        assert self._control.count(self.key) + turned == 1
        if released:
            assert turned
            assert is_release(self.out, self.key, level)
        else:
            assert np.array_equal(self.out, before)
        self.key = following if turned else self.key
        return released


def case_a_node_that_is_left_out_never_makes_a_wrong_vector(opened, control):
    key = os.urandom(32)
    with opened(SMALL, key) as graph:
        attempts = Attempts(graph, control, key)
        for _ in range(3):
            assert attempts.run(0)
        noticed = set()
        for index, node in enumerate(NODES):
            control.break_node(index)
            if not attempts.run(1):
                noticed.add(node)
            assert set(unwiped(graph)) == {node.partition("wipe ")[2]} - {""}
            assert attempts.run(0)
            assert not set(unwiped(graph))
        # The rest is not noticed, and need not be: what came of it has its noise all the same.
        assert noticed == {"order in", "release", "result out"}


def case_a_copy_that_ends_early_never_makes_a_wrong_vector(opened, control):
    key = os.urandom(32)
    with opened(SMALL, key) as graph:
        attempts = Attempts(graph, control, key)
        whole = 2 * K + -2 * K % 16 + 16
        for nbytes in range(whole):
            control.truncate_copy(nbytes)
            assert not attempts.run(nbytes % 2)
        control.truncate_copy(whole)
        assert attempts.run(1)


def case_a_graph_that_ends_early_never_makes_a_wrong_vector(kernels, own_kernels, control):
    for index in range(len(NODES)):
        control.reset()
        device = Device()
        graph = start(device, Engine(device, own_kernels, D), kernels, bytearray(os.urandom(32)))
        out = np.full(K, 7, np.int16)
        control.break_node(index, LAUNCH_FAILED)
        with pytest.raises(AcceleratorError, match="dmesg"):
            run(graph, noise(SMALL, 1)[0], 0, out)
        assert (out == 7).all()
        for close in (graph.close, device.close):
            with pytest.raises(AcceleratorError):
                close()


@pytest.mark.parametrize("forgotten", ["release", "result out"])
def case_without_its_receipt_a_wrong_vector_would_come_out(opened, control, monkeypatch, forgotten):
    """The control of the cases above."""
    key = os.urandom(32)
    monkeypatch.setattr(Exchange, "verify", lambda _: None)
    with opened(SMALL, key) as graph:
        attempts = Attempts(graph, control, key)
        assert attempts.run(0)
        control.break_node(NODES.index(forgotten))
        with pytest.raises(AssertionError):
            attempts.run(0)


def case_whatever_call_fails_at_the_start_the_key_is_gone(kernels, own_kernels, control):
    statuses = itertools.cycle((UNKNOWN, LAUNCH_FAILED))
    for nth, status in zip(itertools.count(1), statuses, strict=False):
        control.reset()
        secret = os.urandom(32)
        key = bytearray(secret)
        with suppress(AcceleratorError), Device() as device:
            engine = Engine(device, own_kernels, D)
            control.fail("", status, nth)
            before = len(control.trace())
            with suppress(AcceleratorError):
                start(device, engine, kernels, key).close()
            calls = len(control.trace()) - before
            assert not any(key)
            assert not control.count(secret) or status == LAUNCH_FAILED
        assert not control.count(secret)
        if nth > calls:
            break
    assert calls > 100
    control.reset()
