# SPDX-License-Identifier: Apache-2.0
"""Lamps, daylight and the infrared lamp of a camera, and how bright each is at every step.

N steps of 0.1 s, L lights. Gains multiply: one for each light, then ambient light, then what shines
of itself (windows, the hall behind a door). Ambient light follows what makes it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from calibration.rooms.fittings import Point3, Room, Window
from calibration.rooms.layout import Fixture, Layout
from calibration.rooms.stage import Light
from calibration.rooms.view import Camera

Gains = npt.NDArray[np.float32]
Level = npt.NDArray[np.float64]
Switch = tuple[int, bool]

AMBIENT = (0.04, 0.2)  # of a lamp's power near it: a dim bulb's corners to a white office
SUN_OUT_M = 2.8  # before what is seen outdoors
SKY_IN_M = 0.25
NIGHT_WINDOW = 0.02
DARK = 0.12  # no room is black: somebody in it must be seen if the truth says he is
BOUNCED = 1.5  # ambient light of full daylight, to that of the lamps
WATCHED, LINGERS = 0.35, (100.0, 1200.0)  # share of rooms with a sensor for people; steps it waits
SURPRISES = 0.8  # times in a long recording that the lamps go on or off without anybody there
MOODS = {"day": 0.35, "day with lamps": 0.3, "evening": 0.35}


def of_layout(
    layout: Layout, rng: np.random.Generator
) -> tuple[tuple[Light, ...], tuple[str, ...], tuple[float, float]]:
    """Lights, what each is, and ambient light from above and below."""
    lights = [_lamp(fixture, rng) for fixture in layout.fixtures]
    sources = ["lamp"] * len(lights)
    if layout.windows:
        window = max(layout.windows, key=lambda w: w.width * w.height)
        sunny = rng.random() < 0.4
        lights.append(_sun(window, layout.size, rng) if sunny else _sky(window, rng))
        sources.append("sun" if sunny else "sky")
    above = float(rng.uniform(*AMBIENT)) * sum(fixture.power for fixture in layout.fixtures)
    return tuple(lights), tuple(sources), (above, above * float(rng.uniform(0.4, 1.0)))


def _lamp(fixture: Fixture, rng: np.random.Generator) -> Light:
    shadow = float(rng.uniform(0.55, 0.95))
    return Light(fixture.position, fixture.target, fixture.spread_rad, fixture.power, shadow)


def _sky(window: Window, rng: np.random.Generator) -> Light:
    """The whole pane as one soft lamp just inside of it."""
    position, inward = _before(window, SKY_IN_M), _inward(window)
    target = position + 2 * inward - (0, 0.6, 0)
    power = float(rng.uniform(0.8, 2.5)) * math.sqrt(window.width * window.height)
    return Light(position, target, math.radians(150), power, float(rng.uniform(0.4, 0.75)))


def _sun(window: Window, size: Point3, rng: np.random.Generator) -> Light:
    """Above and before the window outside, so that its bars lie on the floor as light.

    Its cone of shadows takes in the whole room, or there would be light through walls.
    """
    aside = np.array([_inward(window)[2], 0.0, -_inward(window)[0]])
    position = _before(window, -SUN_OUT_M) + rng.uniform(-1.2, 1.2) * aside
    position[1] += rng.uniform(0.6, 1.6)
    target = np.array(window.centre) + 0.3 * _inward(window)
    w, d, h = size
    corners = np.array(
        [(x, y, z) for x in (-w / 2, w / 2) for y in (0, h) for z in (-d / 2, d / 2)]
    )
    away, ahead = corners - position, target - position
    cosine = (away * ahead).sum(axis=1) / np.sqrt((away**2).sum(axis=1) * (ahead**2).sum())
    spread = 2.1 * math.acos(float(np.clip(cosine.min(), -1, 1)))
    power = float(rng.uniform(2, 7))
    return Light(position, target, min(spread, math.radians(155)), power, 1.0)


def _before(window: Window, metres: float) -> npt.NDArray[np.float64]:
    return np.asarray(np.array(window.centre) + metres * _inward(window))


def _inward(window: Window) -> npt.NDArray[np.float64]:
    return np.array([math.sin(window.yaw), 0.0, math.cos(window.yaw)])


def gains(
    rng: np.random.Generator, room: Room, steps: int, switches: Sequence[Switch] = ()
) -> Gains:
    """(N, L + 2) of a moment by day or evening; `switches`: steps at which lamps go on or off."""
    mood = str(rng.choice(list(MOODS), p=list(MOODS.values()))) if room.windows else "evening"
    burning = mood != "day" if not switches else not switches[0][1]
    lamp = _lamps(rng, steps, burning, switches)
    day = _clouds(rng, steps) if mood != "evening" else np.full(steps, NIGHT_WINDOW)
    return _table(room, lamp, day)


def _table(room: Room, lamp: Level, day: Level) -> Gains:
    """From how lamps and daylight go (N,) to every light's gain."""
    by_day = [source != "lamp" for source in room.sources]
    table = np.where(by_day, day[:, None], lamp[:, None])
    share = BOUNCED if room.windows else 0.0
    ambient = np.maximum(DARK, lamp + share * day)
    glow = day if room.windows else np.ones(len(lamp))
    return np.column_stack([table, ambient, glow]).astype(np.float32)


def _lamps(
    rng: np.random.Generator, steps: int, burning: bool, switches: Sequence[Switch]
) -> Level:
    """Level over time; tubes start with a flicker, and mains hum beats with the shutter."""
    level = np.full(steps, float(burning))
    tube = rng.random() < 0.4
    for step, on in switches:
        level[step:] = float(on)
        if on and tube:
            start = slice(step, min(steps, step + int(rng.integers(3, 9))))
            level[start] = rng.choice((0.05, 0.5, 1.0), level[start].shape)
    beat = 2 * math.pi * float(rng.uniform(0.02, 0.4)) * np.arange(steps) + rng.uniform(0, 6)
    hum = float(rng.choice((0.0, 0.006, 0.03), p=(0.5, 0.4, 0.1)))
    return np.asarray(level * (1 + hum * np.sin(beat)))


def _clouds(rng: np.random.Generator, steps: int) -> Level:
    """Daylight over time: mostly steady, at times a cloud within seconds."""
    level = np.full(steps, float(rng.uniform(0.25, 1.0)))
    if rng.random() < 0.3:
        middle, pace = float(rng.uniform(0, steps)), float(rng.uniform(8, 40))
        share = 1 / (1 + np.exp(-(np.arange(steps) - middle) / pace))
        level *= 1 + (float(rng.uniform(0.4, 1.7)) - 1) * share
    return level


# ---- for minutes -------------------------------------------------------------------------------


def of_minutes(
    rng: np.random.Generator, room: Room, here: npt.NDArray[np.bool_], touches: Sequence[int]
) -> Gains:
    """(N, L + 2) of a long recording; here (N,): somebody is in; touches: steps at the switch.

    Lamps burn, or go on and off with who comes and goes; hands at the switch and somebody elsewhere
    turn them over. Daylight drifts, and clouds pass.
    """
    steps = len(here)
    mood = str(rng.choice(list(MOODS), p=list(MOODS.values()))) if room.windows else "evening"
    burns = np.full(steps, mood != "day" or rng.random() < 0.5)
    if rng.random() < WATCHED:
        burns = _lingering(here, round(float(rng.uniform(*LINGERS))))
    elsewhere = rng.integers(0, steps, int(rng.poisson(SURPRISES)))
    for step in (*touches, *elsewhere.tolist()):
        burns[step:] = ~burns[step:]
    turns = np.flatnonzero(np.diff(burns)) + 1
    lamp = _lamps(rng, steps, bool(burns[0]), [(int(k), bool(burns[k])) for k in turns])
    day = _weather(rng, steps) if mood != "evening" else np.full(steps, NIGHT_WINDOW)
    return _table(room, lamp, day)


def _lingering(here: npt.NDArray[np.bool_], steps: int) -> npt.NDArray[np.bool_]:
    """True from when somebody comes until `steps` after everybody has gone."""
    now = np.arange(len(here))
    last = np.maximum.accumulate(np.where(here, now, -steps - 1))
    return np.asarray(now - last <= steps)


def _weather(rng: np.random.Generator, steps: int) -> Level:
    """Daylight over minutes: nearly steady, or clouds one after another."""
    pace = float(rng.uniform(60, 600))  # steps from one cloud to the next
    knots = 2 + int(steps / pace)
    size = float(rng.choice((0.03, 0.25, 0.5)))
    level = float(rng.uniform(0.3, 1.0)) * np.exp(rng.normal(0, size, knots))
    drawn = np.interp(np.arange(steps), np.arange(knots) * pace, np.clip(level, 0.1, 1.4))
    return np.asarray(drawn, np.float64)


def infrared(
    rng: np.random.Generator, cameras: Sequence[Camera]
) -> tuple[tuple[Light, ...], tuple[float, float]]:
    """At night: a lamp beside each camera, bright in the middle; and the little that comes back."""
    lights = []
    for camera in cameras:
        beside = camera.position + camera.rotation[0] * float(rng.uniform(-0.05, 0.05))
        ahead = camera.position + 2 * camera.rotation[2]
        power = float(rng.uniform(1.0, 2.5))
        lights.append(Light(beside, ahead, math.radians(130), power, float(rng.uniform(0.8, 1))))
    above = float(rng.uniform(0.03, 0.15))
    return tuple(lights), (above, above * 0.8)


def infrared_gains(steps: int, lights: int) -> Gains:
    """(N, L + 2) of a moment at night: the infrared lamps burn, windows are dark."""
    table = np.ones((steps, lights + 2), np.float32)
    table[:, -1] = 0.0
    return table
