# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402 - what is imported below needs the packages that are asked for first
"""The family, the objective, the loop and the batches. Train extra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytestmark = pytest.mark.train

from calibration.data import Clip, Interval
from calibration.rooms.store import PEOPLE_FILE
from calibration.train.batches import Draw, Embedded, Group, Streams, person_of, pixel_batch
from calibration.train.family import MEMBERS, WINDOW, Family, rows
from calibration.train.judge import Judge
from calibration.train.loop import Plan, Run, TrainingError
from calibration.train.networks import Opposed, clipped
from calibration.train.objective import Truth, alignment, overshoot, task_loss
from calibration.train.people import People, read_people
from calibration.train.recipe import lesson, noise_ratio
from calibration.train.targets import targets
from calibration.train.trunk import Model, TrunkSettings, model_of, state_of, train_trunk
from tests.calibration.train.made_up import crowd, packed_of, rendered

SEEN = {"s": 35, "m": 91, "l": 251}  # steps of the past, the newest one included


def window(sensors: int = 1, steps: int = WINDOW) -> torch.Tensor:
    z = torch.randn(2, sensors, steps, 12)
    return rows(z, 1.0, torch.ones(z.shape[:-1]))


def behaviours(family: Family, x: torch.Tensor, member: str) -> torch.Tensor:
    with torch.inference_mode():
        found = family(x, torch.zeros(x.shape[:2], dtype=torch.long), member)
    return found[member][1].behaviours


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_sees_its_past_and_nothing_else(member: str) -> None:
    torch.manual_seed(0)
    family, x = Family().eval(), window()
    before = behaviours(family, x, member)
    x[:, :, 0] += 5
    changed = (behaviours(family, x, member) != before).any(-1).any(0)
    assert bool(changed[: SEEN[member]].any())
    assert not bool(changed[SEEN[member] :].any())
    now = behaviours(family, x, member)
    x[:, :, -1] += 5
    later = behaviours(family, x, member)
    assert torch.equal(later[:, :-1], now[:, :-1])
    assert not torch.equal(later[:, -1], now[:, -1])


def test_a_sensor_that_sends_nothing_adds_nothing() -> None:
    torch.manual_seed(0)
    family, x = Family().eval(), window()
    silent = torch.cat([x, torch.zeros_like(x)], dim=1)
    assert torch.allclose(behaviours(family, silent, "l"), behaviours(family, x, "l"), atol=1e-5)
    speaking = torch.cat([x, window()], dim=1)
    assert not torch.allclose(behaviours(family, speaking, "l"), behaviours(family, x, "l"))


def test_what_betrays_is_unlearned_and_what_serves_is_learned() -> None:
    x = torch.zeros(3, requires_grad=True)
    serves, betrays = Opposed.apply(x, 0.5)
    (serves @ torch.tensor([1.0, 0, 0]) + betrays @ torch.tensor([0, 8.0, 0])).backward()
    assert x.grad.tolist() == pytest.approx([1.0, -0.5, 0.0])  # however loud the adversary is


def test_only_what_is_outside_the_ball_overshoots() -> None:
    inside, outside = torch.full((1, 4), 0.5), torch.full((1, 4), 2.0)
    assert float(overshoot(inside)) == 0 < float(overshoot(outside))
    assert clipped(outside).norm().item() == pytest.approx(1)
    assert torch.allclose(clipped(inside), inside)


def truth(steps: int = 8, **changed: torch.Tensor) -> Truth:
    one = torch.ones(1, steps)
    fields = {
        "behaviours": torch.zeros(1, steps, 4),
        "known": torch.ones(1, steps, 4),
        "postures": torch.zeros(1, steps, 7),
        "postures_known": torch.zeros(1, steps, 7),
        "count": torch.zeros(1, steps, dtype=torch.long),
        "count_known": 0 * one,
        "onset": torch.full((1, steps), float("nan")),
    }
    return Truth(**{**fields, **changed})


def test_what_is_unknown_is_not_asked() -> None:
    heads = Family().eval()(window(steps=8)[:1], torch.zeros(1, 1, dtype=torch.long))["s"][1]
    blind = truth(known=torch.zeros(1, 8, 4))
    assert float(task_loss(heads, blind)) == 0
    assert float(task_loss(heads, truth())) > 0
    dated = replace(blind, onset=torch.full((1, 8), 3.0))
    assert float(task_loss(heads, dated)) > 0


def test_the_largest_member_teaches_and_is_not_taught() -> None:
    small, large = (torch.randn(1, 8, 5, requires_grad=True) for _ in range(2))
    alignment({"s": small, "l": large}, truth()).backward()
    assert small.grad is not None
    assert large.grad is None
    assert float(alignment({"s": small, "l": small}, truth())) == pytest.approx(0, abs=1e-6)


def regression(state: Path | None, plan: Plan, stop_at: int | None = None) -> torch.nn.Linear:
    torch.manual_seed(3)
    line, asked = torch.nn.Linear(2, 1), []
    run = Run(plan, (line,), state)

    def step(rng: np.random.Generator, _: float) -> torch.Tensor:
        asked.append(1)
        if stop_at is not None and len(asked) > stop_at:
            run._save()
            raise KeyboardInterrupt
        x = torch.from_numpy(rng.normal(size=(16, 2)).astype(np.float32))
        return (line(x) - x[:, :1] + 0.1 * torch.randn(16, 1)).square().mean()

    run.go(step)
    return line


def test_an_interrupted_run_ends_where_the_whole_one_does(tmp_path: Path) -> None:
    plan, state = Plan("line", 60, 0.05, seed=4), tmp_path / "line.run"
    whole = regression(None, plan)
    with pytest.raises(KeyboardInterrupt):
        regression(state, plan, stop_at=23)
    resumed = regression(state, plan)
    assert torch.equal(whole.weight, resumed.weight)
    assert not state.exists()
    assert not torch.equal(whole.weight, regression(None, replace(plan, seed=5)).weight)


def test_a_run_with_other_settings_is_not_gone_on_with(tmp_path: Path) -> None:
    plan, state = Plan("line", 60, 0.05, seed=4), tmp_path / "line.run"
    with pytest.raises(KeyboardInterrupt):
        regression(state, plan, stop_at=23)
    with pytest.raises(TrainingError, match="delete it"):
        regression(state, replace(plan, rate=0.1))


def test_the_best_that_was_met_is_kept() -> None:
    line, scores = torch.nn.Linear(1, 1), iter([0.1, 0.9, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4, 0.3, 0.2])
    kept = []

    def check() -> float:
        kept.append(line.weight.detach().clone())
        return next(scores)

    run = Run(Plan("line", 100, 0.1, seed=1, wait=4), (line,), None)
    run.go(lambda _, __: (line(torch.ones(1, 1)) - 3).square().mean(), check)
    assert torch.equal(line.weight, kept[1])
    assert len(kept) == 6  # four without a better one, and past the middle


def test_a_loss_that_is_no_number_stops_it() -> None:
    line = torch.nn.Linear(1, 1)
    run = Run(Plan("line", 10, 0.1, seed=1), (line,), None)
    with pytest.raises(TrainingError, match="the loss is nan"):
        run.go(lambda _, __: line(torch.full((1, 1), float("nan"))).mean())


def fall_set(folder: Path, moments: int = 6) -> list:
    fall = (Interval("fall", 3.0, 6.0, onset_s=3.0, impact_s=4.0),)
    return [rendered(folder, m, "train", 80, m % 3, fall if m % 2 else ()) for m in range(moments)]


def test_windows_are_drawn_around_what_is_rare(tmp_path: Path) -> None:
    packed = packed_of(fall_set(tmp_path))
    draw = Draw(packed, [Group("rooms_train", tuple(range(6)), 1.0)])
    rng = np.random.default_rng(0)
    drawn = [draw.window(rng, 30) for _ in range(400)]
    assert all(a >= 0 and n <= 30 and a + n <= 80 for _, a, n in drawn)
    falling = sum(
        bool(packed.targets.behaviours[80 * c + a : 80 * c + a + n, 1].any()) for c, a, n in drawn
    )
    assert falling > 200  # 12 % of all steps are of a fall


def test_pixels_and_truth_of_a_batch_belong_together(tmp_path: Path) -> None:
    listed = fall_set(tmp_path)
    planes = np.zeros((6 * 80, 3, 64, 80), np.uint8)
    packed = packed_of(listed, planes)
    planes[packed.targets.behaviours[:, 2] > 0] = 200
    draw = Draw(packed, [Group("rooms_train", tuple(range(6)), 1.0)])
    batch = pixel_batch(packed, draw, np.random.default_rng(1), 24, 30)
    down = batch.truth.every(3).behaviours[..., 2] * (batch.weight[:, 1::3] > 0)
    bright = batch.planes.float().flatten(2).mean(-1) > 40
    assert bool(down.any())
    assert float((bright == (down > 0)).float().mean()) > 0.97  # frames may be dropped


def test_who_is_asked_for_is_alone(tmp_path: Path) -> None:
    packed = packed_of(fall_set(tmp_path))
    assert person_of(packed.targets, 85, 20) == 1
    assert person_of(packed.targets, 70, 30) == -1  # two clips, two persons
    people = People([{"id": "b1", "sex": "f", "build": "0.1", "clothing": "coat"}], [1])
    assert people.answers([1, -1, 7])["person"].tolist() == [0, -1, -1]


def test_streams_are_as_long_as_a_window_and_know_what_they_lack(tmp_path: Path) -> None:
    packed = packed_of(fall_set(tmp_path))
    variants = np.ones((1, 480, 8), np.float16)
    streams = Streams(Embedded(packed, variants), [Group("rooms_train", tuple(range(6)), 1.0)], 200)
    batch = streams.batch(np.random.default_rng(2), 40)
    assert batch.embedding.shape == (40, 1, 200, 8)
    assert bool((batch.embedding.abs().amax(-1) >= (batch.weight > 0).float()).all())
    nothing_yet = batch.embedding.abs().amax(-1).amax(1) == 0
    assert float(batch.truth.known[nothing_yet].abs().sum()) == 0
    assert 0 < float(nothing_yet.float().mean()) < 0.9
    assert {0.0, 1.0} < {round(w, 3) for w in batch.weight.unique().tolist()}


def test_a_lesson_never_shows_what_is_held_out(tmp_path: Path) -> None:
    listed = fall_set(tmp_path)
    listed += [rendered(tmp_path, 90, "val", 80, 9), rendered(tmp_path, 91, "test", 80, 8)]
    for k in range(24):
        clip = Clip(
            tmp_path / f"{k}", f"{k}", "surv_fight", "", f"cam{k}", (Interval("fight", 0, 2),)
        )
        listed.append((clip, targets(clip, 20)))
    packed = packed_of(listed)
    seen = set()
    for fold in range(4):
        to = lesson(packed, fold)
        taught = {c for g in (*to.trunk, *to.heads) for c in g.clips}
        judged = {c for clips in to.judge.groups.values() for c in clips}
        assert not taught & judged
        assert {packed.clips[c].clip.set for c in taught} == {"rooms_train", "surv_fight"}
        held = set(range(len(listed))) - taught - judged
        assert {packed.clips[c].clip.set for c in held} == {"rooms_test", "surv_fight"}
        seen |= {packed.clips[c].clip.scene for c in held}
    assert {f"cam{k}" for k in range(24)} <= seen


def test_noise_of_a_cap() -> None:
    assert noise_ratio(16.0, 12) == pytest.approx(0.953, abs=1e-3)
    assert noise_ratio(None, 12) == 1 / 256
    assert noise_ratio(4.0, 12) > noise_ratio(8.0, 12)


def test_the_trunk_learns_what_can_be_seen_and_is_saved_whole(tmp_path: Path) -> None:
    packed = crowd(tmp_path, persons=4, moments=4, steps=40)
    packed.targets.behaviours[:, 2] = np.arange(len(packed.targets)) // 40 % 2
    packed.planes[packed.targets.behaviours[:, 2] > 0, 2, 20:40, 30:50] = 255
    clips = tuple(range(len(packed.clips)))
    people = People(read_people([tmp_path]), range(4))
    judge, model = Judge(packed, {"rendered": clips}), Model(0.5)
    before = judge.of_pixels(model, "s")
    settings = TrunkSettings(steps=60, rate=3e-3)
    train_trunk(model, packed, [Group("rooms_train", clips, 1.0)], people, settings, judge=judge)
    assert before < 0.8 < judge.of_pixels(model, "s")
    again = model_of(state_of(model))
    assert judge.of_pixels(again, "s") == judge.of_pixels(model, "s")


def test_people_without_their_table_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / PEOPLE_FILE).write_text("id,sex\nb1,f\n")
    with pytest.raises(Exception, match="render the set again"):
        read_people([tmp_path])
    assert read_people([tmp_path / "nowhere"]) == []
