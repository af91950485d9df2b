# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate benchmark`: time per stage of the daemon's pipeline, beside another network.

The daemon's own pipeline runs on a live 640 x 480 test pattern at its own rate, one thread. In the
pause after every frame the encoder alone and then the peer are timed once each, in the same
process and on the same engine, so that all see the same machine in the same state. A frame that
arrived meanwhile is thrown away: its waiting is not the pipeline's. Nothing is sent; the state
directory is a temporary one.

What GStreamer does to a frame before it arrives, scaling it to the canvas and zeroing what it
leaves, is measured apart (`calibration.scaling`) and added to the whole path.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from calibration.evaluate import MODELS, shipped_models, version
from calibration.peer import Peer, PeerError
from calibration.scaling import scaling_ms
from edge.config import EdgeConfig, EncoderConfig, ProfileConfig, StateConfig, load_config
from edge.daemon import open_books, open_pipeline
from edge.desensitise import CANVAS_H, CANVAS_W, PLANES
from edge.pipeline import STAGES, Pipeline
from edge.timings import Timings

SOURCE = "test:"  # of SIZE
SIZE = (640, 480)
PLANES_SHAPE = (PLANES, CANVAS_H, CANVAS_W)
WARM_UP_FRAMES = 20
FRAME_TIMEOUT_S = 10.0
THREADS = 1


@dataclass(slots=True)
class Samples:
    """What is timed beside the pipeline."""

    encoder: list[float] = field(default_factory=list)  # milliseconds
    peer: list[float] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `benchmark` takes."""
    parser.add_argument("--peer", type=Path, help="ONNX or OpenVINO IR file to compare with")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the shipped models")
    parser.add_argument("--frames", type=int, default=300, help="frames to time (default 300)")


def run(args: argparse.Namespace) -> int:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory() as state, ExitStack() as stack:
        config = _config(args.models, Path(state))
        pipeline = open_pipeline(config, SOURCE, open_books(config, stack), stack)
        peer = Peer(args.peer, THREADS) if args.peer else None
        scale_ms = scaling_ms(*SIZE)
        measure(pipeline, peer, WARM_UP_FRAMES)
        pipeline.timings = Timings(STAGES)
        samples = measure(pipeline, peer, args.frames)
        print(table(pipeline.timings, samples, scale_ms, peer))
    return 0


def measure(pipeline: Pipeline, peer: Peer | None, frames: int) -> Samples:
    """Take `frames` frames through the pipeline, with the others in the pauses."""
    samples = Samples()
    planes = np.random.default_rng(0).integers(0, 255, PLANES_SHAPE, np.uint8)
    embedding = np.zeros_like(pipeline.buffers.embedding)
    for _ in range(frames):
        one_frame(pipeline)
        samples.encoder.append(elapsed_ms(lambda: pipeline.encoder.embed(planes, embedding)))
        if peer is not None:
            samples.peer.append(elapsed_ms(peer.infer))
    return samples


def one_frame(pipeline: Pipeline) -> None:
    """Throw away what waits, take the next frame through every stage."""
    pipeline.camera.next(0)
    before = pipeline.releases
    deadline = time.monotonic() + FRAME_TIMEOUT_S
    while pipeline.releases == before:
        if time.monotonic() > deadline:
            raise PeerError(f"no frame was released within {FRAME_TIMEOUT_S:g} s")
        frame = pipeline.camera.next(1.0)
        if frame is not None:
            with frame:
                pipeline.on_frame(frame)


def elapsed_ms(work: Callable[[], None]) -> float:
    """How long `work` takes, milliseconds."""
    start = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - start) / 1e6


def table(timings: Timings, samples: Samples, scale_ms: float, peer: Peer | None) -> str:
    """What is printed: stages and shares, whole path, encoder, peer and ratios."""
    stages = timings.stages_us()
    arrived_ms = timings.latency_ms(50) or 0.0
    encoder_ms = float(np.median(samples.encoder))
    lines = [machine(), "", f"{'stage':14}{'p50 us':>10}{'share':>8}"]
    lines += [f"{name:14}{us:10.1f}{us / sum(stages.values()):8.1%}" for name, us in stages.items()]
    whole_ms = arrived_ms + scale_ms
    lines += ["", f"{'':40}{'p50 ms':>9}{'p99 ms':>9}"]
    lines.append(_line(f"scaling from {SIZE[0]} x {SIZE[1]}, CPU", scale_ms, None))
    lines.append(_line("frame arrived -> signed vector queued", arrived_ms, timings.latency_ms(99)))
    lines.append(_line("whole path", whole_ms, None))
    lines.append(_line("encoder alone", encoder_ms, _p99(samples.encoder)))
    if peer is not None:
        peer_ms = float(np.median(samples.peer))
        lines.append(_line(f"peer alone, input {peer.shape}", peer_ms, _p99(samples.peer)))
        lines.append(_line("peer / encoder alone, times", peer_ms / encoder_ms, None))
        lines.append(_line("peer / whole path, times", peer_ms / whole_ms, None))
    lines.append(f"{len(samples.encoder)} frames at the profile's rate, {THREADS} thread")
    return "\n".join(lines)


def machine() -> str:
    """Processor, count, load and engine: what a figure is worth nothing without."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return (
        f"{names[0] if names else platform.machine()}, {os.cpu_count()} CPUs, "
        f"load {os.getloadavg()[0]:.1f}, OpenVINO {version('openvino')}"
    )


def _config(models: Path, state: Path) -> EdgeConfig:
    files = shipped_models(models, None)
    return replace(
        load_config(None),
        encoder=EncoderConfig(model=files.encoder, threads=THREADS),
        profile=ProfileConfig(path=files.profile),
        state=StateConfig(dir=state),
    )


def _line(name: str, p50: float, p99: float | None) -> str:
    return f"{name:40}{p50:9.3f}" + ("" if p99 is None else f"{p99:9.3f}")


def _p99(values: list[float]) -> float:
    return float(np.percentile(values, 99))
