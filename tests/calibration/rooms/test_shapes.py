# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from calibration.rooms.fittings import Door, curtain_matrix, door_matrix, placed
from calibration.rooms.layout import WALLS, Claim, Layout, around
from calibration.rooms.materials import Pattern
from calibration.rooms.paint import Paint
from calibration.rooms.props import curtain
from calibration.rooms.shapes import FACE_M, Builder


def volume(surface):
    a, b, c = (surface.vertices[surface.faces[:, k]].astype(np.float64) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("size", [(0.1, 0.2, 0.1), (1.0, 0.7, 0.4)])
def test_a_box_is_closed_and_looks_outwards(size):
    b = Builder().at(1.0, -2.0, 0.7)
    b.box((0.1, 0.5, 0.2), size, 3, yaw=0.3)
    surface = b.surface()
    assert volume(surface) == pytest.approx(math.prod(size), rel=1e-4)
    centre = np.array(b.world((0.1, 0.5, 0.2)))
    middle = surface.vertices[surface.faces].mean(axis=1) - centre
    assert ((middle * surface.normals[surface.faces[:, 0]]).sum(axis=1) > 0).all()
    assert set(surface.material) == {3}


def test_faces_are_short_enough_to_bend():
    b = Builder()
    b.panel(((0, 0, 0), (3, 0, 0), (3, 2, 0), (0, 2, 0)), 0)
    corners = b.surface().vertices[b.surface().faces]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert edges.max() <= FACE_M * 2**0.5 + 1e-6


@pytest.mark.parametrize("make", ["rod", "lathe"])
def test_round_things_look_outwards(make):
    b = Builder()
    if make == "rod":
        b.rod((0, 0.2, 0), (0.3, 1.0, 0.1), 0.05, 0)
    else:
        b.lathe((0, 0, 0), [(0.1, 0), (0.2, 0.5), (0.1, 1.0)], 0)
    s = b.surface()
    flat = np.cross(*(s.vertices[s.faces[:, k]] - s.vertices[s.faces[:, 0]] for k in (1, 2)))
    assert ((flat * s.normals[s.faces[:, 0]]).sum(axis=1) > 0).all()
    assert volume(s) > 0


def test_a_hand_turns_with_its_place():
    b = Builder().at(2.0, 1.0, math.pi / 2)
    assert b.world((0, 0, 1)) == pytest.approx((3.0, 0.0, 1.0))
    assert b.world((1, 0, 0)) == pytest.approx((2.0, 0.0, 0.0))
    assert b.at(0, 1, math.pi / 2).yaw == pytest.approx(math.pi)


@pytest.mark.parametrize("wall", WALLS)
def test_walls_face_the_room(wall):
    layout = Layout(Paint(np.random.default_rng(0)), (4.0, 6.0, 2.5))
    spot = layout.on_wall(wall, 0.5)
    b = layout.hand(spot)
    x, z = b.floor(0, 0)
    assert max(abs(x) / 2, abs(z) / 3) == pytest.approx(1.0)
    assert b.floor(0, layout.depth(wall)) == pytest.approx(
        layout.hand(layout.on_wall((wall + 2) % 4, -0.5)).floor(0, 0)
    )
    left = layout.on_wall(wall, 1.5)
    assert b.floor(1.0, 0) == pytest.approx((left.x, left.z))


def test_solid_things_keep_out_everything_and_clear_ground_only_solid_things():
    layout = Layout(Paint(np.random.default_rng(0)), (4.0, 4.0, 2.5))
    assert layout.take(around((0, 0), 0.5, 0, 1, solid=False))
    assert layout.take(around((0.2, 0), 0.5, 0, 1, solid=False))
    assert not layout.take(around((0.2, 0), 0.5, 0, 1, solid=True))
    assert layout.take(around((0.2, 0), 0.5, 1.2, 2, solid=True))  # above it
    assert not layout.fits(Claim(1.9, 2.1, 0, 0.1, 0, 1, solid=True))  # through the wall


def test_a_door_opens_about_its_hinge_to_its_side():
    door = Door((1.0, 0.0, 2.0), 0.8, 0.0, (0, 0), (0, 0), 0, -1, leads_out=True)
    shut, ajar = (door_matrix(door, angle) @ (0.8, 1, 0, 1) for angle in (0.0, math.pi / 2))
    assert shut == pytest.approx((1.8, 1, 2))
    assert ajar == pytest.approx((1.0, 1, 2.8))  # swing -1: towards the front


def test_a_curtain_is_pushed_aside_not_away():
    prop = curtain(Paint(np.random.default_rng(1)), 2.0, 1.8, placed(1, 0.1, 2, 0.5), 0.5)
    wide, narrow = (curtain_matrix(prop, drawn) for drawn in (1.0, 0.0))
    points = np.column_stack([prop.mesh.vertices, np.ones(len(prop.mesh.vertices))])
    spans = [np.ptp(points @ m.T, axis=0)[[0, 2]] @ (1, 1) for m in (wide, narrow)]
    assert spans[1] < 0.4 * spans[0]
    assert (wide[:, 3] == narrow[:, 3]).all()


def test_a_curtain_at_home_is_sometimes_across_and_sometimes_aside():
    rail, shares = placed(0, 0, 0, 0.3), []
    for seed in range(40):
        prop = curtain(Paint(np.random.default_rng(seed)), 1.0, 2.0, rail, 0.3)
        shares.append(float(np.hypot(*prop.home[[0, 2], 0])))
        assert np.hypot(*curtain_matrix(prop, 1.0)[[0, 2], 0]) == pytest.approx(1.0)
    assert 0.1 < np.mean(np.isclose(shares, 1.0)) < 0.6
    assert min(shares) < 0.4


def test_patterns_of_a_prop_are_on_its_vertices():
    rng = np.random.default_rng(3)
    drawn = [curtain(Paint(rng), 1.5, 2.0, placed(0, 0, 0, 0), 1.0).mesh.albedo for _ in range(12)]
    assert sum(np.ptp(albedo) > 0.1 * albedo.mean() for albedo in drawn) >= 4
    assert Pattern.PLAIN == 0
