# SPDX-License-Identifier: Apache-2.0
"""A profile: the public constants that device and bridge share about one release mechanism.

The device obeys it, the bridge checks against it, and every message names it by its id, a hash of
all its values. A profile holds no secret. Values out of range are refused with key and range, in
`Profile(...)` as in `Profile.load`; BadProfile is the only error.

A profile also states a cap. Whoever is to obey it or to trust it asks `require_cap_kept` first.

Ranges keep the mechanism exact: with D <= 4096 and K <= 1024 a projected coordinate stays below
2^27 and the sum of K squares below 2^63; `clip_norm + noise_bound(max sigma)` fits int16.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
from numpy.typing import NDArray

from wire.checks import Checks, json_bytes
from wire.errors import BadProfile

ID_BYTES = 16
ID_LABEL = "lethe profile 1"
EMBEDDING_DIM_MAX = 4096
RELEASED_DIM_MAX = 1024
SIGMA_LEVELS_MAX = 16
INT16_MAX = 32767
NOISE_BOUND_SIGMAS = 11  # the mass outside is below 2^-86; the noise tables end at 2^-80
FILE_MAX_BYTES = 8 * 2**20

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_CHECKS = Checks(BadProfile, "profile")
_KEYS = (
    "name",
    "encoder_sha256",
    "embedding_dim",
    "released_dim",
    "projection",
    "embedding_scale",
    "clip_norm",
    "full_scale",
    "sigmas",
    "rate_hz",
    "window_s",
    "window_cap_bits",
)


def noise_bound(sigma: int) -> int:
    """The largest |noise| of one coordinate that any table for this sigma may produce."""
    return NOISE_BOUND_SIGMAS * sigma


@dataclass(frozen=True, slots=True)
class Profile:
    """One release mechanism in numbers. D: embedding, K: released coordinates."""

    name: str
    encoder_sha256: str  # of the encoder's ONNX file, 64 lower-case hex digits
    embedding_dim: int  # D
    released_dim: int  # K
    projection: bytes = field(repr=False)  # int8 (K, D), row-major
    embedding_scale: float  # s: the quantised embedding is rint(e / s)
    clip_norm: int  # C: largest Euclidean norm before noise
    full_scale: int  # M: projected norm that is mapped onto C
    sigmas: tuple[int, ...]  # noise per level, finest first; a message carries the level
    rate_hz: int  # releases per second
    window_s: int  # the window that window_cap_bits speaks of
    window_cap_bits: float  # most bits one window may leak
    id: bytes = field(init=False, compare=False)  # 16 bytes, names all of the above

    def __post_init__(self) -> None:
        _CHECKS.name("name", self.name)
        _CHECKS.text("encoder_sha256", self.encoder_sha256, _SHA256_HEX)
        _CHECKS.integer("embedding_dim", self.embedding_dim, 1, EMBEDDING_DIM_MAX)
        _CHECKS.integer("released_dim", self.released_dim, 1, RELEASED_DIM_MAX)
        _CHECKS.octets("projection", self.projection, self.released_dim * self.embedding_dim)
        _CHECKS.number("embedding_scale", self.embedding_scale, 1e-12, 1e12)
        _CHECKS.integer("clip_norm", self.clip_norm, 1, INT16_MAX)
        _CHECKS.integer("full_scale", self.full_scale, 1, 2**31 - 1)
        self._check_sigmas()
        _CHECKS.integer("rate_hz", self.rate_hz, 1, 100)
        _CHECKS.integer("window_s", self.window_s, 1, 3600)
        _CHECKS.number("window_cap_bits", self.window_cap_bits, 1e-6, 1e6)
        object.__setattr__(self, "id", self._digest())

    def _check_sigmas(self) -> None:
        if type(self.sigmas) is not tuple or not 1 <= len(self.sigmas) <= SIGMA_LEVELS_MAX:
            raise _CHECKS.refuse("sigmas", f"1 to {SIGMA_LEVELS_MAX} noise levels")
        largest = (INT16_MAX - self.clip_norm) // NOISE_BOUND_SIGMAS
        for sigma in self.sigmas:
            _CHECKS.integer("sigmas", sigma, 1, largest)
        if any(b <= a for a, b in pairwise(self.sigmas)):
            raise _CHECKS.refuse("sigmas", "strictly increasing, finest first")

    def _digest(self) -> bytes:
        fields: list[Any] = [ID_LABEL, self.name, bytes.fromhex(self.encoder_sha256)]
        fields += [self.embedding_dim, self.released_dim, self.projection]
        fields += [float(self.embedding_scale), self.clip_norm, self.full_scale]
        fields += [list(self.sigmas), self.rate_hz, self.window_s, float(self.window_cap_bits)]
        return hashlib.sha256(cbor2.dumps(fields, canonical=True)).digest()[:ID_BYTES]

    def projection_matrix(self) -> NDArray[np.int8]:
        """-> (K, D) int8, read-only."""
        shape = (self.released_dim, self.embedding_dim)
        return np.frombuffer(self.projection, dtype=np.int8).reshape(shape)

    def release_bits(self, level: int) -> float:
        """Cap on what one release at this noise level leaks: C^2 / (2 sigma^2 ln 2) bits."""
        ratio = self.clip_norm / self.sigmas[level]
        return ratio * ratio / (2.0 * math.log(2.0))

    def window_bits(self) -> float:
        """Most bits that one window leaks at the finest noise, every tick a new release."""
        return self.rate_hz * self.window_s * self.release_bits(0)

    def require_cap_kept(self) -> None:
        """Raise BadProfile if a window at the finest noise leaks more than the stated cap.

        A ledger would keep the cap even so, by falling silent. But a profile that says one thing
        and is built for another was edited, or made for another rate: neither side takes it.
        """
        if self.window_bits() <= self.window_cap_bits:
            return
        releases = self.rate_hz * self.window_s
        least = self.clip_norm * math.sqrt(releases / (2.0 * math.log(2.0) * self.window_cap_bits))
        raise BadProfile(
            f"profile: {releases} releases in {self.window_s} s with clip_norm {self.clip_norm} "
            f"and sigma {self.sigmas[0]} leak up to {self.window_bits():.6g} bits, more than its "
            f"window_cap_bits of {self.window_cap_bits:.6g}; that takes a sigma of at least "
            f"{math.ceil(least)}: use the profile as it was made, or make one for this cap"
        )

    def coordinate_bound(self, level: int) -> int:
        """The largest |z_i| that a release at this noise level can have."""
        return self.clip_norm + noise_bound(self.sigmas[level])

    def to_json(self) -> bytes:
        """The file's content: all values in the order above, the projection in base64."""
        found = {key: getattr(self, key) for key in _KEYS}
        found["projection"] = base64.b64encode(self.projection).decode("ascii")
        found["sigmas"] = list(self.sigmas)
        return json_bytes(found) + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Profile:
        """Raise BadProfile for anything that is not a profile, and nothing else."""
        found = _CHECKS.json_object(data, _KEYS, FILE_MAX_BYTES)
        found["projection"] = _decode_projection(found["projection"])
        if type(found["sigmas"]) is not list:
            raise _CHECKS.refuse("sigmas", "a list of integers")
        found["sigmas"] = tuple(found["sigmas"])
        return cls(**found)

    @classmethod
    def load(cls, path: Path) -> Profile:
        """Read a profile's file. BadProfile also when it cannot be read."""
        try:
            with path.open("rb") as file:
                data = file.read(FILE_MAX_BYTES + 1)
        except OSError as error:
            raise BadProfile(f"profile {path}: {error.strerror}") from error
        return cls.from_json(data)

    def save(self, path: Path) -> None:
        """Write the profile as JSON, the projection in base64."""
        path.write_bytes(self.to_json())


def _decode_projection(text: object) -> bytes:
    if not isinstance(text, str):
        raise _CHECKS.refuse("projection", "base64 text")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise _CHECKS.refuse("projection", "base64 text") from None
