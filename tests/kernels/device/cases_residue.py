# SPDX-License-Identifier: Apache-2.0
"""Nothing of a frame is in the device's memory after it: by searching.

What is searched is all memory that the frame graph has and, on a GPU, all that is free there: what
was given back unwiped, or held by the driver for a while, lies in it.
"""

import os
from contextlib import contextmanager
from ctypes import byref, c_size_t, c_uint64

import numpy as np
import pytest

from kernels.cuda import Device
from kernels.frame import FrameFormat
from kernels.frame_graph import FrameGraph
from kernels.libcuda import libcuda
from tests.kernels.device.cpu_path import RATE_HZ, CpuPath, D, K, noise, parameters
from tests.kernels.device.engine import Engine

LAYOUT = FrameFormat("GRAY8", 80, 64)
NEEDLE = 16
THREADS = 256
CHUNK = 1 << 28
SHARE = 0.8  # of what is free: on a Jetson it is the whole system's memory


class Search:
    """Looks for needles on the device itself."""

    def __init__(self, device, image):
        self._device = device
        self._kernel = device.load(image, {"search": "PQPiP"})["search"]

    def count(self, pieces, needles):
        """How often any needle occurs in the pieces of memory, (address, bytes) each."""
        device = self._device
        sought = device.upload(np.frombuffer(b"".join(needles), np.uint8))
        found, total = device.allocate(4), np.zeros(1, np.uint32)
        for address, nbytes in pieces:
            given = address, nbytes, sought.pointer, len(needles), found.pointer
            blocks = 1 + min(nbytes // THREADS // 64, 2047)
            device.launch(self._kernel, (blocks, 1), (THREADS, 1, 1), *given)
        device.copy_out(total, found)
        device.free(sought, found)
        return int(total[0])


@contextmanager
def free_memory():
    """Most of what is free on a GPU, unwiped, as it comes; nothing on the CPU's driver."""
    free, total, taken = c_size_t(), c_size_t(), []
    libcuda().cuMemGetInfo_v2(byref(free), byref(total))
    while sum(nbytes for _, nbytes in taken) < SHARE * free.value:
        address = c_uint64()
        if libcuda().cuMemAlloc_v2(byref(address), c_size_t(CHUNK)):
            break
        taken.append((address.value, CHUNK))
    yield taken
    for address, _ in taken:
        libcuda().cuMemFree_v2(c_uint64(address))


def used_memory(graph):
    return [(buffer.pointer, buffer.nbytes) for buffer in graph._buffers]


def needles_of(cpu):
    """Pieces of what the last frame became; the embedding's bytes too."""
    for array in (cpu.frame, cpu.canvas, cpu.planes[0], cpu.embedding):
        raw = array.tobytes()
        cut = [raw[i : i + NEEDLE] for i in range(0, len(raw) - NEEDLE, 211)]
        yield from [piece for piece in cut if len(set(piece)) > 4][:6]


@pytest.fixture
def machine(own_kernels, kernels, watched):
    """A device with a search on it, and a frame graph that has seen two frames, unless told not."""

    @contextmanager
    def open_one(cpu):
        with Device() as device:
            engine, key = Engine(device, own_kernels, D), bytearray(cpu.key)
            search = Search(device, own_kernels)
            graph = FrameGraph(
                device, LAYOUT, parameters(), RATE_HZ, engine, memoryview(key), kernels
            )
            out = np.zeros(K, np.int16)
            for frame in noise(LAYOUT, 2):
                cpu.run(frame, 0, out)
                graph.frame[:] = frame
                graph.run(0, out)
            yield graph, search
            graph.close()

    return open_one


def case_no_piece_of_a_frame_is_left_on_the_device(machine):
    cpu = CpuPath(LAYOUT, os.urandom(32))
    with machine(cpu) as (graph, search), free_memory() as free:
        needles = list(needles_of(cpu))
        assert len(needles) > 12
        assert search.count([*used_memory(graph), *free], needles) == 0
        assert search.count(used_memory(graph), [bytes(cpu.key[:NEEDLE])]) == 1


def case_what_is_left_there_is_found(machine, monkeypatch):
    """The control of the case above."""
    monkeypatch.setattr(FrameGraph, "_wipe", lambda _: None)
    cpu = CpuPath(LAYOUT, os.urandom(32))
    with machine(cpu) as (graph, search):
        for needle in needles_of(cpu):
            assert search.count(used_memory(graph), [needle]) >= 1


def case_nothing_is_left_after_the_end(machine):
    cpu = CpuPath(LAYOUT, os.urandom(32))
    with machine(cpu):
        pass
    needles = [*needles_of(cpu), bytes(cpu.key[:NEEDLE])]
    with machine(CpuPath(LAYOUT, os.urandom(32))) as (_, search), free_memory() as free:
        assert search.count(free, needles) == 0
