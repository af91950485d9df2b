# SPDX-License-Identifier: Apache-2.0
"""What the demo's operator heard, as lines while it happens and as a table at the end.

Pure: messages go in, text comes out. Times shown are seconds of the clip; the clip begins with the
capture time of the first new vector.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.outcomes import GRACE_S, LEAD_S
from wire.events import Event, SensorState
from wire.message import unpack
from wire.seal import open_sealed
from wire.status import DeviceStatus

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from calibration.listener import Heard

HEADING = f"{'clip time':>10}  {'what':<12} {'phase':<10} probability"
# The clips say when an event begins; who fell lies there until the clip ends, and an alarm of
# either phase that comes while they lie has found them. The delay stands beside it.
FOUND_WITHIN_S = max(GRACE_S.values())
WINDOW_S = 2  # the window that leaked bits are quoted for


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What is known of a bundled clip: size of its H.264 file and what happens when."""

    name: str
    seconds: float
    file_bytes: int
    events: tuple[tuple[str, float], ...]  # kind, onset in seconds of the clip


@dataclass(slots=True)
class Story:
    """Everything heard so far. `public_key` opens the device's vectors."""

    clip: ClipFacts
    public_key: Ed25519PublicKey
    start_s: float | None = None  # unix time of the clip's first frame
    last_vector_s: float = 0.0  # unix time of the newest new vector's capture
    judged_s: float = 0.0  # the same of the newest vector that a state speaks of
    vectors: int = 0
    events: list[Event] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)  # vector heard -> result about it heard
    _heard_s: dict[int, float] = field(default_factory=dict)  # capture time in ms -> when heard
    state: SensorState | None = None
    _told: object = ("stalled", False)  # how every stream begins
    _online: str = ""

    def hear(self, heard: Heard) -> str | None:
        """The line to print for this message, if any."""
        if heard.kind == "vectors":
            self._vector(heard)
            return None
        if heard.kind == "events":
            return self._event(Event.from_json(heard.body), heard.time_s)
        if heard.kind == "state":
            return self._state(SensorState.from_json(heard.body), heard.time_s)
        return self._status(DeviceStatus.from_json(heard.body), heard.time_s)

    def _vector(self, heard: Heard) -> None:
        message = unpack(open_sealed(heard.body, heard.topic, self.public_key))
        self.vectors += 1
        if not message.repeated:
            self.last_vector_s = message.capture_time_us / 1e6
            self.start_s = self.start_s or self.last_vector_s
            self._heard_s[_milliseconds(self.last_vector_s)] = heard.time_s

    def _event(self, event: Event, time_s: float) -> str:
        self.events.append(event)
        self._result(event.evidence.window_end, time_s)
        shown = f"{event.kind:<12} {event.phase:<10} {event.probability:.2f}"
        return self._line(event.detection_time, shown)

    def _state(self, state: SensorState, time_s: float) -> str | None:
        self.state = state
        seen = state.last_vector_time or 0.0
        if seen > self.judged_s:
            self.judged_s = seen
            self._result(seen, time_s)
        news = (state.stream, state.present)
        if news == self._told:
            return None
        self._told = news
        told = "somebody is present" if state.present else "nobody is present"
        return self._line(time_s, f"stream {state.stream}, {told}")

    def _status(self, status: DeviceStatus, time_s: float) -> str | None:
        if status.status == self._online:
            return None
        self._online = status.status
        return self._line(time_s, f"{status.device} is {status.status}")

    def _result(self, capture_s: float, time_s: float) -> None:
        """A result whose newest vector was captured at capture_s was heard at time_s."""
        heard_s = self._heard_s.get(_milliseconds(capture_s))
        if heard_s is not None:
            self.delays_s.append(time_s - heard_s)

    def _line(self, time_s: float, text: str) -> str:
        return f"{self._clip_time(time_s)}  {text}"

    def _clip_time(self, time_s: float) -> str:
        return f"{time_s - self.start_s:8.1f} s" if self.start_s else f"{'-':>8}  "


def table(story: Story, summary: dict[str, Any]) -> list[str]:
    """The closing table; `summary` is what the edge daemon printed when it stopped."""
    seconds = story.clip.seconds
    signed = summary["signed_bytes"] / seconds
    film = story.clip.file_bytes / seconds
    refused = sum(story.state.refused.values()) if story.state else 0
    admitted = story.state.admitted if story.state else 0
    rows = [
        ("frames", f"{summary['frames']}, of which wiped {summary['frames_wiped']}"),
        ("releases", f"{summary['releases']} new, {summary['repeated']} repeated"),
        ("admitted by bridge", f"{admitted} of {story.vectors} messages, {refused} refused"),
        *(
            (f"{kind} at {onset:.1f} s", fate(story, kind, onset))
            for kind, onset in story.clip.events
        ),
        ("other events", others(story)),
        (
            "frame -> signed vector",
            f"p50 {summary['latency_ms_p50']:.1f} ms, p99 {summary['latency_ms_p99']:.1f} ms",
        ),
        ("frame -> result", _to_result(story.delays_s, summary)),
        (
            "bytes on the wire",
            f"{signed / 1e3:.1f} kB/s of signed vectors; the clip in H.264: {film / 1e3:.1f} kB/s",
        ),
        (
            f"leaked bits per {WINDOW_S} s",
            f"at most {summary['spent_bits_window_max']:.2f}, cap {summary['cap_bits_window']:.2f}",
        ),
        ("leaked bits in all", f"at most {summary['spent_bits_total']:.1f}"),
    ]
    return [f"{name:<24}{value}" for name, value in rows]


def fate(story: Story, kind: str, onset_s: float) -> str:
    """What became of an event that is in the clip."""
    found = []
    for phase in GRACE_S:
        delays = [
            delay for delay in _delays(story, kind, phase, onset_s) if delay <= FOUND_WITHIN_S
        ]
        if delays:
            found.append(f"{phase} after {min(delays):.1f} s")
    return ", ".join(found) or "MISSED"


def others(story: Story) -> str:
    """Kinds of events that do not answer to one in the clip, with how far they got."""
    strangers = {
        event.event_id: f"{event.kind} {event.phase}"
        for event in story.events
        if event.phase != "cleared" and not _expected(story, event.event_id)
    }
    return ", ".join(strangers.values()) or "none"


def _expected(story: Story, event_id: str) -> bool:
    """Whether the event is one of the clip's, or somebody who is down after a fall."""
    return any(
        event.kind == "person_down" and kind == "fall" and _delay(story, event, onset_s) > 0
        for event in story.events
        if event.event_id == event_id
        for kind, onset_s in story.clip.events
    ) or any(
        -LEAD_S <= delay <= FOUND_WITHIN_S
        for event in story.events
        if event.event_id == event_id and event.phase in GRACE_S
        for kind, onset_s in story.clip.events
        if kind == event.kind
        for delay in [_delay(story, event, onset_s)]
    )


def _delays(story: Story, kind: str, phase: str, onset_s: float) -> list[float]:
    wanted = [event for event in story.events if (event.kind, event.phase) == (kind, phase)]
    delays = [_delay(story, event, onset_s) for event in wanted]
    return [delay for delay in delays if delay >= -LEAD_S]


def _delay(story: Story, event: Event, onset_s: float) -> float:
    return event.detection_time - (story.start_s or 0.0) - onset_s


def _to_result(delays_s: list[float], summary: dict[str, Any]) -> str:
    """The device's time plus the bridge's, from the vector at the operator to the result there.

    Capture times lie on a grid and cannot be compared with a clock. Percentiles are added, which
    for p99 is the pessimistic way.
    """
    if not delays_s:
        return "no result came"
    p50, p99 = np.percentile(delays_s, [50, 99]) * 1e3
    p50, p99 = p50 + summary["latency_ms_p50"], p99 + summary["latency_ms_p99"]
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms over {len(delays_s)} results"


def _milliseconds(time_s: float) -> int:
    return round(time_s * 1e3)
