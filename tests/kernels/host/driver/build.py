# SPDX-License-Identifier: Apache-2.0
"""Compile the CPU's libcuda.so.1, and speak to it from within a process that runs over it.

PyCUDA's extension names every function that it could ever call, and the loader wants them all.
Those that the driver does not have are made here, to answer CUDA_ERROR_NOT_SUPPORTED.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent

_FLAGS = ["-std=c++17", "-O1", "-g", "-fPIC", "-Wall", "-Wextra", "-Werror"]
_NOT_SUPPORTED = 801


def nvcc() -> str | None:
    """The CUDA compiler, as build.sh finds it."""
    return shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")


def missing() -> str | None:
    """Why the driver cannot be built here, or None."""
    if nvcc() is None:
        return "there is no nvcc, and so no cuda.h"
    if importlib.util.find_spec("pycuda") is None:
        return "PyCUDA is not installed; ./build.sh setup compiles it where nvcc is"
    return None


def build(folder: Path) -> Path:
    """Make `folder`/libcuda.so.1; the folder, for LD_LIBRARY_PATH."""
    library = folder / "libcuda.so.1"
    sources = sorted(HERE.glob("*.cpp"))
    objects = [folder / f"{source.stem}.o" for source in sources]
    compile_one = ["g++", "-c", *_FLAGS, f"-I{_include()}"]
    running = [
        subprocess.Popen([*compile_one, source, "-o", made])
        for source, made in zip(sources, objects, strict=True)
    ]
    if sum(compiler.wait() for compiler in running):
        raise RuntimeError("the driver does not compile")
    spec = importlib.util.find_spec("pycuda._driver")
    wanted = _symbols("--undefined-only", Path(spec.origin))
    rest = sorted(wanted - set.union(*(_symbols("--defined-only", made) for made in objects)))
    stubs = folder / "stubs.c"
    stubs.write_text("".join(f"int {name}(void) {{ return {_NOT_SUPPORTED}; }}\n" for name in rest))
    linked = ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", library]
    subprocess.run(["g++", *objects, "-x", "c", stubs, *linked], check=True)
    return folder


def _include() -> Path:
    """The folder of cuda.h, as nvcc itself has it."""
    dry = [nvcc(), "--dryrun", "-x", "cu", "/dev/null"]
    said = subprocess.run(dry, capture_output=True, text=True, check=True).stderr
    return Path(re.search(r"^#\$ TOP=(.*)$", said, re.MULTILINE)[1]) / "include"


def _symbols(which: str, file: Path) -> set[str]:
    dynamic = ["-D"] if file.suffix == ".so" else []
    listed = subprocess.run(
        ["nm", *dynamic, which, file], capture_output=True, text=True, check=True
    )
    return set(re.findall(r"\b(cu[A-Z]\w+)$", listed.stdout, re.MULTILINE))


class Control:
    """What control.h offers. `present()` says whether this process runs over the CPU's driver."""

    def __init__(self) -> None:
        self._driver = ctypes.CDLL("libcuda.so.1")
        for name in ("trace", "problems"):
            getattr(self._driver, f"lethe_driver_{name}").restype = ctypes.c_char_p
        for name in ("count", "nonzero", "nonzero_freed"):
            getattr(self._driver, f"lethe_driver_{name}").restype = ctypes.c_size_t
        self.reset()

    @staticmethod
    def present() -> bool:
        return hasattr(ctypes.CDLL("libcuda.so.1"), "lethe_driver_reset")

    def machine(self, driver_version: int, devices: int = 1) -> None:
        self._driver.lethe_driver_machine(driver_version, devices)

    def reset(self) -> None:
        """As after a start of the machine."""
        self._driver.lethe_driver_reset()

    def fail(self, function: str, status: int, nth: int = 1, times: int = 1) -> None:
        """The `nth` call of `function` ("": of any) from now returns `status`."""
        self._driver.lethe_driver_fail(function.encode(), nth, status, times)

    def break_node(self, node: int, status: int = 0) -> None:
        """The next graph leaves `node` out; silently, or it ends there with `status`."""
        self._driver.lethe_driver_break_node(node, status)

    def truncate_copy(self, nbytes: int) -> None:
        self._driver.lethe_driver_truncate_copy(ctypes.c_long(nbytes))

    def trace(self) -> list[str]:
        return self._driver.lethe_driver_trace().decode().split()

    def problems(self) -> list[str]:
        return self._driver.lethe_driver_problems().decode().splitlines()

    def count(self, needle: bytes) -> int:
        """How often it occurs in the GPU's memory and in what the host shares with it."""
        return self._driver.lethe_driver_count(needle, len(needle))

    def nonzero(self) -> int:
        return self._driver.lethe_driver_nonzero()

    def nonzero_freed(self) -> int:
        return self._driver.lethe_driver_nonzero_freed()

    def live(self) -> int:
        return self._driver.lethe_driver_live()
