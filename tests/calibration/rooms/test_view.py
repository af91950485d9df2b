# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from calibration.rooms.errors import RoomsError
from calibration.rooms.view import HEIGHT, WIDTH, look_at, project, rays


@pytest.mark.parametrize("lens", [1.0, 0.8, 0.3])
def test_rays_and_projection_agree(lens):
    camera = look_at((1, 2, 3), (0, 0.5, -1), 1.6, aspect=16 / 9, roll=0.1, lens=lens)
    points = camera.position + 2.5 * rays(camera)
    seen = project(camera, points)
    assert np.allclose(seen[..., 0], np.arange(WIDTH) + 0.5)
    assert np.allclose(seen[..., 1], np.arange(HEIGHT)[:, None] + 0.5)
    assert np.allclose(seen[..., 2], 2.5)


@pytest.mark.parametrize("lens", [1.0, 0.6])
def test_the_width_is_the_angle_from_edge_to_edge(lens):
    camera = look_at((0, 0, 0), (0, 0, 5), 1.2, lens=lens)
    edge = project(camera, (-np.tan(0.6), 0, 1))
    assert edge[0] == pytest.approx(WIDTH)  # -X is to the right of whoever looks along +Z
    assert project(camera, (0, 1, 5))[1] < HEIGHT / 2


def test_a_wide_sensor_is_stretched_upwards():
    wide, square = (look_at((0, 0, 0), (0, 0, 5), 1.2, aspect=a) for a in (16 / 9, 1.25))
    assert wide.focal[0] == square.focal[0] == square.focal[1]
    assert wide.focal[1] / wide.focal[0] == pytest.approx(16 / 9 * HEIGHT / WIDTH)


def test_straight_down_is_a_view_too():
    camera = look_at((0, 3, 0), (0, 0, 0), 1.5)
    assert project(camera, (0, 0, 1))[1] < HEIGHT / 2
    assert np.linalg.det(camera.rotation) == pytest.approx(-1)


def test_a_lens_never_folds_back():
    camera = look_at((0, 0, 0), (0, 0, 1), 1.8, lens=0.5)
    angle = np.linspace(0, np.radians(89), 50)
    x = project(camera, np.stack([-np.sin(angle), 0 * angle, np.cos(angle)], axis=1))[:, 0]
    assert (np.diff(x) > 0).all()


def test_what_is_behind_has_a_negative_depth():
    assert project(look_at((0, 0, 0), (0, 0, 1), 1.0), (0, 0, -2))[2] == -2


@pytest.mark.parametrize("lens", [0.1, 1.2, float("nan")])
def test_no_such_camera(lens):
    with pytest.raises(RoomsError):
        look_at((0, 0, 0), (0, 0, 1), 1.0, lens=lens)
    with pytest.raises(RoomsError):
        look_at((0, 0, np.nan), (0, 0, 1), 1.0)
