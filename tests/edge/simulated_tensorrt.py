# SPDX-License-Identifier: Apache-2.0
"""TensorRT as a module that runs anywhere, with the rules that the real one has.

A plan is JSON that says what inputs and outputs there are. A run copies as much of the input as the
output can hold, first into the workspace, where it stays, then to the output: activations, and what
becomes of them, can be found. What is wrong makes a call return False or None, after a word to the
logger, as in the original; a context that would have its own memory is refused.

`release` chooses whose Python interface it has: "10.3", "10.16" or "rtx".
"""

from __future__ import annotations

import ctypes
import enum
import json
import types
from importlib.machinery import ModuleSpec
from typing import Any

VERSIONS = {"10.3": "10.3.0", "10.16": "10.16.1.11", "rtx": "1.7.1.116"}
ALIGNMENT = 256
SIZES = {"UINT8": 1, "FLOAT": 4, "HALF": 2}


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    UINT8 = 5


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class ExecutionContextAllocationStrategy(enum.Enum):
    STATIC = 0
    ON_PROFILE_CHANGE = 1
    USER_MANAGED = 2


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


def plan(
    given: tuple[str, str, tuple[int, ...]] = ("planes", "UINT8", (1, 3, 64, 80)),
    made: tuple[str, str, tuple[int, ...]] = ("embedding", "FLOAT", (1, 64)),
    workspace: int = 1000,
) -> bytes:
    return json.dumps({"given": given, "made": made, "workspace": workspace}).encode()


def copy_now(target: int, source: int, nbytes: int, _stream: int) -> None:
    ctypes.memmove(target, source, nbytes)


class Simulation(types.ModuleType):
    """The module; `copy` moves bytes, and `out_of_memory` and `broken` make the next call fail."""

    def __init__(self, release: str, copy: Any = copy_now) -> None:
        name = "tensorrt_rtx" if release == "rtx" else "tensorrt"
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.__version__ = VERSIONS[release]
        self.DataType, self.TensorIOMode, self.ILogger = DataType, TensorIOMode, ILogger
        self.ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy
        self.release, self.copy = release, copy
        self.out_of_memory = self.broken = False
        self.alive = 0  # objects that hold device memory

    def Runtime(self, logger: ILogger) -> Runtime:  # noqa: N802  its name
        return Runtime(self, logger)


class Part:
    def __init__(self, trt: Simulation, parent: Any) -> None:
        self.trt, self.parent = trt, parent
        trt.alive += 1

    def __del__(self) -> None:
        self.trt.alive -= 1


class Runtime(Part):
    def say(self, message: str) -> None:
        self.parent.log(ILogger.ERROR, message)

    def deserialize_cuda_engine(self, content: bytes) -> Engine | None:
        try:
            return Engine(self.trt, self, json.loads(content))
        except ValueError:
            self.say("Serialization assertion stdVersionRead == kSERIALIZATION_VERSION failed")
            return None


class Engine(Part):
    def __init__(self, trt: Simulation, runtime: Runtime, wanted: dict[str, Any]) -> None:
        super().__init__(trt, runtime)
        self.wanted = wanted
        self.num_io_tensors = 2
        name = "device_memory_size" if trt.release == "10.3" else "device_memory_size_v2"
        setattr(self, name, wanted["workspace"])

    def _tensor(self, name: str) -> list[Any]:
        return next(t for t in (self.wanted["given"], self.wanted["made"]) if t[0] == name)

    def get_tensor_name(self, index: int) -> str:
        return str(self.wanted[("given", "made")[index]][0])

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        given = name == self.wanted["given"][0]
        return TensorIOMode.INPUT if given else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType[self._tensor(name)[1]]

    def get_tensor_shape(self, name: str) -> list[int]:
        return list(self._tensor(name)[2])

    def nbytes(self, name: str) -> int:
        _, kind, shape = self._tensor(name)
        size = SIZES[kind]
        for extent in shape:
            size *= extent
        return size

    def create_execution_context(
        self,
        strategy: ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy.STATIC,
    ) -> Context | None:
        assert strategy == ExecutionContextAllocationStrategy.USER_MANAGED
        if self.trt.out_of_memory:
            self.parent.say("Requested amount of GPU memory could not be allocated")
            return None
        kind = OldContext if self.trt.release == "10.3" else NewContext
        return kind(self.trt, self)


class Context(Part):
    def __init__(self, trt: Simulation, engine: Engine) -> None:
        super().__init__(trt, engine)
        self.addresses: dict[str, int] = {}
        self.memory = 0

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if name not in (self.parent.wanted["given"][0], self.parent.wanted["made"][0]):
            return self._say(f"invalid tensor name {name}")
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream: int) -> bool:
        given, made = self.parent.wanted["given"][0], self.parent.wanted["made"][0]
        if self.trt.broken:
            return self._say("Error Code 1: Cask (Cask convolution execution)")
        if not self.memory or {given, made} - self.addresses.keys():
            return self._say("an address is not set")
        size = min(self.parent.nbytes(given), self.parent.nbytes(made))
        size = min(size, self.parent.wanted["workspace"])
        self.trt.copy(self.memory, self.addresses[given], size, stream)
        self.trt.copy(self.addresses[made], self.memory, size, stream)
        return True

    def lend(self, memory: int, size: int) -> None:
        if memory % ALIGNMENT or size < self.parent.wanted["workspace"]:
            self._say("setDeviceMemoryV2: memory is too small or not aligned")
        else:
            self.memory = memory

    def _say(self, message: str) -> bool:
        self.parent.parent.say(message)
        return False


class NewContext(Context):
    def set_device_memory(self, memory: int, size: int) -> None:
        self.lend(memory, size)


class OldContext(Context):
    """Before the size was asked for: an attribute that can only be written."""

    @property
    def device_memory(self) -> int:
        raise AttributeError("unreadable attribute")

    @device_memory.setter
    def device_memory(self, memory: int) -> None:
        self.lend(memory, self.parent.wanted["workspace"])
