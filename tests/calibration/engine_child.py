# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate engine` on a GPU that TensorRT can build for, though it is the CPU: for
test_engine.py.

usage: engine_child.py DRIVER-VERSION [words of the command]
"""

import sys
from functools import partial

import calibration.engine
from calibration.__main__ import main
from tests.kernels.host.driver.build import Control

Control().machine(int(sys.argv[1]))
calibration.engine.make_here = partial(
    calibration.engine.build, progress=lambda _phase, _share: True, target="SM86"
)
sys.exit(main(["engine", *sys.argv[2:]]))
