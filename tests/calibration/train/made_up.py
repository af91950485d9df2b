# SPDX-License-Identifier: Apache-2.0
"""A packed set of made-up persons, in memory."""

from pathlib import Path

import numpy as np

from calibration.data import Clip, Interval
from calibration.train.packed import Packed, PackedClip
from calibration.train.targets import Targets, concatenate, targets

PEOPLE_CSV = "id,split,sex,age_years,height_m,weight_kg,build,clothing\n"


def rendered(folder, number, name, steps, person, intervals=()):
    """A clip of a moment of its own in which one person is alone from step 5 on."""
    clip = Clip(
        path=folder / f"clips/{name}/{number:06d}_0.npz",
        name=f"clips/{name}/{number:06d}_0.npz",
        set=f"rooms_{name}",
        subject=f"b{person}",
        scene=f"r{number}",
        intervals=intervals,
        moment=str(number),
        camera="0",
        seed="1",
    )
    truth = targets(clip, steps)
    truth.person[5:] = person
    return clip, truth


def packed_of(listed, planes=None):
    """Packed clips of (clip, truth) pairs; `planes` (F, 3, 64, 80), else nothing to be seen."""
    clips, start = [], 0
    for clip, truth in listed:
        people = (int(clip.subject[1:]),) if clip.rendered else ()
        clips.append(PackedClip(clip, start, len(truth), people))
        start += len(truth)
    known: Targets = concatenate([truth for _, truth in listed])
    if planes is None:
        planes = np.zeros((start, 3, 64, 80), np.uint8)
    return Packed(Path("nowhere"), tuple(clips), planes, planes[:, 0], known)


def crowd(folder, persons=12, moments=6, steps=65):
    """Every person in so many moments, three windows of 2 s in each; people.csv in `folder`."""
    rows = [
        f"b{p},train,{'fm'[p % 2]},40,1.7,70,{p / persons:.2f},{('coat', 'suit')[p // 2 % 2]}\n"
        for p in range(persons)
    ]
    (folder / "people.csv").write_text(PEOPLE_CSV + "".join(rows))
    walk = (Interval("walk", 0.0, steps / 10),)
    listed = [
        rendered(folder, p + persons * m, "train", steps, p, walk)
        for p in range(persons)
        for m in range(moments)
    ]
    return packed_of(listed)
