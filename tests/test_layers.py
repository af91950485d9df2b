# SPDX-License-Identifier: Apache-2.0
"""What the import contracts cannot say: hardware libraries have one home each, and come late."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ["wire", "kernels", "edge", "cloud_bridge"]  # what is deployed
HOMES = {
    "gi": {"edge/gstreamer.py"},
    "openvino": {"edge/encoders/openvino.py", "cloud_bridge/recogniser.py"},
    "tensorrt": {"edge/encoders/tensorrt.py"},
    "pycuda": {"kernels/cuda.py"},
    "jtop": set(),
}
BLOCKED = ["gi", "tensorrt", "pycuda", "torch", "onnx", "jtop", "cv2"]
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[2].split(","):
    sys.modules[name] = None
for room in sys.argv[1].split(","):
    package = importlib.import_module(room)
    for module in pkgutil.walk_packages(package.__path__, room + "."):
        if not module.name.endswith("._wiping"):  # a library, but not one of Python's
            importlib.import_module(module.name)
"""


def imported(path):
    """(top-level name, whether the import stands at the top of the file) of every import."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            yield name.partition(".")[0], node in tree.body


def files():
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_hardware_library_is_imported_in_its_home_only(library):
    users = {
        str(path.relative_to(ROOT))
        for path in files()
        if library in {name for name, _ in imported(path)}
    }
    assert users <= HOMES[library]


def test_the_search_finds_imports():
    """The control: what everybody knows to be imported is found."""
    found = {name for path in files() for name, _ in imported(path)}
    assert {"gi", "numpy", "openvino", "paho"} <= found


def import_all(rooms, blocked):
    return subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, ",".join(rooms), ",".join(blocked)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_cloud_needs_nothing_of_the_device_or_the_workstation():
    done = import_all(["wire", "cloud_bridge"], [*BLOCKED, "edge", "kernels", "calibration"])
    assert done.returncode == 0, done.stderr


def test_the_device_needs_nothing_of_the_workstation():
    done = import_all(["wire", "kernels", "edge"], ["torch", "onnx", "cloud_bridge", "calibration"])
    assert done.returncode == 0, done.stderr


def test_blocking_blocks():
    """The control: a name that is needed and blocked is an error."""
    done = import_all(["cloud_bridge"], ["paho"])
    assert done.returncode != 0
    assert "paho" in done.stderr
