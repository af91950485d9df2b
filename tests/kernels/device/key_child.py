# SPDX-License-Identifier: Apache-2.0
"""A process that releases on a device with the key it reads, says so, and waits to be searched.

The key goes straight into the memory that the frame graph wipes: nothing else ever holds it.
"""

import os
import sys
from contextlib import closing
from pathlib import Path

import numpy as np

from kernels.cuda import Device
from kernels.frame import FrameFormat
from kernels.frame_graph import FrameGraph
from tests.kernels.device.cpu_path import RATE_HZ, D, K, parameters
from tests.kernels.device.engine import Engine


def main():
    kernels, engine, releases = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    key, layout = bytearray(32), FrameFormat("GRAY8", 80, 64)
    os.readv(0, [key])
    with Device() as device:
        inference = Engine(device, engine, D)
        graph = FrameGraph(
            device, layout, parameters(), RATE_HZ, inference, memoryview(key), kernels
        )
        with closing(graph):
            for _ in range(releases):
                graph.run(0, np.zeros(K, np.int16))
            os.write(1, b"ready\n")
            os.read(0, 1)


if __name__ == "__main__":
    main()
