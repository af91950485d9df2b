# SPDX-License-Identifier: Apache-2.0
"""Who is held out together: people by subject, cameras by scene, never clip by clip.

Groups are dealt to folds by size, largest first, round robin inside each set, so that every fold
tests on some of each set. Sets whose name ends in `_test` are held out of every training and sets
whose name ends in `_train` are never tested on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from calibration.data import Clip

FOLDS = 4


def group(clip: Clip) -> str:
    """What must not be split: the subject where there is one, else the scene, within its set."""
    return f"{clip.set}/{clip.subject or clip.scene}"


def assign(clips: Sequence[Clip], folds: int = FOLDS) -> dict[str, int]:
    """Group -> fold it is held out in, for every group of `clips`."""
    sizes = Counter(group(clip) for clip in clips)
    order = sorted(sizes, key=lambda name: (name.split("/")[0], -sizes[name], name))
    dealt: Counter[str] = Counter()
    fold = {}
    for name in order:
        family = name.split("/")[0]
        fold[name] = dealt[family] % folds
        dealt[family] += 1
    return fold


def split(clips: Sequence[Clip], fold: int, folds: int = FOLDS) -> tuple[list[Clip], list[Clip]]:
    """(train, held out) of one fold."""
    where = assign(clips, folds)
    train = [c for c in clips if not c.set.endswith("_test") and _stays(c, where, fold)]
    held = [c for c in clips if not c.set.endswith("_train") and not _stays(c, where, fold)]
    return train, held


def _stays(clip: Clip, where: dict[str, int], fold: int) -> bool:
    if clip.set.endswith("_train"):
        return True
    return not clip.set.endswith("_test") and where[group(clip)] != fold
