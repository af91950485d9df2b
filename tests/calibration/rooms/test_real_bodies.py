# SPDX-License-Identifier: Apache-2.0
"""The real assets; LETHE_ASSETS=FOLDER pytest -m synth."""

import os
from pathlib import Path

import numpy as np
import pytest

from calibration.rooms import assets, bakery, splits
from calibration.rooms.body import ATTRIBUTES
from calibration.rooms.skeleton import FOOT_L, FOOT_R, HEAD
from tests.calibration.rooms.tiny_people import STAND

pytestmark = pytest.mark.synth
SOME = (0, 1, 2, 3, 481, 561)


@pytest.fixture(scope="module")
def baked(tmp_path_factory):
    folder = os.environ.get("LETHE_ASSETS")
    if not folder:
        pytest.skip("LETHE_ASSETS is not set")
    assets.check(Path(folder))
    return bakery.bake(Path(folder), tmp_path_factory.mktemp("bake"), SOME)


@pytest.mark.parametrize("number", SOME)
def test_bodies_stand_on_their_feet(baked, number):
    body = baked.body(number)
    bone = body.skeleton
    turns, root = STAND[None], np.array([(0.0, bone.hip_m, 0.0)])
    joints = bone.places(turns, root)[0]
    assert joints[HEAD, 1] > 0.8 * body.height_m
    assert joints[[FOOT_L, FOOT_R], 1].max() < 0.16
    matrices = bone.matrices(turns, root)[0].astype(float)
    mesh = body.near
    placed = sum(
        mesh.weights[:, k, None]
        * (
            np.einsum("vij,vj->vi", matrices[mesh.bones[:, k], :, :3], mesh.vertices)
            + matrices[mesh.bones[:, k], :, 3]
        )
        for k in range(4)
    )
    assert placed[:, 1].min() == pytest.approx(bone.lowest(turns, root)[0], abs=0.04)
    assert np.ptp(placed[:, 1]) == pytest.approx(body.height_m, abs=0.15)  # hair and heels
    assert 4000 < len(body.near.faces) <= 5600
    assert 1500 < len(body.far.faces) <= 2700
    for shape in (body.near, body.far):
        assert shape.albedo.min() > 0.01
        assert shape.albedo.max() < 0.9
    assert 30 < body.weight_kg < 160
    assert body.attributes.shape == (len(ATTRIBUTES),)
    assert body.style.walk in splits.motions("walk", splits.of_body(number))


def test_every_motion_is_there_and_upright_or_not(baked):
    for name, role in splits.every_motion().items():
        motion = baked.motion(name)
        assert motion.role == role
        assert np.isfinite(motion.turns).all()
        assert np.allclose(np.sum(motion.turns.astype(float) ** 2, axis=-1), 1, atol=1e-5)
        if role in ("walk", "run", "crawl"):
            assert motion.loops
            assert 0.2 < motion.speed < 5
        if role in ("idle", "walk", "talk"):
            assert motion.root[:, 1].min() > 0.6
        if role in ("lie", "crawl"):
            assert motion.root[:, 1].max() < 0.5
