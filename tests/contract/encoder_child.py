# SPDX-License-Identifier: Apache-2.0
"""Embed what comes on standard input, then stay to be searched: for test_encoder_contract.py.

usage: encoder_child.py BACKEND MODEL

Says "ready" after embedding nothing, after an inference whose activations are left where they are
(the control; OpenVINO's own call), and after `embed`. A byte on standard input asks for the next.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from edge.encoders import open_encoder
from edge.hygiene import reexec_with_perturb
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES


def read_into(planes: np.ndarray) -> None:
    view, done = memoryview(planes).cast("B"), 0
    while done < len(view):
        done += os.readv(0, [view[done:]])


def wait() -> None:
    os.write(1, b"ready\n")
    os.read(0, 1)


def main() -> None:
    reexec_with_perturb()
    encoder = open_encoder(sys.argv[1], Path(sys.argv[2]), 1)
    planes = np.zeros((PLANES, CANVAS_H, CANVAS_W), np.uint8)
    embedding = np.zeros(encoder.dim, np.float32)
    for _ in range(3):
        encoder.embed(planes, embedding)
    read_into(planes)
    wait()
    encoder._input[0] = planes
    encoder._request.infer(share_outputs=True)
    wait()
    encoder.embed(planes, embedding)
    planes.fill(0)
    embedding.fill(0)
    wait()


main()
