# SPDX-License-Identifier: Apache-2.0
import numpy as np

from calibration.rooms.mesh import Surface, join, rigid, vertex_normals
from tests.calibration.rooms.tiny_people import capsule


def square(size=1.0):
    vertices = np.array([(0, 0, 0), (size, 0, 0), (size, 0, -size), (0, 0, -size)], np.float32)
    faces = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
    return Surface(vertices, vertex_normals(vertices, faces), faces, np.array([3, 4], np.int32))


def test_normals_point_outside():
    ball = capsule((0, 0, 0), (0, 0.2, 0), 0.5)
    assert (np.einsum("vi,vi->v", ball.normals, ball.vertices - (0, 0.1, 0)) > 0.2).all()
    assert np.allclose(square().normals, (0, 1, 0))


def test_what_is_joined_keeps_its_faces_and_materials():
    other = square(2.0)
    both = join([square(), other])
    assert both.faces[2:].min() == 4
    assert list(both.material) == [3, 4, 3, 4]
    assert np.allclose(both.vertices[4:], other.vertices)


def test_a_rigid_thing_hangs_on_bone_nought():
    thing = rigid(square(), 0.3, 0.8)
    assert np.array_equal(thing.weights.sum(axis=1), np.ones(4))
    assert not thing.bones.any()
    assert set(thing.albedo) == {np.float32(0.3)}
