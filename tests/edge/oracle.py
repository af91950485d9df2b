# SPDX-License-Identifier: Apache-2.0
"""What a correct device would have released, by the definitions alone, and who says otherwise.

The witness knows the noise key, the encoder and every frame. It computes each vector a second time
with the pure functions of `kernels.reference` and never looks at what the device did.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES, Desensitiser
from kernels.frame import area_resize
from kernels.reference import clip, noise_table, project, quantise, ratchet, sample


@cache
def weights(dim):
    """(dim, all planes) float32; coordinates of an embedding are below 1, most of them."""
    values = PLANES * CANVAS_H * CANVAS_W
    return np.random.default_rng(dim).normal(0.0, 0.004 / values**0.5, (dim, values)).astype("f4")


class LinearEncoder:
    """An encoder of one random matrix: everything in the planes shows in the embedding."""

    def __init__(self, dim):
        self.dim, self._weights = dim, weights(dim)

    def __call__(self, planes):
        return self._weights @ planes.ravel().astype(np.float32)

    def embed(self, planes, out):
        out[:] = self(planes)

    def close(self):
        return


class Witness:
    """Follows one run, frame by frame. `embed`: planes (3, 64, 80) uint8 -> embedding (D,)."""

    def __init__(self, profile, key, layout, embed):
        self._profile, self._key = profile, bytearray(key)
        self._layout, self._embed = layout, embed
        self._desensitiser = Desensitiser(profile.rate_hz)

    def embedding(self, pixels):
        """The frame's embedding; the room is learned on the way."""
        planes = np.zeros((PLANES, CANVAS_H, CANVAS_W), np.uint8)
        self._desensitiser.planes(area_resize(pixels, self._layout), planes)
        return self._embed(planes)

    def release(self, embedding, level):
        """The vector, with this release's noise; the key turns."""
        profile = self._profile
        u = project(profile.projection_matrix(), quantise(embedding, profile.embedding_scale))
        v = clip(u, profile.clip_norm, profile.full_scale)
        self._key, words = ratchet(self._key, profile.released_dim)
        return (v + sample(noise_table(profile.sigmas[level]), words)).astype(np.int16)


def lies(messages, seen, witness):
    """Indices of messages that carry neither the next correct release nor the last vector again.

    `seen`: pixels and level of every frame that was looked at, in order; None: nothing was to be
    released of it. A device that has failed sends fewer messages, and no others.
    """
    releases = []
    for pixels, level in seen:
        embedding = witness.embedding(pixels)
        if level is not None:
            releases.append((level, witness.release(embedding, level)))
    last, found = None, []
    for index, message in enumerate(messages):
        if not message.repeated:
            last = releases.pop(0) if releases else None
        level, vector = last or (None, None)
        if message.noise_level != level or not np.array_equal(message.vector, vector):
            found.append(index)
    return found


def laid_bare(messages, profile, key):
    """Indices of messages that are not some vector of the clip norm, or shorter, with all of the
    noise that was theirs, and not the last one again either. Whatever was seen."""
    last, found, key = None, [], bytearray(key)
    for index, message in enumerate(messages):
        if message.repeated:
            bare = last is None or not np.array_equal(message.vector, last)
        else:
            key, words = ratchet(key, profile.released_dim)
            noise = sample(noise_table(profile.sigmas[message.noise_level]), words)
            v = message.vector.astype(np.int64) - noise
            bare = int(v @ v) > profile.clip_norm**2
        found += [index] if bare else []
        last = message.vector
    return found
