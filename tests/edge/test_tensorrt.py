# SPDX-License-Identifier: Apache-2.0
"""One wrapper over every TensorRT: against a simulation of each, and against the one we have.

The simulation has the rules; NVIDIA's own runtime, where there is no GPU, at least shows how it
refuses. What a GPU computes is in tests/contract.
"""

import json
import subprocess
import sys
from contextlib import closing
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge.encoders import tensorrt
from edge.encoders.plan import save_plan
from edge.encoders.tensorrt import TensorRtEngine, open_engine, plan_key
from edge.errors import EncoderError
from kernels.errors import AcceleratorError
from tests.contract.backends import open_on, skip_without
from tests.contract.tiny_models import tiny_encoder
from tests.edge.simulated_tensorrt import Simulation, plan

CHILD = Path(__file__).with_name("tensorrt_child.py")
RELEASES = ["10.3", "10.16", "rtx"]
ORIN = SimpleNamespace(name="Orin", compute_capability=(8, 7), driver_version=12060)
WORKSPACE = 1000


@pytest.fixture
def anew(monkeypatch):
    """As in a process that has not looked for TensorRT yet.

    What this process has found stays: the real one keeps the logger that it was given first.
    """
    for name in ("bindings", "messages"):
        monkeypatch.setattr(tensorrt, name, cache(getattr(tensorrt, name).__wrapped__))


@pytest.fixture(params=RELEASES)
def trt(request, monkeypatch, anew):
    """A machine with that release, and no other."""
    simulation = Simulation(request.param)
    for name in tensorrt.MODULES:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, simulation.__name__, simulation)
    monkeypatch.setattr(tensorrt, "find_spec", _find_spec)
    return simulation


def _find_spec(name):
    return getattr(sys.modules.get(name), "__spec__", None)


class Memory:
    """What stands for device memory: a block with an aligned address."""

    def __init__(self, nbytes):
        self.block = np.zeros(nbytes + 256, np.uint8)
        start = -self.block.ctypes.data % 256
        self.bytes = self.block[start : start + nbytes]
        self.pointer = self.bytes.ctypes.data


@pytest.fixture
def memory():
    """Planes, embedding, workspace."""
    found = Memory(3 * 64 * 80), Memory(4 * 64), Memory(WORKSPACE)
    found[0].bytes[:] = np.random.default_rng(1).integers(0, 256, 3 * 64 * 80)
    return found


def enqueue(engine, memory):
    planes, embedding, workspace = memory
    engine.enqueue(7, planes.pointer, embedding.pointer, workspace.pointer)


# ---- a run ---------------------------------------------------------------------------------------


def test_an_engine_says_how_long_embeddings_are_and_what_memory_it_needs(trt):
    engine = TensorRtEngine(plan(workspace=WORKSPACE))
    assert (engine.embedding_dim, engine.workspace_bytes) == (64, WORKSPACE)


def test_a_run_takes_planes_and_makes_an_embedding_in_memory_that_we_lend(trt, memory):
    planes, embedding, workspace = memory
    enqueue(TensorRtEngine(plan(workspace=WORKSPACE)), memory)
    assert np.array_equal(embedding.bytes, planes.bytes[: 4 * 64])
    assert np.array_equal(workspace.bytes[: 4 * 64], planes.bytes[: 4 * 64])


def test_every_run_may_use_other_memory(trt, memory):
    engine = TensorRtEngine(plan(workspace=WORKSPACE))
    enqueue(engine, memory)
    other = Memory(3 * 64 * 80), Memory(4 * 64), Memory(WORKSPACE)
    other[0].bytes[:] = 9
    memory[2].bytes[:] = 0
    enqueue(engine, other)
    assert (other[1].bytes == 9).all()
    assert not memory[2].bytes.any()


def test_a_run_that_fails_is_an_error_with_the_reason_and_a_cure(trt, memory):
    engine = TensorRtEngine(plan(workspace=WORKSPACE))
    trt.broken = True
    with pytest.raises(AcceleratorError, match=r"Cask convolution.*lethe-calibrate") as caught:
        enqueue(engine, memory)
    assert caught.value.fault == "engine"
    assert not memory[1].bytes.any()


def test_memory_that_cannot_be_used_is_an_error(trt, memory):
    planes, embedding, workspace = memory
    engine = TensorRtEngine(plan(workspace=WORKSPACE))
    with pytest.raises(AcceleratorError, match="an address is not set"):
        engine.enqueue(7, planes.pointer, embedding.pointer, workspace.pointer + 1)


def test_a_closed_engine_holds_nothing_and_refuses(trt, memory):
    engine = TensorRtEngine(plan())
    assert trt.alive == 3
    engine.close()
    engine.close()
    assert trt.alive == 0
    with pytest.raises(AcceleratorError, match="closed") as caught:
        enqueue(engine, memory)
    assert caught.value.fault == "engine"


# ---- plans that are no encoder's -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (plan(given=("picture", "UINT8", (1, 3, 64, 80))), "it has 'picture', UINT8"),
        (plan(given=("planes", "FLOAT", (1, 3, 64, 80))), "it has 'planes', FLOAT"),
        (plan(given=("planes", "UINT8", (1, 3, 80, 64))), r"it has .*\(1, 3, 80, 64\)"),
        (plan(given=("planes", "UINT8", (-1, 3, 64, 80))), r"it has .*\(-1, 3, 64, 80\)"),
        (plan(made=("features", "FLOAT", (1, 64))), "it has 'features', FLOAT"),
        (plan(made=("embedding", "HALF", (1, 64))), "it has 'embedding', HALF"),
        (plan(made=("embedding", "FLOAT", (64,))), r"it has .*\(64,\)"),
        (plan(made=("embedding", "FLOAT", (2, 64))), r"it has .*\(2, 64\)"),
        (plan(made=("embedding", "FLOAT", (1, -1))), r"it has .*\(1, -1\)"),
    ],
)
def test_an_engine_of_another_shape_is_refused(trt, content, word):
    with pytest.raises(EncoderError, match=word):
        TensorRtEngine(content)


def test_a_plan_that_tensorrt_refuses_is_an_error_with_its_reason(trt):
    with pytest.raises(EncoderError, match="refuses the engine: Serialization assertion"):
        TensorRtEngine(b"garbage")


def test_an_engine_without_room_is_an_error_with_its_reason(trt):
    trt.out_of_memory = True
    with pytest.raises(EncoderError, match=r"cannot run the engine: .*memory"):
        TensorRtEngine(plan())


# ---- which plan ----------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "encoder.onnx"
    path.write_bytes(b"a network")
    return path


def test_a_plan_is_known_by_network_release_gpu_and_driver(trt):
    key = plan_key(b"a network", ORIN)
    assert key.tensorrt == f"{trt.__name__} {trt.__version__}"
    assert (key.gpu, key.driver) == ("Orin, compute capability 8.7", "CUDA 12.6")
    assert key.onnx_sha256 != plan_key(b"another network", ORIN).onnx_sha256


def test_the_engine_of_exactly_this_model_opens(trt, model, tmp_path):
    save_plan(tmp_path / "engine", plan_key(model.read_bytes(), ORIN), plan())
    assert open_engine(model, tmp_path / "engine", ORIN).embedding_dim == 64


CURE = "build it with: lethe-calibrate engine"


def test_without_an_engine_the_cure_is_named(trt, model, tmp_path):
    with pytest.raises(EncoderError, match=rf"encoder\.onnx: there is no engine .*{CURE}"):
        open_engine(model, tmp_path / "engine", ORIN)


def test_an_engine_of_another_model_is_refused_with_the_cure(trt, model, tmp_path):
    save_plan(tmp_path / "engine", plan_key(model.read_bytes(), ORIN), plan())
    model.write_bytes(b"a network that was trained since")
    with pytest.raises(EncoderError, match=rf"does not fit the network.*{CURE}"):
        open_engine(model, tmp_path / "engine", ORIN)


@pytest.mark.parametrize(
    ("what", "other"),
    [("name", "Thor"), ("compute_capability", (11, 0)), ("driver_version", 13000)],
)
def test_an_engine_of_another_machine_is_refused_with_the_cure(trt, model, tmp_path, what, other):
    save_plan(tmp_path / "engine", plan_key(model.read_bytes(), ORIN), plan())
    there = SimpleNamespace(**vars(ORIN) | {what: other})
    with pytest.raises(EncoderError, match=rf"does not fit the (GPU|driver).*{CURE}"):
        open_engine(model, tmp_path / "engine", there)


def test_an_engine_that_tensorrt_refuses_is_refused_with_the_cure(trt, model, tmp_path):
    save_plan(tmp_path / "engine", plan_key(model.read_bytes(), ORIN), b"garbage")
    with pytest.raises(EncoderError, match=rf"Serialization.*{CURE}"):
        open_engine(model, tmp_path / "engine", ORIN)


def test_a_model_that_is_not_there_is_not_said_to_want_an_engine(trt, tmp_path):
    with pytest.raises(EncoderError, match=r"^there is no model at .*gone\.onnx$"):
        open_engine(tmp_path / "gone.onnx", tmp_path, ORIN)


# ---- which TensorRT ------------------------------------------------------------------------------


def test_jetpacks_module_comes_before_the_others(trt, monkeypatch):
    jetpack = Simulation("10.16")
    monkeypatch.setitem(sys.modules, "tensorrt", jetpack)
    assert tensorrt.bindings() is jetpack


def test_without_any_module_it_is_said_how_to_get_one(monkeypatch, anew):
    monkeypatch.setattr(tensorrt, "find_spec", lambda _name: None)
    with pytest.raises(EncoderError, match="python3-libnvinfer"):
        tensorrt.bindings()


def test_a_module_that_does_not_load_is_an_error_with_the_reason(monkeypatch, tmp_path, anew):
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(EncoderError, match=r"tensorrt is installed, but .* libnvinfer\.so\.10"):
        tensorrt.bindings()


def test_bindings_without_their_libraries_are_an_error_that_names_the_package(monkeypatch, anew):
    spec = SimpleNamespace(origin="here")
    monkeypatch.setattr(
        tensorrt, "find_spec", lambda name: spec if name == tensorrt.MODULES[-1] else None
    )
    with pytest.raises(EncoderError, match=tensorrt.PACKAGE):
        tensorrt.bindings()


def test_what_tensorrt_says_is_logged_by_its_weight(trt, caplog):
    caplog.set_level("DEBUG")
    sink = tensorrt.messages().sink
    for severity, word in enumerate(["internal", "wrong", "odd", "so it is", "chatter"]):
        sink.log(severity, word)
    assert [(record.levelname, record.args) for record in caplog.records[-4:]] == [
        ("ERROR", ("internal",)),
        ("ERROR", ("wrong",)),
        ("WARNING", ("odd",)),
        ("DEBUG", ("so it is",)),
    ]
    assert tensorrt.messages().last_error == "wrong"


# ---- the encoder ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=RELEASES)
def seen(request, cpu_driver, tmp_path_factory):
    """What tensorrt_child.py saw: the encoder on the CPU's CUDA driver."""
    done = subprocess.run(
        [sys.executable, CHILD, tmp_path_factory.mktemp("plans"), request.param],
        env=cpu_driver,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_planes_go_in_and_an_embedding_comes_out(seen):
    assert seen["embeddings"] == [[17] * 256, [34] * 256, [17] * 256]


def test_nothing_of_a_frame_stays_on_the_device_or_in_what_it_shares(seen):
    assert seen["left on the device"] == 0
    assert seen["wiped after a frame"]
    assert seen["left by the engine alone"] > 3 * 64 * 80, "the control: it is the graph that wipes"
    assert seen["left after that"] == 0
    assert seen["embedding after that"] == [17] * 256


def test_wrong_planes_leave_nothing(seen):
    assert seen["wrong planes"] == "ValueError"
    assert seen["wiped after wrong planes"]


def test_a_closed_encoder_refuses_and_holds_nothing(seen):
    assert seen["after close"] == "UseAfterWipe"
    assert seen["held after close"] == [0, 0, 0]


def test_an_encoder_that_cannot_open_holds_nothing(seen):
    assert seen["without its engine"] == "EncoderError"
    assert seen["held without its engine"] == [0, 0, 0]
    assert seen["an engine that fails"] == "AcceleratorError"
    assert seen["held after that"] == [0, 0, 0]
    assert seen["problems"] == []


def test_a_lost_device_is_an_error_and_the_host_is_wiped(seen):
    assert seen["a lost device"] == "AcceleratorError"
    assert seen["wiped after a lost device"]
    assert seen["closing a lost device"] == "AcceleratorError", "its memory could not be wiped"
    assert seen["engines after a lost device"] == 0


@pytest.mark.gpu
def test_on_a_gpu_nothing_of_a_frame_stays_on_the_device(tmp_path):
    skip_without("tensorrt")
    encoder = open_on("tensorrt", tiny_encoder(tmp_path / "tiny.onnx"))
    device, out = encoder._device, np.zeros(encoder.dim, np.float32)
    held = (encoder._planes, encoder._embedding, encoder._workspace)

    def left():
        copies = [np.zeros(buffer.nbytes, np.uint8) for buffer in held]
        for copy, buffer in zip(copies, held, strict=True):
            device.copy_out(copy, buffer)
        device.synchronise()
        return [int(np.count_nonzero(copy)) for copy in copies]

    with closing(encoder):
        encoder.embed(np.full((3, 64, 80), 51, np.uint8), out)
        assert out.any()
        assert left() == [0, 0, 0]
        encoder._input[:] = 51
        device.copy_in(encoder._planes, encoder._input)
        encoder._engine.enqueue(device.stream, *(buffer.pointer for buffer in held))
        assert all(left()), "the control: it is the graph that wipes"


# ---- the TensorRT that is installed here ---------------------------------------------------------


@pytest.fixture
def real():
    try:
        return tensorrt.bindings()
    except EncoderError as error:
        pytest.skip(str(error))


def test_the_real_one_has_what_the_wrapper_calls(real):
    """Names only: the simulation must not have what the original has not."""
    wanted = {
        "ICudaEngine": ["create_execution_context", "create_engine_inspector", "num_io_tensors"],
        "IExecutionContext": ["set_tensor_address", "execute_async_v3"],
        "ExecutionContextAllocationStrategy": ["USER_MANAGED"],
        "Runtime": ["deserialize_cuda_engine"],
        "LayerInformationFormat": ["JSON"],
        "TensorIOMode": ["INPUT", "OUTPUT"],
        "DataType": ["UINT8", "FLOAT", "INT8"],
    }
    missing = [
        f"{kind}.{name}"
        for kind, names in wanted.items()
        for name in names
        if not hasattr(getattr(real, kind), name)
    ]
    assert missing == []
    assert hasattr(real.ICudaEngine, "device_memory_size_v2") or hasattr(
        real.ICudaEngine, "device_memory_size"
    )


def test_the_real_one_refuses_garbage_with_a_reason(real):
    with pytest.raises(EncoderError, match=r"refuses the engine: .{10}"):
        TensorRtEngine(b"garbage" * 100)
