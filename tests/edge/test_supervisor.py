# SPDX-License-Identifier: Apache-2.0
"""Signals stop cleanly once and at once twice; systemd hears what is true."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from edge.supervisor import QUEUED_WITHIN_S, Supervisor

TIMEOUT_S = 30.0


@pytest.fixture
def manager(tmp_path):
    """The service manager's end of the socket, and the environment it would give."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        path = str(tmp_path / "notify")
        listening.bind(path)
        listening.settimeout(0.05)
        yield listening, {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"}


def heard(listening):
    said = []
    while True:
        try:
            said.append(listening.recv(1000).decode())
        except TimeoutError:
            return said


def now_ns():
    return time.monotonic_ns()


def test_life_of_a_service(manager):
    listening, environment = manager
    supervisor = Supervisor(environment)
    supervisor.ready()
    supervisor.turn(now_ns(), lambda: "full, camera live")
    supervisor.close()
    supervisor.close()
    assert heard(listening) == ["READY=1", "WATCHDOG=1", "STATUS=full, camera live", "STOPPING=1"]


def pets(manager, queued_ns):
    listening, environment = manager
    supervisor = Supervisor(environment)
    for _ in range(3):
        supervisor.turn(queued_ns, lambda: "x")
        time.sleep(0.11)
    supervisor.close()
    return heard(listening).count("WATCHDOG=1")


def test_the_watchdog_is_petted_while_messages_are_queued(manager):
    assert pets(manager, now_ns()) == 3


def test_the_watchdog_is_petted_while_the_first_frame_is_awaited(manager):
    assert pets(manager, 0) == 3


def test_a_pipeline_that_turns_without_queueing_is_not_petted(manager):
    assert pets(manager, now_ns() - round((QUEUED_WITHIN_S + 1) * 1e9)) == 0


def test_without_a_watchdog_nobody_is_petted(manager):
    listening, environment = manager
    supervisor = Supervisor({"NOTIFY_SOCKET": environment["NOTIFY_SOCKET"]})
    supervisor.turn(now_ns(), lambda: "x")
    assert heard(listening) == ["STATUS=x"]


@pytest.mark.parametrize("address", [None, "", "relative", "/nobody/listens/here"])
def test_without_a_manager_all_is_silent(address):
    supervisor = Supervisor({} if address is None else {"NOTIFY_SOCKET": address})
    supervisor.ready()
    supervisor.turn(now_ns(), lambda: "x")
    supervisor.close()


def test_an_abstract_address_is_understood():
    name = f"lethe-test-{os.getpid()}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.settimeout(TIMEOUT_S)
        Supervisor({"NOTIFY_SOCKET": "@" + name}).ready()
        assert listening.recv(100) == b"READY=1"


CHILD = """
import time
from edge.supervisor import Supervisor
supervisor = Supervisor({})
supervisor.catch_signals()
print("up", flush=True)
while not supervisor.stopped():
    time.sleep(0.01)
print("stopping", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_at_once(number):
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"up\n"
        child.send_signal(number)
        assert child.stdout.readline() == b"stopping\n"
        child.send_signal(number)
        assert child.wait(TIMEOUT_S) in {-number, 130}
