# SPDX-License-Identifier: Apache-2.0
"""The files of a rendered set: whole or not there, and the same bytes for the same recording.

Layout below the set's folder:

    set.json                          what made it; another recipe is refused
    people.csv                        who is in it
    labels.csv                        the seven columns of calibration/data.py, then EXTRA
    clips/<split>/<moment>_<camera>.npz   the arrays of a Recording, and all else said of it
    clips/<split>/<moment>_<camera>.mkv   the frames, only if they were asked for

Every file is written beside its place under a name that begins with a dot, flushed to the disk and
renamed. Each clip carries its own rows, so the lists can always be made again from whole clips.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from calibration.data import COLUMNS, LABELS_FILE
from calibration.rooms.errors import RoomsError
from calibration.rooms.labels import Row
from calibration.rooms.track import RATE_HZ

VERSION = 2
SET_FILE, PEOPLE_FILE, CLIPS = "set.json", "people.csv", "clips"
EXTRA = ("onset_s", "impact_s", "person", "moment", "camera", "seed", "how")
PART = ".part"
NO_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip file can hold
LIGHT = 1  # deflate level: three quarters of the time of a frame went into level 6


class DiskFull(RoomsError):
    """There is no room for another clip."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What one camera saw of one moment.

    canvas (N, 64, 80) uint8, grey, and planes (N, 3, 64, 80) uint8 that the daemon makes of it;
    posture (N, P) uint8, pixels (N, P) uint16 and joints (N, P, 16, 3) float16 of each person;
    people and room by id; view: what the camera was, for the notes; frames (N, 128, 160) or None.
    """

    moment: int
    camera: int
    split: str
    seed: int
    canvas: npt.NDArray[np.uint8]
    planes: npt.NDArray[np.uint8]
    posture: npt.NDArray[np.uint8]
    pixels: npt.NDArray[np.uint16]
    joints: npt.NDArray[np.float16]
    people: tuple[int, ...]
    room: int
    rows: tuple[Row, ...]
    view: Mapping[str, Any]
    frames: npt.NDArray[np.uint8] | None = None

    @property
    def name(self) -> str:
        """Path inside the set, without its ending."""
        return f"{CLIPS}/{self.split}/{self.moment:06d}_{self.camera}"

    def notes(self) -> dict[str, Any]:
        """Everything that is no array."""
        return {
            "version": VERSION,
            "moment": self.moment,
            "camera": self.camera,
            "split": self.split,
            "seed": self.seed,
            "steps": len(self.planes),
            "people": list(self.people),
            "room": self.room,
            "view": dict(self.view),
            "video": self.frames is not None,
            "rows": [row.as_json() for row in self.rows],
        }


def save(folder: Path, recording: Recording) -> None:
    """Write a recording's files; raises DiskFull, or RoomsError if the folder cannot be used."""
    if recording.frames is not None:
        frames = recording.frames
        _whole(folder / f"{recording.name}.mkv", lambda part: _write_video(part, frames))
    _whole(folder / f"{recording.name}.npz", lambda part: part.write_bytes(packed(recording)))


def packed(recording: Recording) -> bytes:
    """The clip's file: a zip of .npy members, dated so that equal recordings are equal bytes."""
    about = json.dumps(recording.notes(), sort_keys=True).encode()
    members = {
        "canvas": recording.canvas,
        "planes": recording.planes,
        "posture": recording.posture,
        "pixels": recording.pixels,
        "joints": recording.joints,
        "about": np.frombuffer(about, np.uint8),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=LIGHT) as archive:
        for name, array in members.items():
            member = zipfile.ZipInfo(f"{name}.npy", NO_DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(member, content.getvalue())
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Stored:
    """What training reads of a clip's file: the arrays of a Recording, and who its people are."""

    canvas: npt.NDArray[np.uint8]
    planes: npt.NDArray[np.uint8]
    posture: npt.NDArray[np.uint8]
    pixels: npt.NDArray[np.uint16]
    people: tuple[int, ...]


def load_stored(path: Path) -> Stored:
    """A clip's file; raises RoomsError if it is none, or its arrays do not belong together."""
    notes = load_notes(path)
    planes, canvas = load_planes(path), _member(path, "canvas")
    posture, pixels = _member(path, "posture"), _member(path, "pixels")
    people = tuple(int(person) for person in notes["people"])
    persons = len(planes), len(people)
    if canvas.shape != (len(planes), 64, 80) or not posture.shape == pixels.shape == persons:
        raise RoomsError(f"{path}: its arrays are not of one clip; delete it and render again")
    return Stored(canvas, planes, posture, pixels, people)


def load_planes(path: Path) -> npt.NDArray[np.uint8]:
    """Planes (N, 3, 64, 80) of a clip's file; raises RoomsError if it is none."""
    planes = _member(path, "planes")
    if planes.dtype != np.uint8 or planes.ndim != 4 or planes.shape[1:] != (3, 64, 80):
        raise RoomsError(f"{path}: planes of {planes.dtype} {planes.shape} are not a clip's")
    return planes


def load_joints(path: Path) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.uint16]]:
    """Joints (N, P, 16, 3) and pixels (N, P) as in a Recording; raises RoomsError if it is none."""
    return _member(path, "joints"), _member(path, "pixels")


def load_notes(path: Path) -> dict[str, Any]:
    """What a clip's file says of itself; raises RoomsError."""
    try:
        notes = json.loads(_member(path, "about").tobytes())
    except ValueError as error:
        raise RoomsError(f"{path}: its notes cannot be read: {error}") from error
    if not isinstance(notes, dict) or notes.get("version") != VERSION:
        raise RoomsError(f"{path}: its notes are not of version {VERSION}")
    return notes


def _member(path: Path, name: str) -> npt.NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[name])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RoomsError(
            f"{path}: not a whole clip ({error}); delete it and render again"
        ) from error


def _write_video(path: Path, frames: npt.NDArray[np.uint8]) -> None:
    """Lossless grey FFV1. OpenCV chooses the container by the ending, which a part has not."""
    work = path.with_name(f"{path.name}.mkv")
    size = (frames.shape[2], frames.shape[1])
    codec = cv2.VideoWriter.fourcc(*"FFV1")
    writer = cv2.VideoWriter(str(work), cv2.CAP_FFMPEG, codec, RATE_HZ, size, isColor=False)
    try:
        if not writer.isOpened():
            raise RoomsError(f"{path}: this OpenCV cannot write FFV1 in a .mkv file")
        for frame in frames:
            writer.write(frame)
        writer.release()
        work.replace(path)
    finally:
        writer.release()
        work.unlink(missing_ok=True)


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """`write(part)`, then part -> path; a part that could not be finished is removed."""
    part = path.with_name(f".{path.name}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(f"{path.parent}: the disk is full") from error
        raise RoomsError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A small file, whole or as it was."""
    _whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def open_set(folder: Path, made_by: Mapping[str, Any]) -> None:
    """Begin or go on with the set in `folder`; raises RoomsError if something else made it.

    `made_by` is what decides the bytes: recipe, seed and so on. Parts of a broken run are removed.
    """
    known = read_set(folder)
    if known is None:
        if any((folder / CLIPS).glob("*/*.npz")):
            raise RoomsError(f"{folder}: clips without a {SET_FILE}; name another folder")
        write_text(folder / SET_FILE, json.dumps(dict(made_by), indent=2, sort_keys=True) + "\n")
    else:
        other = sorted(key for key in made_by if known.get(key) != made_by[key])
        if other:
            raise RoomsError(
                f"{folder}: this set was made with another {', '.join(other)}; "
                f"name another folder, or delete this one to make it anew"
            )
    for part in folder.rglob(f".*{PART}*"):
        part.unlink(missing_ok=True)


def read_set(folder: Path) -> dict[str, Any] | None:
    """What set.json says, or None if there is none."""
    path = folder / SET_FILE
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RoomsError(f"{path}: cannot be read: {error}") from error
    if not isinstance(known, dict):
        raise RoomsError(f"{path}: not an object")
    return known


def has(folder: Path, split: str, moment: int, camera: int, *, video: bool) -> bool:
    """Whether this recording is there. A file in its place was written whole."""
    stem = folder / CLIPS / split / f"{moment:06d}_{camera}"
    return stem.with_suffix(".npz").exists() and (not video or stem.with_suffix(".mkv").exists())


def clips(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every whole clip and its notes, by name."""
    for path in sorted((folder / CLIPS).glob("*/*.npz")):
        if not path.name.startswith("."):
            yield path, load_notes(path)


def write_labels(folder: Path) -> int:
    """labels.csv from the clips that are there -> how many there are."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow((*COLUMNS, *EXTRA))
    number = 0
    for path, notes in clips(folder):
        number += 1
        table.writerows(_csv_rows(path.relative_to(folder), notes))
    write_text(folder / LABELS_FILE, out.getvalue())
    return number


def _csv_rows(name: Path, notes: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    clip = name.with_suffix(".mkv") if notes["video"] else name
    subject = "+".join(f"b{person}" for person in notes["people"]) or "nobody"
    fixed = (clip.as_posix(), f"rooms_{notes['split']}", subject, f"r{notes['room']}")
    tail = (str(notes["moment"]), str(notes["camera"]), str(notes["seed"]))
    if not notes["rows"]:
        yield (*fixed, "", "", "", "", "", "", *tail, "")
    for row in notes["rows"]:
        person = "" if row["person"] < 0 else f"b{notes['people'][row['person']]}"
        times = (_seconds(row[key]) for key in ("start_s", "end_s", "onset_s", "impact_s"))
        start, end, onset, impact = times
        yield (*fixed, row["label"], start, end, onset, impact, person, *tail, row["how"])


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def write_people(folder: Path, people: Iterable[Mapping[str, Any]]) -> None:
    """people.csv: one row per body."""
    listed = list(people)
    out = io.StringIO()
    if listed:
        table = csv.DictWriter(out, list(listed[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(listed)
    write_text(folder / PEOPLE_FILE, out.getvalue())


def free_bytes(folder: Path) -> int:
    """Free space where `folder` is or will be."""
    there = next(p for p in (folder, *folder.parents) if p.exists())
    return shutil.disk_usage(there).free
