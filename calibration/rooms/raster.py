# SPDX-License-Identifier: Apache-2.0
"""The C side of the renderer: raster.c and light.c by ctypes, arguments checked once.

The structures hold addresses; whoever makes one keeps the arrays. C trusts indices, so `geometry`
and `check_mesh` are where they are checked; points and normals may be anything there.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.rooms.errors import RoomsError
from calibration.rooms.mesh import WEIGHTS, Mesh, Surface
from calibration.rooms.view import (
    HEIGHT,
    LENS_STEPS,
    NEAREST_M,
    WIDTH,
    Camera,
    lens_table,
)

LIBRARY = Path(__file__).with_name("_raster.so")
SHADOW, BLOCK, BLOBS = 256, 4, 16
BLOCKS = SHADOW // BLOCK
MOST_PEOPLE = 32

Address = ctypes.c_void_p
Number = ctypes.c_float
Count = ctypes.c_int32


class View(ctypes.Structure):
    """A camera, or a lamp as one."""

    _fields_ = (
        ("position", Number * 3),
        ("rotation", Number * 9),
        ("focal", Number * 2),
        ("centre", Number * 2),
        ("nearest", Number),
        ("width", Count),
        ("height", Count),
        ("lens", Address),
    )


class Geometry(ctypes.Structure):
    """Triangles in the room."""

    _fields_ = (
        ("vertices", Count),
        ("faces", Count),
        ("points", Address),
        ("normals", Address),
        ("albedo", Address),
        ("face", Address),
    )


class Points(ctypes.Structure):
    """What is seen in each pixel."""

    _fields_ = (
        ("position", Address),
        ("normal", Address),
        ("albedo", Address),
        ("who", Address),
    )


class Lamp(ctypes.Structure):
    """A lamp and what it sees."""

    _fields_ = (
        ("view", View),
        ("power", Number),
        ("shadow", Number),
        ("texel", Number),
        ("still", Address),
        ("moving", Address),
        ("cover", Address),
    )


class Baked(ctypes.Structure):
    """What of a standing pixel's light never changes."""

    _fields_ = (
        ("direct", Address),
        ("lit", Address),
        ("inverse", Address),
        ("spot", Address),
    )


class Crowd(ctypes.Structure):
    """Who keeps ambient light off the floor: boxes, low and high, and balls, centre and radius."""

    _fields_ = (("people", Count), ("around", Address), ("blobs", Address))


class Touched(ctypes.Structure):
    """Pixels whose light those who are there may change, and what of it reaches them."""

    _fields_ = (("pixel", Address), ("open", Address), ("lamp", Address))


class Scene(ctypes.Structure):
    """All that one picture is shaded from."""

    _fields_ = (
        ("pixels", Count),
        ("lamps", Count),
        ("lamp", Address),
        ("still", Points),
        ("emission", Address),
        ("tint", Address),
        ("baked", Baked),
        ("moving", Points),
        ("who", Address),
        ("crowd", Crowd),
        ("sky", Number),
        ("ground", Number),
        ("touched", Touched),
    )


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled renderer. Raises RoomsError when it has not been built."""
    try:
        loaded = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise RoomsError(f"{LIBRARY.name} cannot be loaded; run ./build.sh setup") from error
    view, mesh, points = (ctypes.POINTER(kind) for kind in (View, Geometry, Points))
    signatures = {
        "rooms_skin": [Count, *[Address] * 7],
        "rooms_project": [view, Count, Address, Address],
        "rooms_raster": [view, mesh, Address, Count, Address, Address, Address],
        "rooms_points": [view, mesh, Count, ctypes.c_uint8, Address, Address, Address, points],
        "rooms_cover": [Address, Address],
        "rooms_bake": [Address, Count, Count, points, ctypes.POINTER(Baked)],
        "rooms_light": [ctypes.POINTER(Scene), Address, Address],
        "rooms_touch": [ctypes.POINTER(Scene), Address],
        "rooms_shade": [ctypes.POINTER(Scene), Address, Address, Address],
    }
    for name, arguments in signatures.items():
        getattr(loaded, name).argtypes = arguments
        getattr(loaded, name).restype = None
    return loaded


def address(array: NDArray[Any], kind: type[np.generic], *shape: int) -> int:
    """Where its first element lies. Raises RoomsError unless it is as C expects it."""
    if array.dtype != kind or array.shape != shape or not array.flags.c_contiguous:
        raise RoomsError(
            f"an array must be {np.dtype(kind)} {shape} in C order, not {array.dtype} {array.shape}"
        )
    return array.ctypes.data


def view_of(camera: Camera, width: int, height: int, nearest: float = NEAREST_M) -> View:
    """`camera`, which is made for 160 x 128 pixels, at any size."""
    across, down = width / WIDTH, height / HEIGHT
    made = View(
        (Number * 3)(*camera.position),
        (Number * 9)(*camera.rotation.ravel()),
        (Number * 2)(camera.focal[0] * across, camera.focal[1] * down),
        (Number * 2)(camera.centre[0] * across, camera.centre[1] * down),
        nearest,
        width,
        height,
        None,
    )
    table = lens_table(camera.lens)
    if table is not None:
        made.lens = address(table, np.float32, LENS_STEPS + 1)
        made.table = table  # kept as long as the view that points to it
    return made


def geometry(
    points: NDArray[np.float32],
    normals: NDArray[np.float32],
    faces: NDArray[np.int32],
    albedo: NDArray[np.float32] | None = None,
) -> Geometry:
    """The arrays as one structure. Raises RoomsError for a face that has no such vertex."""
    count = len(points)
    if len(faces) and not (int(faces.min()) >= 0 and int(faces.max()) < count):
        raise RoomsError(f"a face names a vertex that is none of the {count}")
    return Geometry(
        count,
        len(faces),
        address(points, np.float32, count, 3),
        address(normals, np.float32, count, 3),
        None if albedo is None else address(albedo, np.float32, count),
        address(faces, np.int32, len(faces), 3),
    )


def check_surface(surface: Surface) -> Geometry:
    """A surface as C has it. Raises RoomsError for arrays that do not fit together."""
    address(surface.material, np.int32, len(surface.faces))
    return geometry(surface.vertices, surface.normals, surface.faces)


def check_mesh(mesh: Mesh) -> int:
    """How many bones it needs. Raises RoomsError for arrays that do not fit together."""
    count = len(mesh.vertices)
    geometry(mesh.vertices, mesh.normals, mesh.faces, mesh.albedo)
    address(mesh.infrared, np.float32, count)
    address(mesh.bones, np.uint8, count, WEIGHTS)
    address(mesh.weights, np.float32, count, WEIGHTS)
    if not np.allclose(mesh.weights.sum(axis=1), 1, atol=1e-3):
        raise RoomsError("the weights of a vertex must sum to 1")
    return int(mesh.bones.max(initial=0)) + 1
