# SPDX-License-Identifier: Apache-2.0
"""kernels/frame_graph.py over the CPU's CUDA driver, with every fault that there can be."""

from tests.kernels.device.keys import found_in_host_memory


def test_the_frame_graph(cpu_machine):
    assert "skipped" not in cpu_machine.run("cases_frame_graph.py")


def test_what_the_frame_graph_leaves(cpu_machine):
    assert "skipped" not in cpu_machine.run("cases_residue.py")


def test_a_key_is_where_the_device_keeps_it_and_the_first_one_nowhere(cpu_machine):
    """The memory of this device is the host's: that the next key is found there is the control.

    The one before lies on the stacks of the threads, which are a GPU's registers.
    """
    first, _, following = found_in_host_memory(cpu_machine)
    assert (first, following) == (0, 2)
