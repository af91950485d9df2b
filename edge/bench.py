# SPDX-License-Identifier: Apache-2.0
"""How long a frame takes on this machine, stage by stage: `lethe-edge bench`.

The configured processor maps frames of noise, one after the other as fast as it can. There is no
camera, no broker and no ledger; every release is thrown away, so nothing that anybody could see is
published and no budget is spent.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.books import load_profile
from edge.config import EdgeConfig, shipped
from edge.frame import Frame
from edge.processors import FrameProcessor, open_processor

PERCENTILES = (50.0, 99.0, 99.9)
WARM_UP = 50  # frames that do not count
FINEST = 0  # the noise level

log = logging.getLogger(__name__)


def bench(config: EdgeConfig, frames: int) -> dict[str, Any]:
    """The figures, as JSON has them, in microseconds. Raises EdgeError as the daemon does."""
    model = config.encoder.model or shipped("encoder.onnx")
    profile = load_profile(config.profile.path or shipped("profile.json"), model)
    with closing(open_processor(config, model, profile)) as processor:
        layout = processor.format
        log.info("%d frames on %s", frames, processor.hardware)
        waited = _wait_for(processor, np.zeros(profile.released_dim, np.int16), frames)
        measured = processor.measure(frames)
        return {
            "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
            "hardware": processor.hardware,
            "backend": config.encoder.backend,
            "profile": profile.name,
            "frame": f"{layout.pixels} {layout.width}x{layout.height}",
            "frames": frames,
            "host_us": _percentiles(waited),
            "device_us": _percentiles(measured),
        }


def table(figures: Mapping[str, Any]) -> str:
    """The same for a terminal."""
    lines = [
        f"{figures['frames']} frames {figures['frame']}, profile {figures['profile']}",
        f"{figures['backend']} on {figures['hardware']}, {figures['machine']}",
        _row("", (f"p{p:g} us" for p in PERCENTILES)),
    ]
    for title, part in (("by the clock", "host_us"), ("by the GPU's own events", "device_us")):
        if figures[part]:
            lines.append(f"{title}:")
            lines += [_row(f"  {name}", found.values()) for name, found in figures[part].items()]
    return "\n".join(lines)


def _wait_for(
    processor: FrameProcessor, vector: npt.NDArray[np.int16], frames: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Seconds (frames,) of each stage, and of all of them, as the daemon would wait for them."""
    random = np.random.default_rng(1)
    moments: list[float] = []

    def lap() -> None:
        moments.append(time.perf_counter())

    for _ in range(WARM_UP + frames):
        processor.canvas[:] = random.integers(0, 256, len(processor.canvas), np.uint8)
        frame = Frame(processor.canvas, time.monotonic_ns())
        lap()
        processor.process(frame, FINEST, vector, lap)
    laps = np.array(moments).reshape(WARM_UP + frames, -1)[WARM_UP:]
    stages = dict(zip(processor.stages, np.diff(laps).T, strict=True))
    return {**stages, "frame -> vector": laps[:, -1] - laps[:, 0]}


def _percentiles(seconds: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    return {
        name: {f"p{p:g}": round(float(np.percentile(found, p)) * 1e6, 1) for p in PERCENTILES}
        for name, found in seconds.items()
    }


def _row(name: str, values: Iterable[object]) -> str:
    return f"{name:<26}" + "".join(f"{value:>12}" for value in values)
