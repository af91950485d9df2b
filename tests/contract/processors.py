# SPDX-License-Identifier: Apache-2.0
"""Every processor that a frame can take, each with a second way to its embeddings.

They are opened with a noise key that the test knows, for a witness of the definition.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from edge.config import EncoderConfig, StateConfig, load_config
from edge.processors import cpu, cuda, open_processor
from tests.contract.backends import BACKENDS, open_on, skip_without
from tests.edge.oracle import Witness
from tests.edge.stages import NOISE_KEY, write_models
from wire.profile import Profile

__all__ = ["BACKENDS", "open_rig", "witness"]


class Opened:
    """A processor of the product, as the daemon opens it."""

    def __init__(self, backend, folder):
        skip_without(backend)
        self._model, profile = write_models(folder)
        self.profile = telling(Profile.load(profile))
        self._config = replace(
            load_config(None), encoder=EncoderConfig(backend), state=StateConfig(folder)
        )
        self._encoder = open_on(backend, self._model)

    def open(self, key=NOISE_KEY):
        """With this key, or with none given: a fresh one."""
        with pytest.MonkeyPatch.context() as patch:
            for module in (cpu, cuda) if key else ():
                patch.setattr(module, "fill_with_randomness", lambda out: _fill(out, key))
            return open_processor(self._config, self._model, self.profile)

    def embed(self, planes):
        out = np.zeros(self.profile.embedding_dim, np.float32)
        self._encoder.embed(planes, out)
        return out

    def close(self):
        self._encoder.close()


def telling(profile):
    """The profile with constants by which small differences of embeddings reach the vector."""
    K, D = profile.released_dim, profile.embedding_dim
    projection = np.random.default_rng(D).integers(-127, 128, (K, D)).astype(np.int8)
    numbers = {"embedding_scale": 32.0, "full_scale": 20_000, "clip_norm": 10_000}
    return replace(profile, projection=projection.tobytes(), **numbers)


def _fill(out, key):
    out[:] = key


def witness(rig, processor):
    return Witness(rig.profile, NOISE_KEY, processor.format, rig.embed)


def open_rig(backend, folder):
    """A rig of this backend; a skip that says why where there is none."""
    return closing(Opened(backend, folder))
