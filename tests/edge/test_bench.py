# SPDX-License-Identifier: Apache-2.0
"""The timing command: what it prints, and that it touches nothing of a device's own."""

import json

import pytest

from edge.__main__ import main
from edge.bench import table
from tests.edge.stages import write_models

NAMES = ["desensitise", "encode", "release", "frame -> vector"]


@pytest.fixture
def settings(tmp_path):
    model, profile = write_models(tmp_path)
    path = tmp_path / "edge.toml"
    path.write_text(
        f'[encoder]\nmodel = "{model.name}"\n[profile]\npath = "{profile.name}"\n'
        '[state]\ndir = "state"\n'
    )
    return path


def test_figures_for_a_program(settings, capsys):
    assert main(["bench", "--config", str(settings), "--frames", "100", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures["host_us"]) == NAMES
    for found in figures["host_us"].values():
        assert 0 < found["p50"] <= found["p99"] <= found["p99.9"]
    assert figures["device_us"] == {}
    assert (figures["frames"], figures["frame"]) == (100, "GRAY8 80x64")


def test_a_table_for_a_person(settings, capsys):
    assert main(["bench", "--config", str(settings), "--frames", "100"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in NAMES)
    assert "GPU" not in printed


def test_a_gpu_has_a_part_of_its_own():
    row = {"p50": 4.0, "p99": 5.0, "p99.9": 6.0}
    figures = dict.fromkeys(["frames", "frame", "profile", "backend", "hardware", "machine"], "x")
    printed = table({**figures, "host_us": {"graph": row}, "device_us": {"release of 1": row}})
    assert printed.splitlines()[-2:] == [
        "by the GPU's own events:",
        "  release of 1                     4.0         5.0         6.0",
    ]


def test_it_leaves_no_state_and_spends_no_budget(settings, tmp_path, capsys):
    main(["bench", "--config", str(settings), "--frames", "100"])
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("frames", ["99", "-1", "many", "1000001", "²³⁴"])
def test_too_few_frames_or_no_number_are_refused(settings, frames, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "--config", str(settings), "--frames", frames])
    assert stopped.value.code == 2
    assert "100" in capsys.readouterr().err
