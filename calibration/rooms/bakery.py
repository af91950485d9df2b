# SPDX-License-Identifier: Apache-2.0
"""Bodies and motions, made once into a folder and read from there by every worker.

Every file is whole or not there. What is there is not made again: the folder belongs to one
version of the assets and of this package, which its owner, the set, makes sure of.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from calibration.rooms import body, makehuman, score, splits, workers
from calibration.rooms.assets import MAKEHUMAN, find
from calibration.rooms.body import Body, Style
from calibration.rooms.errors import RoomsError
from calibration.rooms.mesh import Mesh
from calibration.rooms.motion import Motion
from calibration.rooms.skeleton import Capsules, Skeleton

WARDROBE, MOTIONS = "wardrobe.npz", "motions.npz"
KEPT_BODIES = 64  # in memory, 0.6 MB each

Arrays = Mapping[str, Any]


class Bakery:
    """What lies in `folder`. Raises RoomsError for what does not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.body: Callable[[int], Body] = functools.lru_cache(KEPT_BODIES)(self._body)

    def _body(self, number: int) -> Body:
        return body_of(_read(_body_path(self.folder, number)))

    def motion(self, name: str) -> Motion:
        """By its name in splits.py."""
        if name not in self._motions:
            raise RoomsError(f"no motion is called {name!r}")
        return self._motions[name]

    @functools.cached_property
    def _motions(self) -> dict[str, Motion]:
        return motions_of(_read(self.folder / MOTIONS))


def bake(
    assets: Path,
    folder: Path,
    bodies: Iterable[int],
    jobs: int = 1,
    done: Callable[[int], object] = lambda _: None,
) -> Bakery:
    """Make what is missing; `done` is told after each body how many are there.

    Raises RoomsError, and AssetError when assets are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".*.part"):
        leftover.unlink(missing_ok=True)
    if not (folder / MOTIONS).exists():
        write(folder / MOTIONS, motion_arrays(score.motions(assets)))
    missing = [number for number in bodies if not _body_path(folder, number).exists()]
    if not missing:
        return Bakery(folder)
    if not (folder / WARDROBE).exists():
        wardrobe = makehuman.read(find(assets, MAKEHUMAN))
        write(folder / WARDROBE, makehuman.arrays(wardrobe))
    for count, _ in enumerate(_baked(folder, missing, jobs), 1):
        done(count)
    return Bakery(folder)


def _baked(folder: Path, numbers: list[int], jobs: int) -> Iterable[None]:
    bake_one = functools.partial(_bake_body, folder)
    if jobs <= 1:
        yield from map(bake_one, numbers)
        return
    with workers.pool(jobs) as pool:
        yield from pool.map(bake_one, numbers)


def _bake_body(folder: Path, number: int) -> None:
    made = body.build(number, _wardrobe(folder))
    write(_body_path(folder, number), body_arrays(made))


@functools.lru_cache(1)
def _wardrobe(folder: Path) -> makehuman.Wardrobe:
    return makehuman.wardrobe_of(_read(folder / WARDROBE))


def _body_path(folder: Path, number: int) -> Path:
    splits.of_body(number)
    return folder / f"body_{number:04d}.npz"


def write(path: Path, arrays: Arrays) -> None:
    """An .npz at `path` once it is whole. Raises RoomsError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as out:
            _save(out, arrays)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RoomsError(f"{path} cannot be written: {error.strerror}") from error


def _save(out: BinaryIO, arrays: Arrays) -> None:
    np.savez(out, allow_pickle=False, **arrays)


def _read(path: Path) -> dict[str, Any]:
    try:
        with np.load(path) as stored:
            return dict(stored)
    except (OSError, ValueError) as error:
        raise RoomsError(f"{path} cannot be read: {error}; bake it anew") from error


def body_arrays(made: Body) -> dict[str, Any]:
    """A body as arrays by name."""
    facts = {
        field.name: getattr(made, field.name)
        for field in dataclasses.fields(Body)
        if field.type in ("int", "float", "str", "Sex")
    }
    facts["style"] = dataclasses.asdict(made.style)
    return {
        "facts": np.array(json.dumps(facts)),
        "attributes": made.attributes,
        **_apart("near", made.near),
        **_apart("far", made.far),
        **_apart("capsules", made.skeleton.capsules),
        "joints": made.skeleton.joints,
    }


def body_of(arrays: Arrays) -> Body:
    """What `body_arrays` was given."""
    facts = json.loads(str(arrays["facts"]))
    style = Style(**facts.pop("style"))
    return Body(
        **facts,
        style=style,
        attributes=arrays["attributes"],
        near=_together("near", Mesh, arrays),
        far=_together("far", Mesh, arrays),
        skeleton=Skeleton.of(arrays["joints"], _together("capsules", Capsules, arrays)),
    )


def _apart(prefix: str, value: Mesh | Capsules) -> dict[str, Any]:
    names = (field.name for field in dataclasses.fields(value))
    return {f"{prefix}/{name}": getattr(value, name) for name in names}


def _together(prefix: str, kind: Any, arrays: Arrays) -> Any:  # noqa: ANN401 - Mesh or Capsules
    return kind(*(arrays[f"{prefix}/{field.name}"] for field in dataclasses.fields(kind)))


def motion_arrays(motions: Iterable[Motion]) -> dict[str, Any]:
    """All motions as arrays by name."""
    arrays: dict[str, Any] = {}
    facts = []
    for motion in motions:
        arrays[f"{motion.name}/turns"], arrays[f"{motion.name}/root"] = motion.turns, motion.root
        facts.append((motion.name, motion.role, motion.loops, motion.speed, motion.ground))
    return arrays | {"facts": np.array(json.dumps(facts))}


def motions_of(arrays: Arrays) -> dict[str, Motion]:
    """What `motion_arrays` was given, by name."""
    return {
        name: Motion(
            name, role, arrays[f"{name}/turns"], arrays[f"{name}/root"], loops, speed, ground
        )
        for name, role, loops, speed, ground in json.loads(str(arrays["facts"]))
    }
