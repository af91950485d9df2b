# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.rooms.materials import Material, Nooks, Pattern, Reflectance, chance

PATTERNS = list(Pattern)
UP, ASIDE = (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)


def albedo(material, points, normal=UP, distance=1.0, *, infrared=False):
    points = np.asarray(points, np.float64).reshape(-1, 3)
    normals = np.tile(normal, (len(points), 1))
    which = np.zeros(len(points), np.int32)
    far = np.full(len(points), distance)
    return Reflectance([material], infrared)(points, normals, which, far)[0]


def floor_grid(side=2.0, count=80):
    x, z = np.meshgrid(np.linspace(0, side, count), np.linspace(0, side, count))
    return np.stack([x, 0 * x, z], axis=-1).reshape(-1, 3)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_is_the_same_from_near_every_time_and_never_negative(pattern):
    material = Material(0.5, 0.6, pattern, (0.2, 0.3), joint=0.4, spread=0.5, grain=0.2, salt=7)
    first = albedo(material, floor_grid())
    assert (first >= 0).all()
    np.testing.assert_array_equal(first, albedo(material, floor_grid()))
    assert (np.ptp(first) > 0.05) == (pattern != Pattern.PLAIN) or pattern == Pattern.PLAIN


def test_tiles_have_joints_where_they_meet():
    material = Material(0.5, 0.5, Pattern.TILE, (0.2, 0.2), joint=0.2, grain=0.0)
    at_joint, inside = albedo(material, [(0.4, 0, 0.1), (0.5, 0, 0.1)], distance=0.2)
    assert at_joint < 0.3 < inside == np.float32(0.5)


def test_far_away_a_fine_check_is_its_mean():
    material = Material(0.8, 0.8, Pattern.CHECK, (0.05, 0.05), joint=0.25, grain=0.0)
    assert np.ptp(albedo(material, floor_grid(), distance=0.5)) > 0.5
    assert np.ptp(albedo(material, floor_grid(), distance=100.0)) < 0.06


def test_a_wall_is_laid_out_by_its_own_axes():
    material = Material(0.5, 0.5, Pattern.STRIPE, (0.4, 1.0), joint=0.0, grain=0.0)
    across = np.stack([np.zeros(50), np.full(50, 1.0), np.linspace(0, 2, 50)], axis=1)
    up = np.stack([np.zeros(50), np.linspace(0, 2, 50), np.full(50, 0.1)], axis=1)
    assert np.ptp(albedo(material, across, ASIDE)) > 0.4
    assert np.ptp(albedo(material, up, ASIDE)) == 0


def test_infrared_is_another_albedo():
    material = Material(0.1, 0.7, grain=0.0)
    assert albedo(material, [(0, 0, 0)])[0] == np.float32(0.1)
    assert albedo(material, [(0, 0, 0)], infrared=True)[0] == np.float32(0.7)


def test_only_what_shines_shines():
    points, normals = np.zeros((2, 3)), np.tile(UP, (2, 1))
    materials = [Material(0.5, 0.5), Material(0.5, 0.5, grain=0.0, emission=3.0)]
    reflect = Reflectance(materials)
    _, emission = reflect(points, normals, np.array([1, 0], np.int32), np.ones(2))
    assert emission.tolist() == [3.0, 0.0]


def test_corners_and_the_feet_of_furniture_are_dark():
    chest = np.array([[1.0, 0.0, 0.3, 0.2, 1.0, 0.0, 0.8]])
    nooks = Nooks((4.0, 4.0, 2.5), chest)
    middle, corner, foot = nooks.open(np.array([(0, 0, 0), (-2, 0, -2), (0.69, 0, 0.0)]))
    assert corner < 0.75 * middle
    assert foot < 0.75 * middle
    above = nooks.open(np.array([(0.69, 1.2, 0.0)]))
    assert above > 0.95


@given(st.integers(-(2**31), 2**31), st.integers(-(2**31), 2**31), st.integers(0, 2**16))
def test_chance_is_a_share(i, j, salt):
    value = chance(np.array([i], np.float64), np.array([j], np.float64), salt)
    assert 0 <= value[0] < 1


def test_chance_is_even_and_neighbours_do_not_hang_together():
    i, j = np.meshgrid(np.arange(-100.0, 100), np.arange(-100.0, 100))
    drawn = chance(i, j, 3)
    counts = np.histogram(drawn, 10, (0, 1))[0]
    assert abs(counts / drawn.size - 0.1).max() < 0.01
    for other in (np.roll(drawn, 1, 0), np.roll(drawn, 1, 1), chance(i, j, 4)):
        assert abs(np.corrcoef(drawn.ravel(), other.ravel())[0, 1]) < 0.02
