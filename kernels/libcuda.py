# SPDX-License-Identifier: Apache-2.0
"""The driver's own library: what PyCUDA leaves out of it, and what a status means to us.

PyCUDA has no graphs and no events inside them, its registered host memory fails with the NumPy of
today, and of a status it shows no more than the driver's sentence.
"""

from __future__ import annotations

from ctypes import CDLL, POINTER, byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_ulonglong
from ctypes import c_void_p as c_handle
from functools import cache

from kernels.errors import AcceleratorError

_HANDLE = POINTER(c_handle)

# cuda.h, CUDA 12.2 and later. Every function returns a CUresult.
_SIGNATURES = {
    "cuGetErrorString": (c_int, POINTER(c_char_p)),
    "cuCtxPopCurrent_v2": (_HANDLE,),
    "cuMemHostRegister_v2": (c_handle, c_size_t, c_uint),
    "cuMemHostUnregister": (c_handle,),
    "cuStreamBeginCapture_v2": (c_handle, c_int),
    "cuStreamEndCapture": (c_handle, _HANDLE),
    "cuGraphInstantiateWithFlags": (_HANDLE, c_handle, c_ulonglong),
    "cuGraphUpload": (c_handle, c_handle),
    "cuGraphLaunch": (c_handle, c_handle),
    "cuGraphDestroy": (c_handle,),
    "cuGraphExecDestroy": (c_handle,),
    "cuEventCreate": (_HANDLE, c_uint),
    "cuEventRecordWithFlags": (c_handle, c_handle, c_uint),
    "cuEventElapsedTime": (POINTER(c_float), c_handle, c_handle),
    "cuEventDestroy_v2": (c_handle,),
}

# By CUresult. All others, a kernel's own fault among them, leave a context that is of no more use.
_FAULTS: dict[int, str] = {
    2: "out-of-memory",
    34: "no-driver",  # the toolkit's stub library
    36: "driver-too-old",
    46: "no-device",  # in exclusive use by somebody else
    100: "no-device",
    101: "no-device",
    102: "no-device",  # not licensed
    200: "no-kernels",  # not an image that this driver knows
    209: "no-kernels",  # none in it for this GPU
    218: "no-kernels",
    221: "no-kernels",  # only PTX fits, and the driver's compiler is not installed
    222: "driver-too-old",  # only PTX fits, and it is of a later version
    301: "no-kernels",
    500: "no-kernels",  # no such function in it
    701: "no-kernels",  # compiled for larger GPUs
    802: "no-device",  # the system is still starting its GPUs
    803: "driver-too-old",  # library and kernel module differ
    804: "driver-too-old",
    **dict.fromkeys(range(900, 909), "engine"),  # it did what cannot be recorded
}

_CURES: dict[str, str] = {
    "no-driver": "install NVIDIA's driver, then PyCUDA by ./build.sh setup",
    "driver-too-old": "update NVIDIA's driver (on a Jetson: JetPack), and reboot",
    "no-device": "see whether nvidia-smi lists a GPU, whether something else has taken it for "
    "itself, and (on a Jetson) whether this user is in the groups video and render",
    "no-kernels": "run ./build.sh kernels with the CUDA toolkit of this driver's version",
    "out-of-memory": "stop what else uses the GPU's memory, or have the camera deliver less",
    "device-lost": "start again; if it happens again, look for NVRM or nvgpu in dmesg",
    "engine": "build it anew with lethe-calibrate engine",
    "engine-nan": "build the engine anew with lethe-calibrate engine; if it happens again, the "
    "model does not fit this GPU",
    "bad-receipt": "start again; if it happens again, the GPU or its memory is defective",
}


def failure(fault: str, what: str) -> AcceleratorError:
    """The error that says `what` and the cure of this kind of fault."""
    return AcceleratorError(fault, f"{what}; {_CURES[fault]}")


@cache
def libcuda() -> CDLL:
    """The driver's library with its signatures. Raises AcceleratorError when it cannot be had."""
    try:
        library = CDLL("libcuda.so.1")
    except OSError as error:
        raise failure("no-driver", str(error)) from None
    for name, arguments in _SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise failure("driver-too-old", f"libcuda.so.1 has no {name}") from None
        function.argtypes = arguments
        function.restype = c_int
    return library


def check(status: int, call: str) -> None:
    """The only place where a CUDA status becomes an exception."""
    if status:
        raise failure(_FAULTS.get(status, "device-lost"), f"{call}: {_sentence(status)}")


def failure_in(message: str) -> AcceleratorError:
    """The error that PyCUDA describes by `message`: "CALL failed: SENTENCE OF THE DRIVER"."""
    call, _, sentence = message.partition(" failed: ")
    fault = next((f for s, f in _FAULTS.items() if _sentence(s) == sentence), "device-lost")
    return failure(fault, f"{call}: {sentence}")


def _sentence(status: int) -> str:
    text = c_char_p()
    libcuda().cuGetErrorString(status, byref(text))
    return (text.value or b"").decode() or f"status {status}"
