# SPDX-License-Identifier: Apache-2.0
"""Rendered joints in place of pictures: how well anybody could do who finds every joint.

Letters: F time steps of a packed set, T of a clip, P persons, S = SLOTS persons that are shown.

An oracle, no method: where a joint is comes from the renderer, hidden or not, without error. Whom
the camera does not see is left out. Real clips have no joints and show nobody.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from calibration.data import DataError
from calibration.rooms import skeleton
from calibration.rooms.errors import RoomsError
from calibration.rooms.labels import SEEN_PIXELS
from calibration.rooms.store import load_joints
from calibration.train.networks import Release
from calibration.train.packed import Packed
from calibration.train.sources import STORED

WIDTH, HEIGHT = 160, 128  # of the picture in which the renderer says where joints are
FARTHEST = 2.0  # from the picture's middle, in half pictures
SLOTS = 3
ONE = 2 * skeleton.B + 1  # numbers of a person: across and down of each joint, then 1
MOVED, SCALED = 0.15, 0.2  # half pictures; of the logarithm
HIDDEN_WIDTH = 96

F16 = npt.NDArray[np.float16]
F32 = npt.NDArray[np.float32]


def joints_of(packed: Packed, variants: int, seed: int = 2) -> F16:
    """Of the clips of a packed set: (V, F, S ONE). All but the first are mirrored or moved.

    Raises DataError if a rendered clip's file is gone or not whole.
    """
    rng = np.random.default_rng(seed)
    found = np.zeros((variants, len(packed.targets), SLOTS * ONE), np.float16)
    for one in packed.clips:
        if one.clip.rendered:
            path = one.clip.path.with_suffix(STORED)
            try:
                joints, pixels = load_joints(path)
            except RoomsError as error:
                raise DataError(str(error)) from error
            place = normalised(joints)
            for v in range(variants):
                moved = varied(place, rng) if v else place
                found[v, one.span] = shown(moved, pixels)
    return found


def normalised(joints: npt.NDArray[np.floating]) -> F32:
    """(T, P, 16, 3), in pixels -> (T, P, 16, 2), -1 to 1 across and down inside the picture."""
    half = np.array([WIDTH / 2, HEIGHT / 2], np.float32)
    return _near(joints[..., :2].astype(np.float32) / half - 1)


def varied(place: F32, rng: np.random.Generator) -> F32:
    """The same from a camera that hangs elsewhere: (T, P, 16, 2) -> the same shape."""
    scale = np.exp(rng.normal(0, SCALED)).astype(np.float32)
    moved = place * scale + rng.uniform(-MOVED, MOVED, 2).astype(np.float32)
    if rng.random() < 0.5:
        moved = moved[..., _OTHER_SIDE, :] * np.array([-1, 1], np.float32)
    return _near(moved)


def shown(place: F32, pixels: npt.NDArray[np.uint16]) -> F32:
    """(T, P, 16, 2), (T, P) -> (T, S ONE): who is seen best first, zeros for nobody."""
    steps, persons = pixels.shape
    out = np.zeros((steps, SLOTS, ONE), np.float32)
    best = np.argsort(-pixels.astype(np.int64), axis=1, kind="stable")[:, :SLOTS]
    for slot in range(min(SLOTS, persons)):
        who = best[:, slot]
        seen = pixels[np.arange(steps), who] >= SEEN_PIXELS
        told = place[np.arange(steps), who].reshape(steps, -1)
        out[seen, slot, :-1], out[seen, slot, -1] = told[seen], 1
    return out.reshape(steps, -1)


class SkeletonRelease(Release):
    """Joints (..., S ONE) in place of an embedding: a small network reads every person alone.

    What it says of each is added up, so it does not matter who is in which slot.
    """

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Sequential(
            nn.Linear(ONE, HIDDEN_WIDTH),
            nn.ReLU(),
            nn.Linear(HIDDEN_WIDTH, HIDDEN_WIDTH),
            nn.ReLU(),
        )
        self.out = nn.Linear(HIDDEN_WIDTH, self.projection.in_features)

    def clean(self, embedding: Tensor) -> Tensor:
        """The clipped vector before noise, norm at most 1."""
        persons = embedding.unflatten(-1, (SLOTS, ONE))
        told = (self.read(persons) * persons[..., -1:]).sum(-2)
        return super().clean(torch.tanh(self.out(told)))


def _near(place: F32) -> F32:
    return np.asarray(np.clip(place, -FARTHEST, FARTHEST), np.float32)


def _other_side() -> list[int]:
    """Of every joint the one on the other side of the body."""
    pairs = {"l": "r", "r": "l"}
    return [
        skeleton.BONES.index(f"{name[:-1]}{pairs[name[-1]]}" if name[-2:] in {"_l", "_r"} else name)
        for name in skeleton.BONES
    ]


_OTHER_SIDE = _other_side()
