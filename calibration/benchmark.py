# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate benchmark`: time per stage of the daemon's pipeline, beside another network.

The daemon's own pipeline runs on a live 640 x 480 test pattern at its own rate, one thread. In the
pause after every frame the encoder alone and then the peer are timed once each, in the same
process and on the same engine, so that all see the same machine in the same state. A frame that
arrived meanwhile is thrown away: its waiting is not the pipeline's. Nothing is sent; the state
directory is a temporary one.

What GStreamer does to a frame before it arrives, scaling it to the canvas and zeroing what it
leaves, is measured apart (`calibration.scaling`) and added to the whole path. CPU times are those
of the one thread that does the work; on a machine that has other work, only they compare well.
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
from statistics import median

import numpy as np

from calibration.evaluate import MODELS, shipped_models, version
from calibration.peer import Peer, PeerError
from calibration.scaling import scaling_ms
from edge.books import open_books
from edge.config import EdgeConfig, EncoderConfig, ProfileConfig, StateConfig, load_config
from edge.daemon import open_pipeline
from edge.encoders import Encoder, open_encoder
from edge.pipeline import Pipeline
from edge.timings import Timings
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES

SOURCE = "test:"  # of SIZE
SIZE = (640, 480)
PLANES_SHAPE = (PLANES, CANVAS_H, CANVAS_W)
WARM_UP_FRAMES = 20
FRAME_TIMEOUT_S = 10.0
THREADS = 1


@dataclass(slots=True)
class Timed:
    """Repeated measurements of one thing, milliseconds: by the clock, and of this thread's CPU."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def time(self, work: Callable[[], None]) -> None:
        """Do it once, and note how long it took."""
        wall_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        work()
        self.cpu.append((time.thread_time_ns() - cpu_ns) / 1e6)
        self.wall.append((time.perf_counter_ns() - wall_ns) / 1e6)


@dataclass(slots=True)
class Samples:
    """What is timed in one run."""

    path: Timed = field(default_factory=Timed)  # its clock time includes waiting for the frame
    encoder: Timed = field(default_factory=Timed)
    peer: Timed = field(default_factory=Timed)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `benchmark` takes."""
    parser.add_argument("--peer", type=Path, help="ONNX or OpenVINO IR file to compare with")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the shipped models")
    parser.add_argument("--frames", type=int, default=300, help="frames to time (default 300)")


def run(args: argparse.Namespace) -> int:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory() as state, ExitStack() as stack:
        config = _config(args.models, Path(state))
        books = open_books(config, stack)
        pipeline = open_pipeline(config, SOURCE, books, stack)
        encoder = open_encoder(config.encoder.backend, books.model, THREADS)
        stack.callback(encoder.close)
        peer = Peer(args.peer, THREADS) if args.peer else None
        scale_ms = scaling_ms(*SIZE)
        measure(pipeline, encoder, peer, WARM_UP_FRAMES)
        pipeline.timings = pipeline.new_timings()
        samples = measure(pipeline, encoder, peer, args.frames)
        print(table(pipeline.timings, samples, scale_ms, peer))
    return 0


def measure(pipeline: Pipeline, encoder: Encoder, peer: Peer | None, frames: int) -> Samples:
    """Take `frames` frames through the pipeline, with the others in the pauses."""
    samples = Samples()
    planes = np.random.default_rng(0).integers(0, 255, PLANES_SHAPE, np.uint8)
    embedding = np.zeros(encoder.dim, np.float32)
    for _ in range(frames):
        pipeline.camera.next(0)
        samples.path.time(lambda: one_frame(pipeline))
        samples.encoder.time(lambda: encoder.embed(planes, embedding))
        if peer is not None:
            samples.peer.time(peer.infer)
    return samples


def one_frame(pipeline: Pipeline) -> None:
    """Take the next frame through every stage."""
    before = pipeline.releases
    deadline = time.monotonic() + FRAME_TIMEOUT_S
    while pipeline.releases == before:
        if time.monotonic() > deadline:
            raise PeerError(f"no frame was released within {FRAME_TIMEOUT_S:g} s")
        frame = pipeline.camera.next(1.0)
        if frame is not None:
            with frame:
                pipeline.on_frame(frame)


def table(timings: Timings, samples: Samples, scale_ms: float, peer: Peer | None) -> str:
    """What is printed: stages and shares, whole path, encoder, peer and ratios."""
    stages = timings.stages_us()
    lines = [machine(), "", f"{'stage':14}{'p50 us':>10}{'share':>8}"]
    lines += [f"{name:14}{us:10.1f}{us / sum(stages.values()):8.1%}" for name, us in stages.items()]
    arrived = Row(timings.latency_ms(50), timings.latency_ms(99), median(samples.path.cpu))
    whole = Row((arrived.p50 or 0.0) + scale_ms, None, arrived.cpu + scale_ms)
    encoder = row_of(samples.encoder)
    lines += ["", f"{'milliseconds':40}{'p50':>9}{'p99':>9}{'CPU p50':>9}"]
    lines.append(f"scaling from {SIZE[0]} x {SIZE[1]}".ljust(40) + str(Row(None, None, scale_ms)))
    lines.append("frame arrived -> signed vector queued".ljust(40) + str(arrived))
    lines.append("whole path".ljust(40) + str(whole))
    lines.append("encoder alone".ljust(40) + str(encoder))
    if peer is not None:
        other = row_of(samples.peer)
        lines.append(f"peer alone, input {peer.shape}".ljust(40) + str(other))
        lines.append("peer / encoder alone, times".ljust(40) + str(other.over(encoder)))
        lines.append("peer / whole path, times".ljust(40) + str(other.over(whole)))
    lines.append(f"{len(samples.encoder.wall)} frames at the profile's rate, {THREADS} thread")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Row:
    """Three figures of the table; None where there is none."""

    p50: float | None
    p99: float | None
    cpu: float

    def __str__(self) -> str:
        values = (self.p50, self.p99, self.cpu)
        return "".join(" " * 9 if value is None else f"{value:9.3f}" for value in values)

    def over(self, other: "Row") -> "Row":
        """How many times the other."""
        return Row((self.p50 or 0.0) / (other.p50 or 1.0), None, self.cpu / other.cpu)


def row_of(timed: Timed) -> Row:
    """Median, 99th percentile, and median of the CPU time."""
    return Row(median(timed.wall), float(np.percentile(timed.wall, 99)), median(timed.cpu))


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
