# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's own parser and builder on the networks that we ship. No GPU takes part in this.

They are those of TensorRT for RTX, which builds for a GPU that is not there. What only a GPU can
show, loading and running an engine, is in tests/edge/test_tensorrt.py and tests/contract.
"""

import io
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import onnx
import pytest

from calibration.engine import (
    EngineError,
    Phases,
    ProgressLine,
    build,
    compile_network,
    fits,
    layers_in_float,
    linear_layers,
    options,
    parse,
    refuse_float,
    renew,
)
from edge.encoders.plan import PlanKey, load_plan
from edge.encoders.tensorrt import bindings, messages
from edge.errors import EncoderError
from tests.calibration.onnx_edits import (
    LINEAR,
    add_unknown_operator,
    float_input,
    quantise_bias,
    quantised_inputs,
    take_pair_away,
)
from tests.contract.tiny_models import tiny_encoder

if not hasattr(bindings(), "ComputeCapability"):
    pytest.skip("only TensorRT for RTX builds for other GPUs", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
CHILD = Path(__file__).with_name("engine_child.py")
TARGETS = ["SM80", "SM86", "SM89", "SM120"]
KEY = PlanKey("ab" * 32, "tensorrt_rtx 1.7", "a GPU, compute capability (8, 6)", "13000")


def go_on(_phase, _share):
    return True


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_encoder(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


def changed(path, change, *arguments):
    """The bytes of a network after a change."""
    model = onnx.load(path)
    change(model, *arguments)
    return model.SerializeToString()


def layers_of(content):
    return linear_layers(parse(bindings().Builder(messages().sink), content))


# ---- every network that we ship -----------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", sorted(path.name for path in MODELS.glob("*.onnx")))
def test_every_shipped_network_builds(name, target):
    builder = bindings().Builder(messages().sink)
    network = parse(builder, (MODELS / name).read_bytes())
    config = options(builder, go_on, target)
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        given = network.get_input(index)
        one = tuple(1 if size < 0 else size for size in given.shape)
        profile.set_shape(given.name, one, one, one)
    config.add_optimization_profile(profile)
    assert len(compile_network(builder, network, config)) > 100_000


@pytest.mark.parametrize("target", TARGETS)
def test_the_shipped_encoder_becomes_an_engine(target):
    assert len(build((MODELS / "encoder.onnx").read_bytes(), go_on, target)) > 100_000


def test_all_of_the_shipped_encoder_is_int8():
    layers = layers_of((MODELS / "encoder.onnx").read_bytes())
    nodes = [n for n in onnx.load(MODELS / "encoder.onnx").graph.node if n.op_type in LINEAR]
    assert [layer.name for layer in layers] == [node.name for node in nodes]
    assert len(layers) == 7
    assert all(layer.int8 for layer in layers)


@pytest.mark.parametrize("target", TARGETS)
def test_the_smallest_encoder_becomes_an_engine(tiny, target):
    assert len(build(tiny.read_bytes(), go_on, target)) > 100_000


def test_its_last_layer_alone_is_float(tiny):
    assert [(layer.kind, layer.int8) for layer in layers_of(tiny.read_bytes())] == [
        ("CONVOLUTION", True),
        ("CONVOLUTION", True),
        ("MATRIX_MULTIPLY", False),
    ]


def test_the_same_network_makes_the_same_plan(tiny):
    assert build(tiny.read_bytes(), go_on, "SM86") == build(tiny.read_bytes(), go_on, "SM86")
    assert build(tiny.read_bytes(), go_on, "SM86") != build(tiny.read_bytes(), go_on, "SM89")


# ---- what is refused, and by which name ----------------------------------------------------------


@pytest.mark.parametrize("which", range(4))
def test_a_layer_without_its_pair_is_refused_by_name(tiny, which):
    pairs = quantised_inputs(onnx.load(tiny))
    assert len(pairs) == 4
    node, index = pairs[which]
    with pytest.raises(EngineError, match=rf"float, .*Q/DQ pair: {node}$"):
        build(changed(tiny, take_pair_away, node, index), go_on, "SM86")


def test_only_the_last_layer_may_be_float():
    """The recogniser, which is float, is no encoder: all of it is named."""
    layers = layers_of((MODELS / "recogniser.onnx").read_bytes())
    assert len(layers) == 14
    assert not any(layer.int8 for layer in layers)
    with pytest.raises(EngineError) as caught:
        refuse_float(layers)
    assert all(layer.name in str(caught.value) for layer in layers)


def test_a_network_without_a_linear_layer_is_not_refused():
    refuse_float([])


@pytest.mark.parametrize("content", [b"no network", b"\x08\x08" + b"\xff" * 100])
def test_garbage_is_refused(content):
    with pytest.raises(EngineError, match=r"cannot read the network: .*ONNX"):
        build(content, go_on, "SM86")


def test_half_a_file_is_refused(tiny):
    content = tiny.read_bytes()
    with pytest.raises(EngineError, match="cannot read the network"):
        build(content[: len(content) // 2], go_on, "SM86")


def test_an_empty_file_is_refused():
    """It is a network, by ONNX's format: one that takes and makes nothing."""
    with pytest.raises(EncoderError, match=r"input must be 'planes', UINT8 .* it has none"):
        build(b"", go_on, "SM86")


def test_an_unknown_operator_is_refused_with_its_node(tiny):
    with pytest.raises(EngineError, match=r"Abacus 'beads'"):
        build(changed(tiny, add_unknown_operator), go_on, "SM86")


def test_a_quantised_bias_is_refused_with_its_node(tiny):
    """TensorRT takes no INT32 behind DequantizeLinear; quantisers write it if nobody stops them."""
    node, _ = quantised_inputs(onnx.load(tiny))[0]
    with pytest.raises(EngineError, match=r"DequantizeLinear 'bias pair'.*Int32"):
        build(changed(tiny, quantise_bias, node), go_on, "SM86")


def test_float_planes_are_refused(tiny):
    with pytest.raises(EncoderError, match=r"must be 'planes', UINT8 .* it has 'planes', FLOAT"):
        build(changed(tiny, float_input), go_on, "SM86")


def test_another_input_is_refused(tmp_path):
    other = tiny_encoder(tmp_path / "other.onnx", input_name="picture")
    with pytest.raises(EncoderError, match=r"must be 'planes'.* it has 'picture'"):
        build(other.read_bytes(), go_on, "SM86")


# ---- a build that fails changes nothing ----------------------------------------------------------


def test_a_failed_build_leaves_the_old_engine_byte_for_byte(tiny, tmp_path, caplog):
    make = partial(build, progress=go_on, target="SM86")
    renew(tiny.read_bytes(), KEY, tmp_path, make)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    stopped = partial(build, progress=lambda _phase, share: share < 0.5, target="SM86")
    with pytest.raises(EngineError, match=r"cannot build .*[Cc]ancel"):
        renew(tiny.read_bytes(), KEY, tmp_path, stopped)
    with pytest.raises(EngineError, match="cannot read"):
        renew(b"no network", KEY, tmp_path, make)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert fits(KEY, tmp_path)
    assert caplog.text.count(f"nothing has changed in {tmp_path}") == 2


def test_an_engine_that_fits_is_kept_and_another_is_not(tiny, tmp_path, caplog):
    caplog.set_level("INFO")
    assert not fits(KEY, tmp_path)
    renew(tiny.read_bytes(), KEY, tmp_path, partial(build, progress=go_on, target="SM86"))
    assert fits(KEY, tmp_path)
    assert not fits(PlanKey("cd" * 32, KEY.tensorrt, KEY.gpu, KEY.driver), tmp_path)
    assert "does not fit the network" in caplog.text
    assert load_plan(tmp_path, KEY) == build(tiny.read_bytes(), go_on, "SM86")


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def command(cpu_driver, tiny, tmp_path):
    """`lethe-calibrate engine` on a CPU that passes for a GPU -> (exit status, what it said)."""
    config = tmp_path / "edge.toml"
    config.write_text(f'[encoder]\nmodel = "{tiny}"\n[state]\ndir = "state"\n')

    def run(*words, program=(CHILD, "13000")):
        done = subprocess.run(
            [sys.executable, *program, *words, "--config", config],
            cwd=ROOT,
            env=cpu_driver,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    run.folder = tmp_path / "state" / "engine"
    return run


def everything(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_command_builds_once_and_then_keeps_what_fits(command):
    status, said = command()
    assert status == 0, said
    assert "there is no engine" in said
    before = everything(command.folder)
    assert len(before) == 2
    status, said = command()
    assert status == 0
    assert f"the engine in {command.folder} fits and is kept" in said
    assert everything(command.folder) == before
    assert command("--force")[0] == 0
    assert everything(command.folder) != before


def test_the_command_builds_anew_for_another_driver(command):
    assert command()[0] == 0
    before = everything(command.folder)
    status, said = command(program=(CHILD, "13010"))
    assert status == 0
    assert "does not fit the driver: it was built for 'CUDA 13.0', and this is 'CUDA 13.1'" in said
    assert everything(command.folder) != before


def test_a_build_that_fails_ends_with_a_reason_and_the_old_engine(command, tmp_path):
    """The CPU passes for a GPU with us, not with TensorRT, when it is asked to build for it."""
    assert command()[0] == 0
    before = everything(command.folder)
    program = ("-m", "calibration", "engine")
    status, said = command("--force", program=program)
    assert status == 1
    assert f"nothing has changed in {command.folder}" in said
    assert "EngineError: TensorRT cannot build the network: " in said
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"no network")
    assert command("--model", garbage, program=program)[0] == 1
    assert command("--model", tmp_path / "gone.onnx", program=program)[0] == 1
    assert everything(command.folder) == before


def test_without_a_gpu_the_command_says_what_is_missing(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "calibration", "engine", "--config", tmp_path / "edge.toml"],
        cwd=ROOT,
        env=os.environ | {"LD_LIBRARY_PATH": str(_no_driver(tmp_path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "AcceleratorError: " in done.stderr
    assert "driver" in done.stderr


def _no_driver(folder):
    """A libcuda.so.1 that is none comes before one that may be here."""
    (folder / "libcuda.so.1").write_bytes(b"")
    return folder


# ---- progress, and what the inspector says -------------------------------------------------------


def test_progress_grows_from_nothing_to_nearly_all(tiny):
    shares = []

    def remember(_phase, share):
        shares.append(share)
        return True

    build(tiny.read_bytes(), remember, "SM86")
    assert len(shares) > 50
    assert 0 < shares[0] < 0.1
    assert shares == sorted(shares)
    assert 0.8 < shares[-1] <= 1


def test_phases_lie_within_each_other():
    phases = Phases()
    phases.start("all", 4)
    phases.step("all", 0)
    phases.start("part", 2)
    phases.step("part", 0)
    assert phases.share() == 1 / 4 + 1 / 8
    phases.finish("part")
    phases.step("all", 1)
    assert phases.share() == 1 / 2
    phases.step("never started", 7)
    phases.finish("never started")
    phases.start("of no steps", 0)
    assert phases.share() == 1 / 2


def test_progress_is_one_line_on_a_terminal_and_few_elsewhere(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    now = 0.0
    monkeypatch.setattr("calibration.engine.time.monotonic", lambda: now)
    lines = [ProgressLine(stream) for stream in (Terminal(), io.StringIO())]
    for now in range(1, 31):
        assert all(line("Optimizing", now / 30) for line in lines)
    for line in lines:
        line.close()
    terminal, log = (line._stream.getvalue() for line in lines)
    assert terminal.count("\r") == 30
    assert terminal.endswith("\r\n")
    assert terminal.count("\n") == 1
    assert [line.split() for line in log.splitlines()] == [
        [share, "Optimizing"] for share in ("33%", "67%", "100%")
    ]


def described(name, kind, datatype):
    return {
        "Name": name,
        "LayerType": "CaskConvolution",
        "ParameterType": kind,
        "Inputs": [{"Name": "x", "Dimensions": [1, 3, 64, 80], "Format/Datatype": datatype}],
    }


def test_the_inspector_is_asked_which_convolutions_are_float():
    layers = [
        described("first", "Convolution", "Row major Int8, 32 channels"),
        described("second", "Convolution", "Row major linear FP32"),
        described("third", "Pooling", "Row major linear FP32"),
        "a layer of which only the name is known",
    ]
    assert layers_in_float(json.dumps({"Layers": layers, "Bindings": ["planes"]})) == (
        ["second"],
        2,
    )
    assert layers_in_float(json.dumps({"Layers": []})) == layers_in_float("{}") == ([], 0)
