# SPDX-License-Identifier: Apache-2.0
"""Turn a trained model into what is shipped: INT8 encoder, profile, recogniser and its card.

The encoder becomes an ONNX file with explicit, symmetric Q/DQ pairs, ranges taken from real planes;
one file serves OpenVINO and TensorRT 10.3 and later. Nothing is shipped if the INT8 embedding has
drifted from the float one: the cosine at the first percentile of frames must reach a limit.
The projection becomes int8 with the scale folded into the profile's full-scale norm M, so that
the integer release equals the trained one up to rounding.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from torch import nn

from calibration.accounting import sigma_for
from calibration.checksums import sha256, write_sums
from calibration.data import load_labels
from calibration.footage import load_footage
from calibration.learning import Model, embed
from calibration.networks import (
    EMBEDDING_DIM,
    KINDS,
    PLANES,
    RECOGNISER_WINDOW,
    RELEASED_DIM,
    LastStep,
)
from calibration.rooms.track import RATE_HZ
from calibration.training import CLIP_NORM, WINDOW_S, load_model
from calibration.tune import WARM_UP_VECTORS
from edge.encoders import open_encoder
from kernels.desensitise import CANVAS_H, CANVAS_W
from wire.profile import Profile

OPSET = 17
EMBEDDING_SCALE = 1.0 / 127.0  # tanh keeps every coordinate inside (-1, 1)
COARSE_FACTOR = 3  # the second noise level leaks a ninth of the first
CALIBRATION_FRAMES = 512
PERCENTILES = (99.9, 99.99, 99.999)  # of activations inside the INT8 range; the best is kept
MIN_COSINE = 0.9  # of the first percentile of frames, INT8 against float

log = logging.getLogger(__name__)


class QuantiseError(Exception):
    """The quantised network is not good enough to ship, or the model file does not fit."""


class _Planes(CalibrationDataReader):
    """Hands frames (1, 3, 64, 80) to the quantiser one by one."""

    def __init__(self, planes: npt.NDArray[np.uint8]) -> None:
        self._frames = iter(planes)

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        frame = next(self._frames, None)
        return None if frame is None else {"planes": frame[None]}


class _FromBytes(nn.Module):
    """The encoder with the uint8 input that the device hands over."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        return self.encoder(planes.float())


@dataclass(frozen=True, slots=True)
class Drift:
    """Cosine between INT8 and float embeddings over frames."""

    p1: float
    median: float


def export(
    module: nn.Module,
    example: torch.Tensor,
    names: tuple[str, str],
    path: Path,
    *,
    free_batch: bool,
) -> None:
    """Write a network as ONNX; names = (input, output). A device's shapes are all fixed."""
    axes = {name: {0: "batch"} for name in names} if free_batch else None
    module.eval()
    torch.onnx.export(
        module,
        (example,),
        str(path),
        input_names=[names[0]],
        output_names=[names[1]],
        opset_version=OPSET,
        dynamic_axes=axes,
        dynamo=False,
    )


def quantise_encoder(
    model: Model, planes: npt.NDArray[np.uint8], path: Path, percentile: float
) -> None:
    """Write the encoder as INT8 Q/DQ ONNX.

    Ranges cover `percentile` of the activations on planes (N, 3, 64, 80): a single outlier must not
    set the scale, because symmetric ranges waste half of it already.
    """
    with tempfile.TemporaryDirectory() as folder:
        float_path = Path(folder) / "float.onnx"
        example = torch.zeros(1, PLANES, CANVAS_H, CANVAS_W, dtype=torch.uint8)
        names = ("planes", "embedding")
        export(_FromBytes(model.encoder), example, names, float_path, free_batch=False)
        quantize_static(
            float_path,
            path,
            _Planes(planes),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.Percentile,
            op_types_to_quantize=["Conv", "Gemm", "MatMul", "Add"],
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,  # TensorRT takes no INT32 behind DequantizeLinear
                "CalibPercentile": percentile,
            },
        )
    onnx.checker.check_model(onnx.load(path), full_check=True)


def measure_drift(model: Model, planes: npt.NDArray[np.uint8], path: Path) -> Drift:
    """Compare the shipped engine with the float network on planes (N, 3, 64, 80)."""
    wanted = embed(model.encoder, planes)
    got = np.empty_like(wanted)
    encoder = open_encoder("openvino", path, 1)
    try:
        for frame, out in zip(planes, got, strict=True):
            encoder.embed(np.ascontiguousarray(frame), out)
    finally:
        encoder.close()
    cosine = (wanted * got).sum(1) / (
        np.linalg.norm(wanted, axis=1) * np.linalg.norm(got, axis=1) + 1e-9
    )
    return Drift(float(np.percentile(cosine, 1)), float(np.median(cosine)))


def integer_projection(weight: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], int]:
    """float P (K, D) -> int8 P and full-scale norm M, so that ||P q|| = M where ||P e|| = 1."""
    scale = float(np.abs(weight).max()) / 127.0
    return np.rint(weight / scale).astype(np.int8), round(1.0 / (scale * EMBEDDING_SCALE))


def make_profile(model: Model, encoder: Path, name: str, bits: float) -> Profile:
    """The profile of a trained release with a leaked-bit cap of `bits` per 2 s window."""
    weight = model.release.projection.weight.detach().numpy()
    projection, full_scale = integer_projection(weight)
    sigma = sigma_for(bits, WINDOW_S * RATE_HZ, CLIP_NORM, RELEASED_DIM, "leak")
    return Profile(
        name=name,
        encoder_sha256=sha256(encoder),
        embedding_dim=EMBEDDING_DIM,
        released_dim=RELEASED_DIM,
        projection=projection.tobytes(),
        embedding_scale=EMBEDDING_SCALE,
        clip_norm=CLIP_NORM,
        full_scale=full_scale,
        sigmas=(sigma, COARSE_FACTOR * sigma),
        rate_hz=RATE_HZ,
        window_s=WINDOW_S,
        window_cap_bits=bits,
    )


def write_recogniser(model: Model, profile: Profile, name: str, folder: Path) -> None:
    """Write recogniser.onnx; its card keeps thresholds that were tuned before, if there are any."""
    example = torch.zeros(1, RECOGNISER_WINDOW, RELEASED_DIM + 1)
    path = folder / "recogniser.onnx"
    names = ("window", "probabilities")
    export(LastStep(model.recogniser), example, names, path, free_batch=True)
    card_path = folder / "recogniser.json"
    card: dict[str, Any] = json.loads(card_path.read_text()) if card_path.exists() else {}
    card |= {
        "model_id": f"{name}-{sha256(path)[:8]}",
        "profile_ids": [profile.id.hex()],
        "kinds": list(KINDS),
        "window": RECOGNISER_WINDOW,
        "rate_hz": RATE_HZ,
        "released_dim": RELEASED_DIM,
        "sigmas": list(profile.sigmas),
    }
    card.setdefault("thresholds", {kind: {"suspect": 0.5, "confirm": 0.7} for kind in KINDS})
    card.setdefault("alarms", {"warm_up_vectors": WARM_UP_VECTORS})
    card_path.write_text(json.dumps(card, indent=2) + "\n")


def pick_frames(footage: Sequence[npt.NDArray[np.uint8]], seed: int) -> npt.NDArray[np.uint8]:
    """A random CALIBRATION_FRAMES of all frames -> (N, 3, 64, 80)."""
    frames = np.concatenate(list(footage))
    chosen = np.random.default_rng(seed).permutation(len(frames))[:CALIBRATION_FRAMES]
    return frames[chosen]


def best_encoder(model: Model, planes: Sequence[npt.NDArray[np.uint8]], path: Path) -> Drift:
    """Write the encoder that drifts least, measured on frames it was not calibrated on."""
    calibrate, compare = pick_frames(planes, seed=1), pick_frames(planes, seed=2)
    found: list[tuple[Drift, bytes]] = []
    for percentile in PERCENTILES:
        quantise_encoder(model, calibrate, path, percentile)
        drift = measure_drift(model, compare, path)
        log.info("%g %%: cosine p1 %.4f, median %.4f", percentile, drift.p1, drift.median)
        found.append((drift, path.read_bytes()))
    drift, network = max(found, key=lambda pair: pair[0].p1)
    path.write_bytes(network)
    return drift


def ship(
    model: Model,
    planes: Sequence[npt.NDArray[np.uint8]],
    folder: Path,
    *,
    name: str,
    bits: float,
) -> Drift:
    """Write encoder, profile, recogniser and sums into `folder`; QuantiseError if INT8 drifted."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = folder / "encoder.onnx"
    drift = best_encoder(model, planes, encoder)
    if drift.p1 < MIN_COSINE:
        raise QuantiseError(f"cosine p1 {drift.p1:.4f} is below {MIN_COSINE}: not shipped")
    profile = make_profile(model, encoder, name, bits)
    profile.save(folder / "profile.json")
    write_recogniser(model, profile, name, folder)
    write_sums(folder)
    return drift


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate quantise`."""
    parser.add_argument("--model", type=Path, required=True, help="what `train` wrote (model.pt)")
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the models to")
    parser.add_argument("--name", default="lethe-rooms-1", help="name of profile and model")
    parser.add_argument("--bits", type=float, default=16.0, help="leaked-bit cap per 2 s")


def run(args: argparse.Namespace) -> int:
    """Load, watch the clips, quantise, check, write."""
    model = load_model(args.model)
    footage = load_footage(load_labels(args.data))
    ship(model, [f.planes for f in footage], args.out, name=args.name, bits=args.bits)
    return 0
