# SPDX-License-Identifier: Apache-2.0
"""One message per tick, in order, budget first, and nothing of a frame left behind."""

import itertools
import time
from operator import attrgetter

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import EncoderError, LedgerError, ProcessorError
from edge.ledger import Caps
from edge.report import Reporter, line, summary
from edge.ticks import Ticks
from edge.timings import Timings
from tests.edge.stages import RATE, FakeCamera, books_of, make_pipeline, queued
from wire.status import DeviceStatus

PERIOD_NS = 1_000_000_000 // RATE
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BEAT = [n / RATE for n in range(12)]


def feed(pipeline, count, period_ns=PERIOD_NS):
    """Frames at exact times of the last minute, without waiting for them."""
    start_ns = time.monotonic_ns() - 60 * 10**9
    frames = [pipeline.camera.frame(start_ns + n * period_ns) for n in range(count)]
    for frame in frames:
        with frame:
            pipeline.on_frame(frame)
    return frames


def run_for(pipeline, seconds):
    end = time.monotonic() + seconds
    turns = []
    pipeline.run(lambda: time.monotonic() > end, lambda: turns.append(pipeline.queued_ns))
    return turns


@pytest.fixture
def pipeline(tmp_path):
    return make_pipeline(tmp_path, FakeCamera([]), key=KEY)


def test_every_frame_becomes_one_signed_vector(pipeline):
    feed(pipeline, 5)
    messages = queued(pipeline.outbox, KEY)
    assert [m.sequence for m in messages] == [0, 1, 2, 3, 4]
    assert {(m.epoch, m.repeated, m.noise_level) for m in messages} == {
        (pipeline.sequence.epoch, False, 0)
    }
    assert len({m.vector.tobytes() for m in messages}) == 5, "fresh noise in each"
    assert len({m.capture_time_us % (PERIOD_NS // 1000) for m in messages}) == 1, "on the grid"
    assert messages[0].profile_id == pipeline.profile_id


def test_all_messages_have_one_size(pipeline):
    feed(pipeline, 3)
    sizes, number = set(), 0
    while (waiting := pipeline.outbox.after(number)) is not None:
        number = waiting.number
        sizes.add(len(waiting.body))
    assert len(sizes) == 1
    assert pipeline.signed_bytes == 3 * sizes.pop()


def test_nothing_of_a_frame_is_left(pipeline):
    frames = feed(pipeline, 3)
    assert all(frame.wipes for frame in frames)
    processor = pipeline.processor
    assert not any(held.any() for held in (processor._planes, processor._embedding))
    assert processor._encoder.seen[1].any(), "the control: there was something to wipe"


def test_the_frame_is_wiped_before_it_is_encoded(pipeline, monkeypatch):
    wipes_when_encoding, encoder = [], pipeline.processor._encoder
    embed = encoder.embed

    def spy(planes, out):
        wipes_when_encoding.append(pipeline.camera.given[-1].wipes)
        embed(planes, out)

    monkeypatch.setattr(encoder, "embed", spy)
    feed(pipeline, 1)
    assert wipes_when_encoding == [1]


STAGES = ["ledger.charge", "processor._desensitiser.planes", "processor._encoder.embed"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_fails_releases_nothing_and_the_frame_is_wiped(pipeline, monkeypatch, stage):
    def fail(*_):
        raise EncoderError("broken")

    room, _, verb = stage.rpartition(".")
    monkeypatch.setattr(attrgetter(room)(pipeline), verb, fail, raising=True)
    with pytest.raises(EncoderError if room == "ledger" else ProcessorError):
        feed(pipeline, 1)
    assert pipeline.camera.given[-1].wipes
    assert len(pipeline.outbox) == 0


def test_the_ledger_is_charged_before_the_frame_is_looked_at(pipeline, monkeypatch):
    order, charge, process = [], pipeline.ledger.charge, pipeline.processor.process
    for room, verb, real in (("ledger", "charge", charge), ("processor", "process", process)):

        def spy(*arguments, verb=verb, real=real):
            order.append(verb)
            return real(*arguments)

        monkeypatch.setattr(getattr(pipeline, room), verb, spy)
    feed(pipeline, 2)
    assert order == ["charge", "process"] * 2


def test_at_a_cap_the_noise_gets_coarser_and_then_the_vector_is_repeated(tmp_path):
    caps = Caps(2, 1.7, 1e6, 1e6)  # level 0 costs 0.7213, level 1 costs 0.1803
    pipeline = make_pipeline(tmp_path, FakeCamera([]), caps=caps, key=KEY)
    feed(pipeline, 5)
    messages = queued(pipeline.outbox, KEY)
    assert [(m.noise_level, m.repeated) for m in messages] == [
        (0, False),
        (0, False),
        (1, False),
        (1, True),
        (1, True),
    ]
    last = [m.vector.tobytes() for m in messages[2:]]
    assert len(set(last)) == 1, "unchanged, so it tells nothing new"
    assert len({m.capture_time_us for m in messages}) == 5
    assert (pipeline.releases, pipeline.repeated) == (3, 2)
    assert pipeline.ledger.mode == "repeating"


def test_without_budget_for_a_first_release_there_is_nothing_to_send(tmp_path):
    pipeline = make_pipeline(tmp_path, FakeCamera([]), caps=Caps(2, 0.1, 1e6, 1e6), key=KEY)
    feed(pipeline, 3)
    assert len(pipeline.outbox) == 0
    assert pipeline.sequence.take() == 0


def test_more_frames_than_ticks_release_no_more(pipeline):
    feed(pipeline, 60, period_ns=PERIOD_NS // 3)
    assert 20 <= pipeline.releases <= 21
    assert pipeline.ledger.spent().worst_window <= pipeline.ledger.caps.window_bits


def test_a_live_stream_keeps_its_beat_with_and_without_frames(tmp_path):
    camera = FakeCamera([*BEAT[:5], *BEAT[9:]])
    pipeline = make_pipeline(tmp_path, camera, key=KEY)
    turns = run_for(pipeline, 1.8)
    messages = queued(pipeline.outbox, KEY)
    times = [m.capture_time_us for m in messages]
    assert times == sorted(set(times))
    assert {time_us % 100_000 for time_us in times} == {0}
    assert (times[-1] - times[0]) / 1e5 < len(times) + 3, "few ticks without a message"
    assert pipeline.releases + pipeline.repeated == len(messages)
    assert pipeline.releases <= 8
    assert pipeline.repeated >= 5, "the pause, and after the end"
    assert len(turns) >= len(messages)


def test_latency_and_stages_are_measured(pipeline):
    feed(pipeline, 3)
    stages = pipeline.timings.stages_us()
    assert list(stages) == [
        *("capture", "ledger", "desensitise", "encode", "release", "seal", "queue")
    ]
    assert all(us > 0.0 for us in stages.values())
    assert 0 < pipeline.timings.latency_ms(50) <= pipeline.timings.latency_ms(99)


def test_report_is_a_valid_status_and_a_summary(pipeline):
    feed(pipeline, 2)
    reporter = Reporter(books_of(pipeline))
    before = DeviceStatus.from_json(reporter.status("online").body)
    assert (before.releases, before.camera, before.outbox) == (0, "missing", 2), "nothing is open"
    reporter.pipeline = pipeline
    report = reporter.status("online")
    status = DeviceStatus.from_json(report.body)
    assert (status.releases, status.mode, status.outbox, status.fault) == (2, "full", 2, None)
    assert report.headline == "full live"
    assert status.spent_bits.window == pytest.approx(2 * 0.7213, abs=1e-3)
    assert status.cap_bits.window == 16.0
    reporter.fault = "engine"
    assert DeviceStatus.from_json(reporter.status("offline").body).fault == "engine"
    told = summary(pipeline)
    assert told["releases"] == 2
    assert told["spent_bits_window_max"] <= 16.0
    assert "2 released" in line(pipeline)


def test_a_broken_ledger_stops_the_pipeline(pipeline, monkeypatch):
    def fail(_):
        raise LedgerError("disk")

    monkeypatch.setattr(pipeline.ledger, "charge", fail, raising=True)
    pipeline.camera = FakeCamera(BEAT)
    with pytest.raises(LedgerError):
        run_for(pipeline, 5.0)


# The beat itself.


@given(st.lists(st.integers(1, 400_000_000), max_size=80), st.sampled_from([1, 3, 10, 30]))
def test_ticks_are_taken_once_in_order_and_never_far_ahead(waits_ns, rate):
    ticks, now, taken = Ticks(rate), 10**12, []
    for wait_ns in waits_ns:
        now += wait_ns
        tick = ticks.take(now)
        if tick is not None:
            taken.append(tick)
            assert ticks.time_s(tick) * 1e9 - now <= 0.76e9 / rate
    assert taken == sorted(set(taken))
    assert taken[:1] == ([0] if waits_ns else [])


@given(st.lists(st.floats(-0.2, 0.2), min_size=5, max_size=60), st.floats(-0.004, 0.004))
def test_a_camera_that_drifts_and_jitters_loses_almost_no_frame(jitter, drift):
    ticks = Ticks(RATE)
    arrivals = [10**12 + round((n * (1 + drift) + j) * PERIOD_NS) for n, j in enumerate(jitter)]
    arrivals[0] = 10**12
    taken = [ticks.take(arrival) for arrival in arrivals]
    assert taken.count(None) <= 1


def test_a_tick_is_filled_half_a_period_late_and_only_once():
    ticks = Ticks(RATE)
    assert ticks.fill(10**12) is None, "nothing to fill before the first frame"
    assert ticks.take(10**12) == 0
    late = 10**12 + PERIOD_NS + PERIOD_NS // 2
    assert ticks.fill(late - 1000) is None
    assert ticks.patience_s(late - PERIOD_NS) == pytest.approx(0.1)
    assert ticks.fill(late) == 1
    assert ticks.fill(late) is None
    assert ticks.fill(late + 5 * PERIOD_NS) == 6, "after a stall the beat goes on, no burst"


def test_twenty_ticks_lie_in_any_two_seconds():
    ticks = Ticks(RATE)
    ticks.take(123_456_789)
    times = [round(ticks.time_s(n) * 1e6) for n in range(100)]
    assert {b - a for a, b in zip(times, times[20:], strict=False)} == {2_000_000}


@pytest.mark.parametrize("rate", [1, 3, 10, 25])
def test_capture_times_lie_on_a_grid_that_follows_a_clock_that_is_set(rate):
    ticks = Ticks(rate)
    ticks.take(55_123_456_789)
    offset = 1_700_000_000_000_000
    before = [ticks.wall_us(n, offset + n % 7) for n in range(50)]
    assert all(abs(w - ticks.time_s(n) * 1e6 - offset) <= 5e5 + 10 for n, w in enumerate(before))
    steps = {b - a for a, b in itertools.pairwise(before)}
    assert steps <= {1_000_000 // rate, 1_000_000 // rate + 1}
    after = ticks.wall_us(50, offset + 3_600_000_000)
    assert after - before[-1] == pytest.approx(3_600_000_000 + 1e6 / rate, abs=1e6 / rate + 10)


def test_timings_keep_the_newest_frames_in_constant_memory():
    timings = Timings(("a", "b"), kept=4)
    assert timings.latency_ms(50) is None
    assert timings.stages_us() == {}
    for _ in range(10):
        timings.start(time.monotonic_ns() - 5_000_000)
        timings.lap()
        timings.lap()
        timings.stop()
    assert timings._laps.shape == (4, 2)
    assert timings.latency_ms(50) >= 5.0
    assert timings.stages_us()["a"] >= 5000.0 > timings.stages_us()["b"]
