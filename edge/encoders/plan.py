# SPDX-License-Identifier: Apache-2.0
"""The built engine on disk: a plan, and a sidecar that says what it was built from and for.

TensorRT's plan runs on one GPU, driver and release of TensorRT only, and cannot tell whether it
was made from the network that the profile was made for. So a plan is taken only if all of that is
exactly as the sidecar says, and its bytes are those that were written. Nothing is rebuilt here:
that takes minutes and a GPU of one's own, and is `lethe-calibrate engine`'s work.

The plan's name holds its digest and the sidecar names it; replacing the sidecar is the one moment
at which another engine counts. A power cut or a full disk before that leaves the old one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge.errors import EncoderError
from edge.state import make_directory, sync_directory, write_durably, write_temporary

SIDECAR = "plan.json"

# What calibration/engine.py asks of the builder; whoever changes that changes this line.
BUILD_OPTIONS = "strongly typed, no TF32, one stream, memory from the caller, 64 MiB at most"


@dataclass(frozen=True, slots=True)
class PlanKey:
    """All that a plan depends on."""

    onnx_sha256: str  # of the network's file, 64 lower-case hex digits
    tensorrt: str  # module and version, as in "tensorrt 10.3.0"
    gpu: str  # name and compute capability
    driver: str  # the newest CUDA release that the driver serves
    options: str = BUILD_OPTIONS


WHAT = {
    "onnx_sha256": "the network",
    "tensorrt": "TensorRT",
    "gpu": "the GPU",
    "driver": "the driver",
    "options": "the builder's options",
}


def read_model(path: Path) -> bytes:
    """A network's file; EncoderError if it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise EncoderError(f"there is no model at {path}") from None
    except OSError as error:
        raise EncoderError(f"model {path}: {error.strerror}") from error


def plan_folder(state: Path) -> Path:
    """Where the engine lies in a state directory."""
    return state / "engine"


def save_plan(folder: Path, key: PlanKey, plan: bytes) -> Path:
    """Put the plan in the place of the one before, durably; EncoderError leaves that one."""
    digest = hashlib.sha256(plan).hexdigest()
    path = folder / f"{digest}.plan"
    sidecar = json.dumps({"plan_sha256": digest} | asdict(key), indent=2) + "\n"
    make_directory(folder.parent)  # by itself, so that it is as private as the folder
    make_directory(folder)
    try:
        write_temporary(path, plan).replace(path)
        sync_directory(folder)
        write_durably(folder / SIDECAR, sidecar.encode())
    except OSError as error:
        _sweep(folder)
        raise EncoderError(
            f"the engine cannot be written to {folder}: {error.strerror}; nothing has changed there"
        ) from error
    _sweep(folder)
    return path


def load_plan(folder: Path, key: PlanKey) -> bytes:
    """The plan that was built from and for exactly `key`; EncoderError says what differs."""
    sidecar = _read_sidecar(folder / SIDECAR)
    for name, here in asdict(key).items():
        if sidecar[name] != here:
            raise EncoderError(
                f"the engine in {folder} does not fit {WHAT[name]}: it was built for "
                f"{sidecar[name]!r}, and this is {here!r}"
            )
    path = folder / f"{sidecar['plan_sha256']}.plan"
    try:
        plan = path.read_bytes()
    except OSError as error:
        raise EncoderError(f"engine {path}: {error.strerror}") from error
    if hashlib.sha256(plan).hexdigest() != sidecar["plan_sha256"]:
        raise EncoderError(f"engine {path} is damaged: its digest is not the recorded one")
    return plan


def _read_sidecar(path: Path) -> dict[str, str]:
    try:
        sidecar: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise EncoderError(f"there is no engine in {path.parent}") from None
    except OSError as error:
        raise EncoderError(f"engine {path}: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, not JSON
        raise EncoderError(f"{path} is damaged: {error}") from error
    if not isinstance(sidecar, dict) or sidecar.keys() != {"plan_sha256", *WHAT}:
        raise EncoderError(f"{path} was not written by this release")
    if not all(isinstance(value, str) for value in sidecar.values()):
        raise EncoderError(f"{path} was not written by this release")
    return sidecar


def _sweep(folder: Path) -> None:
    """Remove what no sidecar names: older plans, and files that were never finished."""
    try:
        named = _read_sidecar(folder / SIDECAR)["plan_sha256"] + ".plan"
    except EncoderError:
        named = ""
    for path in [*folder.glob("*.plan"), *folder.glob("*.new")]:
        if path.name != named:
            path.unlink(missing_ok=True)
