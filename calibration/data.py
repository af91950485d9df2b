# SPDX-License-Identifier: Apache-2.0
"""Labelled clips: one `labels.csv` per folder, one row per labelled interval.

Columns: clip, set, subject, scene, label, start_s, end_s. `clip` is a path inside the folder.
Rows of one clip belong together and must agree about set, subject and scene. Any label is accepted;
intervals may overlap. A row whose label, start and end are all blank names a clip without any.
This module reads the list only and never opens a clip: whoever does will notice a missing file.
"""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LABELS_FILE = "labels.csv"
COLUMNS = ("clip", "set", "subject", "scene", "label", "start_s", "end_s")


class DataError(Exception):
    """The list of clips cannot be used; the message names the file and the row."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What happens from `start_s` to `end_s` seconds of clip time."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Clip:
    """One video file and what is known about it; `name` is its path inside the folder."""

    path: Path
    name: str
    set: str
    subject: str
    scene: str
    intervals: tuple[Interval, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Distinct labels, sorted."""
        return tuple(sorted({interval.label for interval in self.intervals}))

    @property
    def place(self) -> str:
        """Set and scene together: scene names are only unique inside their set."""
        return f"{self.set}/{self.scene}"

    def spans(self, labels: Iterable[str]) -> list[tuple[float, float]]:
        """(start_s, end_s) of every interval whose label is one of `labels`, by start."""
        wanted = frozenset(labels)
        return sorted((i.start_s, i.end_s) for i in self.intervals if i.label in wanted)


def load_labels(folder: Path) -> list[Clip]:
    """Read `folder`/labels.csv into clips, in the order of their first rows; raise DataError."""
    path = folder / LABELS_FILE
    try:
        with path.open(newline="", encoding="utf-8-sig") as source:
            return _gather(folder, csv.DictReader(source, strict=True))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file: {error}") from error


def _gather(folder: Path, rows: "csv.DictReader[str]") -> list[Clip]:
    _check_header(rows.fieldnames or [])
    clips: dict[str, Clip] = {}
    for row in rows:
        where = f"{LABELS_FILE} line {rows.line_num}"
        clip = _clip(folder, _cells(row, where), where)
        clips[clip.name] = _join(clips.get(clip.name), clip, where)
    return list(clips.values())


def _check_header(names: Iterable[str]) -> None:
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise DataError(f"{LABELS_FILE} line 1: no column {', '.join(missing)}")


def _cells(row: dict[str, str | None], where: str) -> dict[str, str]:
    cells: dict[str, str] = {}
    for column in COLUMNS:
        value = row[column]
        if value is None:
            raise DataError(f"{where}: the row ends before column {column}")
        cells[column] = value.strip()
    return cells


def _clip(folder: Path, cells: dict[str, str], where: str) -> Clip:
    name = PurePosixPath(cells["clip"])
    if not name.parts or name.is_absolute() or ".." in name.parts:
        raise DataError(f"{where}: clip {cells['clip']!r} is no path inside the folder")
    return Clip(
        path=folder / name,
        name=str(name),
        set=cells["set"],
        subject=cells["subject"],
        scene=cells["scene"],
        intervals=_intervals(cells, where),
    )


def _intervals(cells: dict[str, str], where: str) -> tuple[Interval, ...]:
    if not (cells["label"] or cells["start_s"] or cells["end_s"]):
        return ()
    if not cells["label"]:
        raise DataError(f"{where}: an interval needs a label")
    start_s, end_s = (_seconds(cells, column, where) for column in ("start_s", "end_s"))
    if end_s < start_s:
        raise DataError(f"{where}: end_s {end_s:g} lies before start_s {start_s:g}")
    return (Interval(cells["label"], start_s, end_s),)


def _seconds(cells: dict[str, str], column: str, where: str) -> float:
    try:
        value = float(cells[column])
    except ValueError:
        raise DataError(f"{where}: {column} {cells[column]!r} is no number") from None
    if not math.isfinite(value) or value < 0:
        raise DataError(f"{where}: {column} must be finite and not negative, got {value:g}")
    return value


def _join(known: Clip | None, clip: Clip, where: str) -> Clip:
    if known is None:
        return clip
    for field in ("set", "subject", "scene"):
        first, second = getattr(known, field), getattr(clip, field)
        if first != second:
            raise DataError(f"{where}: {clip.name} has {field} {second!r}, and {first!r} above")
    joined = (*known.intervals, *clip.intervals)
    return Clip(clip.path, clip.name, clip.set, clip.subject, clip.scene, joined)
