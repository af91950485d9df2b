# SPDX-License-Identifier: Apache-2.0
"""Desensitisation: motion and shape come out, the still person stays, the ghost goes."""

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest

from kernels import desensitise
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES, Desensitiser, Rates
from kernels.errors import FormatError

RATE_HZ = 10
U8 = npt.NDArray[np.uint8]
PERSON = (slice(20, 50), slice(30, 42))


def room(seed: int = 0) -> U8:
    """An empty room: smooth light with some furniture."""
    canvas = np.tile(np.linspace(90, 140, CANVAS_W), (CANVAS_H, 1))
    canvas[40:60, 60:75] -= 30
    noise = np.random.default_rng(seed).normal(0, 1, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def with_person(canvas: U8, at: tuple[slice, slice] = PERSON, grey: int = 30) -> U8:
    canvas = canvas.copy()
    canvas[at] = grey
    return canvas


def watch(frames: list[U8], desensitiser: Desensitiser | None = None) -> npt.NDArray[np.uint8]:
    """Planes of the last frame."""
    desensitiser = desensitiser or Desensitiser(RATE_HZ)
    out = np.zeros((PLANES, CANVAS_H, CANVAS_W), np.uint8)
    for frame in frames:
        desensitiser.planes(frame, out)
    return out


def empty(seconds: float) -> list[U8]:
    return [room(i) for i in range(round(seconds * RATE_HZ))]


def test_an_empty_room_gives_dark_planes() -> None:
    planes = watch(empty(3))
    assert planes.mean() < 6


def test_somebody_who_moves_is_in_all_planes() -> None:
    frames = empty(2) + [
        with_person(room(100 + i), (slice(20, 50), slice(30 + 2 * i, 42 + 2 * i))) for i in range(5)
    ]
    planes = watch(frames)
    assert all(planes[p, 20:50, 36:52].mean() > 60 for p in range(PLANES))


def still_person(seconds: float) -> list[U8]:
    return empty(2) + [with_person(room(100 + i)) for i in range(round(seconds * RATE_HZ))]


def test_a_motionless_person_is_never_learned_as_room() -> None:
    planes = watch(still_person(120))
    assert planes[0][PERSON].mean() < 10  # motion alone does not see them
    assert planes[2][PERSON].mean() > 200


def test_control_a_room_learned_everywhere_swallows_the_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desensitise, "MASK_THRESHOLD", 32767)
    planes = watch(still_person(120))
    assert planes[2][PERSON].mean() < 20


def test_the_ghost_of_who_was_there_from_the_start_disappears() -> None:
    frames = [with_person(room(i)) for i in range(20)] + empty(30)
    planes = watch(frames)
    assert planes[2][PERSON].mean() < 40


def test_control_without_the_outline_test_the_ghost_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desensitise, "GHOST_EDGE_RATIO", 1000)
    frames = [with_person(room(i)) for i in range(20)] + empty(30)
    planes = watch(frames)
    assert planes[2][PERSON].mean() > 200


def test_a_change_of_exposure_is_not_motion() -> None:
    frames = [*empty(2), np.asarray(room(50) + 25, np.uint8)]
    planes = watch(frames)
    assert planes[0].mean() < 15


def test_texture_inside_the_silhouette_is_lost() -> None:
    plain, striped = with_person(room(1)), with_person(room(1))
    striped[PERSON][::4] = 10
    first, second = (watch([*empty(2), frame, frame])[2][PERSON] for frame in (plain, striped))
    assert np.abs(first.astype(int) - second.astype(int)).mean() < 10


def test_wipe_forgets_everything_and_may_be_repeated() -> None:
    arrays: list[npt.NDArray[np.generic]] = []

    def allocate(shape: tuple[int, ...], dtype: type) -> npt.NDArray[np.generic]:
        arrays.append(np.zeros(shape, dtype))
        return arrays[-1]

    desensitiser = Desensitiser(RATE_HZ, allocate)
    watch(still_person(1), desensitiser)
    assert any(array.any() for array in arrays)
    desensitiser.wipe()
    desensitiser.wipe()
    assert not any(array.any() for array in arrays)
    assert watch([room()], desensitiser)[2].max() == 0


def peaks_of(desensitiser: Desensitiser, frames: list[U8]) -> list[int]:
    """Bytes that Python and NumPy allocate on the way of each frame."""
    out = np.zeros((PLANES, CANVAS_H, CANVAS_W), np.uint8)
    desensitiser.planes(frames[0], out)
    peaks = []
    tracemalloc.start()
    for frame in frames:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        desensitiser.planes(frame, out)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    return peaks


def test_no_image_is_put_where_nobody_wipes() -> None:
    frames = [with_person(room(i)) for i in range(20)] + empty(6)  # a ghost is absorbed
    assert max(peaks_of(Desensitiser(RATE_HZ), frames)) < CANVAS_H * CANVAS_W


def test_control_a_new_array_is_seen() -> None:
    class Careless(Desensitiser):
        def _motion(self, out: U8) -> None:
            super()._motion(out)
            out[:] = out.copy()

    assert min(peaks_of(Careless(RATE_HZ), empty(1))) >= CANVAS_H * CANVAS_W


def test_scratch_is_zero_after_every_frame() -> None:
    desensitiser = Desensitiser(RATE_HZ)
    watch(still_person(1), desensitiser)
    assert desensitiser._previous.any()
    assert not desensitiser._scratch._block.any()


@pytest.mark.parametrize("rate_hz", range(1, 101))
def test_no_integer_overflows_at_any_rate(rate_hz: int) -> None:
    rates = Rates.at(rate_hz)
    assert (255 << 8) * rates.decay < 2**32
    assert rates.learn >= 1
    assert (255 << 12) * rates.learn + 4096 < 2**31
    assert 1 <= rates.quiet_frames <= 255


def test_rates_are_those_of_the_time_constants() -> None:
    for rate_hz in (1, 10, 60, 100):
        rates = Rates.at(rate_hz)
        assert (rates.decay / 65536) ** (0.4 * rate_hz) == pytest.approx(0.5, rel=0.01)
        assert rates.learn / 8192 * 5 * rate_hz == pytest.approx(1, rel=0.03)
        assert rates.quiet_frames == pytest.approx(1.5 * rate_hz, abs=0.5)


@pytest.mark.parametrize("rate_hz", [0, -1, 101])
def test_other_rates_are_refused(rate_hz: int) -> None:
    with pytest.raises(FormatError, match="rate_hz"):
        Desensitiser(rate_hz)
