# SPDX-License-Identifier: Apache-2.0
"""Who plays in a moment, how they come to be there, and what one does on an ordinary day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from calibration.rooms import acts, handwork, meetings, onfloor, resting, tools
from calibration.rooms.actor import Actor
from calibration.rooms.body import Body
from calibration.rooms.errors import NoFit
from calibration.rooms.setting import Setting
from calibration.rooms.track import Event, Posture

Array = npt.NDArray[np.float64]
Generator = np.random.Generator
T = TypeVar("T")

LONGEST_S = 60.0
SHORTEST_S = 3.0
BEGINS_EMPTY = 0.32
SWITCHES = 0.12  # of those who come in: they go to the light switch first
TRIES = 4  # at one act before another is drawn

# What one does alone in everyday life, and how often it is chosen.
DAILY: dict[str, tuple[float, Callable[[Actor, float], None]]] = {
    "stand": (1.2, acts.stand),
    "stand_still": (0.6, acts.stand_still),
    "wander": (0.9, acts.wander),
    "run": (0.4, acts.run),
    "bend": (1.5, acts.bend),
    "squat": (0.9, acts.squat),
    "tie_shoes": (1.0, handwork.tie_shoes),
    "wash": (0.8, handwork.wash),
    "clean": (0.5, handwork.clean),
    "mop": (0.4, tools.mop),
    "switch": (0.5, tools.switch),
    "handle": (0.6, handwork.handle),
    "dress": (0.7, handwork.dress),
    "read": (0.5, handwork.read),
    "exercise": (0.6, acts.exercise),
    "sit": (2.8, resting.sit),
    "bed": (1.5, resting.rest_on_bed),
    "sit_on_floor": (0.7, onfloor.sit_on_floor),
    "lie_on_floor": (1.1, onfloor.lie_on_floor),
    "play": (0.7, onfloor.play),
    "crawl": (0.9, onfloor.crawl),
}


@dataclass(frozen=True, slots=True)
class Played:
    """A moment's people, all of one length, and its events; whole: nothing may be left out."""

    actors: tuple[Actor, ...]
    events: tuple[Event, ...]
    whole: bool = False


class Cast:
    """The bodies of a moment and who of them plays already."""

    def __init__(
        self,
        setting: Setting,
        people: Sequence[int],
        body: Callable[[int], Body],
        rng: Generator,
    ) -> None:
        self.setting, self.rng = setting, rng
        self._people, self._body = list(people), body
        self.actors: list[Actor] = []

    def someone(self) -> Actor:
        """The next body as an actor, somewhere in the room, with nothing done yet."""
        body = self._body(self._people[len(self.actors)])
        own = np.random.default_rng(self.rng.integers(2**63))
        at = self.setting.spot(self.rng, 0.3)
        actor = Actor(self.setting, body, own, at, float(self.rng.uniform(-np.pi, np.pi)))
        self.actors.append(actor)
        return actor

    def played(self, *events: Event) -> Played:
        """Everybody of one length, and no longer than a clip may be."""
        meetings.wait(self.actors)
        return Played(tuple(self.actors), events)


def begin(actor: Actor, *, empty: bool) -> None:
    """Come in after a while, or be there: standing, sitting, in bed."""
    if empty:
        door = acts.exits(actor)
        acts.enter(actor, int(actor.rng.choice(door)), float(actor.rng.uniform(1.5, 5)))
        if actor.rng.random() < SWITCHES:
            tools.switch(actor, 1.0)
        return
    room, choice = actor.setting.room, actor.rng.random()
    if choice < 0.3 and room.seats:
        place = resting.choose_seat(actor)
        resting.begin_seated(actor, place)
        resting.stay_seated(actor, place, float(actor.rng.uniform(1.5, 12)))
        resting.stand_up(actor, place)
    elif choice < 0.42 and room.beds:
        place = resting.begin_in_bed(actor, resting.choose_bed(actor))
        resting.stay_lying(actor, None, float(actor.rng.uniform(2, 10)))
        resting.rise_from_bed(actor, place)
    else:
        pose = actor.standing()
        actor.add(pose.turns[None], pose.root[None], Posture.STAND)
        if choice < 0.7:
            acts.stand(actor, float(actor.rng.uniform(1, 5)))


def length(rng: Generator, middle: float = 10.0) -> float:
    """Seconds of a moment, log-normal about `middle`."""
    return float(np.clip(rng.lognormal(np.log(middle), 0.45), SHORTEST_S, 0.75 * LONGEST_S))


def something(actor: Actor, seconds: float) -> None:
    """One act of everyday life that this room allows; raises NoFit if none of a few does."""
    for _ in range(TRIES):
        reason = tried([actor], partial(chosen(actor.rng, DAILY), actor, seconds))
        if reason is None:
            return
    raise NoFit(f"nothing to do here: {reason}")


def chosen(rng: Generator, acts: Mapping[str, tuple[float, T]]) -> T:
    """One of name: (weight, what), by the weights."""
    names = list(acts)
    share = np.array([acts[name][0] for name in names])
    return acts[names[int(rng.choice(len(names), p=share / share.sum()))]][1]


def tried(actors: Sequence[Actor], act: Callable[[], None]) -> NoFit | None:
    """Do it; or say why that is not possible here, the actors as they were before."""
    before = [(actor, actor.now, actor.at.copy(), actor.yaw) for actor in actors]
    try:
        act()
    except NoFit as reason:
        for actor, step, at, yaw in before:
            if actor.now > step > 0:
                actor.cut(step)
            actor.at, actor.yaw = at, yaw
        return reason
    return None
