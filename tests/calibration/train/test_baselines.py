# SPDX-License-Identifier: Apache-2.0
"""The table of inputs: every way of training runs, rows stay, nothing is learnt from tests."""

import argparse
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calibration.data import Clip, DataError, Interval  # noqa: E402
from calibration.train import attackers, baselines, batches, compare, heads, stranger, trunk  # noqa: E402
from calibration.train.baselines import Row, bench, rows, shown_as, thinned  # noqa: E402
from calibration.train.inputs import INPUTS  # noqa: E402
from calibration.train.packed import Packed  # noqa: E402
from calibration.train.targets import targets  # noqa: E402
from tests.calibration.train.made_up import PEOPLE_CSV, packed_of, rendered  # noqa: E402

pytestmark = pytest.mark.train

STEPS, PERSONS = 45, 4


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    torch.set_num_threads(1)
    for module, name, value in (
        (trunk, "WINDOWS", 2),
        (trunk, "LENGTH", 2 * batches.EVERY),
        (heads, "WINDOWS", 2),
        (heads, "WINDOW", 48),
        (attackers, "STEPS", 48),
        (attackers, "LINEAR_STEPS", 48),
        (attackers, "BATCH", 8),
        (stranger, "SEEDS", (1,)),
        (stranger, "DRAWS", 1),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def packed(tmp_path):
    """Falls and fights in every set; who falls is bright."""
    acts = (Interval("fall", 1.0, 4.0, onset_s=1.0), Interval("walk", 0, 1))
    fight, calm = (Interval("fight", 0.0, 4.0),), (Interval("empty", 0.0, 4.0),)
    (tmp_path / "people.csv").write_text(
        PEOPLE_CSV + "".join(f"b{p},train,f,40,1.7,70,{p},coat\n" for p in range(PERSONS))
    )
    listed = [
        rendered(tmp_path, n, name, STEPS, n % PERSONS, (acts, fight, calm)[n % 3])
        for n, name in enumerate(["train"] * 16 + ["val"] * 9 + ["test"] * 9)
    ]
    for subject in range(5):
        clip = Clip(
            tmp_path / f"{subject}.mp4", f"{subject}.mp4", "gmdcsa24", f"s{subject}", "r", acts
        )
        listed.append((clip, targets(clip, STEPS)))
    planes = np.random.default_rng(0).integers(0, 60, (len(listed) * STEPS, 3, 64, 80), np.uint8)
    made = packed_of(listed, planes)
    return replace(made, canvas=planes[:, 1])


def test_rows_are_every_input_with_noise_and_without_and_both_baselines():
    names = [row.name for row in rows(16)]
    assert names[0] == "motion+history+foreground, 16 bits"  # what is pooled must be there
    assert len(set(names)) == len(names) == 2 * len(INPUTS) + 3
    assert {"grey, no noise", "blur, 16 bits", "small, 16 bits"} <= set(names)
    assert {"skeleton, no noise", "pooled, 16 bits"} <= set(names)


def test_an_input_is_made_of_planes_and_canvas_when_it_is_looked_at(packed):
    grey = shown_as(packed, "grey").planes
    assert (len(grey), grey.shape) == (len(packed.planes), packed.planes.shape)
    assert np.array_equal(grey[10:14][:, 0], packed.canvas[10:14])
    assert not grey[10:14][:, 1:].any()
    assert np.array_equal(grey[np.array([3, 9])][:, 0], packed.canvas[[3, 9]])


def test_thinning_takes_whole_moments_of_what_teaches_only(packed):
    clips = [
        replace(one, clip=replace(one.clip, moment=str(n // 2)))
        for n, one in enumerate(packed.clips)
    ]
    few = thinned(replace(packed, clips=tuple(clips)), 6)
    teach = [one for one in few.clips if one.clip.set == "rooms_train"]
    assert len(teach) == 6
    assert all(sum(c.clip.moment == one.clip.moment for c in teach) == 2 for one in teach)
    assert len(few.clips) - len(teach) == len(packed.clips) - 16
    assert thinned(packed, 16).clips == packed.clips


def test_nothing_is_learnt_from_what_judges(packed, tmp_path):
    on = bench(packed, 0, PERSONS, 2, tmp_path / "runs")
    taught = {n for group in (*on.lesson.trunk, *on.lesson.heads) for n in group.clips}
    judged = {name: set(clips) for name, clips in on.judged.items()}
    assert all(judged.values())
    assert not taught & (judged["val"] | judged["test"] | judged["real"])
    assert taught & {n for n, one in enumerate(packed.clips) if not one.clip.rendered}


@pytest.mark.parametrize(
    "row",
    [Row("grey", 16.0), Row("skeleton", None), Row("pooled", 16.0)],
    ids=lambda row: row.shown,
)
def test_every_way_is_trained_and_judged(row, packed, tmp_path, monkeypatch):
    def joints(_packed, variants):
        shape = variants, len(packed.targets), baselines.SkeletonRelease().read[0].in_features * 3
        return np.random.default_rng(1).normal(size=shape).astype(np.float16)

    monkeypatch.setattr(baselines, "joints_of", joints)
    on = bench(packed, 0, PERSONS, 3, tmp_path / "runs")
    found = json.loads(json.dumps(baselines.figures(row, on)))
    assert set(found) == {"noise_ratio", "identity", "val", "test"} | (
        set() if row.shown == "skeleton" else {"real"}
    )
    for part in ("val", "test"):
        assert found[part]["macro_over"] == ["present", "fall", "down", "fight"]
        assert 0 <= found[part]["f1"] <= 1
    assert found["test"]["kinds"]["fight"]["positives"] == 2 * 3  # of 45 steps, two stretches
    assert found["identity"]["person"]["chance"] == 1 / PERSONS
    assert not list((tmp_path / "runs").glob("*.run"))  # states go when they are used up
    assert not list((tmp_path / "runs").glob("*.heads"))


def command(*words):
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    return compare.run(parser.parse_args([str(word) for word in words]))


def test_rows_that_are_done_stay_done(packed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Packed, "open", lambda _: packed)
    trained = []

    def figures(row, _on):
        trained.append(row.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        part = {"f1": 0.5, "kinds": {"fall": {"auc": 0.75}}}
        who = {"chance": 0.25, "strongest": 0.26, "strongest_stay": 0.27}
        return {"val": part, "test": part, "identity": {"person": who}}

    monkeypatch.setattr(compare, "figures", figures)
    words = ["--pack", "p", "--people", PERSONS, "--json", tmp_path / "out.json", "--steps", 3]
    chosen = ["--rows", "grey", "blur"]
    with pytest.raises(KeyboardInterrupt):
        command(*words, *chosen)
    assert list(json.loads((tmp_path / "out.json").read_text())["rows"]) == ["grey, 16 bits"]
    assert command(*words, *chosen) == 0
    assert trained.count("grey, 16 bits") == 1
    assert sorted(set(trained)) == sorted(
        f"{name}, {cap}" for name in ("grey", "blur") for cap in ("16 bits", "no noise")
    )
    told = capsys.readouterr().out
    line = next(line for line in told.splitlines() if line.startswith("blur, no noise"))
    assert line.split()[3:] == [
        *("0.500", "0.500", "-"),
        *("-", "0.750", "-", "-"),
        *("-", "-", "-", "-"),
        *("0.250", "0.260", "0.270"),
    ]
    with pytest.raises(DataError, match="begun with another steps"):
        command(*words[:-1], 4, *chosen)
    with pytest.raises(DataError, match="no input is called sepia"):
        command(*words, "--rows", "sepia")
    (tmp_path / "out.json").write_text("[]")
    with pytest.raises(DataError, match="no table of this command"):
        command(*words, *chosen)
