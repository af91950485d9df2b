# SPDX-License-Identifier: Apache-2.0
"""`benchmark` runs and prints its table; how fast anything is, is no test's business."""

import argparse
import re

import pytest

from calibration import benchmark
from calibration.peer import Peer, PeerError
from tests.calibration.tiny_models import make_encoder, make_models, make_peer


def command(*words):
    parser = argparse.ArgumentParser()
    benchmark.add_arguments(parser)
    return benchmark.run(parser.parse_args([str(word) for word in words]))


def test_the_table_has_every_stage_and_both_ratios(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "WARM_UP_FRAMES", 2)
    (tmp_path / "models").mkdir()
    models = make_models(tmp_path / "models")
    make_peer(tmp_path / "peer.onnx")
    peer = tmp_path / "peer.onnx"
    assert command("--models", models, "--peer", peer, "--frames", 5) == 0
    printed = capsys.readouterr().out
    for stage in ("capture", "desensitise", "encode", "ledger", "release", "seal", "queue"):
        assert re.search(rf"^{stage} +[0-9.]+ +[0-9.]+%$", printed, re.MULTILINE), printed
    for line in ("whole path", "encoder alone", "peer / encoder alone", "peer / whole path"):
        assert re.search(rf"^{line}.* [0-9.]+$", printed, re.MULTILINE), printed
    shares = [float(share) for share in re.findall(r"([0-9.]+)%", printed)]
    assert sum(shares) == pytest.approx(100, abs=0.5)


def test_a_peer_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(PeerError, match=r"none\.onnx: no such file"):
        Peer(tmp_path / "none.onnx", 1)
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(PeerError, match=r"bad\.onnx: needs one float32 input"):
        Peer(tmp_path / "bad.onnx", 1)
    make_encoder(tmp_path / "bytes.onnx")
    with pytest.raises(PeerError, match=r"bytes\.onnx: needs one float32 input"):
        Peer(tmp_path / "bytes.onnx", 1)
