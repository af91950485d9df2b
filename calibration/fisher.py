# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate fisher`: floors under rebuilding a frame from releases of the float twin.

For frames of labelled clips: dFIL and the floor of van Trees for N = 1, 10, 60 and 600 releases of
one static scene, at the 1st, 50th and 99th percentile of frames. Jacobians are exact: K backward
passes give all K rows. The input is what the encoder sees, three planes of 64 x 80, in units of
full scale; the attacker of the floor knows the frame but for a Gaussian of deviation --deviation.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calibration.data import DataError
from calibration.reconstruction import Jacobian, dfil, van_trees_floor
from calibration.train.command import load_clips, load_model
from calibration.train.sources import load
from calibration.train.trunk import Model

RELEASES = (1, 10, 60, 600)  # one, and those of 1 s, 6 s and a minute at 10 a second
PERCENTILES = (1.0, 50.0, 99.0)
FULL_SCALE = 255.0

Twin = Callable[[Tensor], Tensor]  # (d) float64 -> (K) float64


@dataclass(frozen=True, slots=True)
class Floor:
    """Percentiles over frames, for so many releases of one scene."""

    releases: int
    dfil: tuple[float, ...]
    error_kept: tuple[float, ...]  # van Trees' floor over the prior's variance: 1 learns nothing


def jacobian(f: Twin, x: NDArray[np.float64]) -> Jacobian:
    """(K, d), exactly: one vector-Jacobian product for each of the K outputs."""
    given = torch.from_numpy(x).requires_grad_()
    out = f(given)
    rows = [torch.autograd.grad(one, given, retain_graph=True)[0] for one in out]
    return np.stack([row.numpy() for row in rows])


def float_twin(model: Model) -> Twin:
    """Planes in units of full scale, flattened -> the clipped vector before noise, in units of C.

    In double precision and with the batch statistics of training: the network that was exported.
    """
    encoder, release = model.encoder.double().eval(), model.release.double().eval()

    def f(x: Tensor) -> Tensor:
        planes = x.reshape(1, 3, 64, 80) * FULL_SCALE
        clean: Tensor = release.clean(encoder(planes))[0]
        return clean

    return f


def floors(
    f: Twin, frames: Sequence[NDArray[np.float64]], sigma: float, deviation: float, draws: int
) -> list[Floor]:
    """Both measures for every N of RELEASES; sigma in units of C. Noise is drawn from a seed."""
    random = np.random.default_rng(1)
    exact, around = [], []
    for frame in frames:
        exact.append(jacobian(f, frame))
        shaken = [frame + deviation * random.standard_normal(frame.shape) for _ in range(draws)]
        around.append([jacobian(f, x) for x in shaken])
    return [
        Floor(
            n,
            _percentiles([dfil(J, sigma, n) for J in exact]),
            _percentiles(
                [van_trees_floor(Js, sigma, deviation, n) / deviation**2 for Js in around]
            ),
        )
        for n in RELEASES
    ]


def _percentiles(values: list[float]) -> tuple[float, ...]:
    return tuple(float(v) for v in np.percentile(values, PERCENTILES))


def choose(folders: Sequence[Path], count: int) -> list[NDArray[np.float64]]:
    """So many frames, in units of full scale, of as many clips as there are, evenly spread.

    Fewer, if the clips have not so many; DataError if there is no clip, or one cannot be read.
    """
    clips = load_clips(folders)
    if not clips:
        raise DataError("no clip has a frame")
    chosen = [clips[k] for k in _spread(len(clips), count)]
    each = -(-count // len(chosen))
    frames = []
    for clip in chosen:
        planes = load(clip).planes
        frames += [planes[k].ravel() / FULL_SCALE for k in _spread(len(planes), each)]
    return frames[:count]


def _spread(size: int, count: int) -> NDArray[np.intp]:
    """At most `count` places of `size`."""
    return np.linspace(0, size - 1, min(count, size)).astype(np.intp)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate fisher`."""
    parser.add_argument("--model", type=Path, required=True, help="weights that `train` wrote")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of clips")
    parser.add_argument("--frames", type=int, default=200, help="default: 200")
    parser.add_argument("--draws", type=int, default=4, help="of the prior, a frame (default: 4)")
    tau = "of what the attacker does not know of a frame, full scale is 1 (default: 0.1)"
    parser.add_argument("--deviation", type=float, default=0.1, metavar="TAU", help=tau)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the percentiles."""
    model = load_model(args.model)
    sigma, frames = model.noise_ratio, choose(args.data, args.frames)
    found = floors(float_twin(model), frames, sigma, args.deviation, args.draws)
    if args.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        print(_text(found, len(frames), sigma, args.deviation))
    return 0


def _text(found: Sequence[Floor], frames: int, sigma: float, deviation: float) -> str:
    heads = "".join(f"{'p' + format(p, 'g'):>12}" for p in PERCENTILES)
    lines = [
        f"float twin, sigma/C {sigma:.3f}, {frames} frames, prior deviation {deviation:g}",
        f"{'releases':>8}  dFIL{heads[4:]}    part of the prior's variance that stays{heads}",
    ]
    for one in found:
        information = "".join(f"{v:12.4g}" for v in one.dfil)
        kept = "".join(f"{v:12.6f}" for v in one.error_kept)
        lines.append(f"{one.releases:8d}  {information}{'':40}{kept}")
    lines.append(
        "an error's floor is that part times the prior's variance, per pixel; N releases of one\n"
        "static scene. Of the float twin only: what is deployed is bounded in bits"
    )
    return "\n".join(lines)
