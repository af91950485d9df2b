# SPDX-License-Identifier: Apache-2.0
"""Normal life, as the family's features see it: what `unusual` is measured from.

Letters: N cameras of a moment, T time steps, S steps of normal life, C channels, D embedding size.

A step is normal if nobody falls, is down or fights, and the labels of every camera say so. Moments
pass release, noise and family as in training, some with one camera, some with more; of each, what
comes before a stream is judged at all is left out, and then every fifth step is taken, which is how
often a bridge judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from calibration.train.family import MEMBERS, SENSORS_MAX, WINDOW
from calibration.train.heads import received
from calibration.train.packed import Packed, PackedClip
from calibration.train.targets import KINDS
from calibration.train.trunk import Model
from calibration.train.unusual import NormalLife

EVENTS = [KINDS.index(kind) for kind in ("fall", "down", "fight")]
BEGINNING, EVERY = 15, 5  # steps
MOMENTS = 600  # at most, of either part: far more steps than the covariance has numbers
SEED = 11

F32 = npt.NDArray[np.float32]
Vectors = Callable[[PackedClip], F32]  # a clip's embeddings, (T, D)


def normal_life(
    model: Model, packed: Packed, vectors: Vectors, fit: Sequence[int], held: Sequence[int]
) -> dict[str, NormalLife]:
    """Features of every member on clips, by index: what the covariance is of, and what ranks it.

    The model is left ready for use, not for training: what is dropped out there would count here.
    """
    for part in model.parts():
        part.eval()
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(SEED)
        parts = [_features(model, packed, vectors, clips) for clips in (fit, held)]
    return {name: NormalLife(*(part[name] for part in parts)) for name in MEMBERS}


def normal_steps(packed: Packed, views: Sequence[PackedClip]) -> npt.NDArray[np.intp]:
    """The steps of a moment that are normal for each of these cameras, of those that count."""
    normal = np.ones(views[0].steps, np.bool_)
    for view in views:
        known = packed.targets.known[view.span][:, EVENTS] > 0
        true = packed.targets.behaviours[view.span][:, EVENTS] > 0
        normal &= (known & ~true).all(axis=1)
    counted = np.arange(BEGINNING, len(normal), EVERY)
    return counted[normal[counted]]


def _features(
    model: Model, packed: Packed, vectors: Vectors, clips: Sequence[int]
) -> dict[str, F32]:
    channels = model.family.members["s"].norm.normalized_shape[0]
    found: dict[str, list[F32]] = {name: [np.zeros((0, channels), np.float32)] for name in MEMBERS}
    for views in _views(packed, clips):
        steps = normal_steps(packed, views)
        if not len(steps):
            continue
        clean = model.release.clean(torch.from_numpy(np.stack([vectors(view) for view in views])))
        window = received(clean, torch.ones(clean.shape[:2]), model.noise_ratio)[None]
        # A stream that has only begun has a window's worth of gaps before it, as in a bridge.
        window = torch.nn.functional.pad(window, (0, 0, WINDOW, 0))
        modality = torch.zeros(window.shape[:2], dtype=torch.long)
        for name, (features, _) in model.family(window, modality).items():
            found[name].append(features[0].numpy()[WINDOW + steps])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _views(packed: Packed, clips: Sequence[int]) -> Iterator[list[PackedClip]]:
    """Some moments, each with some of its cameras in any order."""
    rng = np.random.default_rng(SEED)
    starts = {packed.clips[k].start for k in clips}
    moments = [[one for one in moment if one.start in starts] for moment in packed.moments()]
    moments = [moment for moment in moments if moment]
    for k in sorted(rng.permutation(len(moments))[:MOMENTS]):
        moment = moments[k]
        some = int(rng.integers(1, min(len(moment), SENSORS_MAX) + 1))
        yield [moment[int(n)] for n in rng.permutation(len(moment))[:some]]
