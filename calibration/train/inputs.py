# SPDX-License-Identifier: Apache-2.0
"""What the encoder could be shown instead, for the table in which its input is chosen.

Letters: T time steps. Each takes planes (T, 3, 64, 80) and canvas (T, 64, 80), both uint8, and
gives new planes of the first shape; what is not shown is zero, so that one network fits all.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

MOTION, HISTORY, FOREGROUND = range(3)
BLUR_SIGMA = 3.0  # pixels: a face of ten becomes about one that says anything
SMALL = (16, 12)  # columns, rows

Images = npt.NDArray[np.uint8]
Choice = Callable[[Images, Images], Images]


def _only(*shown: int) -> Choice:
    def choose(planes: Images, _canvas: Images) -> Images:
        out = np.zeros_like(planes)
        out[:, shown] = planes[:, shown]
        return out

    return choose


def _picture(change: Callable[[Images], Images], *also: int) -> Choice:
    """The grey canvas, changed, in plane 0; the planes `also`, each one place after its own."""

    def choose(planes: Images, canvas: Images) -> Images:
        out = np.zeros_like(planes)
        for grey, target in zip(canvas, out, strict=True):
            target[0] = change(grey)
        for plane in also:
            out[:, plane + 1] = planes[:, plane]
        return out

    return choose


def _same(grey: Images) -> Images:
    return grey


def _blurred(grey: Images) -> Images:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), BLUR_SIGMA), np.uint8)


def _small(grey: Images) -> Images:
    rows, columns = grey.shape
    few = cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(few, (columns, rows), interpolation=cv2.INTER_LINEAR), np.uint8)


INPUTS: dict[str, Choice] = {
    "motion": _only(MOTION),
    "motion+history": _only(MOTION, HISTORY),
    "motion+history+foreground": _only(MOTION, HISTORY, FOREGROUND),
    "foreground": _only(FOREGROUND),
    "grey": _picture(_same),
    "grey+motion": _picture(_same, MOTION),
    "blur": _picture(_blurred),
    "small": _picture(_small),
}
