# SPDX-License-Identifier: Apache-2.0
"""What happens in a moment: people come, do one thing or several, meet, fall, fight, leave.

A plot gets a cast and leaves actors of equal length with their events. scripts.py says which plot
how often, and what of it is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from calibration.rooms import acts, meetings, mishaps, onfloor, resting
from calibration.rooms.actor import Actor
from calibration.rooms.cast import BEGINS_EMPTY, Cast, Played, begin, length, something
from calibration.rooms.track import RATE_HZ, STEP_S, Event, Posture
from calibration.rooms.ways import yaw_to

Array = npt.NDArray[np.float64]
Generator = np.random.Generator

COMES = (0.2, 0.8)
BEFORE_S, LYING_S, COMES_LATE = (0.0, 40.0), (95.0, 170.0), (0.85, 0.98)  # of long recordings


def daily(cast: Cast) -> Played:
    """One person, one or a few acts."""
    actor, until = cast.someone(), length(cast.rng, 11)
    begin(actor, empty=cast.rng.random() < BEGINS_EMPTY)
    while actor.seconds < until:
        acting = float(cast.rng.choice((cast.rng.uniform(1, 4), cast.rng.uniform(4, 12))))
        something(actor, acting)
    if cast.rng.random() < 0.25:
        acts.leave(actor, int(cast.rng.choice(acts.exits(actor))))
        actor.away(float(cast.rng.uniform(1, 4)))
    return cast.played()


def long_still(cast: Cast) -> Played:
    """Sitting, lying on purpose or standing for most of a minute."""
    actor, seconds = (
        cast.someone(),
        float(cast.rng.uniform(12, 36) if cast.rng.random() < 0.8 else cast.rng.uniform(36, 55)),
    )
    choice, room = cast.rng.random(), actor.setting.room
    begin(actor, empty=cast.rng.random() < BEGINS_EMPTY)
    if choice < 0.55 and (room.seats or room.beds):
        seated = room.seats and (not room.beds or cast.rng.random() < 0.7)
        place = (
            resting.choose_seat(actor)
            if seated
            else resting.bedside(actor, resting.choose_bed(actor))
        )
        resting.sit_down(actor, place)
        resting.stay_seated(actor, place, seconds)
    elif choice < 0.8 and room.beds:
        resting.rest_on_bed(actor, seconds)
    elif choice < 0.9:
        acts.free_spot(actor)
        acts.stand_still(actor, seconds)
    else:
        onfloor.lie_on_floor(actor, seconds)
    return replace(cast.played(), whole=True)


def up_and_down(cast: Cast) -> Played:
    """Sits down and stands up again and again, drops onto a bed: what looks most like a fall."""
    actor, rng = cast.someone(), cast.rng
    begin(actor, empty=rng.random() < BEGINS_EMPTY)
    bed = None
    if actor.setting.room.beds and rng.random() < 0.5:
        bed = resting.choose_bed(actor)
    place = resting.choose_seat(actor) if bed is None else resting.bedside(actor, bed)
    for _ in range(int(rng.integers(1, 4))):
        resting.sit_down(actor, place)
        resting.stay_seated(actor, place, float(rng.uniform(0.5, 8)))
        if bed is not None and rng.random() < 0.6:
            resting.lie_down(actor, bed)
            resting.stay_lying(actor, bed, float(rng.uniform(1, 9)))
            resting.rise_from_bed(actor, place)
        elif rng.random() < 0.8:
            resting.stand_up(actor, place)
            acts.stand_still(actor, float(rng.uniform(0.3, 2)))
    return cast.played()


def empty_room(cast: Cast) -> Played:
    """Nobody; now and then somebody comes in or goes out."""
    actor, seconds = cast.someone(), length(cast.rng, 9)
    door = int(cast.rng.choice(acts.exits(actor)))
    if cast.rng.random() < 0.4:
        begin(actor, empty=False)
        acts.leave(actor, door)
        actor.away(seconds)
    else:
        actor.at = np.array(actor.setting.room.doors[door].outside)
        actor.away(seconds)
        if cast.rng.random() < 0.3:
            acts.enter(actor, door, 0.0)
            acts.stand(actor, 2.0)
    return cast.played()


def a_fall(cast: Cast) -> Played:
    """One falls; lies; is alone, gets up, or is helped."""
    actor = cast.someone()
    return _fall(cast, actor, [])


def a_seen_fall(cast: Cast) -> Played:
    """One falls while somebody else goes about his business."""
    actor, other = cast.someone(), cast.someone()
    begin(other, empty=False)
    return _fall(cast, actor, [other])


def _fall(cast: Cast, actor: Actor, others: list[Actor]) -> Played:
    rng = cast.rng
    kind = _before_a_fall(cast, actor)
    whole_minute = rng.random() < 0.12
    lying = float(rng.uniform(35, 50) if whole_minute else rng.gamma(2.2, 3.2) + 2)
    event = mishaps.fall(actor, 0, kind, lying)
    for other in others:
        while other.now < actor.now - 20:
            something(other, float(rng.uniform(2, 8)))
        other.cut(min(other.now, actor.now))
    return aftermath(cast, actor, others, event)


def _before_a_fall(cast: Cast, actor: Actor) -> str:
    """Be there, and perhaps do something -> how he will fall; in bed he may be from the start."""
    rng = cast.rng
    kind = mishaps.draw_kind(actor)
    if kind != "bed" or rng.random() < 0.3:
        begin(actor, empty=rng.random() < BEGINS_EMPTY)
        if rng.random() < 0.35:
            something(actor, float(rng.uniform(1, 5)))
    return kind


def after_a_fall(cast: Cast) -> Played:
    """One falls and lies for minutes, still or struggling; he gets up, is helped, or stays."""
    actor, rng = cast.someone(), cast.rng
    kind, until = _before_a_fall(cast, actor), float(rng.uniform(*BEFORE_S))
    while 0 < actor.seconds < until:
        something(actor, float(rng.uniform(2, 8)))
    mishaps.PREPARE[kind](actor)
    event, ragdoll = mishaps.land(actor, 0, kind)
    mishaps.lie_long(actor, ragdoll, float(rng.uniform(*LYING_S)))
    event = replace(event, end=actor.now)
    return replace(aftermath(cast, actor, [], event, COMES_LATE), whole=True)


def aftermath(
    cast: Cast, actor: Actor, others: list[Actor], event: Event, comes: tuple[float, float] = COMES
) -> Played:
    """Who fell, the first of the cast, gets up, is helped, or stays where he lies.

    comes: after which share of the time on the floor somebody may come in to help.
    """
    ending = cast.rng.random()
    if ending < 0.22:
        mishaps.recover(actor)
        if cast.rng.random() < 0.5:
            acts.wander(actor, 2.0)
    elif ending < 0.45:
        event = _helped(cast, actor, others, event, comes)
    played = cast.played()
    stays = actor.posture == Posture.DOWN
    last = replace(event, end=actor.now) if stays else event
    return replace(played, events=(last,))


def _helped(
    cast: Cast, actor: Actor, others: list[Actor], event: Event, comes: tuple[float, float]
) -> Event:
    """Somebody who is there, or who comes in, kneels down beside the one who lies."""
    if others:
        helper = others[0]
        meetings.wait((helper, actor))
    else:
        helper = cast.someone()
        share = float(cast.rng.uniform(*comes))
        after = (event.onset + share * (actor.now - event.onset)) * STEP_S
        acts.enter(helper, int(cast.rng.choice(acts.exits(helper))), max(0.5, after))
    meetings.help_up(helper, actor, float(cast.rng.uniform(2, 7)))
    meetings.wait((actor, helper))
    if cast.rng.random() < 0.4:
        end = actor.now
        mishaps.recover(actor)
        return replace(event, end=end)
    return replace(event, end=actor.now)


def a_fight(cast: Cast) -> Played:
    """Two or three who meet and fight; then they part."""
    rng = cast.rng
    number = 3 if rng.random() < 0.15 else 2
    actors = [cast.someone() for _ in range(number)]
    _all_begin(actors, rng)
    events = meetings.fight(actors, rng, float(rng.uniform(2.5, 9)))
    fallen = any(event.kind == "fall" for event in events)
    for actor in actors:
        if fallen and actor is actors[1]:
            actor.still(float(rng.uniform(2, 12)), Posture.DOWN, 1.0)
        elif rng.random() < 0.4:
            running = rng.random() < 0.5
            door = int(rng.choice(acts.exits(actor)))
            acts.leave(actor, door, 1.1, Posture.RUN if running else Posture.WALK)
        else:
            acts.stand(actor, float(rng.uniform(1, 5)))
    played = cast.played()
    ended = [replace(e, end=actors[1].now) if e.kind == "fall" and fallen else e for e in events]
    return replace(played, events=tuple(ended))


def _all_begin(actors: Sequence[Actor], rng: Generator) -> None:
    """All come in one after another, or all are there, or some of each."""
    nobody, mixed = rng.random() < BEGINS_EMPTY, rng.random() < 0.3
    for actor in actors:
        begin(actor, empty=(rng.random() < 0.5) if mixed else nobody)
    meetings.wait(actors)


def a_meeting(cast: Cast) -> Played:
    """Two or three who talk, embrace, shake hands; friendly contact that is no fight."""
    rng = cast.rng
    actors = [cast.someone() for _ in range(3 if rng.random() < 0.25 else 2)]
    _all_begin(actors, rng)
    meetings.gather(actors, float(rng.uniform(0.7, 1.2)))
    until = actors[0].seconds + length(rng, 8)
    while actors[0].seconds < until:
        choice = rng.random()
        if choice < 0.4:
            meetings.talk(actors, float(rng.uniform(1.5, 7)))
        elif choice < 0.65:
            meetings.embrace(actors[0], actors[1], float(rng.uniform(2, 6)))
        elif choice < 0.8:
            meetings.shake_hands(actors[0], actors[1], float(rng.uniform(1.5, 3.5)))
        else:
            something(actors[int(rng.integers(len(actors)))], float(rng.uniform(1, 5)))
        meetings.wait(actors)
    return cast.played()


def a_crowd(cast: Cast) -> Played:
    """Three to six, each about his own business."""
    rng = cast.rng
    until = length(rng, 9)
    for _ in range(int(rng.integers(3, 7))):
        actor = cast.someone()
        begin(actor, empty=rng.random() < 0.3)
        while actor.seconds < until:
            if rng.random() < 0.6:
                acts.wander(actor, float(rng.uniform(1, 4)))
            else:
                something(actor, float(rng.uniform(1, 6)))
        actor.cut(round(until * RATE_HZ))
    return cast.played()


def children_play(cast: Cast) -> Played:
    """Two who play on the floor and chase each other."""
    rng = cast.rng
    actors = [cast.someone() for _ in range(2)]
    for actor in actors:
        begin(actor, empty=False)
    meetings.wait(actors)
    for actor in actors:
        for _ in range(int(rng.integers(1, 3))):
            if rng.random() < 0.5:
                onfloor.play(actor, float(rng.uniform(3, 9)))
            else:
                acts.run(actor, float(rng.uniform(1, 4)))
        actor.turn(yaw_to(actor.at, actors[0].at) if actor is not actors[0] else actor.yaw)
    return cast.played()
