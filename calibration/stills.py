# SPDX-License-Identifier: Apache-2.0
"""Frames for a report: of people who never existed, and of nobody else.

A frame leaves here only if everything agrees: the list gives the clip a seed, its notes beside it
(.npz) name the same moment, camera, seed and say that its frames were kept, and these very frames,
desensitised again, are bit for bit the planes that the renderer stored. A film of a real person has
no such planes, whatever its name, its list or its neighbour in the folder say.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from calibration.data import Clip
from calibration.rooms.errors import RoomsError
from calibration.rooms.store import load_notes, load_planes
from calibration.rooms.track import RATE_HZ
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES, Desensitiser
from kernels.errors import FormatError
from kernels.frame import FrameFormat, area_resize

VIDEO, NOTES = ".mkv", ".npz"
BEFORE_S, AFTER_S, COLUMNS = 2.0, 6.0, 8
QUALITY = 72  # of JPEG

U8 = npt.NDArray[np.uint8]


class NotRendered(Exception):
    """No frame of this clip may be shown; the message says why."""


def strip(clip: Clip, at_s: float) -> bytes:
    """A row of frames around `at_s` as one grey JPEG; raises NotRendered."""
    frames = rendered_frames(clip)
    last = len(frames) - 1
    wanted = np.linspace(at_s - BEFORE_S, at_s + AFTER_S, COLUMNS) * RATE_HZ
    row = np.hstack([frames[step] for step in np.clip(np.round(wanted), 0, last).astype(int)])
    ok, image = cv2.imencode(".jpg", row, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not ok:
        raise NotRendered(f"{clip.name}: its frames cannot be encoded")
    return bytes(image.tobytes())


def rendered_frames(clip: Clip) -> list[U8]:
    """Every frame of a rendered clip, each (H, W); raises NotRendered for any other clip."""
    if not clip.rendered or clip.path.suffix != VIDEO:
        raise NotRendered(f"{clip.name}: not listed as a rendered clip whose frames were kept")
    try:
        notes = load_notes(clip.path.with_suffix(NOTES))
        told = tuple(str(notes.get(key)) for key in ("moment", "camera", "seed"))
        if told != (clip.moment, clip.camera, clip.seed) or notes.get("video") is not True:
            raise NotRendered(f"{clip.name}: its notes speak of another clip")
        planes = load_planes(clip.path.with_suffix(NOTES))
    except RoomsError as error:
        raise NotRendered(f"{clip.name}: no notes of the renderer ({error})") from error
    frames = _decoded(clip)
    if len(frames) != len(planes) or not _agree(frames, planes):
        raise NotRendered(f"{clip.name}: its frames are not those that were rendered")
    return frames


def _decoded(clip: Clip) -> list[U8]:
    video = cv2.VideoCapture(str(clip.path), cv2.CAP_FFMPEG)
    try:
        frames: list[U8] = []
        while True:
            ok, frame = video.read()
            if not ok:
                return frames
            frames.append(np.ascontiguousarray(frame[..., 0], dtype=np.uint8))
    finally:
        video.release()


def _agree(frames: list[U8], planes: U8) -> bool:
    """Whether these frames desensitise to these planes (N, 3, 64, 80), N at least 1."""
    if not frames:
        return False
    height, width = frames[0].shape
    desensitiser, out = Desensitiser(RATE_HZ), np.zeros((PLANES, CANVAS_H, CANVAS_W), np.uint8)
    try:
        shape = FrameFormat("GRAY8", width, height)
    except FormatError:
        return False
    for frame, stored in zip(frames, planes, strict=True):
        desensitiser.planes(area_resize(frame.ravel(), shape), out)
        if not np.array_equal(out, stored):
            return False
    return True
