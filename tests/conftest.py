# SPDX-License-Identifier: Apache-2.0
"""What every room's tests may ask for: a broker, and the data that lies beside the repository."""

import os
from pathlib import Path

import pytest

from calibration.broker import Broker
from tests.kernels.host.driver.build import build, missing

ROOT = Path(__file__).resolve().parent.parent


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
