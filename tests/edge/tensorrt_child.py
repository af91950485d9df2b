# SPDX-License-Identifier: Apache-2.0
"""A TensorRtEncoder over the CPU's CUDA driver and a simulated TensorRT: for test_tensorrt.py.

usage: tensorrt_child.py FOLDER RELEASE

Says in JSON what was seen, among it what device memory held.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path

import numpy as np

from edge.encoders.plan import save_plan
from edge.encoders.tensorrt import TensorRtEncoder, plan_key
from edge.errors import EncoderError, UseAfterWipe
from kernels.cuda import Device
from kernels.errors import AcceleratorError
from tests.edge.simulated_tensorrt import Simulation, plan
from tests.kernels.host.driver.build import Control

ILLEGAL_ADDRESS = 700
SHAPE = (3, 64, 80)
DIM = 64


class RecordedCopy:
    """Copies on a stream, as an engine's kernels would run there: by way of pinned memory."""

    def __init__(self, device: Device) -> None:
        self._staging = device.pinned(4096)
        self._driver = ctypes.CDLL("libcuda.so.1")

    def __call__(self, target: int, source: int, nbytes: int, stream: int) -> None:
        staging, size = ctypes.c_void_p(self._staging.ctypes.data), ctypes.c_size_t(nbytes)
        on = ctypes.c_void_p(stream)
        self._driver.cuMemcpyDtoHAsync_v2(staging, ctypes.c_ulonglong(source), size, on)
        self._driver.cuMemcpyHtoDAsync_v2(ctypes.c_ulonglong(target), staging, size, on)


def opened(folder: Path, simulation: Simulation, *, built: bool = True) -> TensorRtEncoder:
    device = Device()
    simulation.copy = RecordedCopy(device)
    model = folder / "encoder.onnx"
    model.write_bytes(b"a network" if built else b"a network that was trained since")
    if built:
        save_plan(folder, plan_key(model.read_bytes(), device), plan(workspace=1000))
    return TensorRtEncoder(model, folder, device)


def embedding_of(encoder: TensorRtEncoder, planes: np.ndarray) -> list[int]:
    out = np.zeros(encoder.dim, np.float32)
    encoder.embed(planes, out)
    return out.view(np.uint8).tolist()


def wiped(encoder: TensorRtEncoder) -> bool:
    return not encoder._input.any() and not encoder._output.any()


def error_of(call, *arguments) -> str:
    try:
        call(*arguments)
    except (AcceleratorError, EncoderError, UseAfterWipe, ValueError) as error:
        return type(error).__name__
    return "none"


def main() -> None:
    simulation = Simulation(sys.argv[2])
    sys.modules[simulation.__name__] = simulation
    folder, driver, seen = Path(sys.argv[1]), Control(), {}

    encoder = opened(folder, simulation)
    some, other = (np.full(SHAPE, value, np.uint8) for value in (17, 34))
    seen["embeddings"] = [embedding_of(encoder, planes) for planes in (some, other, some)]
    seen["left on the device"] = driver.nonzero()
    seen["wiped after a frame"] = wiped(encoder)

    encoder._input[:] = 51
    device, engine = encoder._device, encoder._engine
    device.copy_in(encoder._planes, encoder._input)
    addresses = (b.pointer for b in (encoder._planes, encoder._embedding, encoder._workspace))
    engine.enqueue(device.stream, *addresses)
    device.synchronise()
    seen["left by the engine alone"] = driver.nonzero()
    seen["embedding after that"] = embedding_of(encoder, some)
    seen["left after that"] = driver.nonzero()

    seen["wrong planes"] = error_of(embedding_of, encoder, some[:, 1:])
    seen["wiped after wrong planes"] = wiped(encoder)
    encoder.close()
    encoder.close()
    seen["after close"] = error_of(embedding_of, encoder, some)
    seen["held after close"] = [driver.live(), driver.nonzero_freed(), simulation.alive]

    seen["without its engine"] = error_of(lambda: opened(folder, simulation, built=False))
    seen["held without its engine"] = [driver.live(), driver.nonzero_freed(), simulation.alive]
    simulation.broken = True
    seen["an engine that fails"] = error_of(opened, folder, simulation)
    seen["held after that"] = [driver.live(), driver.nonzero_freed(), simulation.alive]
    seen["problems"] = driver.problems()

    simulation.broken = False
    encoder = opened(folder, simulation)
    driver.fail("cuGraphLaunch", ILLEGAL_ADDRESS)
    seen["a lost device"] = error_of(embedding_of, encoder, some)
    seen["wiped after a lost device"] = wiped(encoder)
    seen["closing a lost device"] = error_of(encoder.close)
    seen["engines after a lost device"] = simulation.alive
    json.dump(seen, sys.stdout)


main()
