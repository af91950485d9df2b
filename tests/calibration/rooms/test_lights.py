# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from calibration.rooms import lights
from calibration.rooms.stage import Shot, Stage
from calibration.rooms.view import look_at
from tests.calibration.rooms import some_rooms


@pytest.fixture(scope="module")
def rooms():
    return [some_rooms.room(number) for number in range(12)]


def gains(room, seed=0, steps=100, switches=()):
    return lights.gains(np.random.default_rng(seed), room, steps, switches)


def test_every_room_has_a_lamp_and_every_light_a_source(rooms):
    for room in rooms:
        assert len(room.lights) == len(room.sources) <= 3
        assert room.sources[0] == "lamp"
        assert ("sun" in room.sources or "sky" in room.sources) == bool(room.windows)


def test_gains_are_of_each_light_then_ambient_then_what_shines(rooms):
    for room in rooms:
        table = gains(room)
        assert table.shape == (100, len(room.lights) + 2)
        assert table.dtype == np.float32
        assert (table >= 0).all()
        assert (table[:, -2] > 0).all()


def test_a_switch_turns_the_lamps_and_nothing_else(rooms):
    room = next(room for room in rooms if not room.windows)
    table = gains(room, switches=((40, False), (70, True)))
    lamps = table[:, : len(room.lights)]
    assert (lamps[:40] > 0.9).all()
    assert (lamps[40:70] == 0).all()
    assert (lamps[80:] > 0.9).all()
    assert table[50, -2] < 0.2 * table[10, -2]
    assert (table[:, -1] == 1).all()


def test_by_day_the_sky_stays_when_the_lamps_go(rooms):
    room = next(room for room in rooms if room.windows)
    by_day = [
        table
        for seed in range(20)
        if (table := gains(room, seed, switches=((50, False),)))[:, -1].min() > 0.05
    ]
    assert 3 < len(by_day) < 20  # else it is evening
    for table in by_day:
        assert table[60, 0] == 0
        assert table[60, len(room.lights) - 1] > 0.05


def test_moods_differ_and_streams_decide(rooms):
    room = next(room for room in rooms if room.windows)
    np.testing.assert_array_equal(gains(room, 4), gains(room, 4))
    assert len({gains(room, seed).tobytes() for seed in range(8)}) == 8


def test_at_night_the_lamp_beside_the_camera_lights_what_it_sees(rooms):
    room = rooms[0]
    camera = look_at((0.0, 2.0, 0.0), (1.0, 0.5, 1.0), 1.5)
    lamps, ambient = lights.infrared(np.random.default_rng(1), [camera])
    stage = Stage(room.surface, room.reflectance(infrared=True), lamps, ambient, infrared=True)
    table = lights.infrared_gains(3, len(lamps))
    lit = Shot(stage, camera).draw(table[0])[0].copy()
    table[:, 0] = 0
    unlit = Shot(stage, camera).draw(table[0])[0]
    assert lit.mean() > 3 * unlit.mean()
