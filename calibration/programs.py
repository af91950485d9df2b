# SPDX-License-Identifier: Apache-2.0
"""Our own commands as the separate processes that they are, for the demo and for tests.

Each runs in a session of its own, so Ctrl-C in the terminal reaches only whoever started it, who
then stops the programs in the right order. What they print goes to files of the given folder.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
STOP_TIMEOUT_S = 15.0
LINES_SHOWN = 15


class ProgramError(Exception):
    """A program ended when it should not have, or would not end; with the last lines it wrote."""


class Program:
    """`with Program("edge", [...], folder) as program:` runs it and stops it with SIGTERM."""

    def __init__(self, module: str, words: list[str], folder: Path) -> None:
        self.name = module
        self._words = [sys.executable, "-m", module, *words]
        self._out, self._err = folder / f"{module}.out", folder / f"{module}.err"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Program:
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                self._words,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def ended(self) -> bool:
        """Whether it has ended well; ProgramError if it has ended otherwise."""
        status = None if self._process is None else self._process.poll()
        if status:
            raise ProgramError(f"{self.name} ended with status {status}\n{self.complaints()}")
        return status is not None

    def stop(self) -> None:
        """SIGTERM, and wait; a program that does not end is killed and reported. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ProgramError(f"{self.name} did not stop\n{self.complaints()}") from None

    def output(self) -> str:
        """What it wrote to standard output so far."""
        return self._out.read_text(errors="replace")

    def complaints(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._err.read_text(errors="replace").splitlines()[-LINES_SHOWN:])
