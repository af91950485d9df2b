# SPDX-License-Identifier: Apache-2.0
"""`evaluate` end to end: tiny networks, the real engines, real noise, rendered clips."""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from calibration import evaluate
from calibration.data import DataError, load_labels
from calibration.replay import ReplayError, Station
from calibration.rooms import store
from calibration.rooms.labels import Row
from kernels.desensitise import Desensitiser
from tests.calibration.tiny_models import RELEASED, make_encoder, make_models, make_profile

CLIPS = Path(__file__).parents[1] / "clips"
HEADER = "clip,set,subject,scene,label,start_s,end_s\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    shutil.copy(CLIPS / "restroom_normal.mp4", folder / "one.mp4")
    shutil.copy(CLIPS / "ward_fight.mp4", folder / "two.mp4")
    (folder / "broken.mp4").write_bytes(b"no video" * 100)
    rows = (
        "one.mp4,s,p1,r1,walk,0,5\n"
        "one.mp4,s,p1,r1,odd label,2,7\n"
        "two.mp4,t,,c1,fall,0.5,9\n"
        "broken.mp4,t,,c2,fight,0,2\n"
        "missing.mp4,t,,c2,fight,0,2\n"
    )
    (folder / "labels.csv").write_text(HEADER + rows)
    return folder


def command(data, models, out, *more):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    words = ["--data", str(data), "--json", str(out), "--models", str(models), *more]
    return evaluate.run(parser.parse_args(words))


def test_report_of_good_and_bad_clips(data, models, tmp_path, capsys):
    out = tmp_path / "report.json"
    assert command(data, models, out, "--repeat", "2") == 1  # two clips cannot be replayed
    report = json.loads(out.read_text())
    assert [failed["clip"] for failed in report["clips_failed"]] == ["broken.mp4", "missing.mp4"]
    assert all(failed["reason"] for failed in report["clips_failed"])
    assert [row["clip"] for row in report["clips"]] == ["one.mp4", "two.mp4"]
    one = report["clips"][0]
    assert one["seconds"] == pytest.approx(385 / 15, abs=0.3)
    assert one["vectors"] == pytest.approx(10 * one["seconds"])
    assert one["labels"] == ["odd label", "walk"]
    # The window is half full after one second, and says `fall` for ever after.
    assert len(one["alarms"]) == len(one["peaks"]) == 2
    first = one["alarms"][0][0]
    assert (first["kind"], first["phase"]) == ("fall", "suspected")
    assert 0.9 <= first["detection_s"] <= 2.1
    fall = report["kinds"]["fall"]
    assert fall["events"] == 1
    assert fall["suspected"]["recall"] == 1.0
    assert fall["suspected"]["false_alarms"] >= 1
    assert fall["suspected"]["recall_interval"][0] < 0.5
    assert report["profile"]["bits_per_window"] == pytest.approx(20 * 0.7213, abs=0.01)
    assert set(report["sets"]) == {"s", "t"}
    assert "fall        suspected" in capsys.readouterr().out


def test_rendered_planes_enter_at_the_encoder(models, tmp_path, capsys):
    frames = np.full((60, 64, 80), 90, np.uint8)
    frames[20:, 20:50, 30:50] = 200
    planes, desensitiser = np.zeros((60, 3, 64, 80), np.uint8), Desensitiser(10)
    for frame, out in zip(frames, planes, strict=True):
        desensitiser.planes(frame, out)
    data = tmp_path / "set"
    rows = (Row("fall", 2.0, 6.0, onset_s=2.0, person=0, how="slip, limp"),)
    view = {"moment": 17, "camera": 0, "split": "test", "seed": 5, "rows": rows}
    posture, pixels = np.zeros((60, 1), np.uint8), np.full((60, 1), 500, np.uint16)
    seen = {"canvas": frames, "planes": planes, "posture": posture, "pixels": pixels}
    seen["joints"] = np.zeros((60, 1, 16, 3), np.float16)
    store.save(data, store.Recording(**view, **seen, people=(700,), room=1300, view={}))
    store.write_labels(data)
    (data / "late.mp4").write_bytes((CLIPS / "restroom_normal.mp4").read_bytes())
    with (data / "labels.csv").open("a") as file:
        file.write("late.mp4,s,p1,r1,fall,99,100,,,,,,,\n")
        file.write("torn.npz,s,p1,r1,walk,0,1,,,,,,5,\n")
    (data / "torn.npz").write_bytes((data / "clips/test/000017_0.npz").read_bytes()[:500])
    out, page = tmp_path / "report.json", tmp_path / "report.html"
    assert command(data, models, out, "--html", str(page)) == 1
    report = json.loads(out.read_text())
    late, torn = report["clips_failed"]
    assert late["reason"] == "label 'fall' begins at 99 s, and the clip ends at 25.7 s"
    assert "not a whole clip" in torn["reason"]
    assert report["clips_by_way"] == {"camera": 0, "planes": 1}
    (row,) = report["clips"]
    assert (row["rendered"], row["way"], row["seconds"]) == (True, "planes", 6.0)
    fall = report["origins"]["rendered"]["kinds"]["fall"]
    assert fall["events"] == 1
    assert "real" not in report["origins"]
    points = report["origins"]["rendered"]["curves"]["fall"]["suspected"]
    shipped = next(point for point in points if point["shift"] == 0)
    assert shipped["recall_in_time"] == fall["suspected"]["recall_in_time"]
    assert shipped["false_alarms_per_hour"] == fall["suspected"]["false_alarms_per_hour"]
    assert "Rendered clips" in page.read_text()
    assert "1 by planes" in capsys.readouterr().out


def test_f1_is_taken_at_the_thresholds_of_other_clips(data, models, tmp_path, capsys):
    first, second = tmp_path / "val.json", tmp_path / "test.json"
    assert command(data, models, first, "--only", "t/c1") == 0
    report = json.loads(first.read_text())
    assert "f1" not in report["origins"]["real"]  # at its own thresholds it would flatter
    thresholds = report["f1_thresholds"]
    assert thresholds["fight"] is None  # none was there
    assert 0 < thresholds["fall"] < 1
    words = ("--only", "s/r1", "t/c1", "--thresholds", str(first))
    assert command(data, models, second, *words) == 0
    of = json.loads(second.read_text())["origins"]["real"]["f1"]
    assert of["macro_over"] == ["present", "fall", "down"]
    assert of["kinds"]["present"]["f1"] == 1.0  # always said, and always true
    fall = of["kinds"]["fall"]
    assert fall["positives"] == 2  # of 9 s of lying, the falling is in two stretches
    stretches = fall["positives"] + fall["negatives"]
    assert fall["f1"] == pytest.approx(4 / (2 + stretches), abs=0.05)  # `fall` is said for ever
    assert "real: macro-F1 " in capsys.readouterr().out
    (tmp_path / "none.json").write_text('{"f1_thresholds": {"fall": 0.5}}')
    with pytest.raises(DataError, match="no thresholds in it"):
        command(data, models, second, "--thresholds", str(tmp_path / "none.json"))


def test_planes_at_another_rate_are_refused(models, tmp_path):
    station = Station(evaluate.shipped_models(models, None))
    station.profile = dataclasses.replace(station.profile, rate_hz=5)
    (tmp_path / "a.npz").write_bytes(b"")
    with pytest.raises(ReplayError, match="planes are at 10 Hz and the profile at 5 Hz"):
        station.embed(tmp_path / "a.npz")
    station.close()


def test_a_clip_shorter_than_the_window_and_two_workers(data, models, tmp_path):
    out = tmp_path / "report.json"
    assert command(data, models, out, "--only", "s/r1", "t/c1", "--workers", "2") == 0
    report = json.loads(out.read_text())
    assert report["clips_evaluated"] == 2
    assert report["clips"][0]["peaks"][0]["fall"] > 0.9


def test_noise_is_fresh_in_every_draw(data, models):
    station = Station(evaluate.shipped_models(models, None))
    embeddings = station.embed(data / "two.mp4")[:50]
    first, second = station.release(embeddings), station.release(embeddings)
    station.close()
    assert not np.array_equal(first, second)
    spread = float(np.std(first.astype(float) - second.astype(float)))
    assert spread == pytest.approx(100 * 2**0.5, rel=0.2)


def test_a_window_with_few_vectors_still_gives_a_verdict(models):
    station = Station(evaluate.shipped_models(models, None))
    replay = station.judge(np.zeros((3, RELEASED), np.int16))
    station.close()
    assert replay.seconds == pytest.approx(0.3)
    assert 0 < replay.peaks["fall"] < 0.01
    assert replay.alarms == ()


def test_cameras_of_one_moment_are_judged_together(models):
    station = Station(evaluate.shipped_models(models, None))
    rng = np.random.default_rng(0)
    one, other = rng.integers(-100, 100, (2, 60, RELEASED), dtype=np.int16)
    alone, both = station.judge(one), station.judge(one, other)
    short = station.judge(one, other[:3])
    (last,) = station.verdicts(one, other)[-1:]
    station.close()
    assert (alone.seconds, both.seconds, short.seconds) == (6.0, 6.0, 6.0)
    # The windows are half full twice as fast, and with a third of a second more a bit faster.
    suspected = [run.alarms[0].detection_s for run in (both, short, alone)]
    assert suspected == sorted(suspected)
    assert suspected[0] < suspected[2]
    assert last.span.sensors == ("clip/0", "clip/1")
    assert (last.span.vectors, last.span.gaps) == (20, 0)


def test_a_room_of_clips_is_replayed(data, models):
    station = Station(evaluate.shipped_models(models, None))
    clips = [data / "one.mp4", data / "two.mp4"]
    (room,) = station.replay_room(clips, 1)
    (first,) = station.replay(clips[0], 1)
    (second,) = station.replay(clips[1], 1)
    with pytest.raises(ReplayError, match="5 clips of one room; the model takes 1 to 4"):
        station.replay_room(clips[:1] * 5, 1)
    station.close()
    assert room.seconds == max(first.seconds, second.seconds)
    assert room.alarms[0].detection_s < first.alarms[0].detection_s


def test_models_that_do_not_belong_together_are_refused(models, tmp_path):
    folder = shutil.copytree(models, tmp_path / "models")
    make_encoder(folder / "other.onnx")
    with (folder / "encoder.onnx").open("ab") as file:
        file.write(b"\x00")
    with pytest.raises(ReplayError, match="another encoder"):
        Station(evaluate.shipped_models(folder, None))
    shutil.copy(models / "encoder.onnx", folder / "encoder.onnx")
    make_profile(folder / "encoder.onnx", cap_bits=8.0).save(folder / "tight.json")
    with pytest.raises(ReplayError, match="does not name the profile"):
        Station(evaluate.shipped_models(folder, folder / "tight.json"))


def test_a_level_above_the_cap_is_refused(models, tmp_path):
    folder = shutil.copytree(models, tmp_path / "models")
    profile = make_profile(folder / "encoder.onnx", cap_bits=8.0)
    profile.save(folder / "profile.json")
    card = json.loads((folder / "recogniser.json").read_text())
    card["profile_ids"] = [profile.id.hex()]
    (folder / "recogniser.json").write_text(json.dumps(card))
    with pytest.raises(ReplayError, match="more than its window_cap_bits of 8"):
        Station(evaluate.shipped_models(folder, None))


def test_filters_that_choose_nothing_are_refused(data):
    clips = load_labels(data)
    assert [c.name for c in evaluate.choose(clips, ["one.mp4", "t/c1"])] == ["one.mp4", "two.mp4"]
    with pytest.raises(DataError, match="no clip belongs to r1"):
        evaluate.choose(clips, ["r1"])


def test_a_report_that_could_not_be_written_is_refused_before_the_work(data, models, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        command(data, models, tmp_path / "nowhere" / "report.json")
