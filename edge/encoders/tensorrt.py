# SPDX-License-Identifier: Apache-2.0
"""The encoder on an NVIDIA GPU, by TensorRT: whichever bindings the machine has.

On a Jetson they are JetPack's `tensorrt` (10.3 of JetPack 6 to 10.16 of JetPack 7.2), on an x86
machine they may be those of TensorRT for RTX. A plan is loaded, never built: that is the
calibration's work, see `edge.encoders.plan`.

The execution context owns no device memory. All activations lie in memory of ours, which is zeroed
on the same stream after each run; what the engine itself keeps are weights.

The daemon records `TensorRtEngine` in its own graph, between planes and release. The engine alone,
for whoever wants to see an embedding, is `TensorRtEncoder`.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.encoders import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAME
from edge.encoders.plan import PlanKey, load_plan, read_model
from edge.errors import EncoderError, UseAfterWipe
from kernels.cuda import Device
from kernels.graph import Graph
from kernels.libcuda import failure

MODULES = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")  # the first that is installed
# The last of them comes without its libraries. They lie in this package; load them in this order.
PACKAGE = "onnxruntime_ep_nv_tensorrt_rtx"
LIBRARIES = ("libtensorrt_rtx.so.*", "libtensorrt_onnxparser_rtx.so.*")
CURE = "build it with: lethe-calibrate engine"

Tensor = tuple[str, Any, tuple[int, ...]]  # name, TensorRT's type, shape

log = logging.getLogger(__name__)


@cache
def bindings() -> Any:  # noqa: ANN401  none of the modules ships types
    """TensorRT's Python module; EncoderError where there is none, or where it does not load."""
    name = next((name for name in MODULES if find_spec(name) is not None), None)
    if name is None:
        raise EncoderError(
            "TensorRT's Python module is missing; on a Jetson: sudo apt-get install "
            "python3-libnvinfer, then ./build.sh setup, whose environment sees it"
        )
    try:
        if name == MODULES[-1]:
            _load_libraries()
        module = importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise EncoderError(f"{name} is installed, but cannot be loaded: {error}") from error
    log.info("engine: %s %s", name, module.__version__)
    return module


def _load_libraries() -> None:
    """What the bindings ask for by name is found if it is loaded already."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ImportError(f"its libraries are missing; they come with {PACKAGE}")
    folder = Path(spec.origin).parent
    for pattern in LIBRARIES:
        for library in sorted(folder.glob(pattern)):  # one file; a link to it loads nothing more
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


class Messages:
    """What TensorRT says: it goes to `logging`, and `last_error` is why something failed.

    It names layers, files and sizes. Values of tensors are not among it.
    """

    def __init__(self) -> None:
        self.last_error = ""
        self.sink = _forwarder(self)


@cache
def messages() -> Messages:
    """TensorRT knows one logger in a process, from the first that it is given to the very end."""
    return Messages()


def _forwarder(to: Messages) -> Any:  # noqa: ANN401
    trt = bindings()
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.WARNING,
        trt.ILogger.INFO: logging.DEBUG,  # a page for each build
    }

    class Forwarder(trt.ILogger):  # type: ignore[misc, name-defined]  # no types there
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            level = levels.get(severity)
            if level is None:  # VERBOSE: thousands of lines
                return
            log.log(level, "TensorRT: %s", message)
            if level == logging.ERROR:
                to.last_error = message

    return Forwarder()


def embedding_dim(given: Sequence[Tensor], made: Sequence[Tensor]) -> int:
    """D of a network whose inputs and outputs are as an encoder's must be, else EncoderError."""
    types = bindings().DataType
    if list(given) != [(INPUT_NAME, types.UINT8, INPUT_SHAPE)]:
        raise EncoderError(
            f"the network's input must be {INPUT_NAME!r}, UINT8 {INPUT_SHAPE}; it has {_say(given)}"
        )
    if len(made) == 1:
        name, kind, shape = made[0]
        named = (name, kind) == (OUTPUT_NAME, types.FLOAT)
        if named and len(shape) == 2 and shape[0] == 1 <= shape[1]:  # -1: known at run time only
            return shape[1]
    raise EncoderError(
        f"the network's output must be {OUTPUT_NAME!r}, FLOAT (1, D); it has {_say(made)}"
    )


def _say(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f"{name!r}, {kind.name} {shape}" for name, kind, shape in tensors) or "none"


class TensorRtEngine:
    """One inference, to be recorded in a stream: the GraphEngine of `kernels.frame_graph`.

    Every call comes from the thread that owns the device, with its context current.
    """

    def __init__(self, plan: bytes) -> None:
        trt = bindings()
        self._runtime: Any = trt.Runtime(messages().sink)
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EncoderError(f"TensorRT refuses the engine: {messages().last_error}")
        self.embedding_dim = embedding_dim(*_tensors(trt, self._engine))
        strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        self._context: Any = self._engine.create_execution_context(strategy)
        if self._context is None:
            raise EncoderError(f"TensorRT cannot run the engine: {messages().last_error}")
        self.workspace_bytes = _activation_bytes(self._engine)

    def enqueue(self, stream: int, planes: int, embedding: int, workspace: int) -> None:
        """One inference: device addresses of u8 (1, 3, 64, 80), f32 (1, D) and `workspace_bytes`.

        The first must be no recording: TensorRT leaves to it what cannot be recorded. Raises
        AcceleratorError.
        """
        context = self._context
        if context is None:
            raise failure("engine", "the engine is closed")
        _lend_memory(context, workspace, self.workspace_bytes)
        done = (
            context.set_tensor_address(INPUT_NAME, planes)
            and context.set_tensor_address(OUTPUT_NAME, embedding)
            and context.execute_async_v3(stream)
        )
        if not done:
            raise failure("engine", f"TensorRT: {messages().last_error}")

    def inspect(self) -> str:
        """What the engine is made of, as TensorRT's inspector writes it (JSON)."""
        trt = bindings()
        inspector = self._engine.create_engine_inspector()
        return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))

    def close(self) -> None:
        """Give everything back, in the order in which it depends on each other. Idempotent."""
        self._context = None
        self._engine = None
        self._runtime = None


def _tensors(trt: Any, engine: Any) -> tuple[list[Tensor], list[Tensor]]:  # noqa: ANN401
    """Inputs and outputs of an engine."""
    given: list[Tensor] = []
    made: list[Tensor] = []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        side = given if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else made
        side.append((name, engine.get_tensor_dtype(name), tuple(engine.get_tensor_shape(name))))
    return given, made


def _activation_bytes(engine: Any) -> int:  # noqa: ANN401
    """How much memory a context wants; the older name has gone from TensorRT for RTX."""
    if hasattr(engine, "device_memory_size_v2"):
        return max(int(engine.device_memory_size_v2), 1)
    return max(int(engine.device_memory_size), 1)


def _lend_memory(context: Any, address: int, size: int) -> None:  # noqa: ANN401
    """Activations lie there from now on; newer releases check the size, older ones trust it."""
    if hasattr(context, "set_device_memory"):
        context.set_device_memory(address, size)
    else:
        context.device_memory = address


def plan_key(onnx: bytes, device: Device) -> PlanKey:
    """What a plan of a network for this device, driver and TensorRT is known by."""
    module = bindings()
    return PlanKey(
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
        tensorrt=f"{module.__name__} {module.__version__}",
        gpu="{}, compute capability {}.{}".format(device.name, *device.compute_capability),
        driver=f"CUDA {device.driver_version // 1000}.{device.driver_version % 1000 // 10}",
    )


def open_engine(model: Path, folder: Path, device: Device) -> TensorRtEngine:
    """The engine of `model` for this device from the plans in `folder`.

    EncoderError if there is none that was built from exactly this model, for exactly this machine.
    """
    key = plan_key(read_model(model), device)
    try:
        return TensorRtEngine(load_plan(folder, key))
    except EncoderError as error:
        raise EncoderError(f"model {model}: {error}; {CURE}") from error


class TensorRtEncoder:
    """The engine of `model` in `folder`, on a device that it owns and closes."""

    def __init__(self, model: Path, folder: Path, device: Device) -> None:
        self._device = device
        with ExitStack() as undo:
            undo.callback(device.close)
            self._engine = open_engine(model, folder, device)
            undo.callback(self._engine.close)
            self._allocate()
            self._work()
            device.synchronise()
            self._graph: Graph | None = Graph(device, self._work)
            undo.pop_all()

    def embed(self, planes: npt.NDArray[np.uint8], out: npt.NDArray[np.float32]) -> None:
        """planes (3, 64, 80) uint8 -> out (D,) float32; all copies are zeroed on every path.

        Raises AcceleratorError.
        """
        if self._graph is None:
            raise UseAfterWipe("this encoder is closed")
        try:
            self._input[0] = planes
            self._graph.replay()
            self._device.synchronise()
            out[:] = self._output[0]
        finally:
            self._input.fill(0)
            self._output.fill(0)

    def close(self) -> None:
        """Drop graph and engine, wipe and free all memory, let the device go."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None
            self._engine.close()
        self._device.close()

    def _allocate(self) -> None:
        device, engine = self._device, self._engine
        self.dim = engine.embedding_dim
        self._input = device.pinned(int(np.prod(INPUT_SHAPE))).reshape(INPUT_SHAPE)
        self._output = device.pinned(4 * self.dim).view(np.float32).reshape(1, self.dim)
        self._planes = device.allocate(self._input.nbytes)
        self._embedding = device.allocate(self._output.nbytes)
        self._workspace = device.allocate(engine.workspace_bytes)

    def _work(self) -> None:
        device = self._device
        device.copy_in(self._planes, self._input)
        self._engine.enqueue(
            device.stream, self._planes.pointer, self._embedding.pointer, self._workspace.pointer
        )
        device.wipe(self._planes)
        device.wipe(self._workspace)
        device.copy_out(self._output, self._embedding)
        device.wipe(self._embedding)
