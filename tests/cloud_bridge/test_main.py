# SPDX-License-Identifier: Apache-2.0
"""The command, and that it runs where no camera, GPU or training library exists."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calibration.broker import Broker
from cloud_bridge import __main__ as command
from tests.cloud_bridge.peer import PATIENCE_S, Bridge, Peer, wait_for
from tests.cloud_bridge.scene import make_senders, vector, write_config
from wire.events import SensorState

ROOT = Path(__file__).resolve().parents[2]
LOCAL = 'url = "mqtt://localhost:1"'
BLOCKED = ("gi", "tensorrt", "pycuda", "torch", "onnx", "cv2", "edge", "kernels", "calibration")


def blocker(*names):
    return f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ImportError(f"{{name}} is blocked")
        return None

sys.meta_path.insert(0, Blocker())
"""


def call(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


RUN = "import sys; from cloud_bridge.__main__ import main; sys.exit(main(sys.argv[1:]))"


def test_help_tells_what_there_is_and_needs_no_engine():
    result = call(blocker(*BLOCKED, "openvino", "paho") + RUN, "run", "--help")
    assert result.returncode == 0
    shown = set(re.findall(r"--[a-z]+", result.stdout))
    assert shown == {"--help", "--config", "--broker"}


def test_all_modules_import_without_hardware_and_training_libraries():
    names = [f"cloud_bridge.{path.stem}" for path in (ROOT / "cloud_bridge").glob("[a-z]*.py")]
    assert len(names) > 15
    assert call(blocker(*BLOCKED) + "".join(f"import {name}\n" for name in names)).returncode == 0


@pytest.mark.parametrize("name", ["torch", "gi.repository", "edge"])
def test_control_the_blocker_blocks(name):
    assert "is blocked" in call(f"{blocker(*BLOCKED)}import {name}").stderr


def test_it_admits_and_judges_without_them(tmp_path):
    with Broker() as broker:
        bridge = Bridge(tmp_path, broker, prelude=blocker(*BLOCKED))
        bridge.start()
        operator = Peer(broker, "operator", ["lethe/v1/#"])
        sender = make_senders()[0]
        device = Peer(broker, sender.device)
        start_us = time.time_ns() // 1000 - 3_000_000
        present = vector(present=3.0)
        device.publish(
            sender.topic, [sender.sealed(start_us + 100_000 * n, present) for n in range(30)]
        )

        def judged():
            found = [SensorState.from_json(body) for _, body in operator.on("/state")]
            return any(state.admitted == 30 and state.present for state in found)

        wait_for(judged, "a verdict")
        for peer in (operator, device):
            peer.close()
        assert bridge.stop() == 0


def test_a_wrong_configuration_is_one_line_and_status_2(tmp_path, capsys):
    path = write_config(tmp_path, LOCAL, more="[alarms]\noverstay_s = 1")
    assert command.main(["run", "--config", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.search(r"bridge.toml: alarms.overstay_s must be from 10 to 86400", lines[0])


def test_a_missing_configuration_says_what_to_do(tmp_path, capsys):
    assert command.main(["run", "--config", str(tmp_path / "none.toml")]) == 2
    assert "write one after" in capsys.readouterr().err


def test_a_missing_model_is_status_2(tmp_path, capsys):
    path = write_config(tmp_path, LOCAL)
    (tmp_path / "recogniser-m.onnx").unlink()
    assert command.main(["run", "--config", str(path)]) == 2
    assert "recogniser-m.onnx: no such file" in capsys.readouterr().err


def test_a_model_for_another_profile_is_status_2(tmp_path, capsys):
    path = write_config(tmp_path, LOCAL)
    card = tmp_path / "recogniser.json"
    card.write_text(re.sub(r'"profile_ids": \[".*?"\]', '"profile_ids": ["00"]', card.read_text()))
    assert command.main(["run", "--config", str(path)]) == 2
    assert "was not trained for its profile test" in capsys.readouterr().err


def test_a_state_directory_that_cannot_be_used_is_status_1(tmp_path, capsys):
    path = write_config(tmp_path, LOCAL)
    (tmp_path / "state").write_text("a file")
    assert command.main(["run", "--config", str(path)]) == 1
    assert "state_directory" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_for_a_broker_that_is_away_and_can_be_stopped_meanwhile(tmp_path, number):
    log = tmp_path / "log"
    arguments = ["run", "--config", str(write_config(tmp_path, LOCAL))]
    with log.open("wb") as file:
        bridge = subprocess.Popen(
            [sys.executable, "-c", RUN, *arguments],
            stderr=file,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    wait_for(lambda: "no connection to localhost:1: " in log.read_text(), "a line in the log")
    assert bridge.poll() is None
    bridge.send_signal(number)
    assert bridge.wait(PATIENCE_S) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("arguments", [[], ["walk"], ["run", "--fast"]])
def test_a_wrong_command_line_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2
    assert "usage: lethe-bridge" in capsys.readouterr().err
