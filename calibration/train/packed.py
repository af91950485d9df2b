# SPDX-License-Identifier: Apache-2.0
"""Many clips in a few flat files, which any number of training processes map and share.

Letters: F time steps of all clips, one clip after the other.

    planes.u8    (F, 3, 64, 80), what the encoder sees
    canvas.u8    (F, 64, 80), grey, for comparisons only
    <name>.npy   the arrays of `Targets`
    index.json   of every clip: all of its `Clip`, first step, steps, people

A folder is packed under another name and renamed at the very end, so one that is there is whole;
what a broken run left is thrown away by the next. Nothing here is compressed: reading a window must
cost nothing.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from calibration.data import Clip, DataError, Interval
from calibration.rooms.store import free_bytes
from calibration.train.sources import expected_steps, load
from calibration.train.targets import Targets, concatenate, targets
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES

VERSION = 1
INDEX, PLANES_FILE, CANVAS_FILE, PART = "index.json", "planes.u8", "canvas.u8", ".part"
PIXELS = CANVAS_H * CANVAS_W
STEP_BYTES = (PLANES + 1) * PIXELS + 128  # planes, canvas, targets
SPARE_BYTES = 1 << 28
PROGRESS_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class PackedClip:
    """A clip and where it lies: steps `start` to before `start + steps`. people: body ids."""

    clip: Clip
    start: int
    steps: int
    people: tuple[int, ...]

    @property
    def span(self) -> slice:
        """Its steps in the arrays of the whole."""
        return slice(self.start, self.start + self.steps)


@dataclass(frozen=True, slots=True)
class Packed:
    """An open folder: planes (F, 3, 64, 80), canvas (F, 64, 80) and targets, mapped read-only."""

    folder: Path
    clips: tuple[PackedClip, ...]
    planes: npt.NDArray[np.uint8]
    canvas: npt.NDArray[np.uint8]
    targets: Targets

    @classmethod
    def open(cls, folder: Path) -> Packed:
        """Map what `pack` wrote; raises DataError if it is not there or not whole."""
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            if index["version"] != VERSION:
                raise DataError(f"{folder}: packed by another version; delete it and pack again")
            clips = tuple(_clip_of(entry) for entry in index["clips"])
            steps = sum(clip.steps for clip in clips)
            planes = _mapped(folder / PLANES_FILE, (steps, PLANES, CANVAS_H, CANVAS_W))
            canvas = _mapped(folder / CANVAS_FILE, (steps, CANVAS_H, CANVAS_W))
            known = Targets(*(_column(folder / f"{f.name}.npy", steps) for f in fields(Targets)))
        except FileNotFoundError as error:
            raise DataError(
                f"{folder}: not packed, {Path(error.filename).name} is missing"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder}: not whole ({error}); delete it and pack again") from error
        return cls(folder, clips, planes, canvas, known)

    def moments(self) -> list[tuple[PackedClip, ...]]:
        """Clips by moment: the cameras of one share its time steps. Who has no moment is alone."""
        groups: dict[tuple[str, ...], list[PackedClip]] = {}
        for packed in self.clips:
            clip = packed.clip
            alone = () if clip.moment else (str(clip.path),)
            groups.setdefault((clip.set, clip.seed, clip.moment, *alone), []).append(packed)
        return [tuple(group) for group in groups.values()]


def pack(clips: Sequence[Clip], folder: Path, progress: Callable[[str], object]) -> Packed:
    """Write `folder`, which must not be there, and open it; `progress` gets a line now and then.

    Raises DataError, which says what to do, if a clip cannot be read, has no frame or is shorter
    than its labels, cameras of a moment differ in length, or the disk has no room.
    """
    if folder.exists():
        raise DataError(f"{folder}: is there already; open it, or delete it to pack anew")
    if not clips:
        raise DataError(f"{folder}: no clips to pack")
    with _disk(folder), _part(folder) as part:
        expected = sum(expected_steps(clip) for clip in clips)
        _check_space(folder, expected)
        _write(clips, part, _told(progress, len(clips), expected))
    return Packed.open(folder)


def _write(clips: Sequence[Clip], part: Path, tell: Callable[[int, int], None]) -> None:
    entries, known, start = [], [], 0
    lengths: dict[tuple[str, str, str], int] = {}
    with _whole(part / PLANES_FILE) as planes, _whole(part / CANVAS_FILE) as canvas:
        for clip in clips:
            source = load(clip)
            steps = len(source.planes)
            _check_moment(clip, lengths, steps)
            planes.write(np.ascontiguousarray(source.planes).data)
            canvas.write(np.ascontiguousarray(source.canvas).data)
            known.append(targets(clip, steps, source.bodies))
            people = source.bodies.ids if source.bodies else ()
            entries.append(_entry(PackedClip(clip, start, steps, people)))
            start += steps
            tell(len(entries), start)
    together = concatenate(known)
    for field in fields(Targets):
        with _whole(part / f"{field.name}.npy") as column:
            np.lib.format.write_array(column, getattr(together, field.name), allow_pickle=False)
    with _whole(part / INDEX) as index:
        index.write(json.dumps({"version": VERSION, "clips": entries}).encode())


def _check_moment(clip: Clip, lengths: dict[tuple[str, str, str], int], steps: int) -> None:
    if not clip.moment:
        return
    others = lengths.setdefault((clip.set, clip.seed, clip.moment), steps)
    if others != steps:
        raise DataError(
            f"{clip.path}: {steps} steps, and another camera of its moment has {others}; "
            f"delete the clips of moment {clip.moment} and render them again"
        )


def _check_space(folder: Path, steps: int) -> None:
    need, free = steps * STEP_BYTES + SPARE_BYTES, free_bytes(folder)
    if free < need:
        raise DataError(
            f"{folder}: {steps} steps need {need / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; "
            f"make room, or name a folder on another disk"
        )


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DataError(
                f"{folder}: the disk is full; make room, or name a folder on another disk"
            ) from error
        raise DataError(f"{folder}: cannot be written: {error.strerror}") from error


@contextmanager
def _part(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `folder` at the end or is gone."""
    for left in folder.parent.glob(f".{folder.name}.*{PART}"):
        shutil.rmtree(left)
    part = folder.with_name(f".{folder.name}.{os.getpid()}{PART}")
    part.mkdir(parents=True)
    try:
        yield part
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A new file, on the disk by the time it is closed."""
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _told(progress: Callable[[str], object], clips: int, steps: int) -> Callable[[int, int], None]:
    begun = said = time.monotonic()

    def tell(clip: int, step: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said > PROGRESS_EVERY_S or clip == clips:
            said = now
            rate = step / max(now - begun, 1e-3)
            progress(
                f"packed {clip} of {clips} clips, {step} of {steps} steps, {rate:.0f} a second"
            )

    return tell


def _mapped(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    if path.stat().st_size != np.prod(shape):
        raise ValueError(f"{path.name} is not of {shape[0]} steps")
    return np.asarray(np.memmap(path, np.uint8, "r", shape=shape))


def _column(path: Path, steps: int) -> npt.NDArray[Any]:
    column = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    if len(column) != steps:
        raise ValueError(f"{path.name} is not of {steps} steps")
    return column


def _entry(packed: PackedClip) -> dict[str, Any]:
    clip = asdict(packed.clip) | {"path": str(packed.clip.path.absolute())}
    return {**clip, "start": packed.start, "steps": packed.steps, "people": list(packed.people)}


def _clip_of(entry: Mapping[str, Any]) -> PackedClip:
    names = {field.name for field in fields(Clip)} - {"path", "intervals"}
    clip = Clip(
        path=Path(entry["path"]),
        intervals=tuple(Interval(**interval) for interval in entry["intervals"]),
        **{name: entry[name] for name in names},
    )
    return PackedClip(clip, entry["start"], entry["steps"], tuple(entry["people"]))
