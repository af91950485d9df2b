# SPDX-License-Identifier: Apache-2.0
"""The way from frame to vector on an NVIDIA GPU: one graph, replayed for each frame.

The camera fills memory that the GPU reads. From there on a frame, its planes and its embedding live
and die on the GPU, as does the noise key; what comes back is the vector and its receipt.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from edge.arena import Arena
from edge.config import EdgeConfig, state_dir
from edge.encoders.plan import plan_folder
from edge.encoders.tensorrt import open_engine
from edge.errors import ConfigError, UseAfterWipe
from edge.frame import Frame
from edge.mechanism import fill_with_randomness, release_parameters
from edge.processors.faults import named_faults
from kernels.cuda import Device
from kernels.frame import FrameFormat
from kernels.frame_graph import FrameGraph, GraphEngine
from kernels.noise import KEY_BYTES
from kernels.profile import time_nothing, time_releases
from kernels.reference import ReleaseParameters
from wire.profile import Profile

CAMERA_FRAME = FrameFormat("NV12", 640, 480)  # what a Jetson's video engine writes by itself
BATCHES = (1, 64, 4096)  # of releases that are timed: one sensor, and a server full of them


@final
class CudaProcessor:
    """Owns the device and the engine that it is given, and the graph over both."""

    stages: tuple[str, ...] = ("graph",)
    format = CAMERA_FRAME

    def __init__(
        self,
        device: Device,
        engine: GraphEngine,
        graph: FrameGraph,
        parameters: ReleaseParameters,
    ) -> None:
        """`graph`: for frames of `format`, and with a release of these `parameters`."""
        self.canvas = graph.frame
        major, minor = divmod(device.driver_version // 10, 100)
        self.hardware = f"{device.name}, driver for CUDA {major}.{minor}"
        self._device, self._engine, self._graph = device, engine, graph
        self._parameters = parameters
        self._closed = False

    def process(
        self,
        frame: Frame,
        level: int | None,
        out: npt.NDArray[np.int16],
        lap: Callable[[], None],
    ) -> None:
        """See `FrameProcessor`."""
        with named_faults(), frame:
            if self._closed:
                raise UseAfterWipe("this processor is closed")
            if frame.pixels is not self.canvas:
                raise ValueError("a frame that does not lie on the canvas")
            self._graph.run(level, out)
        lap()

    def measure(self, frames: int) -> dict[str, npt.NDArray[np.float64]]:
        """The stages on the GPU, whole graphs from launch to end, and releases in batches."""
        noise = np.random.default_rng(1).integers(0, 256, self.format.nbytes, np.uint8)
        with named_faults():
            whole = self._graph.measure(noise, 0, frames)
            found = dict(whole.stages)
            found["frame's graph"] = whole.replay
            found["graph of an empty kernel"] = time_nothing(self._device, frames).replay
            for batch in BATCHES:
                release = time_releases(self._device, self._parameters, batch, frames)
                found[f"release of {batch}"] = release.stages["release"]
                found[f"graph of a release of {batch}"] = release.replay
        return found

    def close(self) -> None:
        """Wipe and close all of it, whatever one of them raises."""
        self._closed = True
        with named_faults(), ExitStack() as rooms:  # in reverse
            rooms.callback(self._device.close)
            rooms.callback(self._engine.close)
            rooms.callback(self._graph.close)


def open_cuda(config: EdgeConfig, model: Path, profile: Profile) -> CudaProcessor:
    """A processor for this model and profile; see `open_processor` for what it raises."""
    parameters = release_parameters(profile)
    with ExitStack() as stack:
        device = stack.enter_context(Device())
        engine = open_engine(model, plan_folder(state_dir(config.state)), device)
        stack.enter_context(closing(engine))
        if engine.embedding_dim != profile.embedding_dim:
            raise ConfigError(
                f"the engine makes {engine.embedding_dim} values, "
                f"the profile expects {profile.embedding_dim}"
            )
        with Arena(KEY_BYTES) as memory:
            key = memory.buffer(KEY_BYTES)
            fill_with_randomness(key)
            graph = FrameGraph(device, CAMERA_FRAME, parameters, profile.rate_hz, engine, key)
        stack.pop_all()  # they are the processor's now
        return CudaProcessor(device, engine, graph, parameters)
