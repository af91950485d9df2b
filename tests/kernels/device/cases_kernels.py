# SPDX-License-Identifier: Apache-2.0
"""Every kernel is its definition, bit for bit, on this device. On the CPU's, whose kernels are
tested without it, only a few of each."""

from itertools import islice

import numpy as np
import pytest

from kernels.profile import time_releases
from tests.kernels.device.cpu_path import parameters
from tests.kernels.device.launcher import Launcher
from tests.kernels.host.batches import awkward_batches, extreme_batches, plain_batch, random_batches
from tests.kernels.host.driver.build import Control
from tests.kernels.host.releases import answer, run
from tests.kernels.host.scenes import (
    extreme_pictures,
    extreme_scenes,
    random_pictures,
    random_scenes,
)

FEW = 3


@pytest.fixture
def launch(device, kernels):
    return Launcher(device, kernels).launch


def some(cases):
    return islice(cases, FEW) if Control.present() else cases


def wrong(batch, launch):
    """The releases that are not as defined."""
    return run(launch, batch)[0].differs_from(answer(batch))


@pytest.mark.parametrize("batches", [awkward_batches, extreme_batches])
def case_a_release_is_as_defined(launch, batches):
    for batch in some(batches()):
        assert wrong(batch, launch) == []


def case_a_hundred_thousand_releases_are_as_defined(launch):
    for batch in some(random_batches(11, 100_000)):
        assert wrong(batch, launch) == []


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 31, 32, 33, 127, 128, 129, 1000, 4095, 4096])
def case_a_batch_of_any_size_is_as_defined(launch, count):
    if count > 200 and Control.present():
        count //= 32
    batch = plain_batch(np.random.default_rng(count), 12, 65, count)
    assert wrong(batch, launch) == []


def case_another_release_would_be_seen(launch):
    """The control of the cases above."""
    batch = plain_batch(np.random.default_rng(1), 12, 65, 40)
    batch.keys[:, 5] ^= 1
    got = run(launch, batch)[0]
    batch.keys[:, 5] ^= 1
    assert got.differs_from(answer(batch)) != []


@pytest.mark.parametrize("pictures", [lambda: random_pictures(5, 200), extreme_pictures])
def case_an_area_average_is_as_defined(launch, pictures):
    for picture in some(pictures()):
        assert picture.is_wrong(launch, 0) == ""


@pytest.mark.parametrize("scenes", [lambda: random_scenes(5, 2000), extreme_scenes])
def case_planes_are_as_defined(launch, scenes):
    for scene in some(scenes()):
        assert scene.is_wrong(launch, 0) == ""


@pytest.mark.parametrize("batch", [1, 33])
def case_releases_are_timed(device, kernels, batch):
    timings = time_releases(device, parameters(), batch, 5, kernels)
    assert list(timings.stages) == ["release"]
    assert timings.stages["release"].shape == timings.replay.shape == (5,)
    assert (timings.replay > 0).all()
