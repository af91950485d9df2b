# SPDX-License-Identifier: Apache-2.0
"""From a seed and a number to what the cameras of one moment recorded.

Everything that has to be drawn comes from streams of (seed, number, attempt): the same two numbers
give the same bytes, whatever else is rendered, by whom and in which order. A draw that cannot be
staged is left for the next attempt; script, bodies and number of cameras stay, so that what is
difficult to stage is not rarer for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from calibration.rooms import cameras, labels, lights, scripts, seeds, splits
from calibration.rooms.actor import Actor
from calibration.rooms.body import Body
from calibration.rooms.errors import NoFit, RoomsError
from calibration.rooms.ground import Ground
from calibration.rooms.motion import Motion
from calibration.rooms.moving import moved
from calibration.rooms.room import build_room
from calibration.rooms.sensor import Sensor
from calibration.rooms.setting import Repertoire, Setting
from calibration.rooms.stage import Shot, Stage
from calibration.rooms.store import Recording
from calibration.rooms.track import RATE_HZ, Moment, Posture, excerpt
from calibration.rooms.view import HEIGHT, WIDTH, Camera, project
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES, Desensitiser

Generator = np.random.Generator
F4 = npt.NDArray[np.float32]

ATTEMPTS = 8
CAMERAS: dict[splits.Kind, tuple[float, ...]] = {  # share of recordings with one, two, three
    "moments": (0.5, 0.35, 0.15),
    "life": (0.7, 0.3),
    "after": (0.5, 0.5),
}
INFRARED = 0.2
NEAR_PEOPLE = 2  # up to so many are drawn with their fine mesh
SAMPLES = 24  # steps at which cameras are chosen, for each minute that is begun
KNOWN = 0.65  # of moments: the camera has seen the empty room before they begin
BEFORE = 20  # frames of it
OUTSIDE = 1000.0  # pixels: a joint that is further from the picture is said to be there


class Company(Protocol):
    """Where bodies and motions come from."""

    @property
    def body(self) -> Callable[[int], Body]:
        """The body with this number."""

    def motion(self, name: str) -> Motion:
        """The motion of this name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a moment before it is staged."""

    number: int
    split: splits.Split
    script: str
    cameras: int
    people: tuple[int, ...]
    kind: splits.Kind = "moments"

    @property
    def series(self) -> str:
        """What it belongs to, with a folder of its own."""
        return splits.series(self.kind, self.split)


def plan(seed: int, number: int) -> Plan:
    """Which script, how many cameras, whose bodies. Raises RoomsError for a seed out of range."""
    return _plan(seed, number, "moments", splits.of_moment(number))


def plan_long(seed: int, number: int, kind: splits.Kind, split: splits.Split) -> Plan:
    """The same for the recording with this number of a long kind, life or after."""
    return _plan(seed, number, kind, split)


def plan_again(notes: Mapping[str, Any]) -> Plan:
    """From the notes of a clip, what it was made from."""
    kind, split = splits.parted(notes["split"])
    return _plan(notes["seed"], notes["moment"], kind, split)


def _plan(seed: int, number: int, kind: splits.Kind, split: splits.Split) -> Plan:
    series = splits.series(kind, split)
    rng = seeds.stream(seed, number, 0, "moment", series)
    many = 1 + int(rng.choice(len(CAMERAS[kind]), p=CAMERAS[kind]))
    script, bodies = scripts.draw(rng, kind), splits.BODIES[split]
    drawn = seeds.stream(seed, number, 0, "cast", series).permutation(len(bodies))
    people = tuple(bodies[int(k)] for k in drawn[: scripts.people(script, kind)])
    return Plan(number, split, script, many, people, kind)


def make(
    seed: int, wanted: Plan, company: Company, *, keep_frames: bool = False
) -> tuple[Recording, ...]:
    """Stage and record one moment; raises RoomsError if ATTEMPTS draws could not be staged."""
    reasons = []
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(seed, wanted, attempt, company, keep_frames=keep_frames)
        except NoFit as reason:
            reasons.append(str(reason))
    raise RoomsError(
        f"moment {wanted.number} ({wanted.script}) of seed {seed} could not be staged in "
        f"{ATTEMPTS} attempts: {'; '.join(reasons)}"
    )


def _attempt(
    seed: int, wanted: Plan, attempt: int, company: Company, *, keep_frames: bool
) -> tuple[Recording, ...]:
    def stream(purpose: str) -> Generator:
        return seeds.stream(seed, wanted.number, attempt, purpose, wanted.series)

    infrared, known = _habit(stream("sensor0"), wanted.kind)
    moment = staged(wanted, company, stream)
    views = _place(moment, stream("camera0"), wanted.cameras)
    stage = _light(moment, views, stream("camera1"), infrared=infrared)
    night = lights.infrared_gains(moment.steps, len(views))
    gains = night if infrared else moment.gains
    shots = [Shot(stage, view) for view in views]
    sensors = [Sensor(stream(f"sensor{k + 1}"), infrared=infrared) for k in range(len(views))]
    before = _empty(stage, moment, shots, sensors, gains) if known else [None] * len(views)
    frames, pixels = _film(stage, moment, shots, sensors, gains)
    canvases = [_canvas(frame) for frame in frames]
    return tuple(
        Recording(
            moment=wanted.number,
            camera=k,
            split=wanted.series,
            seed=seed,
            canvas=canvases[k],
            planes=_planes(canvases[k], before[k]),
            joints=_joints(moment, view),
            posture=np.stack([track.posture for track in moment.tracks], axis=1),
            pixels=pixels[k],
            people=tuple(track.body.id for track in moment.tracks),
            room=moment.room.id,
            rows=labels.rows(moment, pixels[k]),
            view=_notes(view, wanted, attempt, infrared=infrared) | {"known": known},
            frames=frames[k] if keep_frames else None,
        )
        for k, view in enumerate(views)
    )


def _habit(rng: Generator, kind: splits.Kind) -> tuple[bool, bool]:
    """Whether it is night, by infrared light, and whether the cameras know the empty room.

    One number decides both of a moment, so at night none is known; of long recordings, two do.
    """
    first = float(rng.random())
    second = first if kind == "moments" else float(rng.random())
    return first < INFRARED, second > 1 - KNOWN


def staged(wanted: Plan, company: Company, stream: Callable[[str], Generator]) -> Moment:
    """Room, people and what they do. Raises NoFit."""
    rng = stream("room")
    rooms = splits.ROOMS[wanted.split]
    room = build_room(int(rooms[int(rng.integers(len(rooms)))]))
    setting = Setting(room, Ground(room), repertoire(wanted.split, company), stream("physics"))
    script = stream("script")
    people = wanted.people
    played = scripts.stage(wanted.script, setting, people, company.body, script, wanted.kind)
    start, stop = scripts.window(played, script)
    steps = played.actors[0].now
    room = setting.room  # with what people brought
    if wanted.kind == "life":
        touches = [step for actor in played.actors for step in actor.switched]
        gains = lights.of_minutes(rng, room, _somebody(played.actors), touches)
    else:
        gains = lights.gains(rng, room, steps, _switches(script, played.actors))
    rides = [ride for actor in played.actors for ride in actor.rides if ride.start < steps]
    props = moved(rng, room, steps, setting.passages, rides)
    tracks = tuple(excerpt(actor.track(), start, stop) for actor in played.actors)
    events = tuple(event.later(-start, stop - start) for event in played.events)
    return Moment(
        room, tracks, {k: m[start:stop] for k, m in props.items()}, gains[start:stop], events
    )


def _somebody(actors: Sequence[Actor]) -> npt.NDArray[np.bool_]:
    """(N,): anybody is in the room."""
    there = [actor.track().posture != Posture.ABSENT for actor in actors]
    return np.asarray(np.any(there, axis=0))


def _switches(rng: Generator, actors: Sequence[Actor]) -> tuple[tuple[int, bool], ...]:
    """When somebody touches the switch, and whether it is on then."""
    steps = sorted(step for actor in actors for step in actor.switched)
    first = bool(rng.random() < 0.5)
    return tuple((step, first == (k % 2 == 0)) for k, step in enumerate(steps))


def repertoire(split: splits.Split, company: Company) -> Repertoire:
    """The motions that this split may use."""
    roles = sorted(set(splits.every_motion().values()))
    return Repertoire(
        {role: [company.motion(name) for name in splits.motions(role, split)] for role in roles}
    )


def _place(moment: Moment, rng: Generator, number: int) -> tuple[Camera, ...]:
    """Cameras that see the event, or else whoever is there, past doors, curtains and wheels."""
    room = moment.room
    meshes = [prop.mesh for prop in room.props]
    glancing = Stage(room.surface, room.reflectance(infrared=False), (), (0.5, 0.5), meshes)
    glancing.pose(_things(moment, _middle(moment)))
    samples = SAMPLES * max(1, -(-moment.steps // (60 * RATE_HZ)))
    steps = np.unique(np.linspace(0, moment.steps - 1, samples).astype(int))
    if moment.events:
        inside = [np.linspace(e.onset, e.end - 1, SAMPLES // 2).astype(int) for e in moment.events]
        steps = np.unique(np.concatenate([steps, *inside]))
    joints = np.stack(
        [
            track.body.skeleton.places(
                track.turns[steps].astype(np.float64), track.root[steps].astype(np.float64)
            )
            for track in moment.tracks
        ],
        axis=1,
    )
    return cameras.place(rng, glancing, room, joints, _important(moment, steps), number)


def _middle(moment: Moment) -> int:
    """The step that a camera must not be blind at: of the first impact, or halfway."""
    impacts = [event.impact for event in moment.events if event.impact is not None]
    return min([*impacts, moment.steps - 1]) if impacts else moment.steps // 2


def _things(moment: Moment, step: int) -> list[F4 | None]:
    """Where every prop of the room is at this step."""
    places = (
        moment.moved[number][step] if number in moment.moved else prop.home
        for number, prop in enumerate(moment.room.props)
    )
    return [np.ascontiguousarray(place[None], np.float32) for place in places]


def _important(moment: Moment, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """(T, P): who must be seen when."""
    here = np.stack([track.posture[steps] != Posture.ABSENT for track in moment.tracks], axis=1)
    if not moment.events:
        return here
    matters = np.zeros_like(here)
    for event in moment.events:
        during = (steps >= event.onset) & (steps < event.end)
        for person in event.persons:
            matters[during, person] = True
    return np.asarray(matters & here)


def _light(moment: Moment, views: tuple[Camera, ...], rng: Generator, *, infrared: bool) -> Stage:
    room = moment.room
    lamps, ambient = room.lights, room.ambient
    if infrared:
        lamps, ambient = lights.infrared(rng, views)
    fine = len(moment.tracks) <= NEAR_PEOPLE
    people = [track.body.near if fine else track.body.far for track in moment.tracks]
    return Stage(
        room.surface,
        room.reflectance(infrared=infrared),
        lamps,
        ambient,
        [*people, *(prop.mesh for prop in room.props)],
        infrared,
        room.mirrors,
    )


def _empty(
    stage: Stage, moment: Moment, shots: list[Shot], sensors: list[Sensor], gains: F4
) -> list[npt.NDArray[np.uint8]]:
    """The room without anybody, as it is lit at first: (BEFORE, 64, 80) per camera."""
    stage.pose([*[None] * len(moment.tracks), *_things(moment, 0)])
    light = np.ascontiguousarray(gains[0], np.float32)
    frames = [np.empty((BEFORE, HEIGHT, WIDTH), np.uint8) for _ in shots]
    for step in range(BEFORE):
        for k, (shot, sensor) in enumerate(zip(shots, sensors, strict=True)):
            frames[k][step] = sensor.grey(shot.draw(light)[0])
    return [_canvas(seen) for seen in frames]


def _film(
    stage: Stage, moment: Moment, shots: list[Shot], sensors: list[Sensor], gains: F4
) -> tuple[list[npt.NDArray[np.uint8]], list[npt.NDArray[np.uint16]]]:
    """frames (N, 128, 160) and visible pixels (N, P) per camera."""
    people, steps = len(moment.tracks), moment.steps
    frames = [np.empty((steps, HEIGHT, WIDTH), np.uint8) for _ in shots]
    pixels = [np.zeros((steps, people), np.uint16) for _ in shots]
    skins = [
        track.body.skeleton.matrices(track.turns.astype(np.float64), track.root.astype(np.float64))
        for track in moment.tracks
    ]
    for step in range(steps):
        matrices: list[F4 | None] = [
            None if track.posture[step] == Posture.ABSENT else skin[step]
            for track, skin in zip(moment.tracks, skins, strict=True)
        ]
        stage.pose([*matrices, *_things(moment, step)])
        for k, (shot, sensor) in enumerate(zip(shots, sensors, strict=True)):
            radiance, who = shot.draw(np.ascontiguousarray(gains[step], np.float32))
            frames[k][step] = sensor.grey(radiance)
            counts = np.bincount(who.ravel(), minlength=people + 1)
            pixels[k][step] = np.minimum(counts[1 : people + 1], 65535)
    return frames, pixels


def _canvas(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """frames (N, 128, 160) -> what the daemon would keep of them, (N, 64, 80).

    At this size `kernels.frame.area_resize` is the mean of four, rounded.
    """
    wide = frames.astype(np.uint16)
    rows = wide[:, 0::2] + wide[:, 1::2]
    return ((rows[:, :, 0::2] + rows[:, :, 1::2] + 2) >> 2).astype(np.uint8)


def _planes(
    canvas: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8] | None
) -> npt.NDArray[np.uint8]:
    """What the daemon would make of `canvas`, (N, 3, 64, 80), after what it saw `before`."""
    desensitiser = Desensitiser(RATE_HZ)
    planes = np.empty((len(canvas), PLANES, CANVAS_H, CANVAS_W), np.uint8)
    for grey in () if before is None else before:
        desensitiser.planes(grey, planes[0])
    for grey, out in zip(canvas, planes, strict=True):
        desensitiser.planes(grey, out)
    return planes


def _joints(moment: Moment, view: Camera) -> npt.NDArray[np.float16]:
    """Where this camera has everybody's joints, (N, P, 16, 3): pixels, pixels, metres of depth."""
    seen = [
        project(
            view,
            track.body.skeleton.places(
                track.turns.astype(np.float64), track.root.astype(np.float64)
            ),
        )
        for track in moment.tracks
    ]
    return np.stack(seen, axis=1).clip(-OUTSIDE, OUTSIDE).astype(np.float16)


def _notes(view: Camera, wanted: Plan, attempt: int, *, infrared: bool) -> dict[str, object]:
    """What the camera was; for the clip's notes."""
    return {
        "script": wanted.script,
        "attempt": attempt,
        "infrared": infrared,
        "position": [round(float(x), 4) for x in np.asarray(view.position)],
        "rotation": [round(float(x), 6) for x in np.asarray(view.rotation).ravel()],
        "focal": [round(float(f), 3) for f in view.focal],
        "lens": round(float(view.lens), 4),
    }
