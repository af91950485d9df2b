# SPDX-License-Identifier: Apache-2.0
"""What the process owes its memory: no core dumps, no debugger, nothing readable after a free.

Called once by `__main__`, before the first frame: `reexec_with_perturb`, then `harden`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

from edge.errors import HygieneError

PR_SET_DUMPABLE = 4  # linux/prctl.h
PERTURB = "MALLOC_PERTURB_"
PERTURB_BYTE = "165"  # any value but 0: what the allocator writes over freed memory

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def reexec_with_perturb() -> None:
    """Make the C library overwrite what is freed, by starting this very process again (same PID).

    Returns when the setting is in force. Libraries free copies of pixels without wiping them, and
    the C library reads this setting only at its start.
    """
    if os.environ.get(PERTURB, "0") != "0":
        return
    os.environ[PERTURB] = PERTURB_BYTE
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  our own command


def harden() -> None:
    """No core dump, no debugger of the same user, no /proc/PID/mem but for root.

    Raises HygieneError if the system refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise HygieneError(f"cannot forbid dumps: {os.strerror(ctypes.get_errno())}")
