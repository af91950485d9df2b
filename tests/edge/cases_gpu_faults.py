# SPDX-License-Identifier: Apache-2.0
"""The same for the way over a GPU: every call of the driver fails once, every node of the graph is
left out or breaks, copies stop in the middle, the engine makes what is no number.

Run by test_gpu_faults.py, in a process that has the CUDA driver on the CPU.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge.errors import ProcessorError
from kernels.errors import AcceleratorError
from kernels.exchange import Exchange
from kernels.frame_graph import FrameGraph
from tests.edge.device import Device, Plug
from tests.edge.gpu import Gpu
from tests.edge.stages import tiny_profile
from tests.kernels.host.driver.build import Control

FRAMES = 3
NODES = 12  # of the graph
OUT_OF_MEMORY, ILLEGAL_ADDRESS, LAUNCH_FAILED, NOT_SUPPORTED = 2, 700, 719, 801
STATUSES = (OUT_OF_MEMORY, ILLEGAL_ADDRESS, LAUNCH_FAILED, NOT_SUPPORTED)


class Way(Gpu):
    """A GPU that can be told to fail."""

    def __init__(self, profile, control):
        super().__init__(profile)
        self._control = control

    def holds(self):
        shared = any(block.any() for block in self.pinned)
        return bool(shared or self._control.nonzero())


@pytest.fixture
def control():
    return Control()


@pytest.fixture
def device(tmp_path, monkeypatch, control):
    """A function that runs a new device; `strike` is called before the frame of that turn."""
    numbers = itertools.count()

    def run(strike=None, turn=0, **more):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        profile = tiny_profile(embedding_scale=1.0)
        ran = Device(
            folder,
            monkeypatch,
            Plug("before process" if strike else None, strike, turn),
            FRAMES,
            profile,
        )
        ran.way, ran.around = Way(profile, control), more.get("around")
        return ran.run()

    return run


def nothing_wrong_left(ran, control):
    """What cannot be wiped any more, as in a context that is lost, must be told."""
    assert ran.lies() == []
    assert not ran.way.holds()
    assert ran.error or not control.nonzero_freed(), "device memory went back as it was"
    # An error that is kept keeps what was on its way, beyond the end of the context.
    assert all("a context ends with" in problem for problem in control.problems())


def told(ran):
    """The fault, in the daemon's error and in its last status alike; None: there was none."""
    assert ran.error is None or isinstance(ran.error, ProcessorError), ran.error
    fault = ran.error.fault if ran.error else None
    assert ran.publisher.last.fault == fault
    return fault


def test_without_a_fault_every_frame_is_released_and_all_is_wiped(device, control):
    ran = device()
    assert told(ran) is None
    assert ran.dirty, "the control: there was something to wipe"
    assert len(ran.messages()) == len(ran.seen) == FRAMES
    nothing_wrong_left(ran, control)
    assert control.live() == 0


def test_the_graph_has_as_many_nodes_as_are_broken_below(device, control):
    for node, fault in ((NODES - 1, "device-lost"), (NODES, None)):
        control.reset()
        assert told(device(lambda node=node: control.break_node(node, ILLEGAL_ADDRESS))) == fault


def calls_of_a_run(device, control):
    control.reset()
    device()
    return control.trace()


def test_whatever_call_of_the_driver_fails_nothing_wrong_leaves(device, control):
    calls = calls_of_a_run(device, control)
    assert len(calls) > 100
    for nth, status in zip(range(1, len(calls) + 1), itertools.cycle(STATUSES)):
        control.reset()
        control.fail("", status, nth)
        ran = device()
        # PyCUDA asks twice for memory; a context that ends cleans up what was not.
        assert told(ran) is not None or len(ran.messages()) == FRAMES, control.trace()[nth - 1]
        nothing_wrong_left(ran, control)


def test_a_graph_that_breaks_at_a_node_releases_nothing(device, control):
    for node, turn in itertools.product(range(NODES), (0, 2)):
        control.reset()
        ran = device(lambda node=node: control.break_node(node, ILLEGAL_ADDRESS), turn)
        assert told(ran) == "device-lost"
        assert len(ran.messages()) == turn
        nothing_wrong_left(ran, control)


def test_a_graph_that_leaves_a_node_out_and_says_nothing_lays_no_vector_bare(device, control):
    """It may see a black frame, or release the embedding of nothing, but never without noise."""
    for node, turn in itertools.product(range(NODES), (0, 2)):
        control.reset()
        ran = device(lambda node=node: control.break_node(node), turn)
        assert told(ran) in (None, "bad-receipt")
        assert ran.laid_bare() == []
        assert not ran.way.holds()
        assert not control.nonzero_freed()


def test_a_result_that_comes_back_in_part_is_not_taken(device, control):
    for length, turn in itertools.product(range(24), (0, 2)):
        control.reset()
        ran = device(lambda length=length: control.truncate_copy(length), turn)
        assert told(ran) == "bad-receipt"
        assert len(ran.messages()) == turn
        assert not control.nonzero_freed()
        nothing_wrong_left(ran, control)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_embedding_that_is_not_made_of_numbers_is_never_released(device, control, value):
    for turn in range(FRAMES):
        control.reset()
        made = []
        original = Gpu._open_engine

        def keep(way, *arguments, made=made, original=original):
            made.append(original(way, *arguments))
            return made[0]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Gpu, "_open_engine", keep)
            ran = device(lambda made=made: made[0].spoil(value), turn)
        assert told(ran) == "engine-nan"
        assert len(ran.messages()) == turn
        assert not control.nonzero_freed()
        nothing_wrong_left(ran, control)


@pytest.mark.parametrize(
    ("machine", "fault"),
    [((13000, 0), "no-device"), ((12010, 1), "driver-too-old"), ((11040, 1), "driver-too-old")],
)
def test_a_machine_that_will_not_do_is_told_and_nothing_is_opened(device, control, machine, fault):
    control.reset()
    control.machine(*machine)
    ran = device()
    assert told(ran) == fault
    assert ran.error.restart_may_cure == (fault == "no-device")  # it may come up late
    assert ran.messages() == []
    assert control.live() == 0


# The control: graphs and devices that are not careful are found out.


def test_control_a_graph_that_believes_every_result_is_found_out(device, control, monkeypatch):
    monkeypatch.setattr(Exchange, "verify", lambda _: None)
    found = []
    for node in range(NODES):
        control.reset()
        ran = device(lambda node=node: control.break_node(node), 1)
        found += [node] if ran.laid_bare() else []
    assert len(found) >= 2, "the release and the copy of its result"


def test_control_a_device_that_goes_on_after_a_fault_is_found_out(device, control):
    def careless(process):
        def processed(frame, level, out, lap):
            with frame:
                try:
                    process(frame, level, out, lap)
                except ProcessorError:
                    return

        return processed

    control.reset()
    ran = device(lambda: control.truncate_copy(3), 1, around=careless)
    assert 1 in ran.lies()


def test_control_a_graph_that_is_not_wiped_is_found_out(device, control, monkeypatch):
    control.reset()
    monkeypatch.setattr(FrameGraph, "close", lambda _: None)
    monkeypatch.setattr("kernels.cuda.Device.wipe", lambda *_: None)
    device()
    assert control.nonzero_freed()
    control.reset()


def test_the_faults_that_were_injected_are_the_accelerators(device, control):
    """That a fault is told under its own name, and not under some name."""
    for function, status, fault in (
        ("cuMemAlloc", OUT_OF_MEMORY, "out-of-memory"),
        ("cuGraphLaunch", LAUNCH_FAILED, "device-lost"),
        ("cuModuleLoad", 209, "no-kernels"),
        ("cuStreamEndCapture", 901, "engine"),
        ("cuInit", 34, "no-driver"),
    ):
        control.reset()
        control.fail(function, status, times=2)  # PyCUDA asks twice for memory
        ran = device()
        assert told(ran) == fault
        assert isinstance(ran.error.__cause__, AcceleratorError)
        nothing_wrong_left(ran, control)
