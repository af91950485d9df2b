# SPDX-License-Identifier: Apache-2.0
"""Bodies that weigh something: a MuJoCo model of one or more people among a room's obstacles.

Every bone is a rigid body whose frame is that of the T-pose, so its world rotation is the bone's
turn. Muscles are springs towards an aimed pose with damping ("tone"): at full tone a person holds
it, at none he drops. `hold` adds strings at the trunk, for people who keep their balance while
others push them. Metres, kilograms, newtons, seconds; Y is up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
import numpy.typing as npt

from calibration.rooms import rotation
from calibration.rooms.dolls import CALVES, MIDDLE, TIMESTEP_S, world
from calibration.rooms.errors import NoFit
from calibration.rooms.fittings import Room
from calibration.rooms.skeleton import BONES, PARENT, Skeleton
from calibration.rooms.track import STEP_S

Array = npt.NDArray[np.float64]

SUBSTEPS = 5  # of a track step, between which tone and pushes may change
SUBSTEP_S = STEP_S / SUBSTEPS
FASTEST = 12.0  # m/s and rad/s that a body may bring along from its track
CARRIED = 0.8  # of the weight of somebody who holds himself up, by the strings
WILD = 60.0  # m/s or rad/s: the simulation has blown up

FLOOR = 0  # the geom that is made first
PELVIS, SPINE, CHEST, HEAD = (BONES.index(n) for n in ("pelvis", "spine", "chest", "head"))
TRUNK = (PELVIS, SPINE, CHEST, HEAD)
UPRIGHT = (PELVIS, SPINE, CHEST)  # what strings keep upright, each with little damping
FEET = (BONES.index("foot_l"), BONES.index("foot_r"))

# The strongest spring of each joint, N m / rad, for a body of 70 kg.
STRENGTH = np.array([0, 300, 300, 40, *2 * (70, 45, 10), *2 * (250, 200, 90)], np.float64)
# Damping of each joint without tone, N m s / rad.
LOOSE = np.array([0, 1.2, 1.2, 1.2, *2 * (1.2, 1.2, 0.3), *2 * (1.2, 1.2, 0.3)])


@dataclass(frozen=True, slots=True)
class Doll:
    """Where one person's parts are in the model."""

    bodies: npt.NDArray[np.int64]  # (16,)
    joints: npt.NDArray[np.int64]  # (16,)
    position: slice  # of qpos
    speed: slice  # of qvel
    balls: npt.NDArray[np.int64]  # (13, 4) of qpos
    knees: npt.NDArray[np.int64]  # (2,) of qpos
    damped: npt.NDArray[np.int64]  # (41,) of qvel
    damped_by: npt.NDArray[np.int64]  # (41,) which joint after the first
    weight_kg: float


class Ragdoll:
    """The simulation. Persons are numbered in the order given; a step is SUBSTEP_S.

    floor_grip: friction of the floor; obstacles are the room's, as they stand.
    """

    def __init__(
        self,
        room: Room,
        people: Sequence[tuple[Skeleton, float]],
        floor_grip: float = 0.8,
    ) -> None:
        xml = world(room, people, floor_grip)
        self._model = mujoco.MjModel.from_xml_string(xml)
        self._data = mujoco.MjData(self._model)
        self._aims: dict[int, tuple[Array, Array, Array]] = {}
        self._dolls = [self._doll(k, weight) for k, (_, weight) in enumerate(people)]

    def _doll(self, person: int, weight_kg: float) -> Doll:
        model = self._model
        bodies = np.array([model.body(f"{person}.{name}").id for name in BONES])
        joints = np.array([model.joint(f"{person}.{name}").id for name in BONES])
        first, last = joints[0], joints[-1]
        place = slice(int(model.jnt_qposadr[first]), int(model.jnt_qposadr[last]) + 4)
        speed = slice(int(model.jnt_dofadr[first]), int(model.jnt_dofadr[last]) + 3)
        at, dof = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
        balls = [at[bone] + np.arange(4) for bone in range(1, 16) if bone not in CALVES]
        freedom = [1 if bone in CALVES else 3 for bone in range(1, 16)]
        damped = np.concatenate([dof[k + 1] + np.arange(n) for k, n in enumerate(freedom)])
        by = np.repeat(np.arange(15), freedom)
        knees = np.array(at[list(CALVES)])
        return Doll(bodies, joints, place, speed, np.array(balls), knees, damped, by, weight_kg)

    def place(self, person: int, turns: Array, root: Array) -> None:
        """Put a person where two consecutive steps say: turns (2, 16, 4), root (2, 3).

        He moves on with the speed between them and aims at his present pose.
        """
        doll = self._dolls[person]
        before, now = (self._coordinates(doll, turns[k], root[k]) for k in (0, 1))
        speed = np.zeros(self._model.nv)
        mujoco.mj_differentiatePos(self._model, speed, STEP_S, before, now)
        self._data.qpos[doll.position] = now[doll.position]
        self._data.qvel[doll.speed] = np.clip(speed[doll.speed], -FASTEST, FASTEST)
        self.aim(person, turns[1])
        mujoco.mj_forward(self._model, self._data)

    def _coordinates(self, doll: Doll, turns: Array, root: Array) -> Array:
        """qpos of the whole model with this person's part set from his turns and root."""
        q = np.array(self._data.qpos)
        local = _local(turns)
        start = doll.position.start
        q[start : start + 3], q[start + 3 : start + 7] = root, turns[0]
        q[doll.balls] = local[[bone for bone in range(1, 16) if bone not in CALVES]]
        angle = 2 * np.arctan2(local[list(CALVES), 1], local[list(CALVES), 0])
        q[doll.knees] = (angle + np.pi / 2) % (2 * np.pi) - np.pi / 2
        return q

    def aim(self, person: int, turns: Array, share: float = 1.0) -> None:
        """Bring the pose that the muscles pull towards by `share` of the way to turns (16, 4).

        Only angles of joints count, not how the pelvis is turned.
        """
        doll, spring = self._dolls[person], self._model.qpos_spring
        balls, knees = self._joints_aimed(person, turns)
        now = spring[doll.balls]
        towards = balls * np.where((now * balls).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
        mixed = now + share * (towards - now)
        spring[doll.balls] = mixed / np.sqrt((mixed * mixed).sum(axis=1, keepdims=True))
        spring[doll.knees] += share * (knees - spring[doll.knees])

    def _joints_aimed(self, person: int, turns: Array) -> tuple[Array, Array]:
        """Coordinates of ball joints and knees for a pose; poses are aimed at many times."""
        known = self._aims.get(person)
        if known is None or known[0] is not turns:
            doll = self._dolls[person]
            wanted = self._coordinates(doll, turns, np.zeros(3))
            known = (turns, wanted[doll.balls], wanted[doll.knees])
            self._aims[person] = known
        return known[1], known[2]

    def tone(self, person: int, tone: float | Array) -> None:
        """How hard the muscles pull, 1 = all they can; a number or one per bone (16,)."""
        doll, model = self._dolls[person], self._model
        strength = (STRENGTH * tone)[1:] * doll.weight_kg / 70.0
        model.jnt_stiffness[doll.joints[1:]] = np.maximum(0.6, strength)
        damping = np.maximum(LOOSE[1:], 0.08 * strength)
        model.dof_damping[doll.damped] = damping[doll.damped_by]

    def push(self, person: int, bone: int, force: Array) -> None:
        """A force (3,) on a bone during the next step, in newtons, added to what pushes already."""
        self._data.xfrc_applied[self._dolls[person].bodies[bone], :3] += force

    def hold(self, person: int, root: Array, up: Array, strength: float) -> None:
        """Strings during the next step: pelvis towards `root` (3,), pelvis turn towards `up` (4,).

        strength 1 moves the body's weight as a walking person can; 0 cuts the strings.
        """
        doll, data = self._dolls[person], self._data
        body, at = doll.bodies[PELVIS], doll.speed.start
        pull = 260.0 * (root - data.xpos[body]) - 32.0 * data.qvel[at : at + 3]
        limit = 14.0 * doll.weight_kg
        pull = np.clip(pull * doll.weight_kg / 8, -limit, limit)
        pull[1] += CARRIED * 9.81 * doll.weight_kg
        data.xfrc_applied[body, :3] += strength * pull
        velocity = np.zeros(6)
        for bone in UPRIGHT:
            body = doll.bodies[bone]
            kind = mujoco.mjtObj.mjOBJ_BODY
            mujoco.mj_objectVelocity(self._model, data, kind, body, velocity, 0)
            error = rotation.multiply(up, rotation.inverse(np.array(data.xquat[body])))
            error = error[1:] * np.sign(error[0] or 1.0)
            swing = np.clip(900.0 * error - 11.0 * velocity[:3], -260, 260)
            data.xfrc_applied[body, 3:] += strength * swing * doll.weight_kg / 70

    def step(self, count: int = 1) -> None:
        """Go on by `count` SUBSTEP_S and let go of pushes and strings; NoFit if it blew up."""
        mujoco.mj_step(self._model, self._data, nstep=count * round(SUBSTEP_S / TIMESTEP_S))
        self._data.xfrc_applied[:] = 0
        if not np.isfinite(self._data.qpos).all() or np.abs(self._data.qvel).max() > WILD:
            raise NoFit("the physics blew up")

    def pose(self, person: int) -> tuple[Array, Array]:
        """Turns (16, 4) and root (3,) now."""
        bodies = self._dolls[person].bodies
        return np.array(self._data.xquat[bodies]), np.array(self._data.xpos[bodies[0]])

    def on_floor(self, person: int, bones: Sequence[int] = TRUNK) -> bool:
        """Whether one of these bones touches the floor."""
        touching = self._data.contact.geom[: self._data.ncon]
        if not len(touching):
            return False
        owners = self._model.geom_bodyid[touching]
        mine = np.isin(owners, self._dolls[person].bodies[list(bones)])
        return bool(((touching == FLOOR).any(axis=1) & mine.any(axis=1)).any())

    def speed(self, person: int) -> float:
        """The fastest of the bones, m/s."""
        velocity, fastest = np.zeros(6), 0.0
        for body in self._dolls[person].bodies:
            kind = mujoco.mjtObj.mjOBJ_BODY
            mujoco.mj_objectVelocity(self._model, self._data, kind, body, velocity, 0)
            fastest = max(fastest, float(np.linalg.norm(velocity[3:])))
        return fastest

    def place_of(self, person: int, bone: int) -> Array:
        """Where a bone's joint is (3,)."""
        return np.array(self._data.xpos[self._dolls[person].bodies[bone]])

    def height(self, person: int, bone: int) -> float:
        """Of a bone's joint above the floor."""
        return float(self._data.xpos[self._dolls[person].bodies[bone], 1])

    def facing(self, person: int) -> Array:
        """The direction (x, z) of the chest's front, of length 1."""
        turn = np.array(self._data.xquat[self._dolls[person].bodies[CHEST]])
        ahead = rotation.rotate(turn, np.array([0.0, 0.0, 1.0]))[[0, 2]]
        return np.asarray(ahead / max(1e-6, float(np.linalg.norm(ahead))))

    def weight(self, person: int) -> float:
        """Kilograms."""
        return self._dolls[person].weight_kg


def _local(turns: Array) -> Array:
    """Turns (16, 4) -> coordinates of the ball joints (16, 4), relative to the cones' middles."""
    parents = turns[[max(0, p) for p in PARENT]]
    relative = rotation.multiply(rotation.inverse(parents), turns)
    return np.asarray(rotation.multiply(rotation.inverse(MIDDLE), relative))
