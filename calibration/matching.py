# SPDX-License-Identifier: Apache-2.0
"""Alarms to events, one to one. Pure: times are numbers.

An event waits for its alarm inside a window of time. One alarm finds at most one event and one
event is found at most once, so that neither two alarms for one fall nor one alarm for two falls
count double.
"""

from __future__ import annotations

from collections.abc import Sequence

Window = tuple[float, float]


def match(times: Sequence[float], windows: Sequence[Window]) -> list[float | None]:
    """For each window the time that is matched with it, or None; bounds belong to the window.

    As many windows as possible are matched: every time, in order, goes to the open window that
    ends first (Glover 1967, matching in a convex bipartite graph).
    """
    matched: list[float | None] = [None] * len(windows)
    by_end = sorted(range(len(windows)), key=lambda i: (windows[i][1], windows[i][0]))
    for time in sorted(times):
        for i in by_end:
            start, end = windows[i]
            if matched[i] is None and start <= time <= end:
                matched[i] = time
                break
    return matched
