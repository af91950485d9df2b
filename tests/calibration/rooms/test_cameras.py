# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from calibration.rooms import cameras
from calibration.rooms.errors import NoFit
from calibration.rooms.ground import Ground
from calibration.rooms.stage import Stage
from calibration.rooms.view import HEIGHT, look_at, project
from tests.calibration.rooms import some_rooms
from tests.calibration.rooms.tiny_rooms import WALL, box_room, quad, tiny_stage


class Empty:
    """A stage where nothing hides anything."""

    def glance(self, camera):
        assert camera.lens > 0
        return np.full((32, 40), np.inf, np.float32)


def person(x, z, height=1.7):
    return np.stack([np.full(16, x), np.linspace(0.05, height, 16), np.full(16, z)], axis=-1)


def stage_of(room):
    return Stage(room.surface, room.reflectance(infrared=False), (), (0.0, 0.0))


@pytest.mark.parametrize("number", [0, 1, 4, 7])
def test_cameras_see_who_matters(number):
    room = some_rooms.room(number)
    rng = np.random.default_rng(number)
    joints = np.stack([person(*Ground(room).spot(rng, 0.3))])[None]
    stage = stage_of(room)
    placed = cameras.place(rng, stage, room, joints, np.ones((1, 1), bool), 2)
    assert len(placed) == 2
    assert math.dist(placed[0].position, placed[1].position) > cameras.APART_M
    for camera in placed:
        assert (np.abs(camera.position[[0, 2]]) < np.array(room.size[:2]) / 2).all()
        assert 0 < camera.position[1] < room.size[2]
        assert cameras.seen(stage.glance(camera), camera, joints).mean() >= cameras.SEEN
        image = project(camera, joints)[0, 0]
        assert np.ptp(image[:, :2], axis=0).max() > cameras.TALL * HEIGHT / 2


def test_a_wall_hides_what_is_behind_it():
    screen = quad((-1.5, 0, 0), (1.5, 0, 0), (1.5, 2.2, 0), (-1.5, 2.2, 0), WALL)
    camera = look_at((0.0, 1.5, 1.9), (0.0, 1.0, -1.0), 1.6)
    behind, before = person(0.0, -0.8), person(0.0, 0.8, 1.2)
    stage = tiny_stage(surface=box_room(4.0, 4.0, 2.6, screen))
    assert cameras.seen(stage.glance(camera), camera, behind).mean() < 0.1
    assert cameras.seen(stage.glance(camera), camera, before).mean() > 0.6
    assert cameras.seen(tiny_stage().glance(camera), camera, behind).all()


def test_nobody_behind_the_camera_or_beside_the_picture_is_seen():
    camera = look_at((0.0, 1.5, 0.0), (0.0, 1.0, -1.0), 1.0)
    assert not cameras.seen(Empty().glance(camera), camera, person(0.0, 1.5)).any()
    assert not cameras.seen(Empty().glance(camera), camera, person(3.0, -0.5)).any()
    assert cameras.seen(Empty().glance(camera), camera, person(0.0, -3.0, 1.2)).all()


def test_who_cannot_be_seen_is_no_fit():
    room = some_rooms.room(1)
    away = person(50.0, 50.0)[None, None]
    with pytest.raises(NoFit):
        cameras.place(np.random.default_rng(0), Empty(), room, away, np.ones((1, 1), bool), 1)


def test_an_empty_room_is_looked_at_too_and_draws_repeat():
    room = some_rooms.room(3)
    nobody, none = np.zeros((1, 0, 16, 3)), np.zeros((1, 0), bool)
    first, again = (
        cameras.place(np.random.default_rng(7), stage_of(room), room, nobody, none, 1)[0]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.rotation, again.rotation)
    assert first.focal == again.focal


def test_every_place_is_drawn_and_sensors_are_stretched():
    room = some_rooms.room(3)
    rng = np.random.default_rng(0)
    drawn = [cameras._draw(rng, room, np.array([0, 0.8, 0])) for _ in range(200)]
    heights = np.array([camera.position[1] for camera in drawn]) / room.size[2]
    assert (heights > 0.97).mean() > 0.05
    assert (heights < 0.6).mean() > 0.08
    stretched = [camera.focal[1] / camera.focal[0] for camera in drawn]
    assert len({round(value, 3) for value in stretched}) == len(set(cameras.ASPECTS))
    assert {camera.lens == 1 for camera in drawn} == {True, False}
