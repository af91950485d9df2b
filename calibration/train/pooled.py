# SPDX-License-Identifier: Apache-2.0
"""One message for each 2 s in place of twenty: the same clips on a coarser grid of time.

Letters: F time steps of a packed set, S stretches of all its clips, V variants, D embedding size.

The mean embedding of a stretch is projected and released once, and may spend what twenty releases
would have spent together. So a step is now a stretch (`calibration.train.f1`), true if it was true
in any of its steps, and the same trainer makes a family that knows nothing finer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from calibration.accounting import sigma_for
from calibration.train.batches import Embedded
from calibration.train.f1 import answers, stretches
from calibration.train.packed import PackedClip
from calibration.train.recipe import CLIP_NORM, NO_NOISE_SIGMA
from calibration.train.targets import KINDS, Targets, concatenate


def pooled_ratio(bits: float | None, released_dim: int) -> float:
    """sigma / C of one release for each 2 s under a leaked-bit cap; None: no noise."""
    if bits is None:
        return NO_NOISE_SIGMA / CLIP_NORM
    return sigma_for(bits, 1, CLIP_NORM, released_dim, "leak") / CLIP_NORM


def pooled(embedded: Embedded) -> Embedded:
    """Every clip's stretches; one that is too short for any becomes one that asks nothing."""
    packed, fine = embedded.packed, embedded.variants
    clips, truths, means, start = [], [], [], 0
    for one in packed.clips:
        parts = stretches(one.steps) or [slice(0, one.steps)]
        clips.append(PackedClip(one.clip, start, len(parts), one.people))
        truths.append(_truth(packed.targets.at(one.span), parts))
        means.append(_means(fine[:, one.span], parts))
        start += len(parts)
    coarse = replace(packed, clips=tuple(clips), targets=concatenate(truths))
    return Embedded(coarse, np.concatenate(means, axis=1))


def _means(fine: npt.NDArray[np.float16], parts: Sequence[slice]) -> npt.NDArray[np.float16]:
    means = [fine[:, at].mean(axis=1, dtype=np.float32) for at in parts]
    return np.stack(means, axis=1).astype(np.float16)


def _truth(fine: Targets, parts: Sequence[slice]) -> Targets:
    """What is true of stretches: behaviours as a trial asks for them, the rest as it was last."""
    asked = answers(fine.behaviours, fine.known)
    behaviours, known = np.zeros((2, len(parts), len(KINDS)), np.float32)
    for s in range(len(asked.clip)):
        behaviours[s] = asked.true[s]
        known[s] = np.where(asked.asked[s], fine.known[parts[s]].max(axis=0), 0)
    last = fine.at(np.array([at.stop - 1 for at in parts]))
    return replace(last, behaviours=behaviours, known=known)
