# SPDX-License-Identifier: Apache-2.0
"""Contact sheets: what a label or a kind of fall looks like, rendered again from the clips' seeds.

Frames of a set need not be kept for this: a clip is its seed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from calibration.rooms import clip, store
from calibration.rooms.clip import Company
from calibration.rooms.errors import RoomsError
from calibration.rooms.track import RATE_HZ

SHEETS = "sheets"
CLIPS, COLUMNS = 10, 12
BEFORE_S, AFTER_S = 1.0, 2.0  # shown besides the interval itself
WHITE = 255

Grey = npt.NDArray[np.uint8]


def draw(folder: Path, label: str, company: Company) -> Path:
    """OUT/sheets/<label>.png: one row per clip. Raises RoomsError if no clip has the label.

    label: one of labels.csv, or a kind of fall, the first word of its column `how`.
    """
    rows: list[Grey] = []
    for path, notes in store.clips(folder):
        found = [row for row in notes["rows"] if label in _names(row)]
        if found:
            rows.append(_row(path.stem, notes, found[0], company))
        if len(rows) == CLIPS:
            break
    if not rows:
        raise RoomsError(f"{folder}: no clip has the label {label!r}")
    path = folder / SHEETS / f"{label}.png"
    path.parent.mkdir(exist_ok=True)
    ok, image = cv2.imencode(".png", np.vstack(rows))
    if not ok:
        raise RoomsError(f"{path}: the sheet cannot be encoded")
    path.write_bytes(image.tobytes())
    return path


def _names(row: dict[str, Any]) -> tuple[str, str]:
    return row["label"], row["how"].partition(",")[0]


def _row(name: str, notes: dict[str, Any], row: dict[str, Any], company: Company) -> Grey:
    recordings = clip.make(notes["seed"], clip.plan_again(notes), company, keep_frames=True)
    frames = recordings[notes["camera"]].frames
    if frames is None:
        raise RoomsError(f"{name}: rendered without frames")
    first = max(0, round((row["start_s"] - BEFORE_S) * RATE_HZ))
    last = min(len(frames) - 1, round((row["end_s"] + AFTER_S) * RATE_HZ))
    if row["onset_s"] is not None:  # a fall is over in a second: dense first, then the rest
        last = min(last, round((row["onset_s"] + 8) * RATE_HZ))
    share = np.linspace(0, 1, COLUMNS) ** (2.0 if row["onset_s"] is not None else 1.0)
    steps = np.round(first + share * (last - first)).astype(int)
    strip = np.hstack([frames[step] for step in steps])
    text = f"{name} {row['label']} {row['start_s']:.1f}-{row['end_s']:.1f} s {row['how']}"
    cv2.putText(strip, text, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.38, WHITE, 1, cv2.LINE_AA)
    return np.asarray(strip, dtype=np.uint8)
