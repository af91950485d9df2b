# SPDX-License-Identifier: Apache-2.0
"""Every way in which a processor can fail, under the one name that the status gives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge.errors import EncoderError, ProcessorError
from kernels.errors import AcceleratorError, ReleaseError


@contextmanager
def named_faults() -> Iterator[None]:
    """Whatever stops the work inside is raised as a ProcessorError with its fault."""
    try:
        yield
    except AcceleratorError as error:
        raise ProcessorError(error.fault, str(error)) from error
    except EncoderError as error:
        raise ProcessorError("engine", str(error)) from error
    except ReleaseError as error:
        raise ProcessorError("bad-receipt", f"the release failed: {error}") from error
    except MemoryError as error:
        raise ProcessorError(
            "out-of-memory", "no memory for a frame's way; stop what else runs on this machine"
        ) from error
