# SPDX-License-Identifier: Apache-2.0
"""Every processor that a frame can take, each with a second way to its embeddings.

They are opened with a noise key that the test knows, for a witness of the definition.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge.config import EncoderConfig, StateConfig, load_config
from edge.processors import cpu, cuda, open_processor
from tests.contract.backends import open_on, skip_without
from tests.edge.gpu import OVER_GPU, Gpu, fill
from tests.edge.oracle import Witness
from tests.edge.stages import NOISE_KEY, tiny_profile, write_models
from wire.profile import Profile

ON_A_HOST = ["openvino", pytest.param("tensorrt", marks=pytest.mark.gpu)]
BACKENDS = ["the GPU's way with the tests' engine"] if OVER_GPU else ON_A_HOST


class WithTestsEngine:
    """The GPU's way on whatever machine this process was started for."""

    def __init__(self):
        tiny = telling(tiny_profile())
        self.profile = replace(tiny, embedding_scale=1.0)
        self._gpu = Gpu(self.profile)
        self.embed = self._gpu.embed

    def open(self, key=NOISE_KEY):
        """With this key, or with none given: a fresh one."""
        config = replace(load_config(None), encoder=self._gpu.config)
        with pytest.MonkeyPatch.context() as patch:
            self._gpu.patched(patch, key=key)
            return open_processor(config, Path("none.onnx"), self.profile)

    def close(self):
        return


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
                patch.setattr(module, "fill_with_randomness", partial(fill, key=key))
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


def witness(rig, processor):
    return Witness(rig.profile, NOISE_KEY, processor.format, rig.embed)


def open_rig(backend, folder):
    """A rig of this backend; a skip that says why where there is none."""
    return closing(WithTestsEngine() if OVER_GPU else Opened(backend, folder))
