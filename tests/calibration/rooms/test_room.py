# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math

import numpy as np
import pytest

from calibration.rooms import raster
from calibration.rooms.ground import BODY_M, Ground
from calibration.rooms.plans import PLANS
from calibration.rooms.room import build_room
from calibration.rooms.stage import Stage
from calibration.rooms.view import look_at
from tests.calibration.rooms import some_rooms

NUMBERS = range(13)


@pytest.fixture(scope="module")
def rooms():
    return [some_rooms.room(number) for number in NUMBERS]


def test_a_room_is_always_the_same():
    first, again = some_rooms.room(5), build_room(5)
    np.testing.assert_array_equal(first.surface.vertices, again.surface.vertices)
    np.testing.assert_array_equal(first.surface.material, again.surface.material)
    assert first.materials == again.materials
    assert first.seats == again.seats
    assert some_rooms.room(6).materials != first.materials


def test_there_is_every_kind(rooms):
    assert {room.kind for room in rooms} == set(PLANS)


def test_the_renderer_takes_every_surface_and_prop(rooms):
    for room in rooms:
        raster.check_surface(room.surface)
        assert room.surface.material.max() < len(room.materials)
        assert len(room.surface.faces) < 25_000
        for prop in room.props:
            raster.check_mesh(prop.mesh)
            assert (prop.mesh.bones == 0).all()


def test_what_stops_a_body_stands_in_the_room(rooms):
    for room in rooms:
        for box in room.obstacles:
            assert abs(box.centre[0]) < room.size[0] / 2
            assert abs(box.centre[2]) < room.size[1] / 2
            assert 0 < box.centre[1] < room.size[2]


def test_the_floor_is_whole(rooms):
    """Control of the surface: every pillar of air over the floor ends on something that stands."""
    for room in rooms[:6]:
        stage = Stage(room.surface, room.reflectance(infrared=False), (), (1.0, 1.0))
        above = look_at((0, room.size[2] - 0.1, 0), (0, 0, 0), 1.2)
        depth = stage.glance(above)
        assert np.isfinite(depth).all()
        assert depth.max() < room.size[2]


def test_one_can_come_in_and_reach_what_the_room_offers(rooms):
    for room in rooms:
        ground = Ground(room)
        door = next(d for d in room.doors if d.leads_out)
        wanted = [seat.approach for seat in room.seats] + [p.stand for p in room.places]
        wanted += [side for bed in room.beds for side in bed.free_sides]
        for point in wanted:
            path = ground.path(door.outside, point)
            assert path[0] == pytest.approx(door.outside)
            assert path[-1] == pytest.approx(point)
        assert ground.area_m2 > 1


def test_rooms_are_not_all_closed_by_furniture(rooms):
    """Control of the test above: most pieces stay, or it would be easy."""
    assert np.mean([len(room.places) for room in rooms]) > 3
    assert np.mean([len(room.obstacles) for room in rooms]) > 5
    assert np.mean([len(room.seats) for room in rooms]) > 1.5


def test_a_lavatory_has_a_seat_and_a_ward_a_bed(rooms):
    for room in rooms:
        if room.kind == "restroom":
            assert room.seats[0].kind == "toilet"
    wards = [room for room in rooms if room.kind == "ward"]
    assert any(room.beds for room in wards)
    for room in wards:
        for bed in room.beds:
            w, d, _ = room.size
            assert abs(bed.centre[0]) < w / 2
            assert abs(bed.centre[1]) < d / 2


def test_seats_face_their_approach(rooms):
    for seat in (seat for room in rooms for seat in room.seats):
        way = np.array(seat.approach) - (seat.front[0], seat.front[2])
        assert way @ (math.sin(seat.yaw), math.cos(seat.yaw)) > 0.2
        assert 0.3 < seat.height < 0.65


def test_doors_hang_in_their_holes(rooms):
    for room in rooms:
        for door in room.doors:
            prop = room.props[door.prop]
            assert prop.kind == "door"
            assert tuple(prop.home[:, 3]) == pytest.approx(door.hinge)
            middle = np.add(door.inside, door.outside) / 2
            gap = np.array(door.hinge)[[0, 2]] - middle
            assert np.hypot(*gap) < door.width


def test_without_boxes_every_place_is_free_within_the_walls(rooms):
    bare = dataclasses.replace(rooms[0], obstacles=(), props=())
    ground = Ground(bare)
    assert ground.free((0.0, 0.0))
    assert not ground.free((bare.size[0] / 2 - BODY_M / 2, bare.size[1] / 2 - BODY_M / 2))
