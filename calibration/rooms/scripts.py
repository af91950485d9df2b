# SPDX-License-Identifier: Apache-2.0
"""Which plots how often, and what of a moment the cameras record.

The weights of the moments are the mixture that models are trained on. Stillness and long sitting
have a large share, because a camera mostly sees them; sitting down has one, because it looks most
like a fall. Long recordings judge models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from calibration.rooms import life, outings, plots
from calibration.rooms.body import Body
from calibration.rooms.cast import LONGEST_S, SHORTEST_S, Cast, Played, length
from calibration.rooms.errors import NoFit
from calibration.rooms.setting import Setting
from calibration.rooms.splits import Kind
from calibration.rooms.track import RATE_HZ, Posture

Generator = np.random.Generator

KEPT_WHOLE = 0.05  # of moments

Script = tuple[float, int, Callable[[Cast], Played]]  # weight, people at most, what happens

SCRIPTS: dict[str, Script] = {
    "daily": (0.3, 1, plots.daily),
    "long_still": (0.1, 1, plots.long_still),
    "up_and_down": (0.1, 1, plots.up_and_down),
    "empty": (0.04, 1, plots.empty_room),
    "fall": (0.19, 2, plots.a_fall),
    "seen_fall": (0.05, 2, plots.a_seen_fall),
    "fight": (0.11, 3, plots.a_fight),
    "meeting": (0.08, 3, plots.a_meeting),
    "crowd": (0.03, 6, plots.a_crowd),
    "play": (0.03, 2, plots.children_play),
    "wheelchair": (0.035, 3, outings.a_wheelchair),
    "walking_frame": (0.03, 2, outings.a_walking_frame),
}


TABLES: dict[Kind, dict[str, Script]] = {
    "moments": SCRIPTS,
    "life": life.SCRIPTS,
    "after": {"after": (1.0, 2, plots.after_a_fall)},
}
LONGEST: dict[Kind, float] = {"moments": LONGEST_S, "life": 900.0, "after": 300.0}  # seconds


def draw(rng: Generator, kind: Kind = "moments") -> str:
    """The name of a script."""
    names = list(TABLES[kind])
    share = np.array([TABLES[kind][name][0] for name in names])
    return names[int(rng.choice(len(names), p=share / share.sum()))]


def people(name: str, kind: Kind = "moments") -> int:
    """How many bodies this script may need."""
    return TABLES[kind][name][1]


def stage(
    name: str,
    setting: Setting,
    people: Sequence[int],
    body: Callable[[int], Body],
    rng: Generator,
    kind: Kind = "moments",
) -> Played:
    """Play it with these people, by id. Raises NoFit if this draw cannot be staged."""
    played = TABLES[kind][name][2](Cast(setting, people, body, rng))
    return _shortened(played, LONGEST[kind])


def _shortened(played: Played, longest_s: float) -> Played:
    """No longer than that; raises NoFit if an event begins too late to be seen whole."""
    steps = min(round(longest_s * RATE_HZ), *(actor.now for actor in played.actors))
    for actor in played.actors:
        actor.cut(steps)
    events = []
    for event in played.events:
        if event.onset + 3 * RATE_HZ > steps or (event.impact or 0) >= steps:
            raise NoFit("the moment is too long for its event")
        events.append(replace(event, end=min(event.end, steps)))
    return replace(played, events=tuple(events))


def window(played: Played, rng: Generator) -> tuple[int, int]:
    """First step and the one after the last of what the cameras record of it.

    An event is recorded from before its onset till a while after its impact; a long stillness and
    a long recording as long as they last; of the rest a piece. What begins with an empty room
    begins there.
    """
    steps = played.actors[0].now
    if played.whole:
        return 0, steps
    empty = all(actor.track().posture[0] == Posture.ABSENT for actor in played.actors)
    if played.events:
        first = min(event.onset for event in played.events)
        start = 0 if empty and first < 17 * RATE_HZ else first - _draw_steps(rng, 1.0, 4.0)
        last = max(event.impact or event.end for event in played.events)
        stop = steps if rng.random() < KEPT_WHOLE else last + _draw_steps(rng, 3.0, 9.0)
        return max(0, start), min(steps, stop)
    if rng.random() < KEPT_WHOLE or steps <= SHORTEST_S * RATE_HZ:
        return 0, steps
    lasts = max(round(SHORTEST_S * RATE_HZ), min(steps, round(length(rng, 6.0) * RATE_HZ)))
    start = 0 if empty else int(rng.integers(0, steps - lasts + 1))
    return start, start + lasts


def _draw_steps(rng: Generator, shortest_s: float, longest_s: float) -> int:
    return round(float(rng.uniform(shortest_s, longest_s)) * RATE_HZ)
