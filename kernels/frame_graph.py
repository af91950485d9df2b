# SPDX-License-Identifier: Apache-2.0
"""From a frame to its released vector on the GPU: one graph, recorded once, replayed per frame.

Order, all on one stream: copy the frame and the order in, area average, planes, encode, release,
wipe, copy the vector and its receipt out. The frame's bytes on the host are wiped in the end.

What has seen a person (frame, canvas, planes, embedding, the engine's workspace) is zero again when
`run` returns; what is kept of the room is low-resolution. Nothing is allocated per frame.

Only a vector leaves whose receipt says that it is the one ordered; see `exchange`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from kernels.cuda import Buffer, Device
from kernels.desensitise import PLANES, Rates
from kernels.errors import AcceleratorError, ReleaseError
from kernels.exchange import Exchange
from kernels.frame import CANVAS_H, CANVAS_W, FrameFormat
from kernels.graph import Graph
from kernels.launch import FATBIN, PARAMETERS, STATE_BYTES, PlaneKernels, ReleaseKernel
from kernels.noise import KEY_BYTES
from kernels.profile import Stage, Timings, time_stages
from kernels.reference import ReleaseParameters

_NO_KEY = bytes(KEY_BYTES)


class GraphEngine(Protocol):
    """An inference that can be recorded. What it keeps of its input is in `workspace` only."""

    embedding_dim: int
    """D."""

    workspace_bytes: int
    """Device memory that it wants while it runs."""

    def enqueue(self, stream: int, planes: int, embedding: int, workspace: int) -> None:
        """One inference on a CUstream; device addresses: u8 (1, 3, 64, 80) -> f32 (1, D).

        Called twice, the second time in a recording. Raises AcceleratorError.
        """

    def close(self) -> None:
        """Give everything back. Idempotent."""


@final
class FrameGraph:
    """The whole way of a frame, for one camera. Use and close it before its device and its engine.

    `key`: 32 writable bytes, fresh from the kernel's random source; it is wiped, and from then on
    lives in the device's memory only, overwritten by the next one at every release.

    Raises AcceleratorError, or ReleaseError for arguments that do not fit each other.
    """

    def __init__(
        self,
        device: Device,
        layout: FrameFormat,
        parameters: ReleaseParameters,
        rate_hz: int,
        engine: GraphEngine,
        key: memoryview,
        kernels: Path = FATBIN,
    ) -> None:
        secret = _writable(key)
        self._device = device
        self._engine = engine
        self._parameters = parameters
        self._graph: Graph | None = None
        self._buffers: list[Buffer] = []
        self._closed = False
        self.frame: NDArray[np.uint8] = np.empty(0, np.uint8)
        """(nbytes,) uint8, packed, registered with the driver: the camera fills it."""
        try:
            self._require_fit()
            self._allocate(layout)
            self._load(kernels, layout, rate_hz)
            self._take(secret)
            self._rehearse()
            self._graph = Graph(device, self._enqueue)
        except BaseException:
            with suppress(AcceleratorError):  # the first fault is the one to tell
                self.close()
            raise
        finally:
            secret[:] = _NO_KEY

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Names, and what enqueues each, in order."""
        return (
            ("copy in", self._copy_in),
            ("area average", self._average),
            ("planes", self._difference),
            ("encode", self._encode),
            ("release", self._release),
            ("wipe", self._wipe),
            ("copy out", self._copy_out),
        )

    def run(self, level: int | None, out: NDArray[np.int16]) -> None:
        """The frame in `self.frame` -> out (K,) int16, with the noise of sigmas[level].

        Without a level the frame is looked at, and nothing released. The frame is wiped in any
        case. Raises AcceleratorError, and `out` is unchanged then.
        """
        graph, exchange = self._recorded(), self._exchange
        exchange.check(level, out)
        try:
            exchange.place(level)
            graph.replay()
            self._device.synchronise()
            exchange.verify()
            exchange.deliver(out)
        except AcceleratorError:
            with suppress(AcceleratorError):  # a context that is lost cannot be wiped
                self._wipe()
                exchange.wipe()
                self._device.synchronise()
            raise
        finally:
            self.frame.fill(0)

    def measure(self, frame: NDArray[np.uint8], level: int | None, count: int) -> Timings:
        """How long each stage takes, and the whole graph, for `frame` over and over again.

        What is released is thrown away, its keys are used up. Raises AcceleratorError.
        """
        self._recorded()

        def prepare() -> None:
            np.copyto(self.frame, frame)
            self._exchange.place(level)

        try:
            return time_stages(self._device, self.stages, prepare, count)
        finally:
            self.frame.fill(0)

    def close(self) -> None:
        """Wipe everything, on the device and on the host, the key too. Idempotent.

        Raises AcceleratorError, in the end, when the device's memory could not be wiped.
        """
        if self._closed:
            return
        self._device.check_use()
        self._closed = True
        self.frame.fill(0)
        if self._graph is not None:
            self._graph.close()
        self._device.free(*self._buffers)

    # ---- the stages ------------------------------------------------------------------------------

    def _enqueue(self) -> None:
        for _, stage in self.stages:
            stage()

    def _copy_in(self) -> None:
        self._device.copy_in(self._frame, self.frame)
        self._exchange.send()

    def _average(self) -> None:
        self._planes_kernels.average(self._frame.pointer, self._canvas.pointer)

    def _difference(self) -> None:
        self._planes_kernels.planes(self._canvas.pointer, self._state.pointer, self._planes.pointer)

    def _encode(self) -> None:
        self._engine.enqueue(
            self._device.stream,
            self._planes.pointer,
            self._embedding.pointer,
            self._workspace.pointer,
        )

    def _release(self) -> None:
        self._release_kernel.enqueue(
            self._embedding.pointer,
            self._exchange.order,
            self._key.pointer,
            self._exchange.vector,
            self._exchange.receipt,
            batch=1,
        )

    def _wipe(self) -> None:
        for buffer in (
            self._frame,
            self._canvas,
            self._planes,
            self._embedding,
            self._workspace,
        ):
            self._device.wipe(buffer)

    def _copy_out(self) -> None:
        self._exchange.fetch()

    def _recorded(self) -> Graph:
        if self._closed or self._graph is None:
            raise ReleaseError("used after close")
        return self._graph

    # ---- at the start ----------------------------------------------------------------------------

    def _require_fit(self) -> None:
        embedding_dim = self._parameters.projection.shape[1]
        if self._engine.embedding_dim != embedding_dim:
            raise ReleaseError(
                f"the engine makes embeddings of {self._engine.embedding_dim} values, "
                f"the projection takes {embedding_dim}"
            )

    def _allocate(self, layout: FrameFormat) -> None:
        self.frame = self._device.pinned(layout.nbytes)
        self._frame = self._take_memory(layout.nbytes)
        self._canvas = self._take_memory(CANVAS_H * CANVAS_W)
        self._state = self._take_memory(STATE_BYTES)
        self._planes = self._take_memory(PLANES * CANVAS_H * CANVAS_W)
        self._embedding = self._take_memory(4 * self._engine.embedding_dim)
        self._workspace = self._take_memory(max(1, self._engine.workspace_bytes))
        self._key = self._take_memory(KEY_BYTES)
        self._exchange = Exchange(self._device, self._parameters)
        self._buffers.extend(self._exchange.buffers)

    def _take_memory(self, nbytes: int) -> Buffer:
        self._buffers.append(self._device.allocate(nbytes))
        return self._buffers[-1]

    def _load(self, kernels: Path, layout: FrameFormat, rate_hz: int) -> None:
        compiled = self._device.load(kernels, PARAMETERS)
        self._planes_kernels = PlaneKernels(self._device, compiled, layout, Rates.at(rate_hz))
        self._release_kernel = ReleaseKernel(self._device, compiled["release"], self._parameters)
        self._buffers.extend(self._release_kernel.constants)

    def _take(self, secret: memoryview) -> None:
        """Move the key to the device, by way of memory that the GPU reads and that is wiped."""
        if secret == _NO_KEY:
            raise ReleaseError("the noise key is all zeros")
        staging = self.frame[:KEY_BYTES]
        try:
            staging.data[:] = secret
            self._device.copy_in(self._key, staging)
            self._device.synchronise()
        finally:
            staging.fill(0)

    def _rehearse(self) -> None:
        """Once without a graph, on a black frame and with no release; then forget it.

        An engine may leave to its first run what cannot be recorded, and what does not work should
        show before there is a frame.
        """
        self._exchange.place(None)
        self._enqueue()
        self._device.wipe(self._state)
        self._device.synchronise()
        self._exchange.verify()


def _writable(key: memoryview) -> memoryview:
    view = memoryview(key)
    if view.readonly or view.nbytes != KEY_BYTES or not view.c_contiguous:
        raise ReleaseError(f"key must be {KEY_BYTES} writable bytes")
    return view.cast("B")
