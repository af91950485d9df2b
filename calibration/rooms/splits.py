# SPDX-License-Identifier: Apache-2.0
"""Which bodies, rooms, motions and recordings belong to train, val and test.

No body, no room and no moment belongs to two of them. Long recordings, of ordinary life and of the
time after a fall, judge models and train none: they are of val and test only, with people and rooms
of that split. A motion of a role that has three sources or
more belongs to one; roles with fewer share theirs, and `shared` names them.
"""

from __future__ import annotations

from typing import Literal, get_args

from calibration.rooms.errors import RoomsError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Kind = Literal["moments", "life", "after"]
KINDS: tuple[Kind, ...] = get_args(Kind)
JUDGED: tuple[Split, ...] = ("val", "test")  # that long recordings can be of

BODIES: dict[Split, range] = {"train": range(560), "val": range(560, 640), "test": range(640, 800)}
ROOMS: dict[Split, range] = {
    "train": range(1100),
    "val": range(1100, 1200),
    "test": range(1200, 1400),
}
CYCLE = 40  # moments: 36 train, 1 val, 3 test, and again

# Recorded motions by role. Names are those of the recordings; "dm_" marks DeepMimic's.
_OWN: dict[str, dict[Split, tuple[str, ...]]] = {
    "walk": {
        "train": ("Walk_Loop", "dm_walk", "dm_zombie_walk"),
        "val": ("dm_stealthy_walk",),
        "test": ("Walk_Formal_Loop",),
    },
    "run": {
        "train": ("Jog_Fwd_Loop", "dm_run"),
        "val": ("Sprint_Loop",),
        "test": ("dm_jog",),
    },
    "idle": {
        "train": ("Idle_Loop", "Interact", "Consume Item"),
        "val": ("Idle_Torch_Loop",),
        "test": ("Idle Listening",),
    },
    "talk": {
        "train": ("Idle_Talking_Loop",),
        "val": ("Reject",),
        "test": ("Confused",),
    },
    "punch": {
        "train": ("Punch_Cross", "Punch_Jab", "dm_punch"),
        "val": ("Fighting Left Jab",),
        "test": ("Fighting Right Jab",),
    },
    "exercise": {
        "train": ("Jumping Jacks", "Pushup"),
        "val": ("Victory",),
        "test": ("Victory Fist Pump",),
    },
    "play": {
        "train": ("Dance_Loop", "Dance Charleston", "dm_dance_a", "dm_jump"),
        "val": ("Dance Reach Hip",),
        "test": ("Dance Body Roll", "dm_dance_b"),
    },
}
_SHARED: dict[str, tuple[str, ...]] = {
    "sit_down": ("Sitting_Enter",),
    "sit": ("Sitting_Idle_Loop",),
    "sit_talk": ("Sitting_Talking_Loop",),
    "stand_up": ("Sitting_Exit",),
    "crouch": ("Crouch_Idle_Loop",),
    "kneel": ("Fixing_Kneeling", "Kneeling Tired"),
    "pick_up": ("PickUp_Table",),
    "bow": ("Bow",),
    "crawl": ("Crawl RM", "dm_crawl"),
    "get_up_back": ("dm_getup_faceup",),
    "get_up_front": ("dm_getup_facedown",),
    "lie": ("Sleeping",),
    "meditate": ("Meditate",),
    "kick": ("dm_kick",),
    "hit": ("Hit_Chest", "Hit_Head"),
    "defend": ("Defend", "Fighting Idle"),
    "push": ("Push_Loop",),
    "throw": ("Throw Object",),
    "greet": ("Greeting",),
    "nod": ("Head Nod",),
    "angry": ("Angry",),
    "dizzy": ("Dizzy",),
    "tired": ("Tired Hunched",),
}
ROLES = (*_OWN, *_SHARED)


def motions(role: str, split: Split) -> tuple[str, ...]:
    """Names of the motions of a role that `split` may use. Raises RoomsError."""
    if role in _OWN:
        return _OWN[role][split]
    if role in _SHARED:
        return _SHARED[role]
    raise RoomsError(f"no role called {role!r}")


def shared() -> tuple[str, ...]:
    """Roles whose motions all splits use."""
    return tuple(_SHARED)


def every_motion() -> dict[str, str]:
    """Name -> role, of all of them."""
    return {name: role for role in ROLES for split in SPLITS for name in motions(role, split)}


def of_body(number: int) -> Split:
    """Whose body this is. Raises RoomsError."""
    return _owner(BODIES, "body", number)


def of_room(number: int) -> Split:
    """Whose room this is. Raises RoomsError."""
    return _owner(ROOMS, "room", number)


def of_moment(number: int) -> Split:
    """Whose moment this is, whatever the size of the set."""
    place = number % CYCLE
    return "train" if place < CYCLE - 4 else "val" if place == CYCLE - 4 else "test"


def series(kind: Kind, split: Split) -> str:
    """The name of such recordings: their folder, and the last word of their set."""
    return split if kind == "moments" else f"{kind}_{split}"


def parted(name: str) -> tuple[Kind, Split]:
    """Kind and split of a series. Raises RoomsError."""
    for kind in KINDS:
        for split in SPLITS if kind == "moments" else JUDGED:
            if series(kind, split) == name:
                return kind, split
    raise RoomsError(f"no series called {name!r}")


def _owner(ranges: dict[Split, range], what: str, number: int) -> Split:
    for split in SPLITS:
        if number in ranges[split]:
            return split
    raise RoomsError(f"no {what} has the number {number}")
