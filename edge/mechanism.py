# SPDX-License-Identifier: Apache-2.0
"""What a device's release is made from: the profile's public constants, and a secret fresh key."""

from __future__ import annotations

import os
from pathlib import Path

from edge.errors import ConfigError
from kernels.errors import ReleaseError
from kernels.reference import ReleaseParameters
from wire.profile import Profile


def release_parameters(profile: Profile) -> ReleaseParameters:
    """The profile's constants in the form that the mechanism takes; ConfigError if they cannot."""
    try:
        return ReleaseParameters(
            projection=profile.projection_matrix(),
            embedding_scale=profile.embedding_scale,
            clip_norm=profile.clip_norm,
            full_scale=profile.full_scale,
            sigmas=profile.sigmas,
        )
    except ReleaseError as error:
        raise ConfigError(f"profile {profile.name}: {error}") from error


def fill_with_randomness(key: memoryview) -> None:
    """Fresh secret bytes from the kernel, written in place: no copy is left in the interpreter."""
    os.getrandom(1)  # waits until the kernel's generator is seeded; the device below would not
    with Path("/dev/urandom").open("rb", buffering=0) as device:
        if device.readinto(key) != len(key):
            raise ConfigError("the kernel's random source gave too little")
