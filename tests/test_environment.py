# SPDX-License-Identifier: Apache-2.0
"""What is installed beside us must not talk behind our back."""

import os
import subprocess
import sys

LOAD_THE_ENGINE = "import openvino, sys; print('openvino_telemetry' in sys.modules)"


def load_the_engine(home):
    """Import OpenVINO with an empty home; whether it loaded the module that reports home."""
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LOAD_THE_ENGINE],
        env={**os.environ, "HOME": str(home), "PYTHONPATH": str(home.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout.strip().endswith("True")


def test_the_inference_engine_reports_to_nobody(tmp_path):
    assert not load_the_engine(tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


def test_the_engine_would_report_if_it_could(tmp_path):
    """The control: an `openvino_telemetry` that can be imported is imported."""
    (tmp_path / "openvino_telemetry.py").write_text("")
    assert load_the_engine(tmp_path / "home")
