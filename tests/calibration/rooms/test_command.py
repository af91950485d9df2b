# SPDX-License-Identifier: Apache-2.0
"""The whole command over tiny people: the same bytes however it is run, whole sets or errors."""

from __future__ import annotations

import argparse
import functools
import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="there is no MuJoCo for this Python")

from calibration.data import load_labels
from calibration.rooms import bakery, clip, command, life, plots, splits, store
from calibration.rooms.errors import AssetError, RoomsError
from tests.calibration.rooms.test_workers import runs
from tests.calibration.rooms.tiny_people import tiny_body, tiny_motions

SHORT = {"daily", "empty"}
ROOT = Path(__file__).resolve().parents[3]


@functools.cache
def quick_seed() -> int:
    """A seed whose first two moments are cheap, differ, and are of one camera each."""
    for seed in range(5000):
        plans = [clip.plan(seed, number) for number in (0, 1)]
        if {p.script for p in plans} == SHORT and all(p.cameras == 1 for p in plans):
            return seed
    raise AssertionError


def motions() -> list:
    tiny = tiny_motions()
    moving = {"walk": "tiny_walk", "run": "tiny_walk"}
    return [
        replace(tiny[moving.get(role, "tiny_idle")], name=name, role=role)
        for name, role in splits.every_motion().items()
    ]


def arguments(out: Path, **other: object) -> argparse.Namespace:
    known = {"clips": 2, "assets": out / "none", "jobs": 1, "seed": quick_seed()}
    known |= {"keep_frames": False, "sheet": None, "out": out, "kind": "moments", "split": None}
    return argparse.Namespace(**(known | other))


@pytest.fixture
def baked(tmp_path: Path):
    """Makes a set's folder in which every body and motion lies already."""

    def make(name: str, plans: list[clip.Plan] | None = None) -> Path:
        folder = tmp_path / name / command.BAKE
        folder.mkdir(parents=True)
        bakery.write(folder / bakery.MOTIONS, bakery.motion_arrays(motions()))
        plans = plans or [clip.plan(quick_seed(), number) for number in (0, 1)]
        for person in {person for plan in plans for person in plan.people}:
            body = tiny_body(person, 1.6 + 0.01 * (person % 30))
            bakery.write(folder / f"body_{person:04d}.npz", bakery.body_arrays(body))
        return tmp_path / name

    return make


def digests(out: Path) -> dict[str, str]:
    files = sorted((out / "clips").rglob("*.npz"))
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_jobs_order_and_resuming_change_no_byte(baked) -> None:
    """Two workers make both moments; then one worker makes the first again, and only it."""
    one = baked("one")
    assert command.run(arguments(one, jobs=2)) == 0
    whole = digests(one)
    assert len(set(whole.values())) == 2
    first, second = sorted((one / "clips").rglob("*.npz"))
    made = second.stat().st_mtime_ns
    first.unlink()
    (first.parent / f".{first.name}.part").write_bytes(b"half")
    assert command.run(arguments(one)) == 0
    assert digests(one) == whole
    assert second.stat().st_mtime_ns == made
    assert not list((one / "clips").rglob(".*"))
    clips = load_labels(one)
    assert {c.set for c in clips} == {"rooms_train"}
    assert all(store.load_planes(c.path).shape[1:] == (3, 64, 80) for c in clips)
    assert (one / "people.csv").read_text().startswith("id,split,sex")


def test_another_seed_or_kind_is_refused(baked) -> None:
    out = baked("set")
    store.open_set(out, command.made_by(1, frames=False))
    with pytest.raises(RoomsError, match="another seed"):
        command.run(arguments(out, seed=2))
    with pytest.raises(RoomsError, match="another kind"):
        command.run(arguments(out, seed=1, kind="life"))


def test_moments_are_of_all_splits(tmp_path: Path) -> None:
    with pytest.raises(RoomsError, match="dealt to all splits"):
        command.run(arguments(tmp_path, split="val"))


def test_who_is_asked_to_end_leaves_labels_and_nobody_behind(baked) -> None:
    plans = list(command.planned(quick_seed(), 8))
    out = baked("set", plans)
    words = ["rooms", "--clips", "8", "--out", out, "--assets", out, "--jobs", "1"]
    words += ["--seed", str(quick_seed())]
    running = subprocess.Popen([sys.executable, "-m", "calibration", *words], cwd=ROOT)
    assert soon(lambda: bool(digests(out)), 120)
    workers = children(running.pid)
    running.terminate()
    assert running.wait(60) == 128 + signal.SIGTERM
    assert workers
    assert soon(lambda: not any(runs(worker) for worker in workers), 20)
    assert 0 < len(load_labels(out)) < 8


def soon(true: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()


def children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in listed.split()]


# ---- long recordings ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["life", "after"])
def test_a_long_recording_is_of_its_own_set(
    baked, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shortened to seconds here."""
    monkeypatch.setattr(life, "LASTS_S", (4.0, 5.0))
    monkeypatch.setattr(life, "TEN_MINUTES_S", (3.0, 4.0))
    monkeypatch.setattr(plots, "BEFORE_S", (0.0, 0.0))
    monkeypatch.setattr(plots, "LYING_S", (2.0, 3.0))
    plan = clip.plan_long(3, 1, kind, "val")
    assert all(splits.of_body(person) == "val" for person in plan.people)
    out = baked("set", [plan])
    company = bakery.Bakery(out / command.BAKE)
    recordings = clip.make(3, plan, company)
    for recording in recordings:
        store.save(out, recording)
        assert splits.of_room(recording.room) == "val"
        assert clip.plan_again(recording.notes()) == plan
    assert store.write_labels(out) == plan.cameras
    found = load_labels(out)
    assert {c.set for c in found} == {f"rooms_{kind}_val"}
    assert {c.path.parent.name for c in found} == {f"{kind}_val"}
    assert bool(found[0].spans(["fall"])) == (kind == "after")


def test_series_share_no_draw() -> None:
    plans = {
        (kind, split): [clip.plan_long(1, n, kind, split) for n in range(30)]
        for kind in ("life", "after")
        for split in splits.JUDGED
    }
    for (kind, split), many in plans.items():
        assert len({plan.people for plan in many}) > 25
        assert all(splits.of_body(p) == split for plan in many for p in plan.people)
        assert {plan.series for plan in many} == {f"{kind}_{split}"}
    places = [
        tuple(p - splits.BODIES[s].start for p in plan.people)
        for (_, s), many in plans.items()
        for plan in many
    ]
    assert len(set(places)) > len(places) - 10


def test_missing_assets_are_named_and_nothing_is_begun(tmp_path: Path) -> None:
    with pytest.raises(AssetError):
        command.run(arguments(tmp_path / "set"))
    assert not list((tmp_path / "set").rglob("*.npz"))


def test_a_disk_that_is_too_small_is_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "free_bytes", lambda _: 1000)
    with pytest.raises(RoomsError, match="are needed and"):
        command.run(arguments(tmp_path / "set"))


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"jobs": 0}])
def test_numbers_below_one_are_refused(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(RoomsError, match="at least 1"):
        command.run(arguments(tmp_path, **wrong))


def test_a_plan_is_enough_clips_of_every_split() -> None:
    plans = list(command.planned(1, 200))
    assert sum(plan.cameras for plan in plans) >= 200
    assert sum(plan.cameras for plan in plans[:-1]) < 200
    assert {plan.split for plan in plans} == set(splits.SPLITS)
    for plan in plans:
        assert all(splits.of_body(person) == plan.split for person in plan.people)
        assert len(set(plan.people)) == len(plan.people)


def test_a_larger_set_begins_with_the_smaller_one() -> None:
    small, large = (list(command.planned(3, clips)) for clips in (20, 60))
    assert large[: len(small)] == small
    assert small != list(command.planned(4, 20))


def test_seeds_differ() -> None:
    scripts = [[clip.plan(seed, n).script for n in range(40)] for seed in (1, 2)]
    assert scripts[0] != scripts[1]
    assert np.unique(scripts[0]).size > 3
