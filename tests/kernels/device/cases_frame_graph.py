# SPDX-License-Identifier: Apache-2.0
"""The frame graph does what the CPU path does, bit for bit, and leaves nothing behind."""

import numpy as np
import pytest

from kernels.desensitise import PLANES, Desensitiser
from kernels.frame import CANVAS_H, CANVAS_W, FrameFormat, area_resize
from kernels.frame_graph import FrameGraph
from kernels.reference import Releaser, ReleaseParameters
from tests.kernels.device.engine import Engine, infer
