# SPDX-License-Identifier: Apache-2.0
"""Fixtures for what runs over a CUDA driver: the CPU's, or NVIDIA's where there is a GPU.

The files here are called cases_*.py, so that pytest does not find them by itself: they want a
process of their own, which ../over_driver.py starts.
"""

from pathlib import Path

import pytest

from kernels.cuda import Device
from tests.kernels.host.driver.build import Control


def pytest_addoption(parser):
    parser.addoption("--kernels", type=Path, required=True, help="kernels/lethe.cu, compiled")
    parser.addoption("--own-kernels", type=Path, required=True, help="tests.cu, compiled")


@pytest.fixture(scope="session")
def kernels(request):
    return request.config.getoption("--kernels")


@pytest.fixture(scope="session")
def own_kernels(request):
    return request.config.getoption("--own-kernels")


@pytest.fixture
def watched():
    """Control of the CPU's driver, or None. A test must leave nothing behind, nor a problem."""
    control = Control() if Control.present() else None
    yield control
    if control:
        assert control.problems() == []
        assert (control.live(), control.nonzero_freed()) == (0, 0)


@pytest.fixture
def control(watched):
    """The same for what only the CPU's driver can show."""
    if watched is None:
        pytest.skip("NVIDIA's driver cannot be told to go wrong")
    return watched


@pytest.fixture
def device(watched):
    with Device() as device:
        yield device
