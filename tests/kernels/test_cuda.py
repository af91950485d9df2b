# SPDX-License-Identifier: Apache-2.0
"""kernels/cuda.py over the CUDA driver that runs on the CPU, and every way in which it can fail."""


def test_the_device(cpu_machine):
    assert "skipped" not in cpu_machine.run("cases_cuda.py")


def test_the_kernels_through_the_device(cpu_machine):
    assert "skipped" not in cpu_machine.run("cases_kernels.py")
