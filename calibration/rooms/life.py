# SPDX-License-Identifier: Apache-2.0
"""About ten minutes of ordinary life: people come, hold still for long, and go; nobody falls.

These recordings say how often a model cries wolf. So they are made of what a camera sees most, an
empty room and people who hardly move, and of what is likeliest to be taken for a fall: dropping
onto beds, resting there, sitting on the floor, playing, ten minutes on a toilet. Seats and
beds belong to one person in a recording, so that nobody sits in somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from calibration.rooms import acts, handwork, meetings, onfloor, outings, resting, tools, wheels
from calibration.rooms.actor import Actor
from calibration.rooms.cast import DAILY, SWITCHES, TRIES, Cast, Played, chosen, tried
from calibration.rooms.errors import NoFit
from calibration.rooms.fittings import Bed, Seat
from calibration.rooms.resting import Perch
from calibration.rooms.track import RATE_HZ, Posture
from calibration.rooms.ways import ahead
from calibration.rooms.wheels import Wheelchair

Array = npt.NDArray[np.float64]
Thing = TypeVar("Thing", Seat, Bed)

LASTS_S = (540.0, 660.0)
TEN_MINUTES_S = (600.0, 690.0)
COMPANY = (0.55, 0.3, 0.15)  # share of recordings with one, two, three people
THERE = 0.35  # of those who are in the room when the recording begins
RESTS = 0.4  # of what somebody does; the rest is short
REST_S, ACT_S = (20.0, 240.0), (3.0, 30.0)
GAP_S, VISIT_S = (20.0, 400.0), (6.0, 180.0)
LATE_S = 20.0  # before the end nobody comes in any more
MOTIONLESS_S = (30.0, 200.0)  # from one small move to the next
PAGE_S = (15.0, 70.0)
MEETS, PATIENCE_S = 0.4, 30.0  # after an act; who is ready first waits so long for the other
NEAR_M = 0.3  # nobody comes nearer to somebody else by chance


class Day:
    """One recording: who plays, until when, and whose the seats, the beds and the mop are."""

    def __init__(self, cast: Cast, until_s: float) -> None:
        self.cast, self.until_s = cast, until_s
        self._owners: dict[Seat | Bed, Actor] = {}
        self._mops: Actor | None = None

    def seat(self, actor: Actor) -> Perch:
        """His own, or one that is nobody's yet; raises NoFit if others have them all."""
        return resting.take_seat(actor, self._own(actor, actor.setting.room.seats))

    def bed(self, actor: Actor) -> Bed:
        """His own, or one that is nobody's yet; raises NoFit if others have them all."""
        return self._own(actor, actor.setting.room.beds)

    def _own(self, actor: Actor, things: Sequence[Thing]) -> Thing:
        mine = [thing for thing in things if self._owners.get(thing) is actor]
        free = mine or [thing for thing in things if thing not in self._owners]
        if not free:
            raise NoFit("every seat or bed is taken")
        thing = free[int(actor.rng.integers(len(free)))]
        self._owners[thing] = actor
        return thing

    def take_mop(self, actor: Actor) -> None:
        """There is one, and who used it first keeps it; raises NoFit for anybody else."""
        if self._mops not in {None, actor}:
            raise NoFit("somebody else has the mop")
        self._mops = actor

    def left(self, actor: Actor) -> float:
        """Seconds until the end."""
        return self.until_s - actor.seconds

    def played(self) -> Played:
        """All of one length, and nothing of it left out."""
        for actor in self.cast.actors:
            actor.cut(round(self.until_s * RATE_HZ))
        return replace(self.cast.played(), whole=True)


# ---- what a recording is about -----------------------------------------------------------------


def ten_minutes(cast: Cast) -> Played:
    """Somebody sits or lies for more than ten minutes; others may come and go."""
    actor, day = cast.someone(), Day(cast, np.inf)
    seconds, room = float(cast.rng.uniform(*TEN_MINUTES_S)), actor.setting.room
    ways = {
        "seat": (0.55 if room.seats else 0.0, _ten_minutes_on_seat),
        "bed": (0.25 if room.beds else 0.0, _ten_minutes_in_bed),
        "wheelchair": (0.2, _ten_minutes_in_wheelchair),
    }
    chosen(cast.rng, ways)(day, actor, seconds)
    day.until_s = actor.seconds + float(cast.rng.uniform(2, 40))
    for _ in range(_others(cast)):
        come_and_go(day, cast.someone())
    return day.played()


def comings_and_goings(cast: Cast) -> Played:
    """One to three who come in, do something and go; between them the room is empty."""
    day = Day(cast, float(cast.rng.uniform(*LASTS_S)))
    for _ in range(1 + _others(cast)):
        come_and_go(day, cast.someone())
    return day.played()


def at_home(cast: Cast) -> Played:
    """One to three who are there all the time, each about his business or talking together."""
    day, rng = Day(cast, float(cast.rng.uniform(*LASTS_S))), cast.rng
    actors = [cast.someone() for _ in range(1 + _others(cast))]
    for actor in actors:
        _begin(actor)
    while day.left(actor := min(actors, key=lambda one: one.now)) > 0:
        something(day, actor)
        if len(actors) > 1 and rng.random() < MEETS:
            pair = sorted(actors, key=lambda one: abs(one.now - actor.now))[:2]
            if abs(pair[0].seconds - pair[1].seconds) < PATIENCE_S:
                tried(pair, partial(_meet, day, pair, rng))
    return day.played()


def nobody_there(cast: Cast) -> Played:
    """An empty room, and one visit."""
    day, actor = Day(cast, float(cast.rng.uniform(*LASTS_S))), cast.someone()
    _come_in(actor, float(cast.rng.uniform(0.05, 0.85)) * day.until_s)
    _stay(day, actor)
    while day.left(actor) > 0:
        if actor.posture == Posture.ABSENT:
            actor.away(day.left(actor))
        else:
            something(day, actor)
    return day.played()


# name: (weight, people at most, what happens)
SCRIPTS: dict[str, tuple[float, int, Callable[[Cast], Played]]] = {
    "ten_minutes": (0.3, 3, ten_minutes),
    "comings_and_goings": (0.35, 3, comings_and_goings),
    "at_home": (0.2, 3, at_home),
    "nobody_there": (0.15, 1, nobody_there),
}


def _others(cast: Cast) -> int:
    return int(cast.rng.choice(len(COMPANY), p=COMPANY))


def _meet(day: Day, pair: Sequence[Actor], rng: np.random.Generator) -> None:
    """Friendly, and close enough to be taken for a fight."""
    starts = [actor.now for actor in pair]
    meetings.wait(pair)
    for actor, start in zip(pair, starts, strict=True):
        _check_apart(actor, start, day.cast.actors)
    meetings.gather(pair, float(rng.uniform(0.7, 1.2)))
    if rng.random() < 0.3:
        meetings.embrace(pair[0], pair[1], float(rng.uniform(2, 6)))
    meetings.talk(pair, float(rng.uniform(10, 90)))
    for actor, start in zip(pair, starts, strict=True):
        _check_apart(actor, start, [other for other in day.cast.actors if other not in pair])


# ---- being there, coming and going -------------------------------------------------------------


def _begin(actor: Actor) -> None:
    """Be in the room from the first step, or come in soon."""
    if actor.rng.random() < THERE:
        pose = actor.standing()
        actor.add(pose.turns[None], pose.root[None], Posture.STAND)
    else:
        _come_in(actor, float(actor.rng.uniform(2, 20)))


def _come_in(actor: Actor, after_s: float) -> None:
    acts.enter(actor, int(actor.rng.choice(acts.exits(actor))), after_s)
    if actor.rng.random() < SWITCHES:
        tried([actor], partial(tools.switch, actor, 1.0))


def _go_out(actor: Actor) -> None:
    acts.leave(actor, int(actor.rng.choice(acts.exits(actor))))


def come_and_go(day: Day, actor: Actor) -> None:
    """Visits until the day is over; who finds no way out stays."""
    rng = actor.rng
    if rng.random() < THERE:
        _begin(actor)
        _stay(day, actor)
    while day.left(actor) > LATE_S:
        gap = float(np.exp(rng.uniform(*np.log(GAP_S))))
        if actor.posture != Posture.ABSENT and actor.now:
            something(day, actor)
        elif gap > day.left(actor) - LATE_S:
            actor.away(day.left(actor))
        else:
            _come_in(actor, gap)
            _stay(day, actor)
    if not actor.now:
        raise NoFit("nobody comes")


def _stay(day: Day, actor: Actor) -> None:
    """For the length of a visit; then go, if there is a way."""
    until = min(actor.seconds + float(actor.rng.uniform(*VISIT_S)), day.until_s)
    while actor.seconds < until:
        something(day, actor)
    if day.left(actor) > 0:
        tried([actor], partial(_go_out, actor))


# ---- what one does -----------------------------------------------------------------------------


def something(day: Day, actor: Actor) -> None:
    """A long rest or a short act, whichever this room allows; else stand about."""
    rng = actor.rng
    for _ in range(TRIES):
        if rng.random() < RESTS:
            doing = partial(chosen(rng, LONG), day, actor, float(rng.uniform(*REST_S)))
        else:
            doing = partial(chosen(rng, SHORT), actor, float(rng.uniform(*ACT_S)))
        if tried([actor], partial(_alone, day, actor, doing)) is None:
            return
    acts.stand(actor, float(rng.uniform(*ACT_S)))


def _alone(day: Day, actor: Actor, doing: Callable[[], None]) -> None:
    """Do it; raises NoFit if that brought him upon somebody else."""
    start = actor.now
    doing()
    _check_apart(actor, start, day.cast.actors)


def _check_apart(actor: Actor, start: int, others: Sequence[Actor]) -> None:
    """NoFit if since step `start` he came upon somebody whose way is known already."""
    mine = actor.ways(start)
    for other in others:
        theirs = other.ways(start)[: len(mine)]
        near = np.linalg.norm(mine[: len(theirs)] - theirs, axis=1) < NEAR_M
        if other is not actor and (near & np.logical_or.accumulate(~near)).any():
            raise NoFit("somebody else is in the way")


def on_seat(day: Day, actor: Actor, seconds: float) -> None:
    """Go to a seat, stay there, step away from it."""
    place = day.seat(actor)
    resting.sit_down(actor, place)
    keep_seated(actor, place, seconds)
    resting.stand_up(actor, place)
    resting.step_away(actor, place)


def in_bed(day: Day, actor: Actor, seconds: float) -> None:
    """Sit down on a bed, lie down or drop, stay, get up."""
    bed = day.bed(actor)
    place = resting.bedside(actor, bed)
    resting.sit_down(actor, place)
    resting.stay_seated(actor, place, float(actor.rng.uniform(0.2, 6)))
    resting.lie_down(actor, bed)
    sleep(actor, bed, seconds)
    resting.rise_from_bed(actor, place)


def on_floor(_: Day, actor: Actor, seconds: float) -> None:
    """Sit there."""
    onfloor.sit_on_floor(actor, seconds)


def standing(_: Day, actor: Actor, seconds: float) -> None:
    """Hardly move, on one's feet."""
    acts.free_spot(actor)
    acts.stand_still(actor, min(seconds, 90.0))


def mopping(day: Day, actor: Actor, seconds: float) -> None:
    """Clean the floor."""
    day.take_mop(actor)
    tools.mop(actor, min(seconds, 90.0))


LONG: dict[str, tuple[float, Callable[[Day, Actor, float], None]]] = {
    "seat": (0.5, on_seat),
    "bed": (0.25, in_bed),
    "floor": (0.09, on_floor),
    "standing": (0.09, standing),
    "mop": (0.07, mopping),
}
# Seats, beds and the mop have owners here. Nobody lies on a bare floor, which would alarm rightly,
# or runs to and fro for half a minute.
NOT_HERE = {"sit", "bed", "mop", "lie_on_floor", "run"}
SHORT = {name: act for name, act in DAILY.items() if name not in NOT_HERE}


def keep_seated(actor: Actor, place: Perch, seconds: float) -> None:
    """Hardly moving, reading, or as one sits and waits."""
    choice = actor.rng.random()
    if choice < 0.4:
        _motionless(actor, place, seconds)
    elif choice < 0.7:
        _reading(actor, place, seconds)
    else:
        resting.stay_seated(actor, place, seconds)


def _motionless(actor: Actor, place: Perch, seconds: float) -> None:
    """Breath alone for minutes; most shift their weight between them."""
    rng, end = actor.rng, actor.seconds + seconds
    shifts, restless = rng.random() < 0.7, float(rng.choice((0.0, 0.05, 0.2)))
    while (left := end - actor.seconds) > 0.3:
        actor.still(min(left, float(rng.uniform(*MOTIONLESS_S))), Posture.SIT, restless)
        if shifts and end - actor.seconds > 2:
            lean = float(rng.choice((-12, 4, 25, 42)))
            pose = resting.sitting_on(actor, place, lean)
            actor.to(pose, float(rng.uniform(0.6, 1.8)), Posture.SIT)


def _reading(actor: Actor, place: Perch, seconds: float) -> None:
    """Both hands before the chest, a page turned now and then."""
    rng, end = actor.rng, actor.seconds + seconds
    front = np.array(place.at) + 0.36 * ahead(place.yaw)
    book = np.array([front[0], place.height + float(rng.uniform(0.3, 0.5)), front[1]])
    while (left := end - actor.seconds) > 0.3:
        handwork.work(actor, book, min(left, float(rng.uniform(0.8, 2))), Posture.SIT, 0.015)
        if (left := end - actor.seconds) > 0.3:
            actor.still(min(left, float(rng.uniform(*PAGE_S))), Posture.SIT, 0.05)


def sleep(actor: Actor, bed: Bed, seconds: float) -> None:
    """Lie on a bed; most turn over between long pauses."""
    rng, end = actor.rng, actor.seconds + seconds
    turns, restless = rng.random() < 0.7, float(rng.choice((0.0, 0.05, 0.2)))
    while (left := end - actor.seconds) > 0.3:
        actor.still(min(left, float(rng.uniform(*MOTIONLESS_S))), Posture.LIE, restless)
        if turns and end - actor.seconds > 4:
            actor.to(resting.lying_on(actor, bed), float(rng.uniform(0.8, 2.5)), Posture.LIE)


# ---- ten minutes -------------------------------------------------------------------------------


def _ten_minutes_on_seat(day: Day, actor: Actor, seconds: float) -> None:
    if actor.rng.random() >= THERE:
        _come_in(actor, float(actor.rng.uniform(3, 60)))
        on_seat(day, actor, seconds)
        return
    place = day.seat(actor)
    resting.begin_seated(actor, place)
    keep_seated(actor, place, seconds)
    resting.stand_up(actor, place)
    resting.step_away(actor, place)


def _ten_minutes_in_bed(day: Day, actor: Actor, seconds: float) -> None:
    if actor.rng.random() >= THERE:
        _come_in(actor, float(actor.rng.uniform(3, 60)))
        in_bed(day, actor, seconds)
        return
    bed = day.bed(actor)
    place = resting.begin_in_bed(actor, bed)
    sleep(actor, bed, seconds)
    resting.rise_from_bed(actor, place)


def _ten_minutes_in_wheelchair(day: Day, actor: Actor, seconds: float) -> None:
    """Where it stands nobody else walks."""
    chair = outings.arrive(day.cast, actor, None)
    outings.travel(actor, None, chair, outings.way(actor, chair.at))
    actor.setting.park(chair.box())
    end = actor.seconds + seconds
    while (left := end - actor.seconds) > 0.3:
        wheels.ride_still(actor, chair, min(left, float(actor.rng.uniform(*MOTIONLESS_S))))
    _out_of_wheelchair(actor, chair)


def _out_of_wheelchair(actor: Actor, chair: Wheelchair) -> None:
    if actor.rng.random() < 0.4:
        wheels.get_out(actor, chair)
        tried([actor], partial(acts.wander, actor, 5.0))
