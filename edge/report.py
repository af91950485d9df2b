# SPDX-License-Identifier: Apache-2.0
"""What the device says about itself: the retained status, and one line at the end of a run.

Only counts, budget and times: nothing that depends on what the camera saw. `status` runs on the
publisher's thread and only reads.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from edge.pipeline import Pipeline
from edge.session import Report
from wire.status import Bits, DeviceStatus


@dataclass(slots=True)
class Reporter:
    """Describes one pipeline."""

    pipeline: Pipeline
    fault: str | None = None  # of wire.status.FAULTS: what ended the way from frame to vector

    def status(self, status: str) -> Report:
        """online | stopping | offline -> what to publish; mode and camera are its headline."""
        now = self._now(status)
        return Report(now.to_json(), f"{now.mode} {now.camera}")

    def line(self) -> str:
        """The state in a few words, for the service manager."""
        pipeline = self.pipeline
        return (
            f"{pipeline.ledger.mode}, camera {pipeline.camera.state}, "
            f"{pipeline.releases} released, {len(pipeline.outbox)} waiting"
        )

    def summary(self) -> dict[str, object]:
        """The figures of the whole run."""
        pipeline, spent = self.pipeline, self.pipeline.ledger.spent()
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

    def _now(self, status: str) -> DeviceStatus:
        pipeline, ledger = self.pipeline, self.pipeline.ledger
        topics, spent, caps = pipeline.topics, ledger.spent(), ledger.caps
        return DeviceStatus(
            site=topics.site,
            device=topics.device,
            sensor=topics.sensor,
            status=status,
            mode=ledger.mode,
            camera=pipeline.camera.state,
            fault=self.fault,
            frames=pipeline.camera.frames,
            frames_wiped=pipeline.camera.frames_wiped,
            releases=pipeline.releases,
            repeated=pipeline.repeated,
            dropped_messages=pipeline.outbox.dropped,
            outbox=len(pipeline.outbox),
            spent_bits=Bits(spent.window, spent.hour, spent.day),
            cap_bits=Bits(caps.window_bits, caps.hour_bits, caps.day_bits),
            profile_id=pipeline.profile_id,
            epoch=pipeline.sequence.epoch,
            updated_time=time.time(),
        )
