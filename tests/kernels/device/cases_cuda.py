# SPDX-License-Identifier: Apache-2.0
"""The device: its memory, its thread, its graphs, and every way in which it can fail."""

import os
import re
import signal
import subprocess
import sys
import threading
from ctypes import byref, c_size_t, c_uint64

import numpy as np
import pytest

from kernels.cuda import Device, _pycuda
from kernels.errors import AcceleratorError, ReleaseError
from kernels.graph import Graph, Marks
from kernels.libcuda import _SIGNATURES, libcuda
from kernels.profile import time_nothing
from tests.kernels.device.engine import PLANES_BYTES, Engine

OUT_OF_MEMORY, UNKNOWN, ILLEGAL_ADDRESS = 2, 999, 700
# Clean-up, whose failure PyCUDA or we only write down: the end of the context does it as well.
UNTOLD = {
    "cuCtxPopCurrent",
    "cuDevicePrimaryCtxRelease",
    "cuEventDestroy",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuMemFree",
    "cuMemHostUnregister",
    "cuModuleUnload",
    "cuStreamDestroy",
}


def some(count):
    return np.random.default_rng(count).integers(1, 256, count, dtype=np.uint8)


def read(device, buffer):
    found = device.pinned(buffer.nbytes)
    device.copy_out(found, buffer)
    device.synchronise()
    return found


# ---- memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize("nbytes", [1, 255, 4097, 1_000_003])
def case_memory_is_zeroed_holds_what_is_copied_and_can_be_wiped(device, nbytes):
    buffer = device.allocate(nbytes)
    assert buffer.pointer % 256 == 0
    assert not read(device, buffer).any()
    device.copy_in(buffer, some(nbytes))
    assert np.array_equal(read(device, buffer), some(nbytes))
    device.wipe(buffer)
    assert not read(device, buffer).any()


def case_fresh_memory_would_be_full_of_garbage(control, device, monkeypatch):
    """The control of the case above: it is our zeros that were read."""
    monkeypatch.setattr(Device, "wipe", lambda *_: None)
    buffer = device.allocate(100)
    assert read(device, buffer).all()
    monkeypatch.undo()
    device.free(buffer)


def case_what_does_not_fit_is_refused(device):
    buffer = device.allocate(10)
    for copy in (device.copy_in, lambda to, array: device.copy_out(array, to)):
        with pytest.raises(ReleaseError, match="11 bytes do not fit in 10"):
            copy(buffer, some(11))


def case_nothing_happens_before_it_is_awaited(control, device):
    buffer, found = device.upload(some(5)), device.pinned(5)
    device.copy_out(found, buffer)
    assert not found.any()
    device.synchronise()
    assert found.all()


def case_pinned_memory_outlives_the_device_and_is_wiped(watched):
    with Device() as device:
        found = device.pinned(100)
        found[:] = 1
    assert not found.any()
    found[:] = 2  # still there


def case_memory_is_wiped_before_it_goes(control, device):
    buffer = device.upload(some(100))
    assert control.nonzero() == 100
    device.free(buffer)
    assert (control.nonzero(), control.nonzero_freed()) == (0, 0)


def case_unwiped_memory_would_be_seen(control, monkeypatch):
    """The control of the case above."""
    with Device() as device:
        device.upload(some(100))
        monkeypatch.setattr(Device, "wipe", lambda *_: None)
    assert control.nonzero_freed() == 100
    control.reset()


# ---- whose it is --------------------------------------------------------------------------------


def case_one_after_the_other_may_have_it(watched):
    for _ in range(2):
        with Device() as device:
            assert device.name
            assert device.compute_capability >= (8, 7)
            assert device.driver_version >= 12020


def case_two_may_have_it_at_once(watched):
    with Device() as first:
        buffer = first.upload(some(9))
        with Device() as second:
            second.upload(some(10))
        assert np.array_equal(read(first, buffer), some(9))


def case_it_is_used_by_its_thread_only(device):
    buffer = device.allocate(10)
    calls = [
        lambda: device.allocate(10),
        lambda: device.wipe(buffer),
        lambda: device.stream,
        device.synchronise,
        device.close,
    ]
    refused = []

    def elsewhere():
        for call in calls:
            with pytest.raises(ReleaseError, match="thread"):
                call()
            refused.append(call)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert refused == calls
    assert not read(device, buffer).any()  # it is still whole


def case_after_close_it_is_of_no_use(watched):
    device = Device()
    buffer = device.allocate(10)
    device.close()
    device.close()
    for call in (device.synchronise, lambda: device.allocate(1), lambda: device.wipe(buffer)):
        with pytest.raises(ReleaseError, match="close"):
            call()


# ---- kernels and graphs -------------------------------------------------------------------------


def case_a_kernel_is_loaded_and_runs(device, kernels):
    timings = time_nothing(device, 5, kernels)
    assert list(timings.stages) == ["empty"]
    assert timings.stages["empty"].shape == timings.replay.shape == (5,)
    assert (timings.replay > 0).all()


@pytest.mark.parametrize(
    "content", [b"", b"\x50\xed\x55\xba and nothing for this GPU", b"no image at all", None]
)
def case_a_file_without_kernels_for_this_gpu_is_refused(device, tmp_path, content):
    file = tmp_path / "lethe.fatbin"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AcceleratorError, match=r"run ./build.sh kernels") as caught:
        device.load(file, {})
    assert caught.value.fault == "no-kernels"


def case_a_kernel_that_is_not_in_the_file_is_refused(device, kernels):
    with pytest.raises(AcceleratorError) as caught:
        device.load(kernels, {"release": "P", "encode": "P"})
    assert caught.value.fault == "no-kernels"


def case_a_graph_does_its_work_when_it_is_replayed(device):
    given, found = device.pinned(9), device.pinned(9)
    buffer = device.allocate(9)

    def work():
        device.copy_in(buffer, given)
        device.copy_out(found, buffer)
        device.wipe(buffer)

    graph = Graph(device, work)
    assert not found.any()
    for value in (3, 4):
        given[:] = value
        graph.replay()
        device.synchronise()
        assert (found == value).all()
        assert not read(device, buffer).any()
    graph.close()
    graph.close()


@pytest.mark.parametrize("what", ["allocate", "synchronise"])
def case_what_cannot_be_recorded_is_an_error_of_the_engine(device, what):
    """Only the engine could do so: all else is ours."""
    work = {"allocate": lambda: device.allocate(1), "synchronise": device.synchronise}[what]
    with pytest.raises(AcceleratorError) as caught:
        Graph(device, work)
    assert caught.value.fault == "engine"
    assert not read(device, device.allocate(5)).any()


def case_an_error_while_recording_ends_the_recording(device):
    with pytest.raises(ZeroDivisionError):
        Graph(device, lambda: 1 / 0)
    Graph(device, lambda: None).close()
    assert not read(device, device.allocate(5)).any()


def case_marks_tell_the_time_between_them(device):
    marks, buffer = Marks(device, 3), device.allocate(100_000)

    def work():
        for index in range(3):
            marks.record(index)
            device.wipe(buffer)

    graph = Graph(device, work)
    with pytest.raises(AcceleratorError):
        marks.elapsed_s()  # not passed yet
    graph.replay()
    device.synchronise()
    assert marks.elapsed_s().shape == (2,)
    assert (marks.elapsed_s() > 0).all()
    graph.close()
    marks.close()


# ---- what the CPU's driver notices: the control of all cases that end without a problem ---------


def case_a_kernel_that_writes_out_of_bounds_is_noticed(control, own_kernels):
    with Device() as device:
        engine = Engine(device, own_kernels, dim=10)
        planes, workspace = (device.allocate(PLANES_BYTES) for _ in range(2))
        short = device.allocate(4 * 9)
        engine.enqueue(device.stream, planes.pointer, short.pointer, workspace.pointer)
        device.synchronise()
    assert control.problems() == ["engine wrote out of the bounds of 36 bytes"]
    control.reset()


def case_memory_that_is_used_after_it_is_freed_stops_the_process(control, own_kernels):
    script = f"""
from pathlib import Path
from kernels.cuda import Device
from tests.kernels.device.engine import PLANES_BYTES, Engine
device = Device()
engine = Engine(device, Path({str(own_kernels)!r}), dim=10)
buffers = [device.allocate(PLANES_BYTES) for _ in range(3)]
device.free(buffers[FREED]) if FREED < 3 else None
engine.enqueue(device.stream, *(buffer.pointer for buffer in buffers))
device.synchronise()
device.close()
"""
    ends = []
    for freed in range(4):
        command = [sys.executable, "-c", script.replace("FREED", str(freed))]
        ends.append(subprocess.run(command, capture_output=True, check=False).returncode)
    assert ends == [-signal.SIGSEGV] * 3 + [0]


def case_a_recorded_copy_of_pageable_memory_is_noticed(control):
    with Device() as device:
        buffer, pageable = device.allocate(9), np.zeros(9, np.uint8)
        Graph(device, lambda: device.copy_in(buffer, pageable)).close()
        Graph(device, lambda: device.copy_out(pageable, buffer)).close()
    assert control.problems() == [
        "a copy from pageable memory is recorded",
        "a copy to pageable memory is recorded",
    ]
    control.reset()


def case_what_is_not_given_back_is_noticed(control):
    with Device() as device:
        libcuda().cuMemAlloc_v2(byref(c_uint64()), c_size_t(100))
        Marks(device, 2)
    assert control.problems() == [
        "a context ends with 1 pieces of its memory in use",
        "a context ends with 2 of events",
    ]
    control.reset()


# ---- failures -----------------------------------------------------------------------------------

FAULTS = [
    ("cuInit", 34, "no-driver"),
    ("cuInit", 100, "no-device"),
    ("cuInit", 802, "no-device"),
    ("cuInit", 803, "driver-too-old"),
    ("cuInit", 804, "driver-too-old"),
    ("cuDeviceGet", 101, "no-device"),
    ("cuDevicePrimaryCtxRetain", 46, "no-device"),
    ("cuDevicePrimaryCtxRetain", 2, "out-of-memory"),
    ("cuCtxPushCurrent", 999, "device-lost"),
    ("cuStreamCreate", 2, "out-of-memory"),
    ("cuMemAlloc", 2, "out-of-memory"),
    ("cuMemHostRegister", 2, "out-of-memory"),
    ("cuMemcpyHtoDAsync", 700, "device-lost"),
    ("cuStreamSynchronize", 719, "device-lost"),
    ("cuStreamSynchronize", 214, "device-lost"),
    ("cuModuleLoad", 209, "no-kernels"),
    ("cuModuleLoad", 218, "no-kernels"),
    ("cuModuleLoad", 221, "no-kernels"),
    ("cuModuleLoad", 222, "driver-too-old"),
    ("cuModuleGetFunction", 500, "no-kernels"),
    ("cuLaunchKernel", 701, "no-kernels"),
    ("cuStreamBeginCapture", 999, "device-lost"),
    ("cuStreamEndCapture", 901, "engine"),
    ("cuGraphInstantiateWithFlags", 2, "out-of-memory"),
    ("cuGraphUpload", 2, "out-of-memory"),
    ("cuGraphLaunch", 719, "device-lost"),
    ("cuEventCreate", 2, "out-of-memory"),
]


def everything(kernels):
    """A use of the device in which every function of the driver occurs."""
    with Device() as device:
        time_nothing(device, 1, kernels)
        read(device, device.upload(some(7)))


@pytest.mark.parametrize(("function", "status", "fault"), FAULTS)
def case_every_failure_has_its_fault_and_a_cure(control, kernels, function, status, fault):
    control.fail(function, status, times=2)  # PyCUDA asks twice for memory
    with pytest.raises(AcceleratorError, match="; ") as caught:
        everything(kernels)
    assert (caught.value.fault, caught.value.__cause__) == (fault, None)


def case_whatever_call_fails_the_error_is_ours_and_nothing_stays(control, kernels):
    everything(kernels)
    for nth in range(1, len(control.trace()) + 1):
        for status in (OUT_OF_MEMORY, ILLEGAL_ADDRESS, UNKNOWN):
            control.reset()
            control.fail("", status, nth)
            try:
                everything(kernels)
                told = False
            except AcceleratorError:
                told = True
            failed = control.trace()[nth - 1]
            again = (failed, status) == ("cuMemAlloc", OUT_OF_MEMORY)  # PyCUDA asks twice
            assert told or again or failed in UNTOLD, failed
            assert told or not control.nonzero_freed(), failed
            assert not control.live() or failed == "cuDevicePrimaryCtxRelease"
    control.reset()


def case_a_device_is_needed(control):
    control.machine(13000, devices=0)
    with pytest.raises(AcceleratorError, match="nvidia-smi") as caught:
        Device()
    assert caught.value.fault == "no-device"


@pytest.mark.parametrize(
    ("version", "compiled", "words"), [(12010, 12, "12.1, 12.2"), (12060, 13, "12.6, 13.0")]
)
def case_a_driver_may_be_too_old(control, monkeypatch, version, compiled, words):
    monkeypatch.setattr(_pycuda(), "get_version", lambda: (compiled, 0, 0))
    control.machine(version)
    with pytest.raises(AcceleratorError, match=f"is for CUDA {words} is needed; update") as caught:
        Device()
    assert caught.value.fault == "driver-too-old"


def case_a_later_driver_is_welcome(control):
    control.machine(14020)
    Device().close()


def case_a_lost_context_is_left_and_a_new_one_can_be_had(control):
    device = Device()
    device.upload(some(100))
    control.fail("cuStreamSynchronize", ILLEGAL_ADDRESS)
    for _ in range(2):  # and so it goes on
        with pytest.raises(AcceleratorError, match="dmesg") as caught:
            device.synchronise()
        assert caught.value.fault == "device-lost"
    with pytest.raises(AcceleratorError, match="dmesg"):
        device.close()  # it must say that it could not wipe
    device.close()
    assert control.live() == 0
    with Device() as another:
        assert not read(another, another.allocate(10)).any()


# ---- before there is a driver -------------------------------------------------------------------

OPEN = "from kernels.cuda import Device; Device()"


def said_by(script, **environment):
    """The last line of a new process."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.splitlines()[-1]


def case_without_a_driver_it_says_what_to_install(tmp_path):
    (tmp_path / "libcuda.so.1").write_text("no library")
    said = said_by(OPEN, LD_LIBRARY_PATH=str(tmp_path))
    assert "AcceleratorError" in said
    assert "libcuda.so.1" in said
    assert "install NVIDIA's driver" in said


def case_without_pycuda_it_says_what_to_install():
    said = said_by(f"import sys; sys.modules['pycuda'] = None; {OPEN}")
    assert "AcceleratorError" in said
    assert "PyCUDA" in said
    assert "./build.sh setup" in said


@pytest.mark.parametrize(
    ("functions", "words"),
    [([], "has no cuGetErrorString"), (list(_SIGNATURES), "PyCUDA: .*undefined symbol: cu")],
)
def case_a_driver_without_what_is_called_is_too_old(tmp_path, functions, words):
    source = "".join(f"int {name}(void) {{ return 0; }}" for name in functions)
    compiler = ["gcc", "-shared", "-Wl,-soname,libcuda.so.1", "-x", "c", "-", "-o"]
    subprocess.run([*compiler, tmp_path / "libcuda.so.1"], input=source, text=True, check=True)
    said = said_by(OPEN, LD_LIBRARY_PATH=str(tmp_path))
    assert re.search(f"AcceleratorError: .*{words}.*; update NVIDIA's driver", said)
