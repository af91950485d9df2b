# SPDX-License-Identifier: Apache-2.0
"""A real Mosquitto of our own for the demo and the tests, exactly as a site would run it.

Configuration and ACL are the shipped files of systemd/mosquitto; only paths, port and user differ.
TLS 1.2 or later, a certificate per client, the certificate's common name is the client's name.
Everything lives in one temporary folder that is gone, with the process, after `close`.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.pki import Authority, CertPaths

if TYPE_CHECKING:
    from types import TracebackType

SHIPPED = Path(__file__).resolve().parent.parent / "systemd" / "mosquitto"
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
PORT_ATTEMPTS = 5


class BrokerError(Exception):
    """Mosquitto is missing, or did not start or stop; the message ends with what it said."""


class Broker:
    """One broker on a free port of localhost; `with Broker() as broker:` starts and removes it."""

    def __init__(self) -> None:
        program = shutil.which("mosquitto", path=SEARCH_PATH)
        if program is None:
            raise BrokerError("mosquitto is not installed: apt-get install mosquitto")
        self._program = program
        self._temporary = tempfile.TemporaryDirectory(prefix="lethe-broker-")
        self._folder = Path(self._temporary.name)
        self._log = self._folder / "log"
        self._authority = Authority(self._folder)
        self._server = self._authority.server()
        self._clients: dict[str, CertPaths] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """What goes into --broker."""
        return f"mqtts://localhost:{self.port}"

    @property
    def ca(self) -> Path:
        """The certificate that vouches for the broker."""
        return self._authority.ca

    def client(self, name: str) -> CertPaths:
        """Certificate and key for a client of that name; asking again gives the same ones."""
        if name not in self._clients:
            self._clients[name] = self._authority.client(name)
        return self._clients[name]

    def start(self) -> None:
        """Start, on the port of before if there was one; returns when connections are accepted."""
        if self._process is not None:
            raise BrokerError("already running")
        for _ in range(1 if self.port else PORT_ATTEMPTS):
            port = self.port or _free_port()
            if self._launch(port):
                self.port = port
                return
        raise BrokerError(f"mosquitto did not start: {self.log()}")

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        """Stop and wait; retained messages survive SIGTERM. A stopped broker stays stopped."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(with_signal)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise BrokerError(f"mosquitto did not stop: {self.log()}") from None

    def log(self) -> str:
        """The last lines that the broker wrote."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def close(self) -> None:
        """Stop, and remove the folder."""
        try:
            self.stop()
        finally:
            self._temporary.cleanup()

    def __enter__(self) -> Broker:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _launch(self, port: int) -> bool:
        configuration = self._folder / "mosquitto.conf"
        configuration.write_text(self._configuration(port))
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C in a terminal reaches us, and we stop it in our order.
            process = subprocess.Popen(
                [self._program, "-c", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = process
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            if _accepts(port):
                return True
            time.sleep(0.02)
        process.kill()
        process.wait()
        self._process = None
        return False

    def _configuration(self, port: int) -> str:
        acl = self._folder / "acl"
        shutil.copyfile(SHIPPED / "acl", acl)
        acl.chmod(0o600)
        values = {
            "listener": f"{port} localhost",
            "cafile": str(self.ca),
            "certfile": str(self._server.cert),
            "keyfile": str(self._server.key),
            "acl_file": str(acl),
            "persistence_location": f"{self._folder}/",
        }
        text = (SHIPPED / "lethe.conf").read_text()
        for key, value in values.items():
            text = with_setting(text, key, value)
        # Started by root, it would otherwise become a user who cannot read this folder.
        return f"{text}\nuser {pwd.getpwuid(os.geteuid()).pw_name}\n"


def with_setting(text: str, key: str, value: str) -> str:
    """`text` with the one line of `key` changed; BrokerError unless there is exactly one."""
    changed, count = re.subn(rf"^{key} .*$", lambda _: f"{key} {value}", text, flags=re.MULTILINE)
    if count != 1:
        raise BrokerError(f"the shipped configuration has {count} lines of {key}, not one")
    return changed


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
