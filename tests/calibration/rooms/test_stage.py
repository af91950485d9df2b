# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from calibration.rooms import rotation
from calibration.rooms.errors import RoomsError
from calibration.rooms.mesh import rigid
from calibration.rooms.stage import Light, Mirror, Shot, Stage
from calibration.rooms.view import HEIGHT, WIDTH, look_at, project, rays
from tests.calibration.rooms.tiny_people import STAND, capsule, tiny_body
from tests.calibration.rooms.tiny_rooms import (
    GLASS,
    LAMP,
    SHINING,
    box_room,
    plain,
    quad,
    tiny_stage,
)

CORNER = look_at((-1.8, 2.2, 1.8), (0.2, 0.7, -0.3), 1.5)
WIDE = look_at((-1.8, 2.2, 1.8), (0.2, 0.7, -0.3), 1.5, lens=0.6)
ABOVE = look_at((0.0, 2.4, 0.0), (0.0, 0.0, 0.0), 2.0, lens=0.7)
GAINS = np.ones(3, np.float32)
BODY = tiny_body()


def standing(x=0.0, z=0.0, yaw=0.0):
    turns = rotation.multiply(rotation.yaw(yaw), STAND)[None]
    return BODY.skeleton.matrices(turns, np.array([(x, 0.95, z)]))[0]


@pytest.mark.parametrize("camera", [CORNER, WIDE, ABOVE])
def test_a_closed_room_has_no_holes(camera):
    radiance, who = Shot(tiny_stage(), camera).draw(GAINS)
    assert radiance.shape == who.shape == (HEIGHT, WIDTH)
    assert (radiance > 0.05).all()
    assert not who.any()


@pytest.mark.parametrize("camera", [CORNER, WIDE])
def test_depth_is_that_of_the_walls(camera):
    """Pixel rays against planes, without a rasteriser."""
    ahead = rays(camera, (32, 40))
    with np.errstate(divide="ignore"):
        planes = [(axis, at) for axis, at in ((0, -2), (0, 2), (1, 0), (1, 2.6), (2, -2), (2, 2))]
        metres = [(at - camera.position[axis]) / ahead[..., axis] for axis, at in planes]
    expected = np.min([np.where(m > 0, m, np.inf) for m in metres], axis=0)
    depth = tiny_stage().glance(camera)
    assert np.isfinite(depth).all()
    assert np.median(np.abs(depth / expected - 1)) < 0.002
    assert np.mean(np.abs(depth / expected - 1) > 0.03) < 0.01


@pytest.mark.parametrize("camera", [CORNER, WIDE, ABOVE])
def test_a_person_is_where_the_joints_are(camera):
    stage = tiny_stage([BODY.near])
    stage.pose([standing(0.3, -0.4)])
    _, who = Shot(stage, camera).draw(GAINS)
    turns, root = STAND[None], np.array([(0.3, 0.95, -0.4)])
    x, y, _ = project(camera, BODY.skeleton.places(turns, root)[0]).T
    assert who[y.astype(int), x.astype(int)].mean() > 0.9
    rows, columns = np.nonzero(who)
    assert rows.min() > y.min() - 25
    assert rows.max() < y.max() + 12
    assert abs(columns.mean() - x.mean()) < 6


def test_whoever_stands_in_front_hides_the_other():
    near, far = standing(-0.6, 0.6), standing(0.2, -0.2)
    stage = tiny_stage([BODY.near, BODY.near])
    shot = Shot(stage, CORNER)
    counts = {}
    for name, poses in {"both": [far, near], "far": [far, None], "near": [None, near]}.items():
        stage.pose(poses)
        _, who = shot.draw(GAINS)
        counts[name] = np.bincount(who.ravel(), minlength=3)
    assert counts["both"][2] == counts["near"][2]
    assert counts["both"][1] < 0.7 * counts["far"][1]
    assert counts["far"][2] == counts["near"][1] == 0


def test_a_shadow_falls_away_from_the_lamp_and_gains_switch():
    lamp = Light((-1.5, 2.4, 0.0), (0.5, 0.0, 0.0), 2.4, 1.0, 1.0)
    stage = Stage(box_room(), plain, [lamp], (0.3, 0.2), [BODY.near])
    shot = Shot(stage, ABOVE)
    empty = shot.draw(GAINS)[0].copy()
    stage.pose([standing(0.2)])
    radiance, who = shot.draw(GAINS)
    darker = (radiance < 0.8 * empty) & (who == 0)
    for x, expected in ((1.2, True), (-0.9, False)):
        column, row, _ = project(ABOVE, (x, 0.0, 0.0)).astype(int)
        assert darker[row, column] == expected
    dark = shot.draw(np.zeros(3, np.float32))[0]
    assert not dark.any()


def test_a_lamp_that_flickers_while_nobody_moves_is_as_if_drawn_anew():
    stage = tiny_stage([BODY.near])
    shot = Shot(stage, CORNER)
    for place, seen in ((0.2, [0.0, 1.0, 0.7, 0.0, 0.4]), (0.6, [0.9, 0.0, 0.5])):
        stage.pose([standing(place)])
        for lamp in seen:
            gains = np.array([lamp, 0.5 + lamp, 1.0], np.float32)
            anew = Shot(stage, CORNER).draw(gains)[0]
            assert np.array_equal(shot.draw(gains)[0], anew)


def test_people_keep_ambient_light_off_the_floor_beside_them():
    stage = tiny_stage([BODY.near])
    shot, ambient = Shot(stage, ABOVE), np.array([0, 1, 0], np.float32)
    empty = shot.draw(ambient)[0].copy()
    stage.pose([standing(0.8)])
    lit, who = shot.draw(ambient)
    share = np.where(who == 0, lit / empty, 1)
    column, row, _ = project(ABOVE, (0.8, 0.0, 0.3)).astype(int)
    assert share[row, column] < 0.95
    assert share[:, project(ABOVE, (-1.0, 0.0, 0.0)).astype(int)[0]].min() > 0.999


def test_a_mirror_shows_who_stands_before_it_and_what_is_behind_the_camera():
    glass = quad((-1, 0.2, -1.97), (1, 0.2, -1.97), (1, 2.2, -1.97), (-1, 2.2, -1.97), GLASS)
    glow = quad((1, 0.5, 1.97), (-1, 0.5, 1.97), (-1, 2, 1.97), (1, 2, 1.97), SHINING)
    mirror = Mirror((0, 1, -1.97), (0, 0, 1), GLASS)
    camera = look_at((0.0, 1.5, 1.0), (0.0, 1.2, -2.0), 1.2)
    stage = tiny_stage([BODY.near], box_room(4, 4, 2.6, glass, glow), mirrors=[mirror])
    shot = Shot(stage, camera)
    radiance, _ = shot.draw(GAINS)
    empty = radiance.copy()
    y, x = project(camera, (0.3, 1.4, -1.97))[[1, 0]].astype(int)
    assert empty[y, x] == pytest.approx(1.7)  # the glow behind the camera, in the mirror
    stage.pose([standing(0.9, 0.2)])  # beside the line of sight: his image is in the mirror
    radiance, who = shot.draw(GAINS)
    changed = (np.abs(radiance - empty) > 0.02) & (who == 0)
    image = project(camera, (0.9, 1.2, -3.94 - 0.2))
    assert changed[int(image[1]), int(image[0])]
    assert not who[int(image[1]), int(image[0])]


def test_less_than_two_millimetres_are_not_drawn():
    stage = tiny_stage([BODY.near])
    shot = Shot(stage, CORNER)
    stage.pose([standing()])
    before = shot.draw(GAINS)[0].copy()
    stage.pose([standing(0.001)])
    assert np.array_equal(shot.draw(GAINS)[0], before)
    for step in range(2, 10):  # slowly, but surely
        stage.pose([standing(step / 1000)])
    assert not np.array_equal(shot.draw(GAINS)[0], before)


BALL = rigid(capsule((0, 0.3, 0), (0, 0.5, 0), 0.25, 16), 0.4, 0.4)


def at(x, z):
    place = np.eye(4, dtype=np.float32)[None, :3].copy()
    place[0, :, 3] = x, 0, z
    return place


def test_a_thing_at_rest_looks_as_it_did_and_leaves_no_trace():
    glass = quad((-1, 0.2, -1.97), (1, 0.2, -1.97), (1, 2.2, -1.97), (-1, 2.2, -1.97), GLASS)
    mirror = Mirror((0, 1, -1.97), (0, 0, 1), GLASS)
    stage = tiny_stage([BALL, BODY.near], box_room(4, 4, 2.6, glass), mirrors=[mirror])
    shot = Shot(stage, look_at((-1.7, 2.0, 1.7), (0.2, 0.7, -1.0), 1.5))
    empty = shot.draw(GAINS)[0].copy()
    stage.pose([at(0, 0), None])  # at rest at once: it was never seen to move
    rested, who = (part.copy() for part in shot.draw(GAINS))
    stage.pose([at(1, 0), None])
    stage.pose([at(0, 0), None])
    moving, same = (part.copy() for part in shot.draw(GAINS))
    assert np.array_equal(who, same)
    assert 100 < (who == 1).sum() < 3000
    assert np.abs(moving - rested).max() < 0.25  # the edges of its shadow are softer
    assert np.abs(moving - rested).mean() < 0.003
    for _ in range(10):
        stage.pose([at(0, 0), None])
    assert np.array_equal(shot.draw(GAINS)[0], rested)  # at rest again
    stage.pose([at(0, 0), standing(-0.6, 0.4)])
    assert set(np.unique(shot.draw(GAINS)[1])) == {0, 1, 2}
    stage.pose([None, None])
    assert np.array_equal(shot.draw(GAINS)[0], empty)


def test_infrared_sees_other_colours():
    coat = dataclasses.replace(BODY.near, infrared=np.full_like(BODY.near.albedo, 0.9))
    pictures = []
    for infrared in (False, True):
        stage = tiny_stage([coat], infrared=infrared)
        stage.pose([standing()])
        radiance, who = Shot(stage, CORNER).draw(GAINS)
        pictures.append(radiance[who > 0].mean())
    assert pictures[1] > 1.5 * pictures[0]


def test_the_same_again_to_the_last_bit():
    pictures = []
    for warm in (False, True):
        stage = tiny_stage([BODY.near, rigid(capsule((0, 0, 0), (0, 0.3, 0), 0.2), 0.5, 0.5)])
        shot = Shot(stage, WIDE)
        if warm:
            stage.pose([standing(-0.5), np.eye(4, dtype=np.float32)[None, :3]])
            shot.draw(GAINS)
        stage.pose([standing(0.4), None])
        radiance, who = shot.draw(GAINS)
        pictures.append((radiance.tobytes(), who.tobytes()))
    assert pictures[0] == pictures[1]


def test_what_does_not_fit_is_refused():
    wrong = dataclasses.replace(BODY.near, faces=BODY.near.faces + 1)
    light = dataclasses.replace(BODY.near, weights=BODY.near.weights / 2)
    short = dataclasses.replace(BODY.near, albedo=BODY.near.albedo[:-1])
    for mesh in (wrong, light, short):
        with pytest.raises(RoomsError):
            tiny_stage([mesh])
    floor = box_room()
    with pytest.raises(RoomsError):
        tiny_stage([], dataclasses.replace(floor, faces=floor.faces - 1))
    stage = tiny_stage([BODY.near])
    for poses in ([], [standing()[:4]], [standing().astype(np.float64)]):
        with pytest.raises(RoomsError):
            stage.pose(poses)
    with pytest.raises(RoomsError):
        Shot(stage, CORNER).draw(np.ones(2, np.float32))
    with pytest.raises(RoomsError):
        Stage(box_room(), plain, [dataclasses.replace(LAMP, spread_rad=3.5)], (0, 0))


def test_a_broken_pose_draws_nobody_and_harms_nothing():
    stage = tiny_stage([BODY.near])
    shot = Shot(stage, CORNER)
    empty = shot.draw(GAINS)[0].copy()
    for number in (np.nan, np.inf, 1e30):
        stage.pose([np.full((16, 3, 4), number, np.float32)])
        radiance, who = shot.draw(GAINS)
        assert not who.any()
        assert np.isfinite(radiance).all()
        stage.pose([None])
        assert np.array_equal(shot.draw(GAINS)[0], empty)
