# SPDX-License-Identifier: Apache-2.0
"""What every room's tests may ask for: a broker, a GPU, and the data beside the repository."""

import os
from ctypes import CDLL, byref, c_int
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from calibration.broker import Broker
from tests.kernels.host.driver.build import build, missing
from tests.machines import cpu_machine, gpu_machine

__all__ = ["cpu_machine", "gpu_machine"]  # beside the fixtures below

# Nothing here is a timing: a busy machine must not fail a test of what is right.
settings.register_profile("lethe", deadline=None)
settings.load_profile("lethe")

ROOT = Path(__file__).resolve().parent.parent
NOT_RUN = pytest.StashKey[int]()  # tests that need a GPU
NO_GPU = "no NVIDIA GPU here; run pytest -m gpu on a machine with one"


@pytest.fixture(scope="session")
def broker():
    """One broker for the whole run; a test that stops it starts it again before it ends."""
    with Broker() as running:
        yield running


@pytest.fixture(scope="session")
def shared():
    """The folder of data beside the repository. Without it the test is skipped, and says so."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(
            f"needs the data folder beside the repository ({folder.name}/), which is not there"
        )
    return folder


@pytest.fixture(scope="session")
def clips():
    """The rendered clips that are part of the repository."""
    return ROOT / "tests" / "clips"


@pytest.fixture(scope="session")
def cpu_driver(tmp_path_factory):
    """Environment of a process that has a GPU: the CUDA driver on the CPU comes first."""
    reason = missing()
    if reason is not None:
        pytest.skip(f"the CUDA driver on the CPU did not run: {reason}")
    folder = build(tmp_path_factory.mktemp("driver"))
    return os.environ | {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(ROOT)}


# ---- tests that need a GPU: without one, that they did not run is said aloud --------------------


@cache
def has_gpu():
    try:
        driver = CDLL("libcuda.so.1")
    except OSError:
        return False
    count = c_int()
    return driver.cuInit(0) == driver.cuDeviceGetCount(byref(count)) == 0 and count.value > 0


def needs_gpu(item):
    return item.get_closest_marker("gpu") is not None


def pytest_configure(config):
    config.stash[NOT_RUN] = 0


def pytest_deselected(items):
    for item in filter(needs_gpu, items):
        item.config.stash[NOT_RUN] += 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    for item in filter(needs_gpu, items):
        if not has_gpu():
            item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU here"))
            config.stash[NOT_RUN] += 1


def pytest_terminal_summary(terminalreporter, config):
    count = config.stash[NOT_RUN]
    if count:
        cure = "run pytest -m gpu" if has_gpu() else NO_GPU
        terminalreporter.write_line(f"{count} GPU tests were not run: {cure}", yellow=True)
