# SPDX-License-Identifier: Apache-2.0
"""Every engine that an encoder can run on. Where one cannot open, a skip that says why."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from calibration.engine import fits, make_here, renew
from edge.encoders import Encoder, open_encoder
from edge.encoders.plan import read_model
from edge.encoders.tensorrt import bindings, plan_key
from edge.errors import EncoderError
from kernels.cuda import Device
from kernels.errors import AcceleratorError

BACKENDS = ["openvino", "tensorrt"]


def open_on(backend: str, model: Path) -> Encoder:
    """The encoder; for TensorRT its engine is built first, beside the model, if there is none."""
    plans = model.parent / "engine"
    if backend == "tensorrt":
        with closing(_gpu()) as device:
            onnx = read_model(model)
            key = plan_key(onnx, device)
            if not fits(key, plans):
                renew(onnx, key, plans, make_here)
    return open_encoder(backend, model, 1, plans)


def skip_without(backend: str) -> None:
    """Skip, with the reason, where this backend cannot open."""
    if backend == "tensorrt":
        _gpu().close()


def _gpu() -> Device:
    try:
        bindings()
        return Device()
    except (EncoderError, AcceleratorError) as error:
        pytest.skip(f"TensorRT did not run: {error}")
