# SPDX-License-Identifier: Apache-2.0
"""Compile the CUDA kernels for the host and launch them there; shim.cpp says how they run.

The sources are copied, named pieces of text are replaced (for deliberately broken kernels; a piece
that does not occur exactly once is an error, so that no control is void), and g++ does the rest.

A library with sanitizers can only be loaded by a process that was started with AddressSanitizer's
runtime in front: `python` starts such a one.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LETHE = ROOT / "kernels" / "lethe.cu"

Dimensions = Sequence[int]  # x, or x, y, or x, y, z

_WARNINGS = ["-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Werror"]
_COMMON = ["-std=c++17", "-fPIC", "-pthread", "-ffp-contract=off", "-fno-strict-aliasing", "-g"]
_SANITIZERS = [
    "-fsanitize=address,undefined,float-cast-overflow,float-divide-by-zero",
    "-fsanitize-sections=cuda_shared",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
]
_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(")
_DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?(\w+)\s+(\w+)\s*\[\s*\]\s*;")


class LaunchError(Exception):
    """A kernel could not be launched, or its threads diverged at a barrier."""


def build(
    folder: Path,
    source: Path = LETHE,
    *,
    sanitize: bool = False,
    replace: Mapping[str, str] | None = None,
    also: Sequence[Path] = (),
    output: str = "kernels.so",
) -> Path:
    """Compile `source`, what it includes beside it, and `also` (C++) into the shared library
    `folder`/`output`; the path of that. ValueError: a piece of text is not there exactly once."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = _copy(source, folder, dict(replace or {}))
    flags = [*_COMMON, "-O1", *(_SANITIZERS if sanitize else [])]
    shim = ["-include", str(HERE / "shim.h")]
    unit = folder / f"{source.stem}.o"
    _run("g++", "-c", "-x", "c++", *flags, *_WARNINGS, *shim, copy, "-o", unit)
    library = folder / output
    _run("g++", "-shared", *flags, f"-I{HERE}", unit, _engine(), *also, "-o", library)
    return library


@functools.cache
def _place() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes when the process does."""
    return tempfile.TemporaryDirectory(prefix="shim-")


@functools.cache
def _engine() -> Path:
    """shim.cpp, compiled once: it is the same with and without sanitizers."""
    compiled = Path(_place().name) / "shim.o"
    _run("g++", "-c", *_COMMON, "-O2", *_WARNINGS, HERE / "shim.cpp", "-o", compiled)
    return compiled


def _run(*command: str | Path) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr}")


def _copy(source: Path, folder: Path, replace: dict[str, str]) -> Path:
    """The .cu files of that folder with their replacements; the path of `source`'s copy."""
    copies = folder / "source"
    copies.mkdir(exist_ok=True)
    texts = {path.name: path.read_text(encoding="utf-8") for path in source.parent.glob("*.cu")}
    for old, new in replace.items():
        found = [name for name, text in texts.items() for _ in range(text.count(old))]
        if len(found) != 1:
            raise ValueError(f"{old!r} occurs {len(found)} times")
        texts[found[0]] = texts[found[0]].replace(old, new)
    for name, text in texts.items():
        (copies / name).write_text(_for_the_host(text), encoding="utf-8")
    return copies / source.name


def _for_the_host(text: str) -> str:
    """With dynamic shared memory from the shim, and each kernel made known to the launcher."""
    text = _DYNAMIC.sub(r"static \1* const \2 = static_cast<\1*>(shim::dynamic_shared());", text)
    return text + "".join(f"\nSHIM_KERNEL({name});" for name in _KERNEL.findall(text)) + "\n"


class Kernels:
    """A library of kernels, loaded."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.shim_error.restype = ctypes.c_char_p
        self._library.shim_residue.restype = ctypes.c_size_t

    def launch(
        self,
        name: str,
        grid: Dimensions,
        block: Dimensions,
        shared_bytes: int,
        args: Sequence[object],
        seed: int = 0,
    ) -> int:
        """Run a kernel to its end; `args` are arrays (passed as pointers) and NumPy scalars of the
        parameters' types. Returns the bytes of dynamic shared memory left other than zero."""
        values = [self._value(argument) for argument in args]
        if [ctypes.sizeof(value) for value in values] != self.parameter_sizes(name):
            raise TypeError(f"{name} has parameters of {self.parameter_sizes(name)} bytes")
        addresses = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        failed = self._library.shim_launch(
            name.encode(),
            _three(grid),
            _three(block),
            ctypes.c_size_t(shared_bytes),
            addresses,
            ctypes.c_uint64(seed),
        )
        if failed:
            raise LaunchError(self._library.shim_error().decode())
        return int(self._library.shim_residue())

    def parameter_sizes(self, name: str) -> list[int]:
        sizes = ctypes.POINTER(ctypes.c_size_t)()
        count = self._library.shim_parameters(name.encode(), ctypes.byref(sizes))
        if count < 0:
            raise LaunchError(f"no kernel called {name}")
        return [sizes[i] for i in range(count)]

    @staticmethod
    def _value(argument: object) -> ctypes.Array[ctypes.c_char]:
        if isinstance(argument, np.ndarray):
            if not argument.flags.c_contiguous:
                raise TypeError("an array must be contiguous")
            argument = np.uint64(argument.ctypes.data)
        if not isinstance(argument, np.generic):
            raise TypeError(f"an argument is an array or a NumPy scalar, not {type(argument)}")
        raw = argument.tobytes()
        return ctypes.create_string_buffer(raw, len(raw))


def _three(dimensions: Dimensions) -> ctypes.Array[ctypes.c_uint]:
    return (ctypes.c_uint * 3)(*dimensions, *[1] * (3 - len(dimensions)))


@functools.cache
def _runtimes() -> str:
    """The sanitizer's runtime, and the C++ library, which it wants to find when it starts."""
    names = ("libasan.so", "libstdc++.so")
    asked = [["g++", f"-print-file-name={name}"] for name in names]
    answers = [subprocess.run(one, capture_output=True, text=True, check=True) for one in asked]
    return " ".join(str(Path(answer.stdout.strip()).resolve()) for answer in answers)


def python(*arguments: object, timeout_s: float = 280) -> subprocess.CompletedProcess[str]:
    """Run this Python with the sanitizer's runtime in front; not zero: see `stderr`."""
    environment = {
        **os.environ,
        "LD_PRELOAD": _runtimes(),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=timeout_s
    )
