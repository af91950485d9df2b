# SPDX-License-Identifier: Apache-2.0
"""What the device says about itself: the retained status, and one line at the end of a run.

Only counts, budget and times: nothing that depends on what the camera saw. `status` runs on the
publisher's thread and only reads.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from edge.books import Books
from edge.pipeline import Pipeline
from edge.session import Report
from wire.status import Bits, DeviceStatus


@dataclass(slots=True)
class Reporter:
    """Describes one device."""

    books: Books
    pipeline: Pipeline | None = None  # until everything that sees is open
    fault: str | None = None  # of wire.status.FAULTS: what ended the way from frame to vector

    def status(self, status: str) -> Report:
        """online | stopping | offline -> what to publish; mode and camera are its headline."""
        now = self._now(status)
        return Report(now.to_json(), f"{now.mode} {now.camera}")

    def _now(self, status: str) -> DeviceStatus:
        unopened, pipeline = self._unopened(status), self.pipeline
        if pipeline is None:
            return unopened
        return replace(
            unopened,
            camera=pipeline.camera.state,
            frames=pipeline.camera.frames,
            frames_wiped=pipeline.camera.frames_wiped,
            releases=pipeline.releases,
            repeated=pipeline.repeated,
        )

    def _unopened(self, status: str) -> DeviceStatus:
        """A device that has seen nothing yet."""
        books = self.books
        topics, ledger = books.topics, books.ledger
        spent, caps = ledger.spent(), ledger.caps
        return DeviceStatus(
            site=topics.site,
            device=topics.device,
            sensor=topics.sensor,
            status=status,
            mode=ledger.mode,
            camera="missing",
            fault=self.fault,
            frames=0,
            frames_wiped=0,
            releases=0,
            repeated=0,
            dropped_messages=books.outbox.dropped,
            outbox=len(books.outbox),
            spent_bits=Bits(spent.window, spent.hour, spent.day),
            cap_bits=Bits(caps.window_bits, caps.hour_bits, caps.day_bits),
            profile_id=books.profile.id,
            epoch=books.sequence.epoch,
            updated_time=time.time(),
        )


def line(pipeline: Pipeline) -> str:
    """The state in a few words, for the service manager."""
    return (
        f"{pipeline.ledger.mode}, camera {pipeline.camera.state}, "
        f"{pipeline.releases} released, {len(pipeline.outbox)} waiting"
    )


def summary(pipeline: Pipeline) -> dict[str, object]:
    """The figures of the whole run."""
    spent = pipeline.ledger.spent()
    return {
        "frames": pipeline.camera.frames,
        "frames_wiped": pipeline.camera.frames_wiped,
        "releases": pipeline.releases,
        "repeated": pipeline.repeated,
        "dropped_messages": pipeline.outbox.dropped,
        "outbox": len(pipeline.outbox),
        "latency_ms_p50": pipeline.timings.latency_ms(50),
        "latency_ms_p99": pipeline.timings.latency_ms(99),
        "stages_us": pipeline.timings.stages_us(),
        "signed_bytes": pipeline.signed_bytes,
        "spent_bits_total": spent.run,
        "spent_bits_window_max": spent.worst_window,
        "cap_bits_window": pipeline.ledger.caps.window_bits,
        "ledger_late": pipeline.ledger.late,
        "epoch": pipeline.sequence.epoch,
        "profile_id": pipeline.profile_id.hex(),
    }
