# SPDX-License-Identifier: Apache-2.0
"""Watch a clip as the daemon does, from camera to embedding, then stay: for test_residue.py.

usage: camera_child.py CLIP MODEL wiped|unwiped

Prints "open", and "ended" when the clip is over. "unwiped" leaves the wiping out by replacing the
function that would begin it: the product has no switch for that.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import numpy as np

from edge import wiping
from edge.camera import open_camera
from edge.encoders import open_encoder
from edge.hygiene import reexec_with_perturb
from edge.processors.cpu import GREY_CANVAS
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES, Desensitiser

RATE_HZ = 10


def main() -> None:
    clip, model, mode = sys.argv[1:]
    if mode == "wiped":
        reexec_with_perturb()
    else:
        wiping.hook = lambda _pipeline: None
    desensitiser, encoder = Desensitiser(RATE_HZ), open_encoder("openvino", Path(model), 1)
    planes = np.zeros((PLANES, CANVAS_H, CANVAS_W), np.uint8)
    embedding = np.zeros(encoder.dim, np.float32)
    canvas = np.zeros(GREY_CANVAS.nbytes, np.uint8)
    with open_camera(clip, RATE_HZ, GREY_CANVAS, canvas) as camera:
        os.write(1, b"open\n")
        while not camera.ended:
            frame = camera.next(1.0)
            if frame is not None:
                with frame:
                    desensitiser.planes(frame.pixels.reshape(CANVAS_H, CANVAS_W), planes)
                encoder.embed(planes, embedding)
        os.write(1, b"ended\n")
        threading.Event().wait()


main()
