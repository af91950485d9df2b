# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from calibration.rooms.mesh import Surface, join, rigid, subdivide, transform, vertex_normals
from tests.calibration.rooms.tiny_people import capsule


def square(size=1.0):
    vertices = np.array([(0, 0, 0), (size, 0, 0), (size, 0, -size), (0, 0, -size)], np.float32)
    faces = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
    return Surface(vertices, vertex_normals(vertices, faces), faces, np.array([3, 4], np.int32))


def area(surface):
    a, b, c = surface.vertices[surface.faces].astype(float).transpose(1, 0, 2)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def edges(surface):
    """Edges of what remains when vertices of one place are one, and how many faces share each."""
    _, place = np.unique(surface.vertices.round(4), axis=0, return_inverse=True)
    faces = place.ravel()[surface.faces]
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    pairs = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    return np.unique(np.sort(pairs, axis=1), axis=0, return_counts=True)


def test_normals_point_outside():
    ball = capsule((0, 0, 0), (0, 0.2, 0), 0.5)
    assert (np.einsum("vi,vi->v", ball.normals, ball.vertices - (0, 0.1, 0)) > 0.2).all()
    assert np.allclose(square().normals, (0, 1, 0))


@pytest.mark.parametrize("longest", [0.8, 0.3, 0.1])
def test_subdivision_keeps_the_surface_and_leaves_no_crack(longest):
    ball = capsule((0, 0, 0), (0, 0.2, 0), 0.5)
    fine = subdivide(ball, longest)
    sides = fine.vertices[fine.faces] - fine.vertices[np.roll(fine.faces, 1, axis=1)]
    assert np.linalg.norm(sides, axis=2).max() <= longest
    assert (edges(ball)[1] == 2).all()  # closed before
    assert (edges(fine)[1] == 2).all()  # and after
    assert area(fine).sum() == pytest.approx(area(ball).sum(), rel=1e-5)


def test_subdivision_keeps_materials():
    fine = subdivide(square(), 0.2)
    for material, side in ((3, 1), (4, -1)):
        middle = fine.vertices[fine.faces[fine.material == material]].mean(axis=1)
        assert ((middle[:, 0] + middle[:, 2]) * side > -1e-6).all()
        assert area(fine)[fine.material == material].sum() == pytest.approx(0.5)


def test_what_is_fine_already_is_left_alone():
    surface = square()
    assert subdivide(surface, 2.0) is surface


def test_join_and_transform():
    turned = transform(square(), [(0, 0, 1, 5), (0, 1, 0, 6), (-1, 0, 0, 7)])
    assert np.allclose(turned.vertices[1], (5, 6, 6))
    both = join([square(), turned])
    assert both.faces[2:].min() == 4
    assert list(both.material) == [3, 4, 3, 4]
    assert np.allclose(both.vertices[4:], turned.vertices)


def test_a_rigid_thing_hangs_on_bone_nought():
    thing = rigid(square(), 0.3, 0.8)
    assert np.array_equal(thing.weights.sum(axis=1), np.ones(4))
    assert not thing.bones.any()
    assert set(thing.albedo) == {np.float32(0.3)}
