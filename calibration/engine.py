# SPDX-License-Identifier: Apache-2.0
"""Build the encoder's TensorRT engine for this machine's GPU, and put it where the daemon looks.

The ONNX file says where INT8 is, by its Q/DQ pairs, and TensorRT has no say in it: the network is
strongly typed. What it does not say would run in float without a word, so every convolution and
every matrix product is looked at before anything is built.

An engine that fits model, TensorRT, GPU and driver is kept. One that fails to build changes
nothing: what was there before stays. Run it as the user that the daemon runs as.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from edge.config import load_config, shipped, state_dir
from edge.encoders.plan import PlanKey, load_plan, plan_folder, read_model, save_plan
from edge.encoders.tensorrt import (
    Tensor,
    TensorRtEngine,
    bindings,
    embedding_dim,
    messages,
    plan_key,
)
from edge.errors import EncoderError
from kernels.cuda import Device

# All of the engine's memory is zeroed after each frame, so a builder that has nothing better to do
# with gigabytes must not have them. TensorRT for RTX takes 8 MiB whatever the network.
WORKSPACE_BYTES = 64 << 20
LINEAR = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
PASSED_THROUGH = ("SHUFFLE", "SQUEEZE", "UNSQUEEZE", "IDENTITY")  # they move values, no more

Progress = Callable[[str, float], bool]  # phase, share of the work done -> whether to go on

log = logging.getLogger(__name__)


class EngineError(Exception):
    """TensorRT cannot read the network or build it, or a layer would not run in INT8."""


def build(onnx: bytes, progress: Progress, target: str = "CURRENT") -> bytes:
    """ONNX -> plan for `target`, which is the GPU here or, in TensorRT for RTX, as in "SM86".

    EngineError names the node or layer that is the cause, EncoderError an input or output.
    """
    builder = bindings().Builder(messages().sink)
    network = parse(builder, onnx)
    embedding_dim(*_tensors(network))
    refuse_float(linear_layers(network))
    return compile_network(builder, network, options(builder, progress, target))


def parse(builder: Any, onnx: bytes) -> Any:  # noqa: ANN401
    """The network of an ONNX file, strongly typed; EngineError with every node that is at fault."""
    trt = bindings()
    strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly_typed)
    parser = trt.OnnxParser(network, messages().sink)
    if not parser.parse(onnx):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        raise EngineError("TensorRT cannot read the network: " + "; ".join(map(_explain, errors)))
    return network


def _explain(error: Any) -> str:  # noqa: ANN401
    """One of the parser's errors, with its node where it has one."""
    node = f"{error.node_operator()} {error.node_name()!r}: " if error.node_name() else ""
    return node + str(error.desc()).strip().replace("\n", " ")


def options(builder: Any, progress: Progress, target: str) -> Any:  # noqa: ANN401
    """How an engine is built; said in one line as `edge.encoders.plan.BUILD_OPTIONS`."""
    trt = bindings()
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # what is float is float, as on every other engine
    config.max_aux_streams = 0  # the daemon wipes on the one stream that it knows
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # for the inspector
    config.progress_monitor = _monitor(progress)
    if hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)  # else no capture into a graph
    if hasattr(config, "set_compute_capability"):  # elsewhere the GPU here is the only one
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, target), 0)
    return config


def compile_network(builder: Any, network: Any, config: Any) -> bytes:  # noqa: ANN401
    """Network -> plan; EngineError says what TensorRT said last."""
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"TensorRT cannot build the network: {messages().last_error}")
    return bytes(plan)


def _tensors(network: Any) -> tuple[list[Tensor], list[Tensor]]:  # noqa: ANN401
    """Inputs and outputs of a network."""
    given = [network.get_input(index) for index in range(network.num_inputs)]
    made = [network.get_output(index) for index in range(network.num_outputs)]
    return [_tensor(t) for t in given], [_tensor(t) for t in made]


def _tensor(tensor: Any) -> Tensor:  # noqa: ANN401
    return str(tensor.name), tensor.dtype, tuple(tensor.shape)


# ---- which layers run in INT8 --------------------------------------------------------------------


class Linear(NamedTuple):
    """A convolution or a matrix product of a network."""

    name: str  # as in the ONNX file
    kind: str  # one of LINEAR
    int8: bool  # both factors are INT8 values and a scale


def linear_layers(network: Any) -> list[Linear]:  # noqa: ANN401
    """Every layer that multiplies and adds up, in the order of the network."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    makers = {
        layer.get_output(index).name: layer
        for layer in layers
        for index in range(layer.num_outputs)
    }
    return [
        Linear(
            str(layer.name),
            layer.type.name,
            all(_is_int8(layer.get_input(factor), makers) for factor in (0, 1)),
        )
        for layer in layers
        if layer.type.name in LINEAR
    ]


def _is_int8(tensor: Any, makers: dict[str, Any]) -> bool:  # noqa: ANN401
    """Whether a float tensor is INT8 values and a scale. None: weights inside the layer, float."""
    while tensor is not None and tensor.name in makers:
        maker = makers[tensor.name]
        if maker.type.name == "DEQUANTIZE":
            return bool(maker.get_input(0).dtype == bindings().DataType.INT8)
        if maker.type.name not in PASSED_THROUGH:
            return False
        tensor = maker.get_input(0)
    return False


def refuse_float(layers: list[Linear]) -> None:
    """EngineError with the names of layers that would run in float and should not.

    Only a matrix product behind which nothing linear follows may: some networks keep their last
    layer in float on purpose. It is small.
    """
    may = layers[-1:] if layers and layers[-1].kind == "MATRIX_MULTIPLY" else []
    wrong = [layer.name for layer in layers if not layer.int8 and layer not in may]
    if wrong:
        raise EngineError(
            f"these layers would run in float, for want of a Q/DQ pair: {', '.join(wrong)}"
        )
    log.info("%d of %d linear layers are INT8", sum(x.int8 for x in layers), len(layers))


def layers_in_float(information: str) -> tuple[list[str], int]:
    """What TensorRT made of them: the convolutions that take no INT8, and how many there are.

    `information` is the inspector's JSON. Layers that TensorRT compiles as a whole, which is all
    of them in TensorRT for RTX, it does not describe.
    """
    described = [
        layer for layer in json.loads(information).get("Layers", []) if isinstance(layer, dict)
    ]
    convolutions = [x for x in described if x.get("ParameterType") == "Convolution"]
    # The form of a type's name differs between releases; that it has "int8" in it does not.
    in_float = [x for x in convolutions if "int8" not in json.dumps(x.get("Inputs")).lower()]
    return [str(x["Name"]) for x in in_float], len(convolutions)


# ---- progress ------------------------------------------------------------------------------------


class Phases:
    """How far a build is: phases within phases, each of a known number of steps."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[int, int]] = {}  # name -> (steps done, steps), outermost first
        self._most = 0.0

    def start(self, name: str, steps: int) -> None:
        """A phase begins, inside those that are open."""
        self._open[name] = (0, max(steps, 1))

    def step(self, name: str, step: int) -> None:
        """Step number `step` of a phase is done."""
        if name in self._open:
            steps = self._open[name][1]
            self._open[name] = (min(step + 1, steps), steps)

    def finish(self, name: str) -> None:
        """A phase ends."""
        self._open.pop(name, None)

    def share(self) -> float:
        """How much of all the work is done, from 0 to 1. It never falls when a phase ends early."""
        share, width = 0.0, 1.0
        for done, steps in self._open.values():
            width /= steps
            share += done * width
        self._most = max(self._most, min(share, 1.0))
        return self._most


def _monitor(progress: Progress) -> Any:  # noqa: ANN401
    """TensorRT's progress monitor; the builder stops when `progress` says so."""
    trt, phases = bindings(), Phases()

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]  # no types there
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, name: str, _parent: str | None, steps: int) -> None:
            phases.start(name, steps)

        def phase_finish(self, name: str) -> None:
            phases.finish(name)

        def step_complete(self, name: str, step: int) -> bool:
            phases.step(name, step)
            return progress(name, phases.share())

    return Monitor()


class ProgressLine:
    """Writes how far the build is: one line that changes on a terminal, few lines elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._every_s, self._end = (0.1, "\r") if stream.isatty() else (10.0, "\n")
        self._next = time.monotonic() + self._every_s

    def __call__(self, phase: str, share: float) -> bool:
        """Say it, if it is time to; a build is never stopped from here."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every_s
            self._stream.write(f"{share:4.0%}  {phase:<60.60}{self._end}")
            self._stream.flush()
        return True

    def close(self) -> None:
        """Leave the line, so that what comes next does not overwrite it."""
        if self._end == "\r":
            self._stream.write("\n")


# ---- the command ---------------------------------------------------------------------------------


def renew(onnx: bytes, key: PlanKey, folder: Path, make: Callable[[bytes], bytes]) -> Path:
    """Put what `make` builds of `onnx` into `folder`; whatever fails, the engine there stays."""
    try:
        return save_plan(folder, key, make(onnx))
    except (EncoderError, EngineError):
        log.warning("nothing has changed in %s", folder)
        raise


def fits(key: PlanKey, folder: Path) -> bool:
    """Whether the engine in `folder` may stay; says why not."""
    try:
        load_plan(folder, key)
    except EncoderError as error:
        log.info("%s", error)
        return False
    return True


def make_here(onnx: bytes) -> bytes:
    """Build for the GPU of this machine, and see that it can be loaded there."""
    with closing(ProgressLine(sys.stderr)) as progress:
        plan = build(onnx, progress)
    with closing(TensorRtEngine(plan)) as engine:
        in_float, count = layers_in_float(engine.inspect())
        log.info("it works in %d bytes of device memory", engine.workspace_bytes)
    log.info("the inspector describes %d convolutions, %d of them in float", count, len(in_float))
    for name in in_float:
        log.warning("in float, because TensorRT chose so: %s", name)
    return plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate engine`."""
    parser.add_argument("--config", type=Path, help="the daemon's configuration (edge.toml)")
    parser.add_argument("--model", type=Path, help="another network than the configured one (ONNX)")
    parser.add_argument("--force", action="store_true", help="build even if there is one that fits")


def run(args: argparse.Namespace) -> int:
    """Build the engine, unless the one that is there fits."""
    config = load_config(args.config)
    model = args.model or config.encoder.model or shipped("encoder.onnx")
    onnx = read_model(model)
    folder = plan_folder(state_dir(config.state))
    with closing(Device()) as device:
        key = plan_key(onnx, device)
        if not args.force and fits(key, folder):
            log.info("the engine in %s fits and is kept; --force builds it anew", folder)
            return 0
        log.info("building %s for %s", model, key.gpu)
        path = renew(onnx, key, folder, make_here)
    log.info("%s", path)
    return 0
