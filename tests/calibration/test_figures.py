# SPDX-License-Identifier: Apache-2.0
"""Figures of a whole trial, from alarms and events made by hand and computed by hand."""

from pathlib import Path

import pytest

from calibration.data import Clip, Interval
from calibration.figures import (
    acts_at,
    by_act,
    by_way,
    curve,
    normal_life,
    stays_down,
    summarise,
    trial,
)
from calibration.outcomes import KINDS, Alarm, Replay
from calibration.report import Outcome, build_report
from calibration.sweep import SHIFTS, shifted
from cloud_bridge.card import Threshold

KIND = {kind.name: kind for kind in KINDS}
PEAKS = {"present": 1.0, "fall": 0.5, "down": 0.1, "fight": 0.1}
MINUTE = 60.0


def clip(*intervals, number=0, seed=""):
    scene, subject = f"r{number}", f"b{number}"
    return Clip(Path("x"), f"{number}", "s", subject, scene, tuple(intervals), seed=seed)


def alarm(phase, at, kind="fall", onset=None):
    return Alarm(kind, phase, at if onset is None else onset, at)


def replay(*alarms, seconds=MINUTE, sweep=None):
    return Replay(seconds, 600, PEAKS, alarms, sweep or (alarms,) * len(SHIFTS))


def test_delays_of_four_events_by_hand():
    clips = [clip(Interval("fall", 10.0, 40.0), number=n) for n in range(5)]
    delays = [1.0, 2.0, 3.0, 9.0]
    draw = [replay(alarm("suspected", 10 + d), alarm("confirmed", 15 + d)) for d in delays]
    found = summarise(KIND["fall"], trial(clips, [[*draw, replay()]], 0))
    early, late = found["suspected"], found["confirmed"]
    assert (found["events"], early["found"], early["in_time"]) == (5, 4, 3)
    assert (early["recall"], early["recall_in_time"]) == (0.8, 0.6)
    assert (late["recall"], late["recall_in_time"]) == (0.8, 0.8)
    assert early["median_delay_s"] == 2.5
    assert early["p90_delay_s"] == pytest.approx(3 + 0.7 * 6)
    assert early["recall_in_time_interval"][0] < 0.6 < early["recall_in_time_interval"][1]
    assert early["recall_interval_over"] == "scenes"
    assert early["false_alarms_per_day"] == 0.0
    hours = 5 * 30 / 3600
    assert early["hours"] == pytest.approx(hours)
    # None in `hours`: at most 3.69 at 97.5 % (Garwood).
    assert early["false_alarms_per_day_interval"][1] == pytest.approx(24 * 3.689 / hours, rel=1e-3)


def test_draws_of_the_noise_are_averaged():
    clips = [clip(Interval("fall", 10.0, 40.0))]
    draws = [[replay(alarm("suspected", 11.0))], [replay(alarm("suspected", 5.0))]]
    found = summarise(KIND["fall"], trial(clips, draws, 0))["suspected"]
    assert (found["recall"], found["false_alarms"], found["repeats"]) == (0.5, 0.5, 0.0)


def test_normal_life_is_what_has_no_event_at_all():
    clips = [
        clip(Interval("walk", 0.0, 60.0), number=0),
        clip(Interval("fight", 5.0, 9.0), number=1),  # an alarm here is no alarm in normal life
        clip(number=2),
    ]
    draw = [
        replay(alarm("suspected", 5.0), alarm("suspected", 50.0, "overstay")),
        replay(alarm("suspected", 50.0)),
        replay(alarm("suspected", 9.0, "fight"), alarm("confirmed", 9.0, "fight")),
    ]
    life = normal_life(trial(clips, [draw], 0))
    assert life["clips"] == 2
    assert life["suspected"]["hours"] == pytest.approx(2 / 60)
    assert life["suspected"]["false_alarms"] == 2.0  # of the kinds that are judged
    assert life["suspected"]["false_alarms_per_hour"] == pytest.approx(60.0)
    assert life["confirmed"]["false_alarms_per_day"] == pytest.approx(30 * 24)


def test_an_alarm_is_put_down_to_every_act_under_way():
    where = clip(
        Interval("walk", 0.0, 10.0), Interval("sit", 9.0, 30.0), Interval("walk", 5.0, 8.0)
    )
    assert acts_at(where, alarm("suspected", 9.5)) == ["sit", "walk"]
    assert acts_at(where, alarm("suspected", 12.0, onset=10.5)) == ["sit"]
    assert acts_at(where, alarm("suspected", 12.0, onset=9.9)) == ["sit", "walk"]
    assert acts_at(where, alarm("suspected", 40.0)) == ["not told"]
    draws = [[replay(alarm("suspected", 9.5), alarm("suspected", 40.0))], [replay()]]
    table = by_act(trial([where], draws, 0))
    assert table["walk"]["hours"] == pytest.approx(10 / 3600)  # overlaps count once
    assert table["sit"]["fall suspected"] == 0.5  # one of two draws
    assert table["not told"]["fall suspected"] == 0.5
    assert table["sit"]["fall confirmed"] == 0.0


def test_a_found_event_puts_nothing_down_to_an_act():
    where = clip(Interval("fall", 5.0, 20.0), Interval("walk", 0.0, 5.0))
    table = by_act(trial([where], [[replay(alarm("suspected", 6.0))]], 0))
    assert not any(value for row in table.values() for key, value in row.items() if key != "hours")


def test_ways_of_falling_are_told_apart():
    slip = Interval("fall", 10.0, 20.0, how="slip, limp")
    clips = [clip(slip, number=0), clip(slip, number=1), clip(Interval("fall", 1.0, 9.0), number=2)]
    draw = [replay(alarm("suspected", 12.0)), replay(alarm("confirmed", 35.0)), replay()]
    ways = by_way(KIND["fall"], trial(clips, [draw], 0))
    assert ways["slip, limp"] == {"events": 2.0, "suspected": 1.0, "confirmed": 0.0}  # 25 s: late
    assert ways["not told"] == {"events": 1.0, "suspected": 0.0, "confirmed": 0.0}


def test_a_curve_has_a_point_for_every_shift():
    # Lax thresholds find the fall and raise a false alarm, strict ones do neither.
    both, none = (alarm("suspected", 11.0), alarm("suspected", 50.0)), ()
    sweep = tuple(both if shift <= 0 else none for shift in SHIFTS)
    clips = [clip(Interval("fall", 10.0, 20.0))]
    points = curve(KIND["fall"], "suspected", trial(clips, [[replay(sweep=sweep)]], 0))
    assert [point["shift"] for point in points] == list(SHIFTS)
    assert [point["recall_in_time"] for point in points] == [float(s <= 0) for s in SHIFTS]
    assert points[0]["false_alarms_per_hour"] == pytest.approx(3600 / 50)
    assert points[-1]["false_alarms_per_hour"] == 0.0


def test_who_lies_for_a_minute_stays_detected_or_not():
    clips = [clip(Interval("fall", 10.0, 99.0), number=n) for n in range(2)]  # cut at a minute
    whole = replay(alarm("confirmed", 12.0))
    lost = replay(alarm("confirmed", 12.0), alarm("cleared", 45.0))
    found = stays_down(trial(clips, [[whole, lost], [whole, whole]], 0))
    assert (found["events"], found["seconds"]) == (2, 60.0)
    assert found["kept"] == 1.5
    assert found["share"] == pytest.approx((30 + (15 + 30) / 2) / 60)
    nobody = stays_down(trial([clip(Interval("lie", 0.0, 60.0))], [[whole]], 0))
    assert (nobody["events"], nobody["share"], nobody["kept_share"]) == (0, None, None)


def test_thresholds_move_by_log_odds_and_keep_their_order():
    card = {"fall": Threshold(0.5, 0.8), "present": Threshold(0.5, 0.7)}
    assert shifted(card, 0.0)["fall"].confirm == pytest.approx(0.8)
    strict = shifted(card, 1.0)
    assert strict["fall"].suspect == pytest.approx(0.7310585786)  # 1 / (1 + e^-1)
    assert strict["present"] == card["present"]
    tried = [shifted(card, shift)["fall"] for shift in SHIFTS]
    assert all(0 < one.suspect < one.confirm < 1 for one in tried)
    assert [one.suspect for one in tried] == sorted({one.suspect for one in tried})


def test_rendered_and_real_footage_are_never_added_up():
    rendered = clip(Interval("fall", 10.0, 20.0), number=0, seed="5")
    real = clip(Interval("walk", 0.0, 60.0), number=1)
    outcomes = [
        Outcome(rendered, (replay(alarm("suspected", 11.0)),)),
        Outcome(real, (replay(alarm("suspected", 30.0)),)),
    ]
    report = build_report(outcomes, 1)
    ours, theirs = (report["origins"][name] for name in ("rendered", "real"))
    assert ours["kinds"]["fall"]["suspected"]["false_alarms"] == 0.0
    assert theirs["normal_life"]["suspected"]["false_alarms_per_hour"] == pytest.approx(60.0)
    assert theirs["kinds"]["fall"]["suspected"]["recall"] is None
    assert [(e["clip"], e["error"], e["phase"]) for e in report["errors"]] == [
        ("0", "missed", "confirmed"),
        ("1", "false", "suspected"),
    ]
