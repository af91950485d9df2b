# SPDX-License-Identifier: Apache-2.0
"""One person on the stage: stands, walks, takes up poses and holds them, step after step.

An actor grows a track. Everything is made for all steps of a piece at once; pieces are joined by
blending from the last pose. Nothing here knows why somebody does something: see acts.py.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from calibration.rooms import poses, rotation, stillness
from calibration.rooms.body import Body
from calibration.rooms.errors import NoFit
from calibration.rooms.figures import SIDES, Pose, put
from calibration.rooms.motion import Motion
from calibration.rooms.reach import BONE, plant
from calibration.rooms.setting import Ride, Setting
from calibration.rooms.track import LABELS, STEP_S, Act, Posture, Track
from calibration.rooms.ways import even, headings, smooth, steps_of, wrapped

Array = npt.NDArray[np.float64]
Generator = np.random.Generator

BLEND = 3  # steps from one piece to the next
SLOWEST = 0.35  # m/s
UPPER = slice(BONE["chest"], BONE["hand_r"] + 1)


class Actor:
    """A body, where it is, and what it has done so far."""

    def __init__(self, setting: Setting, body: Body, rng: Generator, at: Array, yaw: float) -> None:
        self.setting, self.body, self.rng = setting, body, rng
        self.skeleton = body.skeleton
        self.at, self.yaw = np.asarray(at, np.float64), yaw
        self.absent = False
        self._turns: list[Array] = []
        self._root: list[Array] = []
        self._posture: list[npt.NDArray[np.uint8]] = []
        self._named: list[Act] = []
        self.rides: list[Ride] = []  # what he moved
        self.switched: list[int] = []  # steps at which he touched the light switch
        self.now = 0

    # ---- the track so far ----------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Since the beginning of the moment."""
        return self.now * STEP_S

    @property
    def pose(self) -> Pose:
        """The last one."""
        if not self.now:
            return self.standing()
        return Pose(self._turns[-1][-1], self._root[-1][-1])

    @property
    def posture(self) -> Posture:
        """The last one."""
        return Posture(int(self._posture[-1][-1])) if self.now else Posture.STAND

    def last_two(self) -> tuple[Array, Array]:
        """Turns (2, 16, 4) and roots (2, 3) of the last two steps, for physics."""
        turns, root = np.concatenate(self._turns[-2:]), np.concatenate(self._root[-2:])
        if len(turns) < 2:
            return np.repeat(turns, 2, axis=0), np.repeat(root, 2, axis=0)
        return turns[-2:], root[-2:]

    def add(self, turns: Array, root: Array, posture: Posture | npt.NDArray[np.uint8]) -> None:
        """Steps as they are: turns (N, 16, 4), root (N, 3)."""
        if not len(turns):
            return
        kinds = np.broadcast_to(np.asarray(posture, np.uint8), len(turns)).copy()
        self._turns.append(np.asarray(turns, np.float64))
        self._root.append(np.asarray(root, np.float64))
        self._posture.append(kinds)
        self.now += len(turns)
        self.at = np.asarray(root[-1], np.float64)[[0, 2]]

    def name(self, label: str, start: int) -> None:
        """What was done since step `start` has this name."""
        if self.now > start:
            self._named.append(Act(label, start, self.now))

    def move(self, prop: int, matrices: Array) -> None:
        """Where a thing was during the last steps, (K, 3, 4)."""
        self.rides.append(Ride(prop, self.now - len(matrices), np.asarray(matrices)))

    def ways(self, start: int) -> Array:
        """Floor points below the pelvis since step `start`, (N, 2); NaN while he is away."""
        if start >= self.now:
            return np.empty((0, 2))
        points = np.concatenate(self._root)[start:, [0, 2]]
        points[np.concatenate(self._posture)[start:] == Posture.ABSENT] = np.nan
        return points

    def cut(self, step: int) -> None:
        """Forget everything from `step` on."""
        turns, root = np.concatenate(self._turns)[:step], np.concatenate(self._root)[:step]
        posture = np.concatenate(self._posture)[:step]
        self._turns, self._root, self._posture = [turns], [root], [posture]
        self._named = [Act(a.label, a.start, min(a.end, step)) for a in self._named]
        self._named = [a for a in self._named if a.end > a.start]
        self.rides = [ride.until(step) for ride in self.rides if ride.start < step]
        self.switched = [at for at in self.switched if at < step]
        self.now = len(turns)
        if self.now:
            self.at = root[-1][[0, 2]]

    def track(self) -> Track:
        """Everything, with each run of one posture as an act beside the named ones."""
        if not self.now:
            raise NoFit("somebody did nothing at all")
        posture = np.concatenate(self._posture)
        edges = [0, *(np.flatnonzero(np.diff(posture)) + 1).tolist(), len(posture)]
        acts = [
            Act(LABELS[Posture(int(posture[a]))], a, b)
            for a, b in itertools.pairwise(edges)
            if Posture(int(posture[a])) in LABELS
        ]
        turns = np.concatenate(self._turns).astype(np.float32)
        root = np.concatenate(self._root).astype(np.float32)
        every = sorted([*acts, *self._named], key=lambda act: (act.start, act.label))
        return Track(self.body, turns, root, posture, tuple(every))

    # ---- being there ---------------------------------------------------------------------------

    def away(self, seconds: float) -> None:
        """Not in the room."""
        self.absent = True
        pose = self.pose
        count = steps_of(seconds)
        at = np.array([self.at[0], pose.root[1], self.at[1]])
        self.add(
            np.repeat(pose.turns[None], count, 0), np.repeat(at[None], count, 0), Posture.ABSENT
        )

    def standing(self) -> Pose:
        """A drawn way of standing here."""
        stoop = float(np.degrees(self.body.style.stoop_rad))
        return put(poses.standing(self.rng, self.skeleton, stoop), self.at, self.yaw)

    def blended(self, turns: Array, root: Array) -> tuple[Array, Array]:
        """The piece with its first steps drawn towards the last pose."""
        if not self.now or self.posture == Posture.ABSENT:
            return turns, root
        count = min(BLEND, len(turns))
        share = smooth((np.arange(count) + 1) / (count + 1))
        pose = self.pose
        turns, root = turns.copy(), root.copy()
        turns[:count] = rotation.slerp(pose.turns, turns[:count], share[:, None])
        root[:count] = pose.root + (root[:count] - pose.root) * share[:, None]
        return turns, root

    # ---- moving --------------------------------------------------------------------------------

    def to(
        self,
        pose: Pose,
        seconds: float,
        posture: Posture,
        via: Pose | None = None,
        *,
        planted: bool = False,
    ) -> None:
        """Take up a pose, on the way nearly through `via`; planted: the feet stay on the floor."""
        share = smooth((np.arange(steps_of(seconds)) + 1) / steps_of(seconds))
        last = self.pose
        column = share[:, None]
        if via is None:
            turns = rotation.slerp(last.turns, pose.turns, column)
            root = last.root + (pose.root - last.root) * column
        else:
            first = rotation.slerp(last.turns, via.turns, column)
            turns = rotation.slerp(first, rotation.slerp(via.turns, pose.turns, column), column)
            root = (1 - column) ** 2 * last.root + 2 * column * (1 - column) * via.root
            root = root + column**2 * pose.root
        if planted:
            self._keep_feet(turns, root, last, pose, share)
        low = self.skeleton.lowest(turns, root)
        root[:, 1] += np.maximum(0.0, -low)
        self.add(turns, root, posture)

    def _keep_feet(self, turns: Array, root: Array, last: Pose, pose: Pose, share: Array) -> None:
        """Ankles go straight from where they are to where they will be; legs bend as they must."""
        both = self.skeleton.places(
            np.stack([last.turns, pose.turns]), np.stack([last.root, pose.root])
        )
        for side, _ in SIDES:
            start, end = both[0, BONE[f"foot_{side}"]], both[1, BONE[f"foot_{side}"]]
            ankle = start + (end - start) * share[:, None]
            plant(self.skeleton, turns, root, side, ankle)

    def play(
        self,
        motion: Motion,
        posture: Posture,
        seconds: float | None = None,
        rate: float = 1.0,
    ) -> None:
        """A recorded motion here; it goes where it goes. Once, unless `seconds` says how long."""
        count = steps_of(motion.seconds / rate if seconds is None else seconds)
        turns, root = motion.at((np.arange(count) + 1) * STEP_S, rate)
        self._perform(turns, root, motion.ground, posture)

    def _perform(self, turns: Array, root: Array, ground: str, posture: Posture) -> None:
        turn = rotation.yaw(self.yaw)
        turns = rotation.multiply(turn, turns)
        start = np.array([root[0, 0], 0.0, root[0, 2]])
        root = rotation.rotate(turn, (root - start) * self.skeleton.hip_m)
        root = root + np.array([self.at[0], 0.0, self.at[1]])
        self.add(*self.blended(turns, self._on_ground(turns, root, ground)), posture)

    def _on_ground(self, turns: Array, root: Array, ground: str) -> Array:
        low = self.skeleton.lowest(turns, root)
        root = root.copy()
        root[:, 1] -= low.min() if ground == "clip" else low
        return root

    def walk(
        self,
        target: Array,
        posture: Posture = Posture.WALK,
        motion: Motion | None = None,
        pace: float = 1.0,
    ) -> None:
        """To a floor point, round what stands in the way. Raises NoFit if there is no way."""
        target = np.asarray(target, np.float64)
        if np.linalg.norm(target - self.at) > 0.12:
            self.follow(self.setting.path(self.at, target), posture, motion, pace)

    def follow(
        self,
        path: Array,
        posture: Posture = Posture.WALK,
        motion: Motion | None = None,
        pace: float = 1.0,
        *,
        backward: bool = False,
    ) -> None:
        """Along floor points (K, 2)."""
        motion = motion or self.setting.repertoire.walk(self.body.style.walk)
        rate = self.body.style.tempo * pace
        speed = max(SLOWEST, motion.speed * self.skeleton.hip_m * rate)
        points = even(np.asarray(path, np.float64), speed * STEP_S)
        yaws = headings(points, self.at, self.yaw, backward=backward)
        turns, root = self.strides(points, yaws, motion, -rate if backward else rate)
        self.add(*self.blended(turns, root), posture)
        self.at, self.yaw = points[-1].copy(), float(yaws[-1])

    def strides(
        self, points: Array, yaws: Array, motion: Motion, rate: float
    ) -> tuple[Array, Array]:
        """Turns and root of a walk at points (N, 2), facing yaws (N,); rate < 0: backward."""
        seconds = (np.arange(len(points)) + 1) * STEP_S * np.sign(rate)
        turns, root = motion.at(seconds + float(self.rng.uniform(0, 2)), abs(rate))
        stoop = self.body.style.stoop_rad
        turns = rotation.multiply(rotation.yaw(yaws)[:, None], turns)
        self.lean(turns, yaws, np.full(len(points), stoop))
        swing = (root - root.mean(axis=0)) * self.skeleton.hip_m
        place = rotation.rotate(rotation.yaw(yaws), swing * (1, 0, 0.5))
        place[:, [0, 2]] += points
        place[:, 1] = root[:, 1] * self.skeleton.hip_m
        return turns, self._on_ground(turns, place, motion.ground)

    def lean(self, turns: Array, yaws: Array | float, angle: Array) -> None:
        """Bend the trunk above the pelvis forward, in place, by angle (N,) radians."""
        yaws = np.broadcast_to(np.asarray(yaws, np.float64), angle.shape)
        across = np.stack([np.cos(yaws), np.zeros_like(yaws), -np.sin(yaws)], axis=-1)
        bend = rotation.from_vector(across * angle[:, None])
        turns[:, UPPER] = rotation.multiply(bend[:, None], turns[:, UPPER])

    def turn(self, yaw: float) -> None:
        """On the spot, with small steps."""
        error = wrapped(yaw - self.yaw)
        if abs(error) < 0.15:
            self.yaw = yaw
            return
        count = steps_of(max(0.4, abs(error) / 2.6))
        share = smooth((np.arange(count) + 1) / count)
        motion = self.setting.repertoire.walk(self.body.style.walk)
        turns, root = motion.at((np.arange(count) + 1) * STEP_S, 0.8)
        yaws = self.yaw + error * share
        turns = rotation.multiply(rotation.yaw(yaws)[:, None], turns)
        place = np.tile([self.at[0], 0.0, self.at[1]], (count, 1))
        place[:, 1] = root[:, 1] * self.skeleton.hip_m
        posture = Posture.WALK if abs(error) > 1.2 else Posture.STAND
        at = self.at.copy()
        self.add(*self.blended(turns, self._on_ground(turns, place, motion.ground)), posture)
        self.at, self.yaw = at, yaw

    # ---- holding still -------------------------------------------------------------------------

    def still(self, seconds: float, posture: Posture, restless: float = 0.3) -> None:
        """Hold the last pose: breath, sway and, by `restless` (0..), a movement now and then."""
        count = steps_of(seconds)
        pose = self.pose
        turns = np.repeat(pose.turns[None], count, axis=0)
        root = np.repeat(pose.root[None], count, axis=0)
        stillness.breathe(self.rng, turns, root)
        for _ in range(int(self.rng.poisson(restless * seconds / 3))):
            stillness.fidget(self.rng, turns)
        if posture == Posture.STAND:
            stillness.sway(self.rng, turns, root, self.body.style.sway)
        self.add(turns, root, posture)
