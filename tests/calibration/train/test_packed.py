# SPDX-License-Identifier: Apache-2.0
"""A packed set is the clips' own bytes, whole or not there, and says what is wrong with a clip."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.data import Clip, DataError, Interval
from calibration.rooms import store
from calibration.rooms.track import Posture
from calibration.train import packed, sources
from calibration.train.packed import Packed, pack
from calibration.train.targets import Bodies, targets


def quiet(_line: str) -> None:
    """No progress wanted."""


def rendered(folder: Path, moment: int, camera: int = 0, steps: int = 20, end_s: float = 2) -> Clip:
    rng = np.random.default_rng(moment * 10 + camera)
    shape = (steps, 64, 80)
    made = store.Recording(
        moment=moment,
        camera=camera,
        split="train",
        seed=1,
        canvas=rng.integers(0, 256, shape, np.uint8),
        planes=rng.integers(0, 256, (steps, 3, 64, 80), np.uint8),
        posture=np.full((steps, 1), Posture.WALK, np.uint8),
        pixels=np.full((steps, 1), 90, np.uint16),
        joints=np.zeros((steps, 1, 16, 3), np.float16),
        people=(moment + 40,),
        room=0,
        rows=(),
        view={},
    )
    store.save(folder, made)
    fall = Interval("fall", 0.5, end_s, 0.5, 1.0, f"b{moment + 40}", "trip")
    name = f"{made.name}.npz"
    about = (name, "rooms_train", f"b{moment + 40}", "r0", (fall,), str(moment), str(camera), "1")
    return Clip(folder / name, *about)


def video(path: Path, steps: int = 12) -> Clip:
    size = (160, 128)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, size)
    assert writer.isOpened()
    for k in range(steps):
        frame = np.full((128, 160, 3), 60, np.uint8)
        frame[40:100, 10 * k : 10 * k + 20] = 200
        writer.write(frame)
    writer.release()
    return Clip(path, path.name, "home", "s", "r", (Interval("walk", 0, 1),))


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    numbers = [(1, 0), (2, 0), (1, 1)]
    return [rendered(tmp_path / "set", moment, camera) for moment, camera in numbers]


def test_what_is_packed_is_what_was_there(tmp_path: Path, clips: list[Clip]) -> None:
    lines: list[str] = []
    made = pack(clips, tmp_path / "out", lines.append)
    assert [item.clip for item in made.clips] == clips
    assert [item.people for item in made.clips] == [(41,), (42,), (41,)]
    for item in made.clips:
        stored = store.load_stored(item.clip.path)
        assert np.array_equal(made.planes[item.span], stored.planes)
        assert np.array_equal(made.canvas[item.span], stored.canvas)
        truth = targets(item.clip, 20, Bodies(stored.people, stored.posture, stored.pixels))
        mine = made.targets.at(item.span)
        assert np.array_equal(mine.behaviours, truth.behaviours)
        assert np.array_equal(mine.person, truth.person)
        assert np.array_equal(mine.onset, truth.onset, equal_nan=True)
    assert "60 of 60 steps" in lines[-1]
    assert not made.planes.flags.writeable
    assert not made.targets.known.flags.writeable


def test_cameras_of_one_moment_stand_together(tmp_path: Path, clips: list[Clip]) -> None:
    alone = [video(tmp_path / f"{name}.avi") for name in "ab"]
    made = pack([*clips, *alone], tmp_path / "out", quiet)
    names = [[item.clip.path.stem for item in moment] for moment in made.moments()]
    assert names == [["000001_0", "000001_1"], ["000002_0"], ["a"], ["b"]]


def test_a_video_passes_the_daemons_camera(tmp_path: Path) -> None:
    made = pack([video(tmp_path / "v.avi")], tmp_path / "out", quiet)
    assert abs(len(made.planes) - 12) <= 1
    assert made.planes[4, 0].any()
    assert made.canvas[0].max() > 150
    assert (made.targets.person == -1).all()


def test_a_rendered_clip_with_frames_is_read_not_watched(tmp_path: Path) -> None:
    clip = rendered(tmp_path / "set", 1)
    frames = Clip(clip.path.with_suffix(".mkv"), "v", "rooms_train", "s", "r", clip.intervals)
    made = pack([frames], tmp_path / "out", quiet)
    assert np.array_equal(made.planes, store.load_planes(clip.path))


def test_an_interrupted_run_is_not_taken_for_whole(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "out", packed.load

    def breaks(clip: Clip) -> sources.Source:
        if clip is clips[-1]:
            raise KeyboardInterrupt
        return real(clip)

    monkeypatch.setattr(packed, "load", breaks)
    with pytest.raises(KeyboardInterrupt):
        pack(clips, out, quiet)
    with pytest.raises(DataError, match="not packed"):
        Packed.open(out)
    monkeypatch.undo()
    killed = tmp_path / ".out.1.part"
    killed.mkdir()
    (killed / "planes.u8").write_bytes(b"half")
    assert len(pack(clips, out, quiet).planes) == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "set"]


def test_another_set_is_not_overwritten(tmp_path: Path, clips: list[Clip]) -> None:
    pack(clips, tmp_path / "out", quiet)
    with pytest.raises(DataError, match="is there already"):
        pack(clips[:1], tmp_path / "out", quiet)
    assert len(Packed.open(tmp_path / "out").planes) == 60


@pytest.mark.parametrize("name", ["planes.u8", "canvas.u8", "onset.npy", "index.json"])
def test_a_folder_that_lost_something_is_refused(
    tmp_path: Path, clips: list[Clip], name: str
) -> None:
    out = tmp_path / "out"
    pack(clips, out, quiet)
    content = (out / name).read_bytes()
    (out / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="not whole"):
        Packed.open(out)
    (out / name).unlink()
    with pytest.raises(DataError, match="is missing"):
        Packed.open(out)


def test_a_full_disk_is_noticed_before_and_while_packing(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(packed, "free_bytes", lambda _folder: packed.SPARE_BYTES)
        with pytest.raises(DataError, match="GB are free"):
            pack(clips, tmp_path / "out", quiet)
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    monkeypatch.setattr(packed, "PLANES_FILE", "/dev/full")
    monkeypatch.setattr(Path, "open", lambda path, _mode: open(path, "wb"))  # noqa: PTH123, SIM115
    with pytest.raises(DataError, match="the disk is full"):
        pack(clips, tmp_path / "out", quiet)


def test_a_clip_that_cannot_be_used_is_named_with_the_cure(tmp_path: Path) -> None:
    whole = rendered(tmp_path / "set", 1)
    broken = rendered(tmp_path / "set", 2)
    content = broken.path.read_bytes()
    broken.path.write_bytes(content[:-400])
    torn = rendered(tmp_path / "set", 3)
    content = torn.path.read_bytes()
    torn.path.write_bytes(content[:5000] + bytes(100) + content[5100:])
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    gone = Clip(tmp_path / "gone.mp4", "gone", "home", "s", "r", ())
    shorter = rendered(tmp_path / "set", 5, camera=1, steps=21)
    cases = {
        "000002_0.npz.*render again": broken,
        "000003_0.npz.*render again": torn,
        "text.mp4.*take it off": Clip(text, "text", "home", "s", "r", ()),
        "gone.mp4.*take it off": gone,
        "000004_0.npz.*not one frame": rendered(tmp_path / "set", 4, steps=0, end_s=0.5),
        "000006_0.npz: label fall until 9 s.*correct": rendered(tmp_path / "set", 6, end_s=9),
        "000005_1.npz: 21 steps.*has 20": shorter,
    }
    for number, (message, clip) in enumerate(cases.items()):
        out = tmp_path / f"out{number}"
        with pytest.raises(DataError, match=message):
            pack([whole, rendered(tmp_path / "set", 5), clip], out, quiet)
        assert not list(tmp_path.glob("*out*"))
    assert len(pack([whole], tmp_path / "out", quiet).planes) == 20
