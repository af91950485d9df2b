# SPDX-License-Identifier: Apache-2.0
"""Opens the rooms of the daemon in order, runs the pipeline, closes them in reverse.

First the books, which outlive a run. Then what sees: processor and camera. At the end what saw is
closed and wiped first; only then the outbox is flushed.
"""

from __future__ import annotations

import gc
import logging
import sys
from contextlib import ExitStack

import cv2
import numpy as np

from edge.books import Books, open_books
from edge.config import EdgeConfig, split_broker_url
from edge.errors import ConfigError, ProcessorError
from edge.pipeline import Pipeline
from edge.processors import open_processor
from edge.publisher import Publisher
from edge.report import Reporter, line, summary
from edge.session import Link
from edge.supervisor import Supervisor
from edge.ticks import Ticks
from edge.tls import client_context
from wire.profile import Profile
from wire.topics import device_status

SWITCH_INTERVAL_S = 0.0005  # how long another thread may keep a frame waiting for the interpreter

log = logging.getLogger(__name__)


def run(config: EdgeConfig, supervisor: Supervisor, *, until_eos: bool) -> dict[str, object]:
    """Run until stopped, or until the source's end if `until_eos`; -> the summary of the run.

    Raises EdgeError for whatever cannot be opened or breaks. A ProcessorError is told to the broker
    first, by a status with its fault.
    """
    source = _source(config)
    link = _link(config)
    with ExitStack() as stack:
        books = open_books(config, stack)
        reporter = Reporter(books)
        publisher = Publisher(link, books.outbox, reporter.status)
        stack.callback(publisher.stop)
        try:
            with ExitStack() as eyes:
                reporter.pipeline = pipeline = open_pipeline(config, source, books, eyes)
                publisher.start()
                supervisor.ready()
                _announce(pipeline, books.profile)
                _serve(pipeline, publisher, supervisor, until_eos)
        except ProcessorError as error:  # what saw is wiped by now
            reporter.fault = error.fault
            publisher.start()
            raise
        supervisor.close()
        publisher.stop()
        return summary(pipeline)


def _serve(pipeline: Pipeline, publisher: Publisher, supervisor: Supervisor, eos: bool) -> None:
    def stopped() -> bool:
        return supervisor.stopped() or (eos and pipeline.camera.ended)

    def each_turn() -> None:
        publisher.notify()
        publisher.check()
        supervisor.turn(pipeline.queued_ns, lambda: line(pipeline))

    pipeline.run(stopped, each_turn)


def _announce(pipeline: Pipeline, profile: Profile) -> None:
    topics, most = pipeline.topics, pipeline.ledger.caps
    log.info(
        "%s/%s/%s, epoch %d, profile %s %s, at most %g bits per %d s, %g an hour, %g a day",
        *(topics.site, topics.device, topics.sensor, pipeline.sequence.epoch),
        *(profile.name, profile.id.hex()),
        *(most.window_bits, most.window_s, most.hour_bits, most.day_bits),
    )


def open_pipeline(config: EdgeConfig, source: str, books: Books, eyes: ExitStack) -> Pipeline:
    """What sees, from camera to outbox; `eyes` closes and wipes it. Raises EdgeError."""
    from edge.camera import open_camera  # imports GStreamer

    profile = books.profile
    processor = open_processor(config, books.model, profile)
    eyes.callback(processor.close)
    _settle()  # before the first frame, which would have to wait for it
    camera = open_camera(source, profile.rate_hz, processor.format, processor.canvas)
    return Pipeline(
        camera=eyes.enter_context(camera),
        ledger=books.ledger,
        processor=processor,
        signer=books.signer,
        outbox=books.outbox,
        sequence=books.sequence,
        topics=books.topics,
        profile_id=profile.id,
        ticks=Ticks(profile.rate_hz),
        vector=np.zeros(profile.released_dim, np.int16),
    )


def _source(config: EdgeConfig) -> str:
    if config.camera.source is None:
        raise ConfigError(
            "no source: add --source test: (or csi:0, v4l2:/dev/video0, rtsp://..., a file's "
            "path), or set `source` in [camera]"
        )
    return config.camera.source


def _link(config: EdgeConfig) -> Link:
    secure, host, port = split_broker_url(config.broker.url)
    return Link(
        host=host,
        port=port,
        tls=client_context(config.broker) if secure else None,
        client_id=f"lethe-edge-{config.site}-{config.device}-{config.sensor}",
        status_topic=device_status(config.site, config.device),
    )


def _settle() -> None:
    """Nothing that comes by itself may keep a frame waiting: other threads, collections."""
    cv2.setNumThreads(1)  # the planes are small: a second thread would only be waited for
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()  # what is open now stays, no collection needs to look at it again
