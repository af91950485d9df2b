# SPDX-License-Identifier: Apache-2.0
"""Files of a rendered set are whole or not there, and the same bytes for the same recording."""

from __future__ import annotations

import csv
import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.data import load_labels
from calibration.rooms import store
from calibration.rooms.errors import RoomsError
from calibration.rooms.labels import Row


def recording(moment: int = 7, steps: int = 12, frames: bool = False) -> store.Recording:
    rng = np.random.default_rng(moment)
    return store.Recording(
        moment=moment,
        camera=1,
        split="train",
        seed=3,
        canvas=rng.integers(0, 256, (steps, 64, 80)).astype(np.uint8),
        planes=rng.integers(0, 256, (steps, 3, 64, 80)).astype(np.uint8),
        posture=np.ones((steps, 2), np.uint8),
        pixels=np.full((steps, 2), 300, np.uint16),
        joints=rng.normal(size=(steps, 2, 16, 3)).astype(np.float16),
        people=(12, 400),
        room=37,
        rows=(
            Row("fall", 0.3, 1.2, 0.3, 0.9, 1, "trip, protective"),
            Row("walk", 0.0, 0.3, person=0),
        ),
        view={"script": "fall"},
        frames=rng.integers(0, 256, (steps, 128, 160)).astype(np.uint8) if frames else None,
    )


def test_equal_recordings_are_equal_bytes_and_others_are_not() -> None:
    assert store.packed(recording()) == store.packed(recording())
    assert store.packed(recording()) != store.packed(replace(recording(), seed=4))


def test_a_clip_comes_back_as_it_was(tmp_path: Path) -> None:
    made = recording()
    store.save(tmp_path, made)
    path = tmp_path / f"{made.name}.npz"
    assert np.array_equal(store.load_planes(path), made.planes)
    notes = store.load_notes(path)
    assert notes["people"] == [12, 400]
    assert notes["rows"][0]["impact_s"] == 0.9
    assert store.has(tmp_path, "train", 7, 1, video=False)
    assert not store.has(tmp_path, "train", 7, 0, video=False)
    assert not store.has(tmp_path, "train", 7, 1, video=True)
    assert not list(tmp_path.rglob(".*"))


def test_kept_frames_are_lossless(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    made = recording(frames=True)
    store.save(tmp_path, made)
    video = cv2.VideoCapture(str(tmp_path / f"{made.name}.mkv"))
    assert made.frames is not None
    for frame in made.frames:
        ok, seen = video.read()
        assert ok
        assert np.array_equal(seen[:, :, 0], frame)
    assert store.has(tmp_path, "train", 7, 1, video=True)


def test_labels_are_those_of_the_whole_clips(tmp_path: Path) -> None:
    store.save(tmp_path, recording(7))
    store.save(tmp_path, recording(8))
    (tmp_path / "clips/train/.000009_0.npz.part").write_bytes(b"half")
    assert store.write_labels(tmp_path) == 2
    clips = load_labels(tmp_path)
    assert [clip.name for clip in clips] == [f"clips/train/{n:06d}_1.npz" for n in (7, 8)]
    assert clips[0].set == "rooms_train"
    assert clips[0].subject == "b12+b400"
    assert clips[0].place == "rooms_train/r37"
    assert clips[0].spans(["fall"]) == [(0.3, 1.2)]
    with (tmp_path / "labels.csv").open(newline="") as source:
        row = next(csv.DictReader(source))
    assert (row["person"], row["impact_s"], row["how"]) == ("b400", "0.9", "trip, protective")


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", "cut"])
def test_a_broken_clip_is_named(tmp_path: Path, damage: bytes | str) -> None:
    store.save(tmp_path, recording())
    path = tmp_path / f"{recording().name}.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if isinstance(damage, str) else damage)
    with pytest.raises(RoomsError, match="not a whole clip"):
        store.load_planes(path)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(store.DiskFull):
        store.save(tmp_path, recording())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_set_is_gone_on_with_by_the_same_recipe_only(tmp_path: Path) -> None:
    store.open_set(tmp_path, {"recipe": "a", "seed": 1})
    store.save(tmp_path, recording())
    left = tmp_path / "clips/train/.000001_0.npz.part"
    left.write_bytes(b"half")
    store.open_set(tmp_path, {"recipe": "a", "seed": 1})
    assert not left.exists()
    with pytest.raises(RoomsError, match="another seed"):
        store.open_set(tmp_path, {"recipe": "a", "seed": 2})
    (tmp_path / "set.json").unlink()
    with pytest.raises(RoomsError, match="clips without"):
        store.open_set(tmp_path, {"recipe": "a", "seed": 1})
    (tmp_path / "set.json").write_text("{")
    with pytest.raises(RoomsError, match="cannot be read"):
        store.open_set(tmp_path, {"recipe": "a", "seed": 1})


def test_people_are_listed(tmp_path: Path) -> None:
    store.write_people(tmp_path, [{"id": "b1", "split": "train"}, {"id": "b2", "split": "test"}])
    assert (tmp_path / "people.csv").read_text() == "id,split\nb1,train\nb2,test\n"
    assert json.dumps(recording().notes())
