# SPDX-License-Identifier: Apache-2.0
"""Fixtures for what runs over a CUDA driver: the CPU's, or a real one.

The files here are named cases_*.py, so that pytest does not collect them by itself: they want a
process of their own, which ../over_driver.py starts.
"""

from pathlib import Path

import pytest

from kernels.cuda import Device
from tests.kernels.host.driver.build import Control


def pytest_addoption(parser):
    parser.addoption("--kernels", type=Path, required=True, help="the compiled kernels")
    parser.addoption("--engine", type=Path, required=True, help="the compiled engine of tests")


@pytest.fixture(scope="session")
def kernels(request):
    return request.config.getoption("--kernels")


@pytest.fixture(scope="session")
def engine_image(request):
    return request.config.getoption("--engine")


@pytest.fixture
def control():
    """The CPU's driver, in order again after the last test. It must end without a problem."""
    if not Control.present():
        pytest.skip("this driver cannot be told to go wrong")
    control = Control()
    yield control
    assert control.problems() == []
    assert control.live() == 0


@pytest.fixture
def watch():
    """The same, where there is a real driver: None."""
    if not Control.present():
        yield None
        return
    control = Control()
    yield control
    assert control.problems() == []
    assert control.live() == 0


@pytest.fixture
def device(watch):
    with Device() as device:
        yield device
