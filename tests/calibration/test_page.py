# SPDX-License-Identifier: Apache-2.0
"""The page of a report: whole, harmless, and with pictures of nobody real."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from calibration.chart import Curve, Point, operating
from calibration.data import Clip, Interval
from calibration.outcomes import Alarm, Replay
from calibration.page import page
from calibration.report import Outcome, build_report
from calibration.sweep import SHIFTS

REAL = Path(__file__).parents[1] / "clips" / "ward_fight.mp4"
CANARY = '<script src="https://example.org/x.js">&"'
PEAKS = {"present": 1.0, "fall": 0.6, "down": 0.2, "fight": 0.1}
PROFILE = {"name": "tiny", "bits_per_window": 15.9, "window_s": 2}


class Tags(HTMLParser):
    """Which tags are there, with their attributes; and whether every one is closed."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outcome(clip, *alarms):
    sweep = tuple(alarms if shift <= 0 else () for shift in SHIFTS)
    return Outcome(clip, (Replay(60.0, 600, PEAKS, alarms, sweep),))


def clips(folder):
    for number in range(6):
        name = f"{number}{CANARY if number == 5 else ''}.mkv"
        fall = (Interval("fall", 20.0, 40.0, how=CANARY),) if number % 2 else ()
        path = folder / f"{number}.mkv"
        shutil.copy(REAL, path)  # a film of somebody, whatever it is called
        acts = (Interval("walk", 0.0, 20.0), *fall)
        yield Clip(path, name, "s", f"p{number}", f"r{number}", acts, seed="5" * (number > 2))


@pytest.fixture
def made(tmp_path):
    chosen = list(clips(tmp_path))
    found = Alarm("fall", "suspected", 21.0, 22.0)
    wrong = Alarm("fall", "confirmed", 4.0, 5.0)
    report = build_report([outcome(clip, found, wrong) for clip in chosen], 1)
    return report | {"profile": PROFILE, "model_id": "tiny"}, chosen


def test_the_page_is_whole_and_reaches_for_nothing(made):
    text = page(*made)
    tags = Tags(text)
    assert tags.open == []
    names = {tag for tag, _ in tags.found}
    assert not names & {"script", "link", "iframe", "object", "base", "form"}
    addresses = [
        v for _, a in tags.found for k, v in a.items() if k in {"src", "href", "xlink:href"}
    ]
    assert all(address.startswith("data:image/jpeg;base64,") for address in addresses)
    assert not any(k.startswith("on") for _, attributes in tags.found for k in attributes)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert CANARY not in text  # the control: names are in it, and are escaped
    assert "&lt;script src=" in text


def test_no_frame_of_a_real_clip_is_on_it(made):
    assert any(clip.rendered for clip in made[1])  # some even claim to be rendered
    assert made[0]["errors"]
    assert "<img" not in page(*made)


def test_both_origins_and_all_errors_are_told(made):
    report, chosen = made
    text = page(report, chosen)
    assert "Rendered clips" in text
    assert "Real clips" in text
    assert len(report["errors"]) == text.count("<td>missed</td>") + text.count("<td>false</td>")


def test_a_page_of_nothing(tmp_path):
    report = build_report([Outcome(next(clips(tmp_path)), (), "broken <b>")], 1)
    text = page(report | {"profile": PROFILE, "model_id": "tiny"}, [])
    assert Tags(text).open == []
    assert "broken &lt;b&gt;" in text


def test_points_lie_where_their_figures_say():
    points = [
        Point(100.0, 1.0, (50.0, 200.0), (0.9, 1.0), shipped=False),
        Point(1.0, 0.5, (0.1, 10.0), (0.2, 0.8), shipped=True),
        Point(0.0, 0.0, (0.0, 3.0), (0.0, 0.2), shipped=False),
    ]
    chart = operating("fall", [Curve("suspected", "suspected", points)], hours=50.0)
    (x, y), *_ = re.findall(r'circle cx="([\d.]+)" cy="([\d.]+)"', chart)
    line = re.search(r'class="line" d="M([^"]+)"', chart).group(1)
    (x0, y0), (x1, y1), (x2, y2) = (map(float, pair.split()) for pair in line.split("L"))
    assert (x1, y1) == (float(x), float(y))
    assert (y0, y1, y2) == (26.0, 121.0, 216.0)  # recall 1, 1/2, 0 from top to bottom
    assert x2 == 40.0  # none at all is the left edge
    assert x2 < x1 < x0 < 348.0
    assert chart.count("<circle") == 1
