# SPDX-License-Identifier: Apache-2.0
"""A process that releases with the key it reads, says so, and waits to be searched.

The key goes straight into the memory that the releaser owns: nothing else ever holds it.
"""

import os
import sys

import numpy as np

from kernels.reference import ReleaseParameters, Releaser

RELEASES = 3


def main():
    key = bytearray(32)
    os.readv(0, [key])
    parameters = ReleaseParameters(np.ones((8, 64), np.int8), 0.02, 256, 4096, (244,))
    releaser = Releaser(parameters, memoryview(key))
    out = np.zeros(8, dtype=np.int16)
    for _ in range(RELEASES):
        releaser.release(np.ones(64, np.float32), 0, out)
    if "close" in sys.argv:
        releaser.close()
    os.write(1, b"ready\n")
    os.read(0, 1)
    releaser.close()


if __name__ == "__main__":
    main()
