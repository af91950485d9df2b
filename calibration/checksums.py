# SPDX-License-Identifier: Apache-2.0
"""SHA256SUMS of a folder of models, in the form that `sha256sum -c` reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

SHIPPED = frozenset({".onnx", ".json", ".md"})


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over everything shipped in `folder`."""
    names = sorted(p.name for p in folder.iterdir() if p.suffix in SHIPPED)
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))
