# SPDX-License-Identifier: Apache-2.0
"""How long things take on the GPU, by its own events inside a graph and by the host's clock around.

Timings of a graph with events tell the stages apart; those of the same graph without them are what
a caller waits. Nothing that is computed leaves the device.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels.cuda import Device
from kernels.exchange import ORDER, RECEIPT
from kernels.graph import Graph, Marks
from kernels.launch import FATBIN, PARAMETERS, ReleaseKernel
from kernels.noise import KEY_BYTES
from kernels.reference import ReleaseParameters

Stage = tuple[str, Callable[[], None]]  # its name, and what enqueues it
Seconds = NDArray[np.float64]

WARM_UP = 16  # replays that do not count


@dataclass(frozen=True, slots=True, eq=False)
class Timings:
    """Seconds, an array (count,) each, in the order of the replays."""

    stages: dict[str, Seconds]  # on the GPU
    replay: Seconds  # on the host: from the launch of the graph until it is done


def time_stages(
    device: Device, stages: Sequence[Stage], prepare: Callable[[], None], count: int
) -> Timings:
    """Record the stages as one graph and replay it `count` times, `prepare` before each time."""
    with (
        closing(Marks(device, len(stages) + 1)) as marks,
        closing(Graph(device, lambda: _run_marked(stages, marks))) as marked,
        closing(Graph(device, lambda: _run(stages))) as plain,
    ):
        waited = [_replay(device, plain, prepare) for _ in range(WARM_UP + count)]
        found = []
        for _ in range(WARM_UP + count):
            _replay(device, marked, prepare)
            found.append(marks.elapsed_s())
    columns = np.array(found[WARM_UP:]).T
    names = [name for name, _ in stages]
    return Timings(dict(zip(names, columns, strict=True)), np.array(waited[WARM_UP:]))


def time_nothing(device: Device, count: int, kernels: Path = FATBIN) -> Timings:
    """A graph of one kernel that does nothing: the least that any graph takes."""
    empty = device.load(kernels, PARAMETERS)["empty"]
    stage = ("empty", lambda: device.launch(empty, (1, 1), (1, 1, 1)))
    return time_stages(device, [stage], lambda: None, count)


def time_releases(
    device: Device,
    parameters: ReleaseParameters,
    batch: int,
    count: int,
    kernels: Path = FATBIN,
) -> Timings:
    """The release of `batch` random embeddings, each with a key of its own, in one launch."""
    released_dim, embedding_dim = parameters.projection.shape
    release = ReleaseKernel(device, device.load(kernels, PARAMETERS)["release"], parameters)
    random = np.random.default_rng(batch).standard_normal((batch, embedding_dim))
    given = [
        device.upload((random * 32 * parameters.embedding_scale).astype(np.float32)),
        device.upload(np.zeros(batch, ORDER)),
        device.upload(np.frombuffer(os.urandom(KEY_BYTES * batch), np.uint8)),
    ]
    made = [device.allocate(2 * released_dim * batch), device.allocate(RECEIPT.itemsize * batch)]
    embeddings, orders, keys, vectors, receipts = (buffer.pointer for buffer in (*given, *made))

    def enqueue() -> None:
        release.enqueue(embeddings, orders, keys, vectors, receipts, batch)

    try:
        return time_stages(device, [("release", enqueue)], lambda: None, count)
    finally:
        device.free(*given, *made, *release.constants)


def _run(stages: Sequence[Stage]) -> None:
    for _, enqueue in stages:
        enqueue()


def _run_marked(stages: Sequence[Stage], marks: Marks) -> None:
    marks.record(0)
    for index, (_, enqueue) in enumerate(stages, start=1):
        enqueue()
        marks.record(index)


def _replay(device: Device, graph: Graph, prepare: Callable[[], None]) -> float:
    """Seconds from the launch until all is done."""
    prepare()
    start = time.perf_counter()
    graph.replay()
    device.synchronise()
    return time.perf_counter() - start
