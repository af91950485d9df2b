# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation as one HTML file that needs nothing else and runs nothing.

Its policy forbids every script and every address; pictures are data inside the file. They come from
`calibration.stills`, which gives frames of rendered clips only.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from calibration.chart import Curve, Point, operating
from calibration.data import Clip
from calibration.outcomes import LIMIT_S, PHASES
from calibration.report import Report
from calibration.stills import AFTER_S, BEFORE_S, NotRendered, strip
from calibration.style import STYLE

MOST_STRIPS = 24  # a page that nobody can load is read by nobody
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
FIGURES = (
    *("kind", "phase", "events", "recall in time", "recall", "delay s, median", "delay s, p90"),
    *("false alarms", "negative h", "per hour", "per day"),
)
TITLES = {
    "rendered": "Rendered clips: people who never existed",
    "real": "Real clips",
}


def page(report: Report, clips: Sequence[Clip]) -> str:
    """The whole page; `clips` are those of the report, for the pictures of its errors."""
    sections = [_head(report)]
    for origin, part in report["origins"].items():
        sections += [_origin(TITLES[origin], part)]
    sections += [_errors(report["errors"], {clip.name: clip for clip in clips}), _failed(report)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Lethe: evaluation</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _head(report: Report) -> str:
    profile, ways = report["profile"], report["clips_by_way"]
    budget = f"at most {profile['bits_per_window']:.2f} bits per {profile['window_s']} s"
    by_camera = f"{ways['camera']} through the whole way from the camera on"
    facts = [
        ("model", report["model_id"]),
        ("profile", f"{profile['name']}, {budget}"),
        ("clips", f"{by_camera}, {ways['planes']} from stored planes on"),
        ("footage", f"{report['hours']:.2f} h, draws of the noise: {report['draws']}"),
    ]
    told = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(str(v))}</dd></div>" for k, v in facts)
    limits = " and ".join(f"{phase} at most {LIMIT_S[phase]:g} s" for phase in PHASES)
    return (
        f"<h1>Evaluation</h1><dl>{told}</dl>"
        f"<p>In time is {limits} after the onset; person_down counts from 15 s of lying. One alarm "
        "finds at most one event. Brackets are 95 % intervals over scenes and people, or over "
        "single events where fewer than five scenes or people have any.</p>"
    )


def _origin(title: str, part: Report) -> str:
    return (
        f"<section><h2>{escape(title)}</h2><p>{part['clips']} clips, resampled by "
        f"{escape(part['resampled'])}.</p>"
        f"{_figures(part['kinds'])}{_normal(part['normal_life'])}"
        f"{_stays(part['stays_down'])}"
        "<h3>Operating points</h3><p>Every threshold moved together; the ring is the shipped one, "
        "the band its recall's interval, the left edge no false alarm at all. On the right recall "
        "can fall again: a report before an event keeps the next of its kind waiting.</p>"
        f'<div class="charts">{"".join(_charts(part))}</div>'
        f"{_acts(part['false_alarms_by_act'])}{_ways(part['found_in_time_by_way'])}</section>"
    )


def _figures(kinds: Report) -> str:
    rows = [
        (
            name,
            phase,
            str(of["events"]),
            _within(of[phase], "recall_in_time"),
            _within(of[phase], "recall"),
            _within(of[phase], "median_delay_s", 1),
            _within(of[phase], "p90_delay_s", 1),
            _number(of[phase]["false_alarms"], 1),
            f"{of[phase]['hours']:.2f}",
            _within(of[phase], "false_alarms_per_hour"),
            _within(of[phase], "false_alarms_per_day", 1),
        )
        for name, of in kinds.items()
        for phase in PHASES
    ]
    return "<h3>Events</h3>" + _table(FIGURES, rows)


def _normal(life: Report) -> str:
    rows = [
        (
            phase,
            str(life["clips"]),
            f"{life[phase]['hours']:.2f}",
            _number(life[phase]["false_alarms"], 1),
            _within(life[phase], "false_alarms_per_hour"),
            _within(life[phase], "false_alarms_per_day", 1),
        )
        for phase in PHASES
    ]
    head = ("phase", "clips", "hours", "alarms of any kind", "per hour", "per day")
    return "<h3>Clips of normal life only</h3>" + _table(head, rows)


def _stays(down: Report) -> str:
    if not down["events"]:
        return ""
    row = (
        str(down["events"]),
        f"{down['seconds']:.0f}",
        _number(down["share"], 3),
        _within(down, "kept_share"),
    )
    head = ("people who lie", "seconds", "of that detected", "detected without a gap")
    limit = LIMIT_S[PHASES[-1]]
    return (
        f"<h3>Who lies stays detected</h3><p>From {limit:g} s after the onset until the label "
        "ends: whether a confirmed fall or person_down stands.</p>" + _table(head, [row])
    )


def _charts(part: Report) -> Iterator[str]:
    for kind, phases in part["curves"].items():
        figure = part["kinds"][kind]
        curves = [
            Curve(phase, phase, [_point(one) for one in points])
            for phase, points in phases.items()
            if figure["events"] and figure["negative_hours"]
        ]
        if not curves:
            yield f"<p>{escape(kind)}: no event, or no footage without one.</p>"
            continue
        title = f"{kind} ({figure['events']} events, {figure['negative_hours']:.2f} h)"
        key = "".join(f'<span class="{curve.style}">{curve.name}</span>' for curve in curves)
        chart = operating(title, curves, figure["negative_hours"])
        yield f'<figure>{chart}<figcaption class="key">{key}</figcaption></figure>'


def _point(one: Report) -> Point:
    return Point(
        rate=one["false_alarms_per_hour"],
        recall=one["recall_in_time"],
        rate_bounds=one["false_alarms_per_hour_interval"],
        recall_bounds=one["recall_in_time_interval"],
        shipped=one["shift"] == 0,
    )


def _acts(acts: Report) -> str:
    raised = {
        act: row for act, row in acts.items() if any(v for k, v in row.items() if k != "hours")
    }
    if not raised:
        return ""
    columns = [key for key in next(iter(raised.values())) if key != "hours"]
    rows = [
        (act, f"{row['hours']:.2f}", *(_number(row[key], 1) if row[key] else "" for key in columns))
        for act, row in sorted(raised.items(), key=lambda item: -sum(item[1].values()))
    ]
    return (
        "<h3>What was going on at a false alarm</h3><p>An alarm counts for every act under way.</p>"
        + _table(("act", "hours", *columns), rows)
    )


def _ways(ways: Report) -> str:
    rows = [
        (kind, how, _number(row["events"], 0), *(_number(row[phase], 1) for phase in PHASES))
        for kind, table in ways.items()
        for how, row in table.items()
    ]
    if not rows:
        return ""
    head = ("kind", "how", "events", *(f"{phase} in time" for phase in PHASES))
    return "<h3>Found in time, by how it happened</h3>" + _table(head, rows)


def _errors(errors: Sequence[Report], clips: dict[str, Clip]) -> str:
    if not errors:
        return "<section><h2>Errors</h2><p>None under the first draw of the noise.</p></section>"
    shown: list[str] = []
    rows: list[Sequence[str]] = []
    for error in _in_turn(errors):
        picture = _picture(clips[error["clip"]], error) if len(shown) < MOST_STRIPS else None
        if picture is None:
            rows.append([str(error[key]) for key in ("error", "kind", "phase", "clip")])
            rows[-1] = [*rows[-1], f"{error['at_s']:.1f}", error["what"]]
        else:
            shown.append(f"<figure>{picture}{_caption(error)}</figure>")
    pictures = "".join(shown)
    head = ("error", "kind", "phase", "clip", "at s", "what")
    return (
        f"<section><h2>Errors</h2><p>{len(errors)} under the first draw of the noise. "
        f"{len(shown)} of them with frames, from {BEFORE_S:g} s before to {AFTER_S:g} s after: "
        "frames are shown of rendered people only.</p>"
        f'<div class="strips">{pictures}</div>{_table(head, rows) if rows else ""}</section>'
    )


def _in_turn(errors: Sequence[Report]) -> list[Report]:
    """First what concerns confirmation; in each phase the kinds of error by turns."""
    seen: Counter[tuple[str, ...]] = Counter()
    places = []
    for error in errors:
        group = (error["phase"], error["error"], error["kind"])
        seen[group] += 1
        places.append((error["phase"] != PHASES[-1], seen[group]))
    return [errors[i] for i in sorted(range(len(errors)), key=lambda i: places[i])]


def _picture(clip: Clip, error: Report) -> str | None:
    try:
        data = base64.b64encode(strip(clip, error["at_s"])).decode()
    except NotRendered:
        return None
    name = escape(clip.name)
    return f'<div class="wide"><img alt="{name}" src="data:image/jpeg;base64,{data}"></div>'


def _caption(error: Report) -> str:
    words = f"{error['error']}: {error['kind']} {error['phase']} at {error['at_s']:.1f} s"
    return (
        f"<figcaption><b>{escape(words)}</b> {escape(error['what'])} "
        f"<i>{escape(error['clip'])}</i></figcaption>"
    )


def _failed(report: Report) -> str:
    rows = [(one["clip"], one["reason"]) for one in report["clips_failed"]]
    return f"<h2>Clips that failed</h2>{_table(('clip', 'reason'), rows)}" if rows else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{titles}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _within(of: Report, key: str, digits: int = 2) -> str:
    value, bounds = of[key], of[f"{key}_interval"]
    if value is None or bounds is None:
        return _number(value, digits)
    return f"{value:.{digits}f} [{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
