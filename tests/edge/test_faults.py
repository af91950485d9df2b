# SPDX-License-Identifier: Apache-2.0
"""Pulling the plug in software: whatever fails wherever, no message leaves that a correct release
did not make, the device says why it ended, and nothing of a frame stays."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from edge.config import PrivacyConfig, load_config
from edge.errors import (
    CameraError,
    EncoderError,
    LedgerError,
    OutboxError,
    ProcessorError,
)
from edge.frame import Frame
from edge.identity import load_or_create
from edge.processors.cpu import GREY_CANVAS, CpuProcessor
from edge.publisher import Publisher
from edge.sources import Source, caps
from kernels.errors import AcceleratorError, ReleaseError
from kernels.libcuda import _CURES
from tests.edge.device import INJECTED, Cpu, Device, Plug
from tests.edge.listening import Listener, broker_config, until
from tests.edge.oracle import LinearEncoder, Witness, lies
from tests.edge.stages import NOISE_KEY, TOPICS, D, K, tiny_profile
from wire.message import open_sealed, unpack
from wire.status import FAULTS, DeviceStatus

FRAMES = 5
TURNS = (0, 1, FRAMES - 1)
NAMED = {  # what a processor's own stages raise, and the name it is told under
    **{AcceleratorError(fault, "lost"): fault for fault in FAULTS},
    MemoryError(): "out-of-memory",
    EncoderError("broken"): "engine",
    ReleaseError("broken"): "bad-receipt",
}
OTHERS = [LedgerError("x"), OutboxError("x"), CameraError("x"), RuntimeError("x"), ValueError("x")]
OWN_STAGES = [
    *("before desensitise", "after desensitise", "before encode", "after encode"),
    *("before release", "halfway release", "after release"),
]
OTHER_STAGES = [
    *("camera", "before process", "after process", "before charge", "after charge"),
    *("before seal", "after seal", "before queue", "after queue", "before lap", "after lap"),
]


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A function that runs a new device with this plug."""
    numbers = itertools.count()

    def run(point=None, error=None, turn=0, encoder=None, **more):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        if encoder is not None:
            more["way"] = Cpu(tiny_profile(), encoder)
        return Device(folder, monkeypatch, Plug(point, error, turn), FRAMES, **more).run()

    return run


def nothing_wrong_left(ran):
    assert ran.lies() == []
    assert ran.dirty or not ran.messages(), "the control: there was something to wipe"
    assert not ran.way.holds()


def test_what_a_gpu_may_call_its_faults_can_be_told():
    assert set(_CURES) == set(FAULTS)


def test_without_a_fault_every_frame_is_released_and_all_is_wiped(device):
    ran = device()
    assert ran.error is None
    assert len(ran.messages()) == len(ran.seen) == FRAMES
    nothing_wrong_left(ran)
    assert ran.publisher.last.fault is None


@pytest.mark.parametrize("point", OWN_STAGES)
def test_a_fault_on_the_way_to_the_vector_is_named_and_releases_nothing(device, point):
    for (error, fault), turn in itertools.product(NAMED.items(), TURNS):
        ran = device(point, error, turn)
        assert isinstance(ran.error, ProcessorError), ran.error
        assert ran.error.fault == ran.publisher.last.fault == fault
        assert len(ran.messages()) == turn
        nothing_wrong_left(ran)


@pytest.mark.parametrize("point", OWN_STAGES + OTHER_STAGES)
def test_a_fault_of_any_kind_anywhere_releases_nothing_wrong(device, point):
    errors = [*NAMED, *OTHERS] if point in OTHER_STAGES else OTHERS
    for error, turn in itertools.product(errors, TURNS):
        ran = device(point, error, turn)
        assert ran.error is error or (isinstance(ran.error, ProcessorError) and "lap" in point)
        nothing_wrong_left(ran)


class Poisoned(LinearEncoder):
    """Makes `value` of one coordinate of one frame's embedding."""

    def __init__(self, value, at, turn):
        super().__init__(D)
        self._value, self._at, self._turn = value, at, turn

    def embed(self, planes, out):
        super().embed(planes, out)
        self._turn -= 1
        if self._turn < 0:
            out[self._at] = self._value


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_embedding_that_is_not_made_of_numbers_is_never_released(device, value):
    for at, turn in itertools.product([*range(D), slice(None)], TURNS):
        ran = device(encoder=Poisoned(value, at, turn))
        assert ran.error.fault == ran.publisher.last.fault == "engine-nan"
        assert len(ran.messages()) == turn
        nothing_wrong_left(ran)


class Stretched(LinearEncoder):
    """Makes more or fewer values than it said."""

    def __init__(self, more):
        super().__init__(D)
        self._made = D + more

    def embed(self, planes, out):
        out[:] = np.ones(self._made, np.float32) * planes.mean()


@pytest.mark.parametrize("more", [-1, 1, D])
def test_an_embedding_of_another_size_is_never_released(device, more):
    ran = device(encoder=Stretched(more))
    assert isinstance(ran.error, ValueError)
    assert ran.messages() == []
    nothing_wrong_left(ran)


@pytest.mark.parametrize("room", ["encoder", "releaser", "desensitiser"])
def test_a_room_that_cannot_be_closed_keeps_no_other_from_being_wiped(device, room):
    for side, (error, fault) in itertools.product(("before", "after"), NAMED.items()):
        ran = device(f"{side} close {room}", error)
        assert ran.error.fault == ran.publisher.last.fault == fault
        assert len(ran.messages()) == FRAMES
        nothing_wrong_left(ran)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_before_anything_is_open_is_told(device, fault):
    ran = device("open", ProcessorError(fault, "what to do"))
    assert ran.error.fault == ran.publisher.last.fault == fault
    assert (ran.publisher.last.camera, ran.publisher.last.releases) == ("missing", 0)
    assert ran.messages() == []


@pytest.mark.parametrize("levels", [(0, None, 1, 0), (None, 1, 1)])
@pytest.mark.parametrize("point", OWN_STAGES)
def test_a_processor_gives_a_whole_release_or_leaves_the_last_one(point, levels):
    for error, turn in itertools.product([*NAMED, *OTHERS], range(len(levels))):
        gives_whole_releases(Plug(point, error, turn), levels)


def gives_whole_releases(plug, levels):
    way = Cpu(tiny_profile())
    witness = Witness(tiny_profile(), NOISE_KEY, way.layout, way.embed)
    processor = way.open(plug)
    out, wanted = np.zeros(K, np.int16), np.zeros(K, np.int16)
    for seed, level in enumerate(levels):
        processor.canvas[:] = np.random.default_rng(seed).integers(0, 256, processor.canvas.size)
        embedding = witness.embedding(processor.canvas)
        try:
            processor.process(Frame(processor.canvas, 0), level, out, lambda: None)
        except INJECTED:
            break
        finally:
            assert not processor.canvas.any()
            assert not any(held.any() for held in processor_memory(processor))
        wanted = wanted if level is None else witness.release(embedding, level)
        assert np.array_equal(out, wanted)
    assert np.array_equal(out, wanted)
    processor.close()
    assert not way.holds()


def processor_memory(processor):
    return processor._planes, processor._embedding, processor._vector


def test_at_a_cap_a_fault_releases_nothing_wrong_either(device):
    """The frames between two releases are looked at, too, and their vectors are repetitions."""
    low = PrivacyConfig(window_bits=1.7)  # two fine releases, then coarse, then none
    for point, turn in itertools.product(OWN_STAGES, range(2 * FRAMES)):
        ran = device(point, AcceleratorError("device-lost", "lost"), turn, privacy=low)
        nothing_wrong_left(ran)
    messages = device(privacy=low).messages()
    assert [(m.noise_level, m.repeated) for m in messages[-3:]] == [
        (1, False),
        (1, True),
        (1, True),
    ]


# The control: devices that go on after a fault are found out.


def careless(leak):
    """Goes on after an error, with what `leak` leaves in the result."""

    def around(process):
        def processed(frame, level, out, lap):
            with frame:
                try:
                    process(frame, level, out, lap)
                except ProcessorError:
                    leak(out)

        return processed

    return around


def half_noised(out):
    out[: K // 2] = 77


LEAKS = {"the last": lambda _: None, "nothing": lambda out: out.fill(0), "half": half_noised}


@pytest.mark.parametrize("leak", LEAKS)
def test_control_a_device_that_publishes_after_a_fault_is_found_out(device, leak):
    for point, turn in itertools.product(OWN_STAGES, TURNS):
        error = AcceleratorError("device-lost", "lost")
        ran = device(point, error, turn, around=careless(LEAKS[leak]))
        assert len(ran.messages()) == FRAMES
        assert turn in ran.lies()


def test_control_a_device_that_takes_nan_for_a_number_is_found_out(device, monkeypatch):
    def encode(processor):
        processor._encoder.embed(processor._planes, processor._embedding)

    monkeypatch.setattr(CpuProcessor, "_encode", encode)
    ran = device(encoder=Poisoned(np.nan, slice(None), 1))
    assert ran.lies() == [1, 2, 3, 4]


def test_control_a_device_that_does_not_wipe_is_found_out(device, monkeypatch):
    monkeypatch.setattr(CpuProcessor, "close", lambda _: None)
    with pytest.raises(AssertionError, match="before all was wiped"):
        device("before encode", MemoryError(), 1)


# Frames that are not what was asked for, from GStreamer itself.


@dataclass(frozen=True)
class Changing(Source):
    """Plays `frames` good frames, ten a second, then others, without a stop in between."""

    frames: int = 3
    others: str = caps(GREY_CANVAS)
    times: int = 1  # that it does so; then it plays good ones only

    def description(self, *_, **__):
        good = f"videotestsrc is-live=true pattern=snow ! {caps(GREY_CANVAS)},framerate=10/1"
        bad = f"videotestsrc pattern=snow num-buffers=5 ! {self.others},framerate=10/1"
        sink = "identity name=scale ! appsink name=sink sync=false"
        object.__setattr__(self, "times", self.times - 1)
        if self.times < 0:
            return f"{good} ! {sink}"
        first = good.replace("snow", f"snow num-buffers={self.frames}")
        return f"concat name=both ! {sink}  {first} ! both.  {bad} ! both."


GOOD = caps(GREY_CANVAS)
OTHER_FRAMES = {
    "wider": GOOD.replace("width=80", "width=82"),
    "narrower": GOOD.replace("width=80", "width=78"),
    "higher": GOOD.replace("height=64", "height=66"),
    "full size": GOOD.replace("width=80", "width=640").replace("height=64", "height=480"),
    "in colour": GOOD.replace("GRAY8", "NV12"),
    "16 bits deep": GOOD.replace("GRAY8", "GRAY16_LE"),
}


@pytest.mark.parametrize("others", OTHER_FRAMES)
def test_a_recording_that_changes_its_frames_ends_with_an_error(device, others):
    ran = device(source=Changing("clip", "", {}, live=False, others=OTHER_FRAMES[others]))
    assert isinstance(ran.error, CameraError)
    assert "not whole" in str(ran.error)
    assert 1 <= len(ran.seen) <= 3
    assert len(ran.messages()) >= len(ran.seen)
    nothing_wrong_left(ran)


def test_a_live_camera_that_changes_its_frames_is_opened_again(device, caplog):
    source = Changing("camera", "", {}, live=True, others=OTHER_FRAMES["wider"])
    ran = device(source=source, enough=6)
    assert ran.error is None
    assert "not whole" in caplog.text
    assert len(ran.seen) == 6
    nothing_wrong_left(ran)


# Told to a real broker.


def words(bodies):
    """Of the newest status."""
    return set(bodies[-1].split(b'"')) if bodies else set()


@pytest.mark.parametrize(
    ("point", "turn"), [("open", 0), ("before encode", 0), ("halfway release", 2)]
)
@pytest.mark.parametrize("fault", ["driver-too-old", "device-lost"])
def test_the_broker_keeps_the_reason_and_only_true_vectors(
    broker, tmp_path, monkeypatch, point, turn, fault
):
    error = (ProcessorError if point == "open" else AcceleratorError)(fault, "what to do")
    ran = Device(tmp_path, monkeypatch, Plug(point, error, turn), FRAMES)
    with Listener(broker) as listener:
        ran.run(replace(load_config(None), broker=broker_config(broker, "device-1")), Publisher)
        until(lambda: {b"offline", fault.encode()} <= words(listener.bodies("device-1/status")))
        until(lambda: len(listener.bodies("door/vectors")) == turn)
        last = DeviceStatus.from_json(listener.bodies("device-1/status")[-1])
        bodies = listener.bodies("door/vectors")
    assert (last.status, last.fault, last.releases) == ("offline", fault, turn)
    key = load_or_create(tmp_path / "state" / "device.key").public_key()
    messages = [unpack(open_sealed(body, TOPICS.vectors, key)) for body in bodies]
    assert lies(messages, ran.seen, ran.witness()) == []
    assert not ran.way.holds()
