# SPDX-License-Identifier: Apache-2.0
"""./build.sh kernels: what it makes, that it makes it again, and what it says when it cannot.

The file's format is NVIDIA's and not documented; the few fields read here are those by which
cuobjdump lists a file's images. A file without one of the targets shows that they are read.
"""

import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build.sh"
TARGETS = {("PTX", 87), ("ELF", 87), ("ELF", 90), ("ELF", 110)}
KERNELS = {"empty", "area_resize", "planes", "release"}
MAGIC = 0xBA55ED50
KINDS = {1: "PTX", 2: "ELF"}


def kernels(folder, script="kernels", **environment):
    """Run a function of build.sh as if `folder` was the repository."""
    return subprocess.run(
        ["bash", "-c", f'source "{BUILD}"; ROOT=$PWD VENV=$PWD/.venv; {script}'],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def copy_to(folder):
    shutil.copytree(ROOT / "kernels", folder / "kernels", ignore=lambda *_: ["lethe.fatbin"])
    return folder


def edit(folder, name, old, new):
    path = folder / "kernels" / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def images_of(data):
    """(kind, compute capability) of every image in a fat binary."""
    magic, _, start, size = struct.unpack_from("<IHHQ", data)
    assert magic == MAGIC
    assert start + size == len(data)
    found, at = set(), start
    while at < len(data):
        kind, _, header, payload = struct.unpack_from("<HHIQ", data, at)
        found.add((KINDS[kind], struct.unpack_from("<I", data, at + 28)[0]))
        at += header + payload
    return found


@pytest.fixture(scope="session")
def nvcc():
    """The compiler's version; without one these tests are skipped, and say so."""
    found = subprocess.run(
        ["bash", "-c", f'source "{BUILD}"; "$(cuda_compiler)" --version'],
        capture_output=True,
        text=True,
        check=False,
    )
    version = re.search(r"release (\d+)\.(\d+)", found.stdout)
    if not version:
        pytest.skip("NOT RUN: there is no nvcc here, so nobody checked that the kernels compile")
    if int(version[1]) < 13:
        pytest.skip("NOT RUN: nvcc is older than 13.0 and does not know every target")


@pytest.fixture(scope="module")
def built(nvcc, tmp_path_factory):
    """A folder where ./build.sh kernels ran, and what it said."""
    folder = copy_to(tmp_path_factory.mktemp("built"))
    done = kernels(folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def fatbin(folder):
    return (folder / "kernels" / "lethe.fatbin").read_bytes()


def test_it_holds_code_for_every_target(built):
    assert images_of(fatbin(built[0])) == TARGETS


def test_nothing_spills_and_nothing_has_a_stack(built):
    lines = built[1].stdout.splitlines()[1:]
    named = {tuple(line.split(":")[0].split(" on ")) for line in lines}
    architectures = {f"sm_{number}" for kind, number in TARGETS if kind == "ELF"}
    assert {(name.strip(), on) for name, on in named} == {
        (kernel, on) for kernel in KERNELS for on in architectures
    }
    for line in lines:
        assert line.endswith("0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads")
        assert int(re.search(r"Used (\d+) registers", line)[1]) <= 64


def test_again_does_nothing_until_a_source_changes(built):
    folder, _ = built
    before = (folder / "kernels" / "lethe.fatbin").stat().st_mtime_ns
    again = kernels(folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert "up to date" in again.stdout
    assert (folder / "kernels" / "lethe.fatbin").stat().st_mtime_ns == before
    changed = kernels(folder, "compile_kernels() { false; }; echo >>kernels/empty.cu; kernels")
    assert "do not compile" in changed.stderr


def test_another_folder_gives_the_same_bytes(built, tmp_path):
    longer = copy_to(tmp_path / "a folder with a longer name")
    assert kernels(longer).returncode == 0
    assert fatbin(longer) == fatbin(built[0])


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("lethe.cu", "void empty() {}", "void empty() { int unused; }", "unused"),
        (
            "release.cu",
            "__launch_bounds__(32 * release_kernel::MAX_WARPS)",
            "__maxnreg__(24)",
            "spilled",
        ),
    ],
    ids=["a warning", "a spill"],
)
def test_what_does_not_compile_well_is_an_error_and_the_old_file_stays(
    nvcc, tmp_path, name, old, new, said
):
    folder = copy_to(tmp_path)
    (folder / "kernels" / "lethe.fatbin").write_bytes(b"old")
    edit(folder, name, old, new)
    done = kernels(folder, "KERNEL_TARGETS=(87); kernels")
    assert done.returncode != 0
    assert said in done.stderr
    assert "nothing is changed" in done.stderr
    assert fatbin(folder) == b"old"


def test_an_older_compiler_leaves_out_what_it_does_not_know_and_says_so(nvcc, tmp_path):
    """As 12.x does with sm_110, which a JetPack of that CUDA does not need."""
    folder = copy_to(tmp_path)
    done = kernels(folder, "KERNEL_TARGETS=(999); kernels")
    assert done.returncode == 0
    assert "without sm_999" in done.stderr
    assert images_of(fatbin(folder)) == {("PTX", 87)}


def test_without_a_compiler_it_says_what_to_do(tmp_path):
    folder = copy_to(tmp_path)
    done = kernels(folder, "cuda_compiler() { false; }; kernels; echo went on")
    assert done.returncode != 0
    assert "cuda-downloads" in done.stderr
    assert "works without" in done.stderr
    assert done.stdout == ""
