# SPDX-License-Identifier: Apache-2.0
import dataclasses
import itertools
import math

import numpy as np
import pytest

from calibration.rooms.errors import NoFit
from calibration.rooms.fittings import Box, Door, Prop, placed
from calibration.rooms.ground import BODY_M, Ground
from tests.calibration.rooms import some_rooms

DOOR = Door((-0.45, 0.0, -2.0), 0.9, 0.0, (0.0, -2.85), (0.0, -1.4), 0, -1, leads_out=True)
WALL = Box((0.5, 1.0, 0.0), (1.5, 1.0, 0.05), 0.0)  # from x = -1 to the wall at x = 2


def room(*boxes, props=(), size=(4.0, 4.0, 2.5)):
    bare = some_rooms.room(1)
    return dataclasses.replace(bare, size=size, obstacles=boxes, doors=(DOOR,), props=props)


def test_clearance_is_the_distance_to_what_is_nearest():
    ground = Ground(room(Box((0, 0.5, 0), (0.5, 0.5, 0.2), math.pi / 2)))
    points = np.array([(1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (-1.9, 1.0)])
    assert ground.clearance(points) == pytest.approx([0.8, 0.5, -0.2, 0.1])


def test_low_and_high_things_are_not_in_the_way():
    boxes = [Box((0, 0.05, 0), (1, 0.05, 1), 0.0), Box((0, 2.3, 0), (1, 0.1, 1), 0.0)]
    assert Ground(room(*boxes)).free((0.0, 0.0))
    assert not Ground(room(Box((0, 0.3, 0), (1, 0.3, 1), 0.0))).free((0.0, 0.0))


def test_a_path_goes_around_and_its_pieces_are_free():
    ground = Ground(room(WALL))
    a, b = (1.5, -1.0), (1.5, 1.0)
    assert not ground.line_free(a, b)
    path = ground.path(a, b)
    assert len(path) >= 3
    assert path[:, 0].min() < -1.0
    for start, end in itertools.pairwise(path):
        assert ground.line_free(tuple(start), tuple(end))
    length = np.hypot(*np.diff(path, axis=0).T).sum()
    assert length < 7.5  # the shortest is 5.7


def test_a_straight_way_has_two_points():
    path = Ground(room()).path((-1.5, 1.5), (1.5, 1.5))
    np.testing.assert_allclose(path, [(-1.5, 1.5), (1.5, 1.5)])


def test_one_comes_in_by_the_door():
    path = Ground(room()).path(DOOR.outside, (1.0, 1.0))
    assert path[0] == pytest.approx(DOOR.outside)
    crossing = path[np.abs(path[:, 1] + 2.0).argmin()]
    assert abs(crossing[0]) < DOOR.width


def test_what_cannot_be_reached_is_no_fit():
    closed = Box((0, 1.0, 0.5), (2.0, 1.0, 0.05), 0.0)
    ground = Ground(room(closed))
    with pytest.raises(NoFit):
        ground.path((0.0, -1.0), (0.0, 1.5))
    assert not ground.reachable((0.0, 1.5))
    assert ground.reachable((0.0, -1.0))
    spots = [ground.spot(np.random.default_rng(k), 0.3) for k in range(50)]
    assert all(z < 0.5 for _, z in spots)


def test_a_spot_has_its_margin():
    ground = Ground(room(WALL))
    spots = np.array([ground.spot(np.random.default_rng(k), 0.5) for k in range(100)])
    assert (ground.clearance(spots) >= 0.5 - 1e-9).all()
    assert np.ptp(spots[:, 0]) > 2
    with pytest.raises(NoFit):
        ground.spot(np.random.default_rng(0), 3.0)


def test_a_chair_that_is_moved_is_not_in_the_way():
    mesh = some_rooms.room(1).props[0].mesh
    chair = Prop("chair", mesh, placed(0.0, 0.0, 0.5, 0.0))
    assert not Ground(room(props=(chair,))).free((0.0, 0.5))
    assert Ground(room(props=(chair,)), frozenset({0})).free((0.0, 0.5))


def test_a_body_fits_through_a_narrow_door():
    gap = [Box((x, 1.0, 0.0), (0.85, 1.0, 0.02), 0.0) for x in (-1.15, 1.15)]  # 0.6 m
    assert len(Ground(room(*gap)).path((0.0, -1.0), (0.0, 1.0))) >= 2
    tight = [Box((x, 1.0, 0.0), (1.0 - BODY_M / 2, 1.0, 0.02), 0.0) for x in (-1.0, 1.0)]
    with pytest.raises(NoFit):
        Ground(room(*tight)).path((0.0, -1.0), (0.0, 1.0))
