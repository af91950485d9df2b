# SPDX-License-Identifier: Apache-2.0
"""One chart, as inline SVG: recall against false alarms per hour, for a few curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 360, 260
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 26, 44
A_DAY = 1 / 24


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point: false alarms per hour, recall, and their intervals."""

    rate: float
    recall: float
    rate_bounds: tuple[float, float]
    recall_bounds: tuple[float, float]
    shipped: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """Points from lax to strict; `style` is the class that the page's style sheet colours."""

    name: str
    style: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class _Scale:
    """A logarithmic axis of rates whose left end stands for none at all."""

    low: float
    high: float

    def x(self, rate: float) -> float:
        share = math.log(max(rate, self.low) / self.low) / math.log(self.high / self.low)
        return LEFT + min(share, 1.0) * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> list[float]:
        first, last = math.ceil(math.log10(self.low) + 0.1), math.floor(math.log10(self.high))
        return [10.0**power for power in range(first, last + 1)]


def operating(title: str, curves: Sequence[Curve], hours: float) -> str:
    """The chart; `hours` of footage decide how small a rate can be told from none."""
    rates = [point.rate for curve in curves for point in curve.points]
    low = min(0.5 / hours, 0.5 * A_DAY)
    scale = _Scale(low, max([10 * low, 2 * A_DAY, *(1.3 * rate for rate in rates)]))
    parts = [_frame(title, scale), *(_curve(curve, scale) for curve in curves)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _y(recall: float) -> float:
    return TOP + (1 - recall) * (HEIGHT - TOP - BOTTOM)


def _frame(title: str, scale: _Scale) -> str:
    lines = [f'<text class="title" x="{LEFT}" y="15">{escape(title)}</text>']
    for recall in (0, 0.25, 0.5, 0.75, 1):
        y = _y(recall)
        lines.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{recall:g}</text>')
    bottom = _y(0)
    marks = [(scale.low, "0"), *((tick, f"{tick:g}") for tick in scale.ticks())]
    for rate, text in marks:
        x = scale.x(rate)
        lines.append(f'<path class="grid" d="M{x:.1f} {bottom}v4"/>')
        lines.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
    x, middle = scale.x(A_DAY), (LEFT + WIDTH - RIGHT) / 2
    lines.append(f'<path class="day" d="M{x:.1f} {TOP}V{bottom}"/>')
    lines.append(f'<text class="note" x="{x + 4:.1f}" y="{bottom - 6}">1 a day</text>')
    lines.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">false alarms per hour</text>'
    )
    return "".join(lines)


def _curve(curve: Curve, scale: _Scale) -> str:
    upper = [(scale.x(p.rate), _y(p.recall_bounds[1])) for p in curve.points]
    lower = [(scale.x(p.rate), _y(p.recall_bounds[0])) for p in reversed(curve.points)]
    line = [(scale.x(p.rate), _y(p.recall)) for p in curve.points]
    shipped = [_shipped(curve, p, scale) for p in curve.points if p.shipped]
    return (
        f'<g class="{curve.style}"><path class="band" d="M{_path(upper + lower)}Z"/>'
        f'<path class="line" d="M{_path(line)}"/>{"".join(shipped)}</g>'
    )


def _shipped(curve: Curve, point: Point, scale: _Scale) -> str:
    x, y = scale.x(point.rate), _y(point.recall)
    left, right = (scale.x(bound) for bound in point.rate_bounds)
    said = f"{curve.name}: recall {point.recall:.2f} at {point.rate:.2f} false alarms per hour"
    return (
        f'<path class="whisker" d="M{left:.1f} {y:.1f}H{right:.1f}"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{escape(said)}</title></circle>'
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
