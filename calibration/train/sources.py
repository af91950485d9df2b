# SPDX-License-Identifier: Apache-2.0
"""A clip's frames as the daemon desensitises them: read if they were rendered, else watched.

Letters: T time steps. A rendered clip has a file of arrays beside its frames, or in their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calibration.data import Clip, DataError
from calibration.rooms.errors import RoomsError
from calibration.rooms.store import load_notes, load_stored
from calibration.rooms.track import RATE_HZ
from calibration.train.targets import Bodies
from edge.camera import open_camera
from edge.errors import CameraError
from edge.processors.cpu import GREY_CANVAS
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES, Desensitiser

STORED = ".npz"
DECODE_TIMEOUT_S = 30.0
SLACK_S = 0.25  # by which a label that somebody wrote down may end after the video


@dataclass(frozen=True, slots=True)
class Source:
    """planes (T, 3, 64, 80) and canvas (T, 64, 80), uint8; bodies if it was rendered."""

    planes: npt.NDArray[np.uint8]
    canvas: npt.NDArray[np.uint8]
    bodies: Bodies | None


def expected_steps(clip: Clip) -> int:
    """About how many steps `load` will give, without watching it; raises DataError."""
    stored = _stored(clip)
    if stored is None:
        return round(max((i.end_s for i in clip.intervals), default=0.0) * RATE_HZ)
    try:
        return int(load_notes(stored)["steps"])
    except RoomsError as error:
        raise DataError(str(error)) from error


def load(clip: Clip) -> Source:
    """All of a clip.

    Raises DataError, which names the clip and the cure, if it cannot be read, has no frame, or
    is shorter than its labels.
    """
    stored = _stored(clip)
    source = _watch(clip) if stored is None else _read(stored)
    if not len(source.planes):
        raise DataError(f"{clip.path}: not one frame; take it off the list of clips")
    for interval in clip.intervals:
        if interval.end_s > len(source.planes) / RATE_HZ + SLACK_S:
            raise DataError(
                f"{clip.path}: label {interval.label} until {interval.end_s:g} s lies outside the "
                f"clip, which ends at {len(source.planes) / RATE_HZ:g} s; correct the list of clips"
            )
    return source


def _stored(clip: Clip) -> Path | None:
    beside = clip.path.with_suffix(STORED)
    return beside if clip.path == beside or beside.exists() else None


def _read(path: Path) -> Source:
    try:
        stored = load_stored(path)
    except RoomsError as error:
        raise DataError(str(error)) from error
    bodies = Bodies(stored.people, stored.posture, stored.pixels)
    return Source(stored.planes, stored.canvas, bodies)


def _watch(clip: Clip) -> Source:
    """Every frame at RATE_HZ, through the daemon's own camera and desensitiser."""
    desensitiser, memory = Desensitiser(RATE_HZ), np.zeros(GREY_CANVAS.nbytes, np.uint8)
    planes, canvas = [], []
    try:
        camera = open_camera(str(clip.path), RATE_HZ, GREY_CANVAS, memory, realtime=False)
        with camera:
            while (frame := camera.next(DECODE_TIMEOUT_S)) is not None:
                out = np.empty((PLANES, CANVAS_H, CANVAS_W), np.uint8)
                with frame:
                    grey = frame.pixels.reshape(CANVAS_H, CANVAS_W)
                    canvas.append(grey.copy())
                    desensitiser.planes(grey, out)
                planes.append(out)
    except CameraError as error:
        raise DataError(f"{clip.path}: {error}; replace it, or take it off the list") from error
    shape = (len(planes), CANVAS_H, CANVAS_W)
    return Source(
        np.stack(planes) if planes else np.empty((0, PLANES, *shape[1:]), np.uint8),
        np.stack(canvas) if canvas else np.empty(shape, np.uint8),
        None,
    )
