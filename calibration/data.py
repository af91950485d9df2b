# SPDX-License-Identifier: Apache-2.0
"""Labelled clips: one `labels.csv` per folder, one row per labelled interval.

Columns: clip, set, subject, scene, label, start_s, end_s. `clip` is a path inside the folder.
Rows of one clip belong together and must agree about set, subject and scene. Any label is accepted;
intervals may overlap. A row whose label, start and end are all blank names a clip without any.
Rendered sets add onset_s, impact_s, person and how, which say more of an interval, and moment,
camera and seed, from which the clip can be rendered again. Each of them may be missing or blank.
This module reads the list only and never opens a clip: whoever does will notice a missing file.
"""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

LABELS_FILE = "labels.csv"
COLUMNS = ("clip", "set", "subject", "scene", "label", "start_s", "end_s")
FURTHER = ("onset_s", "impact_s", "person", "how", "moment", "camera", "seed")


class DataError(Exception):
    """The list of clips cannot be used; the message names the file and the row."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What happens from `start_s` to `end_s` seconds of clip time, to whom and in which way."""

    label: str
    start_s: float
    end_s: float
    onset_s: float | None = None  # of an event, where it is known apart from the start
    impact_s: float | None = None
    person: str = ""
    how: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """One video file and what is known about it; `name` is its path inside the folder."""

    path: Path
    name: str
    set: str
    subject: str
    scene: str
    intervals: tuple[Interval, ...]
    moment: str = ""  # clips of one moment show the same people at the same time
    camera: str = ""
    seed: str = ""

    @property
    def rendered(self) -> bool:
        """Whether its list says that nobody real is in it: only what is rendered has a seed."""
        return bool(self.seed)

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
        return [(i.start_s, i.end_s) for i in self.labelled(labels)]

    def labelled(self, labels: Iterable[str]) -> list[Interval]:
        """Every interval whose label is one of `labels`, by start."""
        wanted = frozenset(labels)
        found = [i for i in self.intervals if i.label in wanted]
        return sorted(found, key=lambda i: (i.start_s, i.end_s))


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
    return cells | {column: (row.get(column) or "").strip() for column in FURTHER}


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
        moment=cells["moment"],
        camera=cells["camera"],
        seed=cells["seed"],
    )


def _intervals(cells: dict[str, str], where: str) -> tuple[Interval, ...]:
    if not (cells["label"] or cells["start_s"] or cells["end_s"]):
        return ()
    if not cells["label"]:
        raise DataError(f"{where}: an interval needs a label")
    start_s, end_s = (_seconds(cells, column, where) for column in ("start_s", "end_s"))
    if end_s < start_s:
        raise DataError(f"{where}: end_s {end_s:g} lies before start_s {start_s:g}")
    onset_s, impact_s = (
        _seconds(cells, column, where) if cells[column] else None
        for column in ("onset_s", "impact_s")
    )
    if onset_s is not None and not start_s <= onset_s <= end_s:
        raise DataError(f"{where}: onset_s {onset_s:g} lies outside {start_s:g} to {end_s:g}")
    told = (cells["label"], start_s, end_s, onset_s, impact_s, cells["person"], cells["how"])
    return (Interval(*told),)


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
    for field in ("set", "subject", "scene", "moment", "camera", "seed"):
        first, second = getattr(known, field), getattr(clip, field)
        if first != second:
            raise DataError(f"{where}: {clip.name} has {field} {second!r}, and {first!r} above")
    return replace(known, intervals=(*known.intervals, *clip.intervals))
