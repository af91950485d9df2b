# SPDX-License-Identifier: Apache-2.0
"""Operating points: the same alarm rules with every threshold moved by one number.

A card has several thresholds that were tuned together. Moving all of them by the same shift of
log-odds keeps their proportions and gives one curve for every kind and phase; shift 0 is the card's
own operating point. `present` stays: it says whether somebody is there, not whether to worry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from cloud_bridge.card import Threshold

STEP, STEPS = 0.5, 8  # of log-odds; so many on either side
SHIFTS = tuple(STEP * i for i in range(-STEPS, STEPS + 1))
FIXED = "present"


def shifted(thresholds: Mapping[str, Threshold], shift: float) -> dict[str, Threshold]:
    """Thresholds of a card, stricter by `shift` of log-odds, laxer where it is negative."""
    return {
        kind: old
        if kind == FIXED
        else Threshold(_move(old.suspect, shift), _move(old.confirm, shift))
        for kind, old in thresholds.items()
    }


def _move(probability: float, shift: float) -> float:
    odds = math.exp(-shift) * (1 - probability) / probability
    return 1 / (1 + odds)
