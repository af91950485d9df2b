# SPDX-License-Identifier: Apache-2.0
"""The command as a user meets it: the whole daemon, real video, a real broker, real signals."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.__main__ import main
from edge.errors import ProcessorError
from edge.identity import load_or_create
from edge.ledger_file import LedgerFile
from edge.outbox import Outbox
from kernels.bounds import leak_bits
from tests.edge.listening import TIMEOUT_S, Listener, until
from tests.edge.stages import queued, write_models
from wire.message import open_sealed, unpack
from wire.status import FAULTS, DeviceStatus

ROOT = Path(__file__).resolve().parents[2]
TOPIC = "lethe/v1/home/device-1/door/vectors"
NOWHERE = "mqtt://localhost:9"  # the discard port: nobody listens


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Two seconds of a moving square, 640 x 480, 10 frames a second."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (640, 480))
    for n in range(20):
        picture = np.full((480, 640, 3), 90, np.uint8)
        picture[200:300, 20 * n : 20 * n + 100] = 220
        writer.write(picture)
    writer.release()
    return path


@pytest.fixture
def settings(tmp_path):
    """A function that writes the configuration of device-1; -> its path."""

    def write(extra="", **models):
        model, profile = write_models(tmp_path, **models)
        path = tmp_path / "edge.toml"
        path.write_text(
            f'device = "device-1"\nsensor = "door"\n[encoder]\nmodel = "{model.name}"\n'
            f'[profile]\npath = "{profile.name}"\n[state]\ndir = "state"\n{extra}'
        )
        return path

    return write


def broker_section(broker):
    paths = broker.client("device-1")
    return (
        f'[broker]\nurl = "{broker.url}"\nca_file = "{paths.ca}"\n'
        f'cert_file = "{paths.cert}"\nkey_file = "{paths.key}"\n'
    )


def start(*arguments, stderr=subprocess.PIPE, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "edge", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def finish(child, timeout_s=TIMEOUT_S):
    """-> exit status, standard output, standard error."""
    try:
        out, err = child.communicate(timeout=timeout_s)
    finally:
        child.kill()
    return child.returncode, out, err


def command(*arguments, **environment):
    return finish(start(*arguments, **environment))


def summary_of(out):
    lines = out.splitlines()
    assert len(lines) == 1, "one line on standard output"
    return json.loads(lines[0])["summary"]


def waiting_messages(settings_path):
    """How many messages lie in the outbox of a daemon that may be running."""
    file = settings_path.parent / "state" / "outbox"
    return file.read_bytes().count(TOPIC.encode()) if file.exists() else 0


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_teaches(arguments):
    status, out, err = command(*arguments)
    assert (status, err) == (0, "")
    for word in ("csi:0", "rtsp://", "identity", "Exit status"):
        assert word in out


def test_identity_makes_a_key_once_and_prints_what_a_registry_wants(settings):
    path = settings()
    status, first, _ = command("identity", "--config", path)
    assert status == 0
    assert command("identity", "--config", path)[1] == first
    assert len(base64.b64decode(first.strip(), validate=True)) == 32
    assert (path.parent / "state" / "device.key").stat().st_mode & 0o777 == 0o600


WRONG = [
    ([], "", 2, "no source: add --source test:"),
    (["--source", "test:"], "[camra]\n", 2, "unknown key camra; allowed are: site, device"),
    (["--source", "test:"], "[outbox]\nmax_messages = 1\n", 2, "from 10 to 1000000"),
    (["--source", "test:", "--broker", "mqtt://far.example"], "", 2, "without TLS"),
    (["--source", "no-such-file.mp4"], "", 1, "no-such-file.mp4"),
]


@pytest.mark.parametrize(("arguments", "extra", "expected", "says"), WRONG)
def test_what_is_wrong_is_one_line_that_says_what_to_do(settings, arguments, extra, expected, says):
    status, out, err = command("run", "--config", settings(extra), *arguments)
    errors = [line for line in err.splitlines() if line.startswith("lethe-edge: error: ")]
    assert (status, out, len(errors)) == (expected, "", 1)
    assert says in errors[0]
    assert "Traceback" not in err


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_exit_status(monkeypatch, capsys, fault):
    def fail(*_):
        raise ProcessorError(fault, "what to do")

    monkeypatch.setattr("edge.__main__._run", fail)
    lasting = ("no-driver", "driver-too-old", "no-kernels")
    assert main(["run"]) == (2 if fault in lasting else 3)
    assert capsys.readouterr().err == "lethe-edge: error: what to do\n"


def test_a_profile_of_another_model_is_refused(settings):
    path = settings()
    model = path.parent / "encoder.onnx"
    model.write_bytes(model.read_bytes() + b"\x00")
    status, _, err = command("run", "--config", path, "--source", "test:")
    assert status == 2
    assert "made for another model" in err


def test_caps_can_be_lowered_but_not_raised(settings):
    path = settings("[privacy]\nwindow_bits = 16.5\n")
    status, _, err = command("run", "--config", path, "--source", "test:")
    assert status == 2
    assert "window_bits must be at most 16" in err


def test_a_clip_becomes_signed_vectors_at_the_broker(settings, broker, clip):
    path = settings(broker_section(broker))
    public = command("identity", "--config", path)[1].strip()
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public))
    with Listener(broker) as listener:
        status, out, err = command("run", "--config", path, "--source", clip, "--until-eos")
        assert status == 0, err
        summary = summary_of(out)
        sent = summary["releases"] + summary["repeated"]
        until(lambda: len(listener.bodies("door/vectors")) >= sent)
        bodies = listener.bodies("door/vectors")
        until(lambda: b'"offline"' in listener.bodies("device-1/status")[-1])
        states = [DeviceStatus.from_json(b) for b in listener.bodies("device-1/status")]
    messages = [unpack(open_sealed(body, TOPIC, key)) for body in bodies]
    assert [m.sequence for m in messages] == list(range(sent))
    assert {m.epoch for m in messages} == {summary["epoch"]}
    assert summary["signed_bytes"] == sum(map(len, bodies))
    assert len({len(body) for body in bodies}) == 1
    assert summary["frames"] >= summary["releases"] >= 10
    assert summary["frames_wiped"] == summary["frames"]
    assert summary["spent_bits_total"] == pytest.approx(
        summary["releases"] * leak_bits(100, 100), rel=1e-5
    )
    assert {"online", "stopping", "offline"} <= {state.status for state in states}


def test_a_fault_is_told_to_the_broker_and_ends_the_daemon(settings, broker):
    path = settings(broker_section(broker), breaks_on_motion=True)
    with Listener(broker) as listener:
        status, out, err = command("run", "--config", path, "--source", "test:snow")
        assert (status, out) == (3, ""), err
        assert "made a value that is no number" in err.splitlines()[-1]
        until(lambda: b'"offline"' in listener.bodies("device-1/status")[-1])
        states = [DeviceStatus.from_json(b) for b in listener.bodies("device-1/status")]
        sent = states[-1].releases + states[-1].repeated
        until(lambda: len(listener.bodies("door/vectors")) >= sent)
    assert (states[-1].fault, states[-1].releases) == ("engine-nan", 1), "before anything moved"
    assert states[-1].frames_wiped == states[-1].frames
    key = load_or_create(path.parent / "state" / "device.key").public_key()
    messages = [unpack(open_sealed(b, TOPIC, key)) for b in listener.bodies("door/vectors")]
    assert len(messages) == sent
    assert [m.repeated for m in messages] == [False] + [True] * (sent - 1)
    with Listener(broker) as late:
        until(lambda: late.bodies("device-1/status"))
        assert b'"engine-nan"' in late.bodies("device-1/status")[0], "retained"


def test_hardware_that_is_missing_is_told_to_the_broker_too(settings, broker, tmp_path):
    path = settings(broker_section(broker))
    path.write_text(path.read_text().replace("[encoder]", '[encoder]\nbackend = "tensorrt"'))
    (tmp_path / "libcuda.so.1").write_text("no library")
    with Listener(broker) as listener:
        status, out, err = command(
            *("run", "--config", path, "--source", "test:"), LD_LIBRARY_PATH=str(tmp_path)
        )
        assert (status, out) == (2, ""), err
        assert "install NVIDIA's driver" in err.splitlines()[-1]
        until(lambda: b'"offline"' in listener.bodies("device-1/status")[-1])
        last = DeviceStatus.from_json(listener.bodies("device-1/status")[-1])
    assert (last.fault, last.camera, last.frames) == ("no-driver", "missing", 0)
    assert listener.bodies("door/vectors") == []


def test_after_the_end_of_a_clip_the_last_vector_is_repeated_until_stopped(settings, clip):
    path = settings()
    child = start("run", "--config", path, "--source", clip, "--broker", NOWHERE)
    until(lambda: waiting_messages(path) >= 28)
    child.send_signal(signal.SIGTERM)
    status, out, err = finish(child)
    assert status == 0, err
    summary = summary_of(out)
    assert summary["repeated"] >= 5
    assert summary["outbox"] == summary["releases"] + summary["repeated"]
    state = path.parent / "state"
    messages = queued(Outbox(state / "outbox", 6000, 600.0), load_or_create(state / "device.key"))
    assert all(m.repeated for m in messages[-5:])
    assert len({m.vector.tobytes() for m in messages[-6:]}) == 1
    assert "next attempt in" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_cleanly_in_mid_stream(settings, number):
    path = settings()
    child = start("run", "--config", path, "--source", "test:", "--broker", NOWHERE)
    until(lambda: waiting_messages(path) >= 5)
    child.send_signal(number)
    status, out, err = finish(child)
    assert status == 0, err
    summary = summary_of(out)
    assert summary["frames_wiped"] == summary["frames"] > 0
    assert summary["latency_ms_p50"] is not None


def test_one_state_directory_has_one_daemon(settings):
    path = settings()
    first = start("run", "--config", path, "--source", "test:", "--broker", NOWHERE)
    until(lambda: waiting_messages(path) >= 1)
    status, _, err = command("run", "--config", path, "--source", "test:")
    first.send_signal(signal.SIGTERM)
    assert finish(first)[0] == 0
    assert status == 2
    assert "in use by another lethe-edge" in err


def test_a_password_in_a_source_reaches_no_output(settings, tmp_path):
    path = settings("[camera]\nsource = 'rtsp://user:hunter2@127.0.0.1:9/stream'\n")
    errors = tmp_path / "errors"
    with errors.open("w") as stderr:
        child = start("run", "--config", path, "--broker", NOWHERE, stderr=stderr)
        until(lambda: "127.0.0.1:9/stream" in errors.read_text())  # the source is spoken of
        child.send_signal(signal.SIGTERM)
        status, out, _ = finish(child)
    assert status == 0, errors.read_text()
    assert "hunter2" not in out + errors.read_text()


def test_killed_and_started_again_no_number_is_used_twice_and_no_charge_is_lost(settings):
    path = settings()
    state = path.parent / "state"
    for kill in range(3):
        child = start("run", "--config", path, "--source", "test:", "--broker", NOWHERE)
        before = waiting_messages(path)
        until(lambda before=before: waiting_messages(path) >= before + 5)
        time.sleep(0.03 * kill)
        child.kill()
        child.communicate()
    outbox = Outbox(state / "outbox", 6000, 600.0)
    messages = queued(outbox, load_or_create(state / "device.key"))
    outbox.close()
    numbers = [(m.epoch, m.sequence) for m in messages]
    assert len({epoch for epoch, _ in numbers}) == 3
    assert numbers == sorted(set(numbers))
    released = sum(not m.repeated for m in messages)
    file = LedgerFile(state / "ledger")
    file.close()
    assert (file.newest.total + file.newest.block) / 1e6 >= released * leak_bits(100, 100)
