# SPDX-License-Identifier: Apache-2.0
"""Every fault of the GPU's way, over the CUDA driver that runs on the CPU."""

from pathlib import Path

from tests.edge.gpu import run_over

CASES = Path(__file__).with_name("cases_gpu_faults.py")


def test_no_fault_of_the_gpus_way_releases_anything_wrong(cpu_machine):
    assert run_over(cpu_machine, CASES) == 16
