# SPDX-License-Identifier: Apache-2.0
"""Machines with a GPU, as fixtures: the one that every computer has, and a real one."""

import os
import subprocess

import pytest

from kernels.launch import FATBIN
from tests.kernels.device.over_driver import HERE, ROOT, Machine
from tests.kernels.host.build import build
from tests.kernels.host.driver.build import nvcc

OWN = HERE / "tests.cu"


@pytest.fixture(scope="session")
def cpu_machine(cpu_driver, tmp_path_factory):
    """The CUDA driver on the CPU, with kernels compiled for it."""
    folder = tmp_path_factory.mktemp("machine")
    return Machine(cpu_driver, build(folder / "kernels"), build(folder / "own", OWN))


@pytest.fixture(scope="session")
def gpu_machine(tmp_path_factory):
    """NVIDIA's driver and the GPU of this machine."""
    if not FATBIN.exists():
        pytest.fail("kernels/lethe.fatbin is missing: run ./build.sh kernels", pytrace=False)
    if nvcc() is None:
        pytest.skip("there is no nvcc to compile the kernels of the tests for the GPU")
    own = tmp_path_factory.mktemp("gpu") / "tests.fatbin"
    virtual = "arch=compute_87,code=compute_87"  # the driver compiles it for what is there
    subprocess.run([nvcc(), "-fatbin", "-gencode", virtual, OWN, "-o", own], check=True)
    return Machine({**os.environ, "PYTHONPATH": str(ROOT)}, FATBIN, own)
