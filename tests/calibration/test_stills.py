# SPDX-License-Identifier: Apache-2.0
"""Which frames may be shown: those of people who never existed, whatever a list or a name says."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.data import Clip, load_labels
from calibration.rooms import store
from calibration.rooms.labels import Row
from calibration.stills import COLUMNS, NotRendered, rendered_frames, strip
from kernels.desensitise import Desensitiser
from kernels.frame import FrameFormat, area_resize

REAL = Path(__file__).parents[1] / "clips" / "ward_fight.mp4"  # stands for a film of somebody


def planes_of(frames):
    desensitiser, planes = Desensitiser(10), np.zeros((len(frames), 3, 64, 80), np.uint8)
    for frame, out in zip(frames, planes, strict=True):
        desensitiser.planes(area_resize(frame.ravel(), FrameFormat("GRAY8", 160, 128)), out)
    return planes


def recording(moment=17, steps=40, **more):
    random = np.random.default_rng(moment)
    frames = np.full((steps, 128, 160), 90, np.uint8)
    frames += random.integers(0, 20, frames.shape, np.uint8)
    for step in range(steps):
        frames[step, 40:90, step * 2 : step * 2 + 30] = 200
    row = Row("fall", 1.0, 3.0, onset_s=1.0, impact_s=1.8, person=0, how="slip, limp")
    fields = {
        "moment": moment,
        "camera": 0,
        "split": "test",
        "seed": 5,
        "canvas": np.zeros((steps, 64, 80), np.uint8),
        "planes": planes_of(frames),
        "posture": np.zeros((steps, 1), np.uint8),
        "pixels": np.full((steps, 1), 500, np.uint16),
        "joints": np.zeros((steps, 1, 16, 3), np.float16),
        "people": (700,),
        "room": 1300,
        "rows": (row,),
        "view": {},
        "frames": frames,
    }
    return store.Recording(**fields | more)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    store.save(folder, recording())
    store.save(folder, recording(moment=37))
    store.write_labels(folder)
    return folder


@pytest.fixture
def clip(rendered, tmp_path):
    folder = shutil.copytree(rendered, tmp_path / "set")
    return load_labels(folder)[0]


def real_as_mkv(path):
    """The film again under another name, in the very format of rendered clips."""
    video = cv2.VideoCapture(str(REAL))
    codec = cv2.VideoWriter.fourcc(*"FFV1")
    writer = cv2.VideoWriter(str(path), codec, 10, (160, 128), isColor=False)
    for _ in range(40):
        _, frame = video.read()
        writer.write(cv2.cvtColor(cv2.resize(frame, (160, 128)), cv2.COLOR_BGR2GRAY))
    writer.release()


def test_a_rendered_clip_gives_its_frames(clip):
    frames = rendered_frames(clip)
    assert np.array_equal(np.stack(frames), recording().frames)
    image = cv2.imdecode(np.frombuffer(strip(clip, 1.0), np.uint8), cv2.IMREAD_UNCHANGED)
    assert image.shape == (128, 160 * COLUMNS)


def test_a_real_clip_does_not():
    clip = Clip(REAL, REAL.name, "rooms_test", "b1", "r1", ())
    with pytest.raises(NotRendered, match="not listed as a rendered clip"):
        strip(clip, 1.0)
    with pytest.raises(NotRendered, match="not listed as a rendered clip"):
        strip(replace(clip, seed="5"), 1.0)  # nor with a seed: it is no .mkv
    with pytest.raises(NotRendered, match="not listed as a rendered clip"):
        strip(replace(clip, path=REAL.with_suffix(".mkv")), 1.0)


def test_a_real_clip_called_rendered_has_no_notes(clip):
    clip.path.with_suffix(".npz").unlink()
    real_as_mkv(clip.path)
    with pytest.raises(NotRendered, match="no notes of the renderer"):
        strip(clip, 1.0)


def test_a_real_clip_in_the_place_of_a_rendered_one_is_told_by_its_planes(clip):
    real_as_mkv(clip.path)
    with pytest.raises(NotRendered, match="not those that were rendered"):
        strip(clip, 1.0)


def test_one_other_frame_is_enough(clip):
    frames = recording().frames.copy()
    frames[20] = np.roll(frames[20], 40, axis=1)
    clip.path.unlink()
    store._write_video(clip.path, frames)
    with pytest.raises(NotRendered, match="not those that were rendered"):
        strip(clip, 1.0)


@pytest.mark.parametrize("steps", [0, 39])
def test_a_clip_cut_short_is_not_shown(clip, steps):
    clip.path.unlink()
    store._write_video(clip.path, recording().frames[:steps])
    with pytest.raises(NotRendered, match="not those that were rendered"):
        strip(clip, 1.0)


@pytest.mark.parametrize("field", ["moment", "camera", "seed"])
def test_notes_of_another_clip_are_no_notes(clip, field):
    with pytest.raises(NotRendered, match="speak of another clip"):
        strip(replace(clip, **{field: "99"}), 1.0)


def test_notes_that_say_no_frames_were_kept(clip):
    silent = recording(frames=None)
    clip.path.with_suffix(".npz").write_bytes(store.packed(silent))
    with pytest.raises(NotRendered, match="speak of another clip"):
        strip(clip, 1.0)
