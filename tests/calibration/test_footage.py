# SPDX-License-Identifier: Apache-2.0
"""What is true at each time step of a labelled clip. Needs the train extra (its kinds)."""

from pathlib import Path

import numpy as np
import pytest

from calibration.data import Clip, Interval

pytest.importorskip("torch", reason="the train extra is not installed")
pytestmark = pytest.mark.train


def clip(*intervals: tuple[str, float, float], set_: str = "rooms") -> Clip:
    return Clip(Path("c"), "c", set_, "s", "r", tuple(Interval(*i) for i in intervals))


def test_a_fall_is_first_falling_then_down() -> None:
    from calibration.footage import targets

    truth, known = targets(clip(("walk", 0, 2), ("fall", 2, 6)), 60)
    fall, down = truth[:, 1], truth[:, 2]
    assert not fall[:22].any()
    assert fall[22:42].all()
    assert down[33:].all()
    assert not known[20:33, 2].any()
    assert not truth[:, 3].any()


def test_an_empty_room_has_nobody_present() -> None:
    from calibration.footage import targets

    truth, _ = targets(clip(("empty", 0, 1), ("walk", 1, 2)), 20)
    assert not truth[:10, 0].any()
    assert truth[10:, 0].all()


def test_surveillance_labels_do_not_say_who_is_present() -> None:
    from calibration.footage import targets

    _, known = targets(clip(("fight", 0, 2), set_="surv_fight"), 20)
    assert not known[:, 0].any()
    assert not known[:, 2].any()
    assert np.all(known[:, 3] == 1)


def test_what_is_hidden_is_not_learnt() -> None:
    from calibration.footage import targets

    _, known = targets(clip(("walk", 0, 3), ("fall", 3, 8), ("hidden", 4, 6)), 80)
    assert not known[40:60].any()
    assert known[:20].all()
    assert known[62:, 1].all()


def test_a_rendered_clip_is_loaded_not_watched(tmp_path: Path) -> None:
    from calibration.footage import load_footage
    from calibration.rooms import store

    planes = np.random.default_rng(0).integers(0, 256, (20, 3, 64, 80)).astype(np.uint8)
    path = tmp_path / "000001_0.npz"
    none = np.zeros((20, 0), np.uint8)
    made = store.Recording(
        moment=1,
        camera=0,
        split="train",
        seed=1,
        canvas=planes[:, 0],
        planes=planes,
        posture=none,
        pixels=none.astype(np.uint16),
        joints=np.zeros((20, 0, 16, 3), np.float16),
        people=(),
        room=0,
        rows=(),
        view={"script": "daily"},
    )
    path.write_bytes(store.packed(made))
    rendered = Clip(path, path.name, "rooms_train", "b1", "r1", (Interval("walk", 0, 2),))
    (footage,) = load_footage([rendered])
    assert np.array_equal(footage.planes, planes)
