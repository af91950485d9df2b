# SPDX-License-Identifier: Apache-2.0
"""The renderer: a Stage is a room with lamps and those who move in it, a Shot is a camera there.

What stands still is computed once: per lamp a shadow map, per camera which point each pixel sees,
its albedo and each lamp's light on it. A frame then draws only who moves, and the shadows they
throw. Things that come to rest, a door or a chair, join what stands until they move again. Light is
one linear number per pixel; nothing here knows of exposure or noise.

L lamps. A pixel that sees a mirror shows what a camera behind the mirror would see; whoever is seen
there only is no `who`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.rooms import raster
from calibration.rooms.errors import RoomsError
from calibration.rooms.mesh import Mesh, Surface
from calibration.rooms.raster import BLOCKS, SHADOW
from calibration.rooms.troupe import Troupe
from calibration.rooms.view import HEIGHT, WIDTH, Camera, look_at
from calibration.rooms.window import PIXELS, Pixels, Window

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I4 = NDArray[np.int32]
U1 = NDArray[np.uint8]

GLANCE_H, GLANCE_W = 32, 40
MIRROR_KEEPS = 0.85
MIRROR_PIXELS = 12  # a mirror of which less is seen is left blind
LAMP_NEAREST_M = 0.05

# points (M, 3), normals (M, 3), material (M,), distance (M,) -> albedo (M,), emission (M,)
Reflectance = Callable[[F4, F4, I4, F4], tuple[F4, F4]]


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """A lamp. It shines everywhere, and throws shadows inside the cone towards its target."""

    position: ArrayLike  # (3,)
    target: ArrayLike  # (3,)
    spread_rad: float  # of the cone, below pi
    power: float  # light on a surface that faces it, close by
    shadow: float  # 0, none, to 1, black


@dataclass(frozen=True, slots=True, eq=False)
class Mirror:
    """The faces of one material, all in one plane; the normal points into the room."""

    point: ArrayLike  # (3,)
    normal: ArrayLike  # (3,)
    material: int


class Stage:
    """A room, and who moves in it: at most 255, 32 of them people."""

    def __init__(
        self,
        surface: Surface,
        reflectance: Reflectance,
        lights: Sequence[Light],
        ambient: tuple[float, float],
        movers: Sequence[Mesh] = (),
        infrared: bool = False,
        mirrors: Sequence[Mirror] = (),
    ) -> None:
        """`ambient`: light on what faces up and on what faces down. Raises RoomsError."""
        self.surface, self.reflectance, self.mirrors = surface, reflectance, tuple(mirrors)
        self.ambient = ambient
        self.room = raster.check_surface(surface)
        self.troupe = Troupe(movers, len(surface.vertices), infrared=infrared)
        self.lamps = [_Shade(light, self) for light in lights]
        self.lamp_array = (raster.Lamp * len(self.lamps))(*(shade.lamp for shade in self.lamps))
        self.version = 0  # counts what can be seen to change
        self.settled = 0  # counts changes of what is at rest

    def pose(self, matrices: Sequence[F4 | None]) -> None:
        """Where everybody is now, skinning matrices (B, 3, 4) each; None: not in the room.

        Moves of less than 2 mm since the last time that anybody moved are not shown.
        """
        moved, settled = self.troupe.pose(matrices)
        if settled:
            self.settled += 1
            for shade in self.lamps:
                shade.settle(self.troupe)
        if moved or settled:
            self.version += 1
            for shade in self.lamps:
                shade.follow(self.troupe)

    def glance(self, camera: Camera) -> F4:
        """(32, 40) metres of depth of the room and who is posed there; infinite: nothing."""
        depth = np.zeros((GLANCE_H, GLANCE_W), np.float32)
        view = raster.view_of(camera, GLANCE_W, GLANCE_H)
        self.draw_room(view, depth)
        for mover in self.troupe.everybody():
            self.troupe.draw(view, mover, None, depth, None)
        with np.errstate(divide="ignore"):
            metres: F4 = np.reciprocal(depth)
        return metres

    def draw_room(self, view: raster.View, depth: F4) -> None:
        """The room alone, inverse depths."""
        self.troupe.draw_geometry(view, self.room, 0, None, depth, None)


class _Shade:
    """A lamp with its two shadow maps."""

    def __init__(self, light: Light, stage: Stage) -> None:
        if not (0 < light.spread_rad < 3 and 0 <= light.shadow <= 1 and light.power >= 0):
            raise RoomsError(f"no such light: {light}")
        camera = look_at(light.position, light.target, light.spread_rad, aspect=1.0)
        self.view = raster.view_of(camera, SHADOW, SHADOW, LAMP_NEAREST_M)
        self.bare, self.moving = (np.zeros((SHADOW, SHADOW), np.float32) for _ in range(2))
        self.cover = np.zeros((BLOCKS, BLOCKS), np.uint8)
        stage.draw_room(self.view, self.bare)
        self.still = self.bare.copy()
        self.lamp = raster.Lamp(
            self.view,
            light.power,
            light.shadow,
            2 * float(np.tan(light.spread_rad / 2)) / SHADOW,
            self.still.ctypes.data,
            self.moving.ctypes.data,
            self.cover.ctypes.data,
        )

    def settle(self, troupe: Troupe) -> None:
        np.copyto(self.still, self.bare)
        for mover in troupe.at_rest():
            troupe.draw(self.view, mover, None, self.still, None)

    def follow(self, troupe: Troupe) -> None:
        self.moving.fill(0)
        if self.lamp.shadow > 0:
            for mover in troupe.moving():
                troupe.draw(self.view, mover, None, self.moving, None)
        raster.library().rooms_cover(self.moving.ctypes.data, self.cover.ctypes.data)


class Shot:
    """A camera on a stage. Several can share one; `pose` is told once, `draw` to each."""

    def __init__(self, stage: Stage, camera: Camera) -> None:
        self._stage = stage
        self._window = Window(stage.room, stage.troupe, camera)
        self._bare, self._still, self._moving = Pixels(), Pixels(), Pixels()
        self._bare_tint = np.ones(PIXELS, np.float32)
        self._bare_emission = np.zeros(PIXELS, np.float32)
        self._tint, self._emission = np.empty_like(self._bare_tint), np.empty_like(self._bare_tint)
        self._who, self._resting = (np.zeros(PIXELS, np.uint8) for _ in range(2))
        self._empty, self._radiance = (np.zeros(PIXELS, np.float32) for _ in range(2))
        self._window.bake(self._bare.points)
        material = _material(stage.surface, self._window.faces)
        self._mirrored = self._look_into_mirrors(camera, material)
        self._paint(material)
        self._scene = self._light()
        self._settled = -1
        self._shown: tuple[int, bytes] | None = None
        self._touched: tuple[int, bytes] | None = None  # version, and which lamps burnt

    def draw(self, gains: F4) -> tuple[F4, U1]:
        """gains (L + 2,): of each lamp, of the ambient light, of what shines by itself.

        -> radiance (128, 160) and who is seen, (128, 160): 0 the room, k + 1 mover k. The next call
        uses the same arrays again. Raises RoomsError.
        """
        key = self._stage.version, gains.tobytes()
        if key != self._shown:
            where = raster.address(gains, np.float32, len(self._stage.lamps) + 2)
            settled = self._settle()
            self._draw_movers()
            self._stage.troupe.fill_crowd(self._scene.crowd)
            native, empty = raster.library(), self._empty.ctypes.data
            if settled or self._shown is None or self._shown[1] != key[1]:
                native.rooms_light(self._scene, where, empty)
            self._touch(gains, where)
            native.rooms_shade(self._scene, where, empty, self._radiance.ctypes.data)
            self._shown = key
        return self._radiance.reshape(HEIGHT, WIDTH), self._who.reshape(HEIGHT, WIDTH)

    def _touch(self, gains: F4, where: int) -> None:
        """While nobody moves, lamps may flicker: how much of each reaches what stays the same."""
        now = self._stage.version, (gains != 0).tobytes()
        if now != self._touched:
            raster.library().rooms_touch(self._scene, where)
            self._touched = now

    def _settle(self) -> bool:
        """Put what is at rest now among what stands; whether there was anything to do."""
        if self._settled == self._stage.settled:
            return False
        self._settled = self._stage.settled
        self._still.copy_from(self._bare)
        for window in self._mirrored:
            window.settle(self._still.points)
        reflected = self._still.who != 0
        self._still.who.fill(0)
        self._window.settle(self._still.points)
        np.copyto(self._resting, self._still.who)
        direct = self._resting != 0
        np.copyto(self._tint, np.where(direct, np.float32(1), self._bare_tint))
        np.copyto(self._emission, np.where(direct | reflected, np.float32(0), self._bare_emission))
        scene = self._scene
        raster.library().rooms_bake(
            scene.lamp, scene.lamps, PIXELS, self._still.points, scene.baked
        )
        return True

    def _draw_movers(self) -> None:
        if self._shown is not None and self._shown[0] == self._stage.version:
            return
        covered = self._moving.who
        covered.fill(0)
        self._window.draw(self._moving.points, covered)
        np.copyto(self._who, np.where(covered != 0, covered, self._resting))
        for window in self._mirrored:
            window.draw(self._moving.points, self._who)

    def _look_into_mirrors(self, camera: Camera, material: I4) -> list[Window]:
        """Replace the pixels of each mirror that is seen by what it shows, `material` too."""
        windows = []
        for mirror in self._stage.mirrors:
            inside = material == mirror.material
            image = _image(camera, mirror)
            if image is None or inside.sum() < MIRROR_PIXELS:
                continue
            limit = np.where(inside, self._window.bare * np.float32(0.999), np.float32(0))
            window = Window(self._stage.room, self._stage.troupe, image, limit)
            window.bake(self._bare.points)
            material[inside] = _material(self._stage.surface, window.faces)[inside]
            self._window.faces[inside] = window.faces[inside]
            self._bare_tint[inside] = MIRROR_KEEPS
            windows.append(window)
        return windows

    def _paint(self, material: I4) -> None:
        seen = np.nonzero(material >= 0)[0]
        position, normal = self._bare.position[seen], self._bare.normal[seen]
        eye = self._window.camera.position.astype(np.float32)
        distance = np.sqrt(np.sum((position - eye) ** 2, axis=1))
        albedo, emission = self._stage.reflectance(position, normal, material[seen], distance)
        self._bare.albedo[seen] = albedo
        self._bare_emission[seen] = emission

    def _light(self) -> raster.Scene:
        stage, count = self._stage, len(self._stage.lamps)
        shape = count, PIXELS
        self._direct, self._lit, self._inverse = (np.zeros(shape, np.float32) for _ in range(3))
        self._spot = np.zeros((*shape, 2), np.int16)
        baked = raster.Baked(
            *(part.ctypes.data for part in (self._direct, self._lit, self._inverse, self._spot))
        )
        self._is_touched, self._open = np.zeros(PIXELS, np.uint8), np.zeros(PIXELS, np.float32)
        self._sent = np.zeros(shape, np.float32)
        touched = (part.ctypes.data for part in (self._is_touched, self._open, self._sent))
        lamps = ctypes.addressof(stage.lamp_array)
        return raster.Scene(
            PIXELS,
            count,
            lamps,
            self._still.points,
            self._emission.ctypes.data,
            self._tint.ctypes.data,
            baked,
            self._moving.points,
            self._who.ctypes.data,
            raster.Crowd(),
            *stage.ambient,
            raster.Touched(*touched),
        )


def _material(surface: Surface, faces: I4) -> I4:
    """faces (P,) -> (P,), -1 where there is none."""
    if not len(surface.material):
        return np.full_like(faces, -1)
    return np.where(faces >= 0, surface.material[np.maximum(faces, 0)], -1).astype(np.int32)


def _image(camera: Camera, mirror: Mirror) -> Camera | None:
    """The camera as the mirror shows it; None for a camera that is behind."""
    normal = np.asarray(mirror.normal, np.float64)
    normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
    height = float(np.sum((camera.position - np.asarray(mirror.point, np.float64)) * normal))
    if height <= 0:
        return None
    away = np.sum(camera.rotation * normal, axis=1)
    return Camera(
        camera.position - 2 * height * normal,
        camera.rotation - 2 * away[:, None] * normal,
        camera.focal,
        camera.centre,
        camera.lens,
    )
