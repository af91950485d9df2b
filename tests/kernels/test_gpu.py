# SPDX-License-Identifier: Apache-2.0
"""All of it on a GPU. `./build.sh kernels && pytest -m gpu` where there is one.

The cases are those that the gate runs over the CPU's CUDA driver, in full size.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernels.device.keys import RELEASES, found_in_host_memory

CASES = ["cases_cuda.py", "cases_kernels.py", "cases_frame_graph.py", "cases_residue.py"]
TOOLS = ["memcheck", "racecheck", "initcheck", "synccheck"]
FOUND = "7"  # exit status of compute-sanitizer when it has found something


@pytest.mark.gpu
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cases", CASES)
def test_the_cases_on_the_gpu(gpu_machine, cases):
    gpu_machine.run(cases)


@pytest.mark.gpu
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_is_found_by_compute_sanitizer(gpu_machine, tool):
    sanitizer = shutil.which("compute-sanitizer", path=sanitizer_path())
    if sanitizer is None:
        pytest.skip("compute-sanitizer is not installed; it comes with the CUDA toolkit")
    prefix = [sanitizer, "--tool", tool, "--error-exitcode", FOUND, "--target-processes", "all"]
    gpu_machine.run("cases_frame_graph.py", "-k", "vector_is_the_one", prefix=prefix)
    gpu_machine.run("cases_kernels.py", "-k", "batch_of_any_size", prefix=prefix)


@pytest.mark.gpu
def test_no_key_is_in_the_memory_of_the_host(gpu_machine):
    """Neither the first, which the driver copied, nor those that the device made of it."""
    assert found_in_host_memory(gpu_machine) == [0] * (RELEASES + 1)


def test_it_is_said_when_these_tests_did_not_run():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not gpu", "-k", "test_no_key", __file__],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "9 GPU tests were not run" in done.stdout
    assert "pytest -m gpu" in done.stdout


def sanitizer_path():
    return f"{Path('/usr/local/cuda/bin')}:{Path('/usr/local/cuda/compute-sanitizer')}:/usr/bin"
