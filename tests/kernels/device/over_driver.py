# SPDX-License-Identifier: Apache-2.0
"""Run the cases of this folder in a process of their own, over a CUDA driver."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


@dataclass(frozen=True)
class Machine:
    """A driver, by the environment that leads to it, and what was compiled for its device."""

    environment: Mapping[str, str]
    kernels: Path
    engine: Path  # tests.cu, which has more than that in it

    def run(self, cases: str, *options: str, prefix: Sequence[str] = ()) -> str:
        """All cases of a file must pass; the last line that pytest writes."""
        command = [
            *prefix,
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-o", "python_functions=case_*", "-o", "timeout=600", str(HERE / cases)),
            f"--kernels={self.kernels}",
            f"--own-kernels={self.engine}",
            *options,
        ]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout[-9000:]}\n{done.stderr[-3000:]}"
        return re.findall(r"^.*\bpassed\b.*$", done.stdout, re.MULTILINE)[-1]
