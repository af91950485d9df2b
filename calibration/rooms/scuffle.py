# SPDX-License-Identifier: Apache-2.0
"""People who fight: one physics model, each puppet aims at what it wants and meets the others.

Every 0.1 s a fighter looks where his opponent is, aims at a pose (a blow, a grip, a guard) and is
drawn by strings towards where he wants to stand. Blows land on bodies, grips pull, a shove cuts
the strings of the one who is shoved. Who loses them altogether falls as in falls.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from calibration.rooms import falls, rotation, upsets
from calibration.rooms.actor import Actor
from calibration.rooms.figures import HANGING, about, figure
from calibration.rooms.ragdoll import CHEST, HEAD, SUBSTEP_S, SUBSTEPS, Ragdoll
from calibration.rooms.reach import BONE, reach
from calibration.rooms.track import STEP_S, Posture
from calibration.rooms.ways import ahead, wrapped, yaw_to

Array = npt.NDArray[np.float64]
Generator = np.random.Generator

# What one does for a second or so, how often, and from which distance of the pelvises (m).
MOVES = {
    "blow": (0.34, 0.62),
    "kick": (0.1, 0.85),
    "grapple": (0.2, 0.42),
    "shove": (0.14, 0.5),
    "cover": (0.12, 0.6),
    "back": (0.1, 1.1),
}
GUARD = ((55.0, 12.0, -35.0, 95.0), (48.0, 12.0, -35.0, 100.0))
COVER = ((100.0, 10.0, -30.0, 125.0), (100.0, 10.0, -30.0, 125.0))
KICK_S = 0.45
BLOW_S = 0.5
GRIP_N = 90.0
STEPS_HZ = 2.0  # of the feet while they shuffle
WALL_M = 0.3


@dataclass(slots=True)
class Fighter:
    """What one of them is about. side: the hand or foot he uses; phase: seconds into the move."""

    actor: Actor
    opponent: int
    move: str = "cover"
    until: float = 0.0
    phase: float = 0.0
    side: str = "r"
    grit: float = 1.0  # how well he keeps his balance at best
    footing: float = 1.0  # how well now: the strength of his strings
    stride: float = 0.0
    circling: float = 0.0
    lean: float = 0.0
    turns: list[Array] = field(default_factory=list)
    root: list[Array] = field(default_factory=list)


class Bout:
    """A fight of two or more; everybody must have stood somewhere before. Raises NoFit."""

    def __init__(self, actors: Sequence[Actor], rng: Generator) -> None:
        self._rng = rng
        first = actors[0]
        people = [(actor.skeleton, actor.body.weight_kg) for actor in actors]
        self._ragdoll = Ragdoll(first.setting.room, people, float(rng.uniform(0.6, 1.0)))
        self._fighters = [Fighter(actor, 1 if k != 1 else 0) for k, actor in enumerate(actors)]
        for k, actor in enumerate(actors):
            self._ragdoll.place(k, *actor.last_two())
            self._fighters[k].grit = float(rng.uniform(0.4, 1.0))

    def fight(self, seconds: float) -> None:
        """For so long; the tracks of all grow."""
        for step in range(round(seconds / STEP_S)):
            self._tick(step * STEP_S, frozenset())
        self._hand_over(Posture.STAND)

    def knock_down(self, loser: int) -> tuple[int, str]:
        """One goes down and the others go on -> step of the impact after now, how."""
        x, z = self._at(loser) - self._at(self._fighters[loser].opponent)
        way = np.array([x, z]) / max(1e-6, float(np.hypot(x, z)))
        manner = upsets.draw(self._rng, "push", self._ragdoll.facing(loser), way)
        others = frozenset({loser})

        def beside(substep: int) -> None:
            if substep % SUBSTEPS == 0:
                self._plan(100.0 + substep * SUBSTEP_S, others)
            self._pull(others)
            if substep % SUBSTEPS == SUBSTEPS - 1:
                self._note(others)

        fallen = falls.tumble(self._ragdoll, loser, manner, beside)
        posture = np.full(len(fallen.turns), Posture.FALLING, np.uint8)
        posture[fallen.impact + 1 :] = Posture.DOWN
        self._hand_over(Posture.STAND)
        self._fighters[loser].actor.add(fallen.turns, fallen.root, posture)
        return fallen.impact + 1, manner.how

    def _tick(self, seconds: float, down: frozenset[int]) -> None:
        self._plan(seconds, down)
        for _ in range(SUBSTEPS):
            self._pull(down)
            self._ragdoll.step()
        self._note(down)

    def _note(self, down: frozenset[int]) -> None:
        """Remember the poses of those who stand."""
        for k, fighter in enumerate(self._fighters):
            if k not in down:
                turns, root = self._ragdoll.pose(k)
                fighter.turns.append(turns)
                fighter.root.append(root)

    def _hand_over(self, posture: Posture) -> None:
        for fighter in self._fighters:
            if fighter.turns:
                fighter.actor.add(np.stack(fighter.turns), np.stack(fighter.root), posture)
                front = rotation.rotate(fighter.turns[-1][0], np.array([0.0, 0.0, 1.0]))
                fighter.actor.yaw = float(np.arctan2(front[0], front[2]))
                fighter.turns, fighter.root = [], []

    # ---- deciding ------------------------------------------------------------------------------

    def _at(self, k: int) -> Array:
        return self._ragdoll.pose(k)[1][[0, 2]]

    def _plan(self, seconds: float, down: frozenset[int]) -> None:
        """Every 0.1 s: what each of them wants now."""
        for k, fighter in enumerate(self._fighters):
            if k in down:
                continue
            fighter.phase += STEP_S
            fighter.footing = min(fighter.grit, fighter.footing + 0.12)
            if seconds >= fighter.until:
                self._choose(fighter, seconds)
            self._ragdoll.aim(k, self._pose(k, fighter))
            tone = np.full(16, 0.9)
            tone[BONE["upper_arm_l"] : BONE["hand_r"] + 1] = 1.6
            self._ragdoll.tone(k, tone * (0.4 + 0.6 * fighter.footing))

    def _choose(self, fighter: Fighter, seconds: float) -> None:
        names = list(MOVES)
        share = np.array([MOVES[name][0] for name in names])
        fighter.move = names[int(self._rng.choice(len(names), p=share / share.sum()))]
        fighter.until = seconds + float(self._rng.uniform(0.5, 1.6))
        fighter.phase = 0.0
        fighter.side = "l" if self._rng.random() < 0.4 else "r"
        fighter.circling = float(self._rng.uniform(-1.2, 1.2))
        fighter.lean = float(
            self._rng.uniform(0, 28 if fighter.move in {"grapple", "shove"} else 14)
        )

    # ---- aiming --------------------------------------------------------------------------------

    def _pose(self, k: int, fighter: Fighter) -> Array:
        """Turns (16, 4) of what he would like to look like, facing his opponent."""
        fighter.stride += 2 * np.pi * STEPS_HZ * STEP_S
        swing = 22.0 * float(np.sin(fighter.stride))
        legs = (
            (14 + swing, 9.0, 8.0, 26.0 + abs(swing), 0.0),
            (14 - swing, 9.0, 8.0, 26.0 + abs(swing), 0.0),
        )
        if fighter.move == "kick" and fighter.phase % 0.9 < KICK_S:
            high = (88.0, 6.0, 0.0, 25.0, 20.0)
            legs = (high, legs[1]) if fighter.side == "l" else (legs[0], high)
        arms = COVER if fighter.move == "cover" else GUARD
        if fighter.move == "back":
            arms = (HANGING, HANGING)
        twist = 0.0
        if fighter.move == "blow":
            twist = 25.0 * float(np.sin(2 * np.pi * fighter.phase / BLOW_S))
        lean = 30.0 if fighter.move == "cover" else fighter.lean
        turns = figure((0.3 * lean, 0, 0), (0.7 * lean, twist, 0), (-0.5 * lean, 0, 0), arms, legs)
        turns = rotation.multiply(rotation.yaw(self._towards(k)), turns)
        return self._reaching(k, fighter, np.asarray(turns))

    def _towards(self, k: int) -> float:
        return yaw_to(self._at(k), self._at(self._fighters[k].opponent))

    def _reaching(self, k: int, fighter: Fighter, turns: Array) -> Array:
        """Arms to the opponent: a blow in its first half, a grip or a shove all the time."""
        striking = fighter.move == "blow" and fighter.phase % BLOW_S < 0.55 * BLOW_S
        if fighter.move not in {"grapple", "shove"} and not striking:
            return turns
        sides = (fighter.side,) if striking else ("l", "r")
        bone = HEAD if striking and self._rng.random() < 0.6 else CHEST
        many, root = turns[None].copy(), self._ragdoll.pose(k)[1][None]
        target = np.add(self._ragdoll.place_of(fighter.opponent, bone), (0, 0.1, 0))
        across = np.array([np.cos(self._towards(k)), 0.0, -np.sin(self._towards(k))])
        for side in sides:
            apart = 0.0 if striking else (0.15 if side == "l" else -0.15)
            goal = target + apart * across + self._rng.normal(0, 0.05, 3)
            reach(fighter.actor.skeleton, many, root, side, goal[None], 1.0)
        return np.asarray(many[0])

    # ---- moving --------------------------------------------------------------------------------

    def _pull(self, down: frozenset[int]) -> None:
        """Strings, grips and shoves of one substep."""
        for k, fighter in enumerate(self._fighters):
            if k in down:
                continue
            yaw = self._towards(k)
            bob = 0.02 * float(np.sin(2 * fighter.stride))
            height = fighter.actor.skeleton.hip_m * 0.95 + bob
            x, z = self._wanted(k, fighter)
            up = rotation.multiply(rotation.yaw(yaw), about(0, 0.3 * fighter.lean))
            self._ragdoll.hold(k, np.array([x, height, z]), np.asarray(up), fighter.footing)
            if fighter.move in {"grapple", "shove"} and fighter.opponent not in down:
                self._touch(k, fighter)

    def _wanted(self, k: int, fighter: Fighter) -> Array:
        """Where he wants to stand: at the distance of his move, circling, inside the room."""
        here, there = self._at(k), self._at(fighter.opponent)
        yaw = yaw_to(there, here) + fighter.circling * STEP_S * 3
        goal = there + MOVES[fighter.move][1] * ahead(wrapped(yaw))
        way = goal - here
        length = float(np.linalg.norm(way))
        goal = here + way * min(1.0, 0.25 / max(length, 1e-6))
        half = np.array(fighter.actor.setting.room.size[:2]) / 2 - WALL_M
        goal = np.clip(goal, -half, half)
        return goal if fighter.actor.setting.free(goal) else here

    def _touch(self, k: int, fighter: Fighter) -> None:
        """A grip draws hand and chest together; a shove drives the other away and loosens him."""
        other = fighter.opponent
        for side in ("l", "r"):
            hand = BONE[f"hand_{side}"]
            way = self._ragdoll.place_of(other, CHEST) - self._ragdoll.place_of(k, hand)
            length = float(np.linalg.norm(way))
            if length > 0.45:
                continue
            if fighter.move == "grapple":
                force = GRIP_N * way / max(length, 0.1)
                self._ragdoll.push(k, hand, 0.5 * force)
                self._ragdoll.push(other, CHEST, -force)
            elif fighter.phase < 0.5:
                weight = self._ragdoll.weight(other)
                x, z = ahead(self._towards(k)) * 1.6 * weight
                self._ragdoll.push(other, CHEST, np.array([x, 0.0, z]))
                victim = self._fighters[other]
                victim.footing = min(victim.footing, 0.45)
