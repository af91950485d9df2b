# SPDX-License-Identifier: Apache-2.0
"""People who never existed in rooms that nobody filmed; `lethe-calibrate rooms` renders them."""

from calibration.rooms.command import add_arguments, run

__all__ = ["add_arguments", "run"]
