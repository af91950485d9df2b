# SPDX-License-Identifier: Apache-2.0
"""The whole daemon with its own state, on a camera and an engine that can be made to fail.

What is replaced is what a test must hold in its hands: the frames, the encoder, the noise key, and
(unless a broker is given) the publisher. Everything between is the product's.
"""

import hashlib
import os
import time
from dataclasses import dataclass, field, replace

import numpy as np

from edge import camera as camera_module
from edge import daemon
from edge.arena import Arena
from edge.books import OUTBOX_NAME
from edge.config import (
    CameraConfig,
    EncoderConfig,
    OutboxConfig,
    PrivacyConfig,
    ProfileConfig,
    StateConfig,
    load_config,
)
from edge.errors import EdgeError
from edge.frame import Frame
from edge.identity import load_or_create
from edge.mechanism import release_parameters
from edge.outbox import Outbox
from edge.processors.cpu import ARENA_BYTES, GREY_CANVAS, CpuProcessor
from edge.supervisor import Supervisor
from kernels.errors import AcceleratorError, ReleaseError
from tests.edge.oracle import LinearEncoder, Witness, laid_bare, lies
from tests.edge.stages import NOISE_KEY, queued, tiny_profile
from wire.status import DeviceStatus

QUEUE = OutboxConfig(max_messages=64, max_age_s=86400.0)
PERIOD_NS, HOUR_NS = 100_000_000, 3_600_000_000_000
INJECTED = (EdgeError, AcceleratorError, ReleaseError, MemoryError, RuntimeError, ValueError)


class Plug:
    """Raises `error`, or calls it, when `point` is passed for the `turn`-th time, from 0."""

    def __init__(self, point=None, error=None, turn=0):
        self.point, self.error, self.left = point, error, turn
        self.pulled = False

    def passing(self, point):
        if point == self.point and not self.pulled:
            self.left -= 1
            self.pulled = self.left < 0
            if self.pulled and callable(self.error):
                self.error()
            elif self.pulled:
                raise self.error

    def around(self, name, verb):
        """`verb`, which may fail before it has done anything, or after it has done everything."""

        def both(*arguments, **named):
            self.passing(f"before {name}")
            result = verb(*arguments, **named)
            self.passing(f"after {name}")
            return result

        return both


class Instead:
    """An object with some of its verbs replaced."""

    def __init__(self, real, **verbs):
        self.real, self._verbs = real, verbs

    def __getattr__(self, name):
        return self._verbs.get(name) or getattr(self.real, name)

    def __len__(self):
        return len(self.real)


class Frames:
    """A recording of `count` frames of noise on the canvas, as fast as they are taken.

    They say that they come at the rate, in an hour: so no tick is ever overdue, and nothing waits.
    """

    def __init__(self, canvas, count, plug):
        self.canvas, self.left, self._plug = canvas, count, plug
        self.frames = self.frames_wiped = 0
        self.ended, self.state = False, "live"
        self._start_ns = time.monotonic_ns() + HOUR_NS
        self._random = np.random.default_rng(7)

    def next(self, _timeout_s):
        self._plug.passing("camera")
        if self.frames == self.left:
            self.ended = True
            return None
        self.canvas[:] = self._random.integers(0, 256, self.canvas.size)
        self.frames += 1
        return Frame(self.canvas, self._start_ns + self.frames * PERIOD_NS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.canvas.fill(0)


class Mute:
    """A publisher without a broker, which keeps the last status."""

    def __init__(self, _link, _outbox, describe):
        self._describe, self._started = describe, False
        self.last = None

    def start(self):
        self._started = True

    def stop(self):
        if self._started and self.last is None:
            self.last = DeviceStatus.from_json(self._describe("offline").body)

    def notify(self):
        return

    def check(self):
        return


def half(release, plug):
    """A release that may stop in the middle, with values before the noise in its result."""

    def released(embedding, level, out):
        release(embedding, level, out)
        if plug.point == "halfway release" and plug.left == 0:
            out[: len(out) // 2] = 77
        plug.passing("halfway release")

    return released


class Cpu:
    """The way over a CPU, with an encoder of tests and a key that is known."""

    config = EncoderConfig()
    layout = GREY_CANVAS

    def __init__(self, profile, encoder=None):
        self._profile = profile
        self._encoder = encoder or LinearEncoder(profile.embedding_dim)
        self._memory = np.zeros(0)

    def patched(self, patch, plug):
        """In force while `patch` is: with this plug at every stage."""

        def open_processor(*_):
            plug.passing("open")
            return self.open(plug)

        patch.setattr(daemon, "open_processor", open_processor)

    def embed(self, planes):
        """By an encoder that was not made to fail."""
        return LinearEncoder(self._profile.embedding_dim)(planes)

    def holds(self):
        """Whether there is anything in the memory of the processor."""
        return bool(self._memory.any())

    def open(self, plug):
        """With this plug at every stage."""
        arena = Arena(ARENA_BYTES)
        self._memory = arena._whole
        key = arena.buffer(32)
        key[:] = NOISE_KEY
        parameters, rate = release_parameters(self._profile), self._profile.rate_hz
        encoder = Instead(
            self._encoder,
            embed=plug.around("encode", self._encoder.embed),
            close=plug.around("close encoder", self._encoder.close),
        )
        processor = CpuProcessor(arena, encoder, parameters, rate, key)
        room, releaser = processor._desensitiser, processor._releaser
        processor._desensitiser = Instead(
            room,
            planes=plug.around("desensitise", room.planes),
            wipe=plug.around("close desensitiser", room.wipe),
        )
        processor._releaser = Instead(
            releaser,
            release=plug.around("release", half(releaser.release, plug)),
            close=plug.around("close releaser", releaser.close),
        )
        return processor


@dataclass
class Device:
    """One device that can be run once; the results lie here afterwards."""

    folder: object
    monkeypatch: object
    plug: Plug = field(default_factory=Plug)
    frames: int = 6
    profile: object = field(default_factory=tiny_profile)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    way: object = None  # from frame to vector; None: Cpu
    source: object = None  # of a real camera, in place of Frames
    enough: int | None = None  # frames after which it is stopped
    around: object = None  # something put around `process`
    seen: list = field(default_factory=list)  # pixels and level of every frame that was processed
    publisher: object = None
    error: BaseException | None = None
    dirty: bool = False  # the processor's memory held something at some time, as it must

    def run(self, config=None, publisher=Mute):
        """Until its frames are over or something fails, which is kept in `error`."""
        self.way = self.way or Cpu(self.profile)
        config = self._configured(config or load_config(None))
        with self.monkeypatch.context() as patch:
            self.way.patched(patch, self.plug)
            patch.setattr(daemon, "open_pipeline", self._plugged(daemon.open_pipeline))
            patch.setattr(daemon, "Publisher", self._kept(publisher))
            patch.setattr(daemon, "_settle", lambda: None)  # not in a process that lives on
            if self.source is None:
                patch.setattr(camera_module, "open_camera", self._open_camera)
            patch.setattr(camera_module, "parse_source", lambda _: self.source)
            self._quick(patch)
            try:
                daemon.run(config, self._supervisor(), until_eos=True)
            except INJECTED as error:
                self.error = error
        return self

    def messages(self):
        """What left the device, opened as the bridge does."""
        state = self.folder / "state"
        with self.monkeypatch.context() as patch:
            self._quick(patch)
            outbox = Outbox(state / OUTBOX_NAME, QUEUE.max_messages, QUEUE.max_age_s)
            found = queued(outbox, load_or_create(state / "device.key"))
            outbox.close()
        return found

    def lies(self):
        return lies(self.messages(), self.seen, self.witness())

    def laid_bare(self):
        return laid_bare(self.messages(), self.profile, NOISE_KEY)

    def witness(self):
        """Who knows better, by the definitions."""
        return Witness(self.profile, NOISE_KEY, self.way.layout, self.way.embed)

    def _supervisor(self):
        supervisor = Supervisor({})
        return Instead(supervisor, stopped=lambda: len(self.seen) == self.enough)

    def _quick(self, patch):
        """What a power cut leaves is tested elsewhere."""
        for verb in ("fsync", "fdatasync"):
            patch.setattr(os, verb, lambda _: None)

    def _configured(self, config):
        model, profile = self.folder / "encoder.onnx", self.folder / "profile.json"
        model.write_bytes(b"its digest is all that is read")
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        self.profile = replace(self.profile, encoder_sha256=digest)
        self.profile.save(profile)
        return replace(
            config,
            device="device-1",
            sensor="door",
            camera=CameraConfig("frames"),
            encoder=replace(self.way.config, model=model),
            profile=ProfileConfig(path=profile),
            privacy=self.privacy,
            outbox=QUEUE,
            state=StateConfig(dir=self.folder / "state"),
        )

    def _open_camera(self, _source, _rate, _layout, canvas, **_):
        return Frames(canvas, self.frames, self.plug)

    def _plugged(self, open_pipeline):
        def opened(*arguments):
            pipeline, plug = open_pipeline(*arguments), self.plug
            process = plug.around("process", pipeline.processor.process)
            process = self.around(process) if self.around else process

            def noted(frame, level, *rest):
                self.seen.append((frame.pixels.copy(), level))
                process(frame, level, *rest)
                self.dirty = self.dirty or self.way.holds()

            pipeline.processor = Instead(pipeline.processor, process=noted)
            pipeline.ledger = Instead(
                pipeline.ledger, charge=plug.around("charge", pipeline.ledger.charge)
            )
            pipeline.signer = Instead(
                pipeline.signer, seal=plug.around("seal", pipeline.signer.seal)
            )
            pipeline.outbox = Instead(
                pipeline.outbox, put=plug.around("queue", pipeline.outbox.put)
            )
            pipeline.timings = Instead(
                pipeline.timings, lap=plug.around("lap", pipeline.timings.lap)
            )
            return pipeline

        return opened

    def _kept(self, publisher):
        def made(*arguments):
            link, outbox, describe = arguments

            def told(status):
                report = describe(status)
                if b'"fault":null' not in report.body:
                    assert not self.way.holds(), "told of the fault before all was wiped"
                return report

            self.publisher = publisher(link, outbox, told)
            return self.publisher

        return made
