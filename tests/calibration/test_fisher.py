# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402 - what is imported below needs the packages that are asked for first
"""Jacobians of the float twin: exact on a linear map, and against differences. Train extra."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytestmark = pytest.mark.train

from calibration import fisher
from calibration.data import DataError
from calibration.fisher import RELEASES, choose, float_twin, floors, jacobian
from calibration.train.sources import Source
from calibration.train.trunk import Model

D = 3 * 64 * 80


def twin():
    torch.manual_seed(3)
    return float_twin(Model(0.9))


def test_a_linear_map_is_its_own_jacobian_and_its_floor_is_the_posterior():
    A = np.random.default_rng(1).normal(size=(4, 30))
    given = torch.from_numpy(A)
    found = jacobian(lambda x: given @ x, np.ones(30))
    assert np.array_equal(found, A)
    sigma, tau = 0.5, 0.2
    frames = [np.zeros(30), np.ones(30)]
    for one in floors(lambda x: given @ x, frames, sigma, tau, draws=3):
        posterior = np.linalg.inv(one.releases * A.T @ A / sigma**2 + np.eye(30) / tau**2)
        assert one.error_kept == pytest.approx([np.trace(posterior) / 30 / tau**2] * 3)
        wanted = one.releases * np.square(A).sum() / (30 * sigma**2)
        assert one.dfil == pytest.approx([wanted] * 3)


def test_the_jacobian_of_the_twin_agrees_with_differences():
    f, random = twin(), np.random.default_rng(2)
    frame = random.uniform(0, 1, D)
    found = jacobian(f, frame)
    step = 1e-6 * random.standard_normal(D)
    with torch.no_grad():
        there, back = (f(torch.from_numpy(frame + s * step)).numpy() for s in (1, -1))
    assert found.shape == (12, D)
    assert found @ step == pytest.approx((there - back) / 2, rel=1e-3, abs=1e-13)
    assert found[::-1] @ step != pytest.approx((there - back) / 2, rel=1e-3, abs=1e-13)


def test_floors_of_the_twin_fall_with_the_number_of_releases():
    frames = list(np.random.default_rng(4).uniform(0, 1, (3, D)))
    found = floors(twin(), frames, 1.0, 0.1, draws=2)
    assert [one.releases for one in found] == list(RELEASES)
    kept = [one.error_kept for one in found]
    assert all((np.array(more) >= less).all() for more, less in pairwise(kept))
    assert min(kept[-1]) >= 1 - 2 * 12 / D  # two draws of twelve rows learn no more
    assert [one.dfil[1] / found[0].dfil[1] for one in found] == pytest.approx(RELEASES)


def test_frames_are_spread_over_clips_and_over_each_of_them(tmp_path, monkeypatch):
    rows = [f"c{k}.npz,s,p,r,walk,0,1" for k in range(10)]
    header = "clip,set,subject,scene,label,start_s,end_s"
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows]) + "\n")

    def load(clip):
        planes = np.full((5, 3, 64, 80), int(clip.path.stem[1:]), np.uint8)
        planes += 20 * np.arange(5, dtype=np.uint8)[:, None, None, None]
        return Source(planes, planes[:, 0], None)

    monkeypatch.setattr(fisher, "load", load)
    few, many = ([round(frame[0] * 255) for frame in choose([tmp_path], n)] for n in (4, 20))
    assert few == [0, 3, 6, 9]
    assert many == [k + 20 * step for k in range(10) for step in (0, 4)]
    assert len(choose([tmp_path], 1000)) == 50


def test_without_clips_there_is_nothing_to_measure(tmp_path):
    (tmp_path / "labels.csv").write_text("clip,set,subject,scene,label,start_s,end_s\n")
    with pytest.raises(DataError, match="no clip"):
        choose([tmp_path], 3)
