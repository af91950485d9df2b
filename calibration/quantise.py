# SPDX-License-Identifier: Apache-2.0
"""Turn a trained model into what is shipped: INT8 encoder, profile, the family and its card.

The encoder becomes an ONNX file with explicit, symmetric Q/DQ pairs, ranges taken from real planes;
one file serves OpenVINO and TensorRT 10.3 and later. Nothing is shipped if the INT8 embedding has
drifted from the float one: the cosine at the first percentile of frames must reach a limit.
The projection becomes int8 with the scale folded into the profile's full-scale norm M, so that
the integer release equals the trained one up to rounding. The family stays in float: on one thread
it costs a small part of what its reading and writing does. The card's thresholds and gates are
placeholders, which `tune` replaces: until then every window goes to the largest member.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
import tempfile
from collections.abc import Mapping, Sequence
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

from calibration.checksums import sha256, write_sums
from calibration.folds import FOLDS
from calibration.rooms.track import RATE_HZ
from calibration.train.command import bits_of, load_model
from calibration.train.export import write_family, write_onnx
from calibration.train.family import MODALITIES, SENSORS_MAX, WINDOW
from calibration.train.judge import embed
from calibration.train.networks import EMBEDDING_DIM, PLANES, RELEASED_DIM
from calibration.train.normal import normal_life
from calibration.train.packed import Packed
from calibration.train.recipe import CLIP_NORM, WINDOW_S, lesson, noise_ratio
from calibration.train.targets import COUNTS, KINDS, POSTURES
from calibration.train.trunk import Model
from calibration.train.unusual import NormalLife, fit_unusual
from edge.encoders import open_encoder
from kernels.bounds import leak_bits
from kernels.desensitise import CANVAS_H, CANVAS_W
from wire.profile import Profile

EMBEDDING_SCALE = 1.0 / 127.0  # tanh keeps every coordinate inside (-1, 1)
COARSE_FACTOR = 3  # the second noise level leaks a ninth of the first
CALIBRATION_FRAMES = 512
PERCENTILES = (99.9, 99.99, 99.999)  # of activations inside the INT8 range; the best is kept
MIN_COSINE = 0.9  # of the first percentile of frames, INT8 against float
MAX_BYTES = 12_000_000  # of all models together
ENCODER_FILE, PROFILE_FILE = "encoder.onnx", "profile.json"
CARD_FILE, CARD_VERSION = "recogniser.json", 2
NO_EXIT = 1.0  # a gate that only certainty passes

U8 = npt.NDArray[np.uint8]

log = logging.getLogger(__name__)


class QuantiseError(Exception):
    """The networks are not good or small enough to ship, or the model is of another noise."""


class _Planes(CalibrationDataReader):
    """Hands frames (1, 3, 64, 80) to the quantiser one by one."""

    def __init__(self, planes: U8) -> None:
        self._frames = iter(planes)

    def get_next(self) -> dict[str, U8] | None:
        frame = next(self._frames, None)
        return None if frame is None else {"planes": frame[None]}


class _FromBytes(nn.Module):
    """The encoder with the uint8 input that the device hands over."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, planes: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.encoder(planes.float()),)


@dataclass(frozen=True, slots=True)
class Drift:
    """Cosine between INT8 and float embeddings over frames."""

    p1: float
    median: float


def quantise_encoder(model: Model, planes: U8, path: Path, percentile: float) -> None:
    """Write the encoder as INT8 Q/DQ ONNX; all its shapes are fixed, as a device wants them.

    Ranges cover `percentile` of the activations on planes (N, 3, 64, 80): a single outlier must not
    set the scale, because symmetric ranges waste half of it already.
    """
    with tempfile.TemporaryDirectory() as folder:
        float_path = Path(folder) / "float.onnx"
        example = torch.zeros(1, PLANES, CANVAS_H, CANVAS_W, dtype=torch.uint8)
        encoder = _FromBytes(model.encoder)
        write_onnx(encoder, (example,), ["planes"], ["embedding"], float_path, {})
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


def measure_drift(model: Model, planes: U8, path: Path) -> Drift:
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


def make_profile(model: Model, encoder: Path, name: str, bits: float | None) -> Profile:
    """The profile of a trained release with a leaked-bit cap of `bits` per window.

    None: hardly any noise, and a cap just above what that leaks. Raises QuantiseError if the model
    was trained for another noise than the cap asks for.
    """
    ratio = noise_ratio(bits, RELEASED_DIM)
    if not math.isclose(ratio, model.noise_ratio):
        raise QuantiseError(
            f"the model was trained for sigma {model.noise_ratio * CLIP_NORM:g}, and this cap takes"
            f" {ratio * CLIP_NORM:g}: name the cap it was trained for, or train for this one"
        )
    sigma = round(ratio * CLIP_NORM)
    leaked = RATE_HZ * WINDOW_S * leak_bits(CLIP_NORM, sigma)
    projection, full_scale = integer_projection(model.release.projection.weight.detach().numpy())
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
        window_cap_bits=float(math.ceil(leaked)) if bits is None else bits,
    )


def write_recogniser(
    model: Model, life: Mapping[str, NormalLife], profile: Profile, name: str, folder: Path
) -> None:
    """Write the networks of the family and their card, recogniser.json."""
    unusual = {member: fit_unusual(of_it) for member, of_it in life.items()}
    paths = write_family(model.family, unusual, folder, WINDOW)
    exits: list[dict[str, Any]] = [
        {"name": path.stem.removeprefix("recogniser-"), "network": path.name} for path in paths
    ]
    for one in exits[:-1]:
        one["gate"] = NO_EXIT
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    card = {
        "version": CARD_VERSION,
        "model_id": f"{name}-{digest[:8]}",
        "profile_ids": [profile.id.hex()],
        "kinds": list(KINDS),
        "heads": ["postures", "count", "onset", "unusual"],
        "postures": list(POSTURES),
        "counts": COUNTS,
        "exits": exits,
        "window": WINDOW,
        "rate_hz": RATE_HZ,
        "released_dim": RELEASED_DIM,
        "sigmas": list(profile.sigmas),
        "sensors_max": SENSORS_MAX,
        "modalities": [MODALITIES[0]],  # the network has room for the others, and was taught one
        "thresholds": {kind: {"suspect": 0.5, "confirm": 0.7} for kind in KINDS},
        "alarms": {},
    }
    (folder / CARD_FILE).write_text(json.dumps(card, indent=2) + "\n")


def draw_frames(packed: Packed, clips: Sequence[int], seed: int = 1) -> U8:
    """Random frames of these clips: half of them set the INT8 ranges, half judge the result."""
    frames = np.concatenate([np.arange(len(packed.planes))[packed.clips[k].span] for k in clips])
    chosen = np.random.default_rng(seed).permutation(frames)[: 2 * CALIBRATION_FRAMES]
    return np.stack([packed.planes[k] for k in chosen])


def best_encoder(model: Model, frames: U8, path: Path) -> Drift:
    """Write the encoder that drifts least, measured on frames it was not calibrated on."""
    calibrate, compare = frames[::2], frames[1::2]
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
    frames: U8,
    life: Mapping[str, NormalLife],
    folder: Path,
    *,
    name: str,
    bits: float | None,
) -> Drift:
    """Write encoder, profile, family, card and sums into `folder`.

    frames (F, 3, 64, 80), see `draw_frames`; life by member, see `normal_life`. QuantiseError if
    INT8 drifted, all is too large, or the model was trained for another noise than `bits`; what was
    in the folder then stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as name_of_part:
        part = Path(name_of_part)
        drift = best_encoder(model, frames, part / ENCODER_FILE)
        if drift.p1 < MIN_COSINE:
            raise QuantiseError(f"cosine p1 {drift.p1:.4f} is below {MIN_COSINE}: not shipped")
        profile = make_profile(model, part / ENCODER_FILE, name, bits)
        profile.save(part / PROFILE_FILE)
        write_recogniser(model, life, profile, name, part)
        size = sum(path.stat().st_size for path in part.iterdir())
        if size > MAX_BYTES:
            raise QuantiseError(f"{size} bytes, and {MAX_BYTES} may be shipped: not shipped")
        for path in sorted(part.iterdir(), key=lambda one: one.name == PROFILE_FILE):
            path.replace(folder / path.name)  # the profile last: who has it has everything
    write_sums(folder)
    return drift


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate quantise`."""
    parser.add_argument("--model", type=Path, required=True, help="what `train` wrote (model.pt)")
    parser.add_argument("--pack", type=Path, required=True, help="the clips that `train` packed")
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="held out by `train`")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the models to")
    parser.add_argument("--name", default="lethe-2", help="name of profile and model")
    parser.add_argument(
        "--bits", type=bits_of, default=16.0, help="the cap it was trained for, or none"
    )


def run(args: argparse.Namespace) -> int:
    """Load, take frames and normal life from the packed clips, quantise, check, write."""
    model, packed = load_model(args.model), Packed.open(args.pack)
    to = lesson(packed, args.fold)
    taught = [clip for group in to.heads for clip in group.clips]
    held = [clip for clips in to.judge.groups.values() for clip in clips]
    life = normal_life(
        model, packed, lambda clip: embed(model.encoder, packed.planes[clip.span]), taught, held
    )
    ship(model, draw_frames(packed, taught), life, args.out, name=args.name, bits=args.bits)
    return 0
