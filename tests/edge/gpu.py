# SPDX-License-Identifier: Apache-2.0
"""The product's way over a GPU, with the engine of tests, their kernels and a key that is known.

It wants a process of its own, started by `run_over` for a machine with a GPU: a real one, or the
one that the CUDA driver on the CPU makes of every computer.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

from edge.config import EncoderConfig
from edge.processors import cuda
from kernels.frame_graph import FrameGraph
from tests.edge.stages import NOISE_KEY
from tests.kernels.device.engine import Engine, infer

ROOT = Path(__file__).resolve().parents[2]
KERNELS, ENGINE = "LETHE_TEST_KERNELS", "LETHE_TEST_ENGINE"
OVER_GPU = KERNELS in os.environ  # whether this process was started for it


def run_over(machine, cases):
    """All tests of that file must pass on the machine, none skipped; how many there are."""
    paths = {KERNELS: str(machine.kernels), ENGINE: str(machine.engine)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)],
        cwd=ROOT,
        env={**machine.environment, **paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-9000:]}\n{done.stderr[-3000:]}"
    counted = re.search(r"^(\d+) passed in", done.stdout, re.MULTILINE)
    assert counted, done.stdout[-3000:]
    return int(counted[1])


class Gpu:
    """Opens CudaProcessor as the daemon does. What was opened last lies here."""

    config = EncoderConfig(backend="tensorrt")
    layout = cuda.CAMERA_FRAME

    def __init__(self, profile):
        self._dim = profile.embedding_dim
        self.engine = None
        self.pinned = []  # all memory that host and GPU shared

    def embed(self, planes):
        return infer(planes, self._dim)

    def patched(self, patch, _plug=None, key=NOISE_KEY):
        """In force while `patch` is: engine, kernels, and the key unless None."""
        patch.setattr(cuda, "open_engine", self._open_engine)
        kernels = Path(os.environ[KERNELS])
        patch.setattr(cuda, "FrameGraph", partial(FrameGraph, kernels=kernels))
        if key is not None:
            patch.setattr(cuda, "fill_with_randomness", partial(fill, key=key))

    def _open_engine(self, _model, _plans, device):
        self.pinned = device._pinned
        self.engine = Engine(device, Path(os.environ[ENGINE]), self._dim)
        return self.engine


def fill(out, key):
    """Not so random."""
    out[:] = key
