# SPDX-License-Identifier: Apache-2.0
"""The renderer: a Stage is a room with lamps and those who move in it, a Shot is a camera there.

What stands still is computed once: per lamp a shadow map, per camera which point each pixel sees,
its albedo and each lamp's light on it. A frame then draws only who moves, and the shadows they
throw. Light is one linear number per pixel; nothing here knows of exposure or noise.

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
from calibration.rooms.view import HEIGHT, WIDTH, Camera, look_at, rays

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I4 = NDArray[np.int32]
U1 = NDArray[np.uint8]

PIXELS = HEIGHT * WIDTH
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
        self.version = 0

    def pose(self, matrices: Sequence[F4 | None]) -> None:
        """Where everybody is now, skinning matrices (B, 3, 4) each; None: not in the room.

        Moves of less than 2 mm since the last time that anybody moved are not shown.
        """
        if self.troupe.pose(matrices):
            self.version += 1
            for shade in self.lamps:
                shade.follow(self.troupe)

    def glance(self, camera: Camera) -> F4:
        """(32, 40) metres of depth of the standing room; infinite where there is none."""
        depth = np.zeros((GLANCE_H, GLANCE_W), np.float32)
        self.draw_room(raster.view_of(camera, GLANCE_W, GLANCE_H), None, depth, None)
        with np.errstate(divide="ignore"):
            metres: F4 = np.reciprocal(depth)
        return metres

    def draw_room(self, view: raster.View, limit: F4 | None, depth: F4, ids: I4 | None) -> None:
        """The standing room alone."""
        self.troupe.draw_geometry(view, self.room, 0, limit, depth, ids)


class _Shade:
    """A lamp with its two shadow maps."""

    def __init__(self, light: Light, stage: Stage) -> None:
        if not (0 < light.spread_rad < 3 and 0 <= light.shadow <= 1 and light.power >= 0):
            raise RoomsError(f"no such light: {light}")
        camera = look_at(light.position, light.target, light.spread_rad, aspect=1.0)
        self.view = raster.view_of(camera, SHADOW, SHADOW, LAMP_NEAREST_M)
        self.still, self.moving = (np.zeros((SHADOW, SHADOW), np.float32) for _ in range(2))
        self.cover = np.zeros((BLOCKS, BLOCKS), np.uint8)
        stage.draw_room(self.view, None, self.still, None)
        self.lamp = raster.Lamp(
            self.view,
            light.power,
            light.shadow,
            2 * float(np.tan(light.spread_rad / 2)) / SHADOW,
            self.still.ctypes.data,
            self.moving.ctypes.data,
            self.cover.ctypes.data,
        )

    def follow(self, troupe: Troupe) -> None:
        self.moving.fill(0)
        if self.lamp.shadow > 0:
            for mover in troupe.present():
                troupe.draw(self.view, mover, None, self.moving, None)
        raster.library().rooms_cover(self.moving.ctypes.data, self.cover.ctypes.data)


class _Window:
    """One view of the room: the camera's own, or that through a mirror."""

    def __init__(self, stage: Stage, camera: Camera, limit: F4 | None = None) -> None:
        self.stage, self.camera, self.limit = stage, camera, limit
        self.view = raster.view_of(camera, WIDTH, HEIGHT)
        self.rays = np.ascontiguousarray(rays(camera).reshape(-1, 3), np.float32)
        self.still = np.zeros(PIXELS, np.float32)
        self.faces = np.full(PIXELS, -1, np.int32)
        stage.draw_room(self.view, limit, self.still, self.faces)
        self.depth, self.ids = np.empty_like(self.still), np.empty_like(self.faces)

    def bake(self, points: raster.Points) -> None:
        """Position and normal of what stands still, where this window sees any."""
        self._points(self.stage.room, 0, 0, self.faces, self.still, points)

    def draw(self, points: raster.Points, taken: U1) -> None:
        """Those who move, except where `taken` (P,) is not 0."""
        troupe = self.stage.troupe
        np.copyto(self.depth, self.still)
        self.ids.fill(-1)
        for mover in troupe.present():
            troupe.draw(self.view, mover, self.limit, self.depth, self.ids)
        self.ids[taken != 0] = -1
        for mover in troupe.present():
            self._points(mover.geometry, mover.first, mover.name, self.ids, self.depth, points)

    def _points(
        self,
        mesh: raster.Geometry,
        first: int,
        name: int,
        ids: I4,
        depth: F4,
        points: raster.Points,
    ) -> None:
        raster.library().rooms_points(
            self.view,
            mesh,
            first,
            name,
            ids.ctypes.data,
            depth.ctypes.data,
            self.rays.ctypes.data,
            points,
        )


class Shot:
    """A camera on a stage. Several can share one; `pose` is told once, `draw` to each."""

    def __init__(self, stage: Stage, camera: Camera) -> None:
        self._stage = stage
        self._window = _Window(stage, camera)
        self._still = _Pixels()
        self._moving = _Pixels()
        self._tint = np.ones(PIXELS, np.float32)
        self._emission = np.zeros(PIXELS, np.float32)
        self._who = np.zeros(PIXELS, np.uint8)
        self._empty, self._radiance = (np.zeros(PIXELS, np.float32) for _ in range(2))
        self._window.bake(self._still.points)
        material = _material(stage.surface, self._window.faces)
        self._mirrored = self._look_into_mirrors(camera, material)
        self._paint(material)
        self._scene = self._light()
        self._shown: tuple[int, bytes] | None = None

    def draw(self, gains: F4) -> tuple[F4, U1]:
        """gains (L + 2,): of each lamp, of the ambient light, of what shines by itself.

        -> radiance (128, 160) and who is seen, (128, 160): 0 the room, k + 1 mover k. The next call
        uses the same arrays again. Raises RoomsError.
        """
        key = self._stage.version, gains.tobytes()
        if key != self._shown:
            where = raster.address(gains, np.float32, len(self._stage.lamps) + 2)
            self._draw_movers()
            self._stage.troupe.fill_crowd(self._scene.crowd)
            native, empty = raster.library(), self._empty.ctypes.data
            if self._shown is None or self._shown[1] != key[1]:
                native.rooms_light(self._scene, where, empty)
            native.rooms_shade(self._scene, where, empty, self._radiance.ctypes.data)
            self._shown = key
        return self._radiance.reshape(HEIGHT, WIDTH), self._who.reshape(HEIGHT, WIDTH)

    def _draw_movers(self) -> None:
        if self._shown is not None and self._shown[0] == self._stage.version:
            return
        covered = self._moving.who
        covered.fill(0)
        self._window.draw(self._moving.points, covered)
        np.copyto(self._who, covered)
        for window in self._mirrored:
            window.draw(self._moving.points, covered)

    def _look_into_mirrors(self, camera: Camera, material: I4) -> list[_Window]:
        """Replace the pixels of each mirror that is seen by what it shows, `material` too."""
        windows = []
        for mirror in self._stage.mirrors:
            inside = material == mirror.material
            image = _image(camera, mirror)
            if image is None or inside.sum() < MIRROR_PIXELS:
                continue
            limit = np.where(inside, self._window.still * np.float32(0.999), np.float32(0))
            window = _Window(self._stage, image, limit)
            window.bake(self._still.points)
            material[inside] = _material(self._stage.surface, window.faces)[inside]
            self._window.faces[inside] = window.faces[inside]
            self._tint[inside] = MIRROR_KEEPS
            windows.append(window)
        return windows

    def _paint(self, material: I4) -> None:
        seen = np.nonzero(material >= 0)[0]
        position, normal = self._still.position[seen], self._still.normal[seen]
        eye = self._window.camera.position.astype(np.float32)
        distance = np.sqrt(np.sum((position - eye) ** 2, axis=1))
        albedo, emission = self._stage.reflectance(position, normal, material[seen], distance)
        self._still.albedo[seen] = albedo
        self._emission[seen] = emission

    def _light(self) -> raster.Scene:
        stage, count = self._stage, len(self._stage.lamps)
        shape = count, PIXELS
        self._direct, self._lit, self._inverse = (np.zeros(shape, np.float32) for _ in range(3))
        self._spot = np.zeros((*shape, 2), np.int16)
        baked = raster.Baked(
            *(part.ctypes.data for part in (self._direct, self._lit, self._inverse, self._spot))
        )
        lamps = ctypes.addressof(stage.lamp_array)
        raster.library().rooms_bake(lamps, count, PIXELS, self._still.points, baked)
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
        )


class _Pixels:
    """What is seen in each pixel, and the structure that points to it."""

    def __init__(self) -> None:
        self.position, self.normal = (np.zeros((PIXELS, 3), np.float32) for _ in range(2))
        self.albedo, self.who = np.zeros(PIXELS, np.float32), np.zeros(PIXELS, np.uint8)
        self.points = raster.Points(
            *(a.ctypes.data for a in (self.position, self.normal, self.albedo, self.who))
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
