# SPDX-License-Identifier: Apache-2.0
"""Run a clip, or all cameras of one moment, through the deployed path, in clip time, brokerless.

Order, per clip: the daemon's camera, desensitisation and INT8 encoder give one embedding per time
step; then, per draw of the noise, the daemon's integer release with a fresh key from the kernel's
random source, and the bridge's room, recogniser and alarms, at the card's thresholds and at those
of `calibration.sweep`. Clips of one moment begin together and are one room. A rendered clip of
which only the planes were kept (.npz) enters at the encoder, without camera and desensitiser; `way`
says so. Left out are sealing, transport, the ledger and the clock, which change no vector.
Embeddings are kept only while their clip is replayed.

The noise cannot be seeded here: there is no way to run this path with a known key.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calibration.outcomes import Alarm, Replay
from calibration.rooms.errors import RoomsError
from calibration.rooms.store import load_planes
from calibration.rooms.track import RATE_HZ as RENDERED_HZ
from calibration.sweep import SHIFTS, shifted
from calibration.train.f1 import verdict_peaks
from cloud_bridge.admit import Admitted
from cloud_bridge.alarm_parameters import alarm_parameters
from cloud_bridge.alarms import Alarms, Transition
from cloud_bridge.card import KINDS
from cloud_bridge.recogniser import MAX_BATCH, Judgement, Recogniser
from cloud_bridge.registry import Place
from cloud_bridge.room import Due, Room
from cloud_bridge.watch import judge
from cloud_bridge.windows import Span
from edge.camera import open_camera
from edge.encoders import open_encoder
from edge.mechanism import release_parameters
from edge.processors.cpu import GREY_CANVAS
from kernels.desensitise import CANVAS_H, CANVAS_W, PLANES, Desensitiser
from kernels.reference import Releaser
from wire.errors import BadProfile
from wire.message import VectorMessage
from wire.profile import Profile

LEVEL = 0  # the profile's finest noise, at which a device runs until a cap makes it coarser
FRAME_TIMEOUT_S = 30.0  # a file that gives no frame for so long is stuck
START_US = 1_700_000_000_000_000  # unix time of a clip's first frame; any that a device may see

PLANES_ONLY = ".npz"
WAYS = ("camera", "planes")  # where a clip enters the deployed path

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]


class ReplayError(Exception):
    """A clip, or the set of models, cannot be replayed."""


@dataclass(frozen=True, slots=True)
class Models:
    """The files that together decide what a device and its bridge do."""

    profile: Path
    encoder: Path
    card: Path  # its networks lie beside it


@dataclass(frozen=True, slots=True)
class Verdict:
    """The recogniser's word on one window."""

    time_s: float  # capture time of the newest vector, unix s
    judgement: Judgement
    span: Span


def way(clip: Path) -> str:
    """Which of WAYS a clip takes."""
    return "planes" if clip.suffix == PLANES_ONLY else "camera"


class Station:
    """The deployed stages, opened once; replays one clip after another."""

    def __init__(self, models: Models, threads: int = 1) -> None:
        """Raise ReplayError if the files do not belong together or exceed the profile's cap."""
        self.profile = Profile.load(models.profile)
        self.recogniser = Recogniser(models.card, threads)
        _check(self.profile, self.recogniser, models)
        self._parameters = release_parameters(self.profile)
        self._encoder = open_encoder("openvino", models.encoder, threads)

    def close(self) -> None:
        """Wipe and release the encoder; idempotent."""
        self._encoder.close()

    def replay(self, clip: Path, draws: int) -> list[Replay]:
        """One Replay per draw of the noise; ReplayError or CameraError if there is no picture."""
        return self.replay_room([clip], draws)

    def replay_room(self, clips: Sequence[Path], draws: int) -> list[Replay]:
        """The same for all cameras of one moment, judged together; at most the card's sensors_max.

        A clip that is shorter than another falls silent when it ends. Raises what `replay` raises.
        """
        if not 1 <= len(clips) <= self.recogniser.card.sensors_max:
            raise ReplayError(
                f"{len(clips)} clips of one room; the model takes 1 to"
                f" {self.recogniser.card.sensors_max}"
            )
        embeddings = [self.embed(clip) for clip in clips]
        return [self.judge(*(self.release(one) for one in embeddings)) for _ in range(draws)]

    def embed(self, clip: Path) -> F32:
        """Every frame at the profile's rate -> (N, D) float32, N at least 1."""
        if not clip.is_file():
            raise ReplayError("no such file")
        planes = self._kept(clip) if way(clip) == "planes" else self._watched(clip)
        rows = [self._encode(one) for one in planes]
        if not rows:
            raise ReplayError("no frame could be decoded")
        return np.stack(rows)

    def _encode(self, planes: U8) -> F32:
        row = np.zeros(self._encoder.dim, np.float32)
        self._encoder.embed(planes, row)
        return row

    def _kept(self, clip: Path) -> Iterable[U8]:
        """Planes that a renderer desensitised."""
        if self.profile.rate_hz != RENDERED_HZ:
            raise ReplayError(
                f"its planes are at {RENDERED_HZ} Hz and the profile at {self.profile.rate_hz} Hz"
            )
        try:
            return load_planes(clip)
        except RoomsError as error:
            raise ReplayError(str(error)) from error

    def _watched(self, clip: Path) -> Iterator[U8]:
        """Planes of one frame after the other; each is overwritten by the next."""
        rate_hz, source, frames = self.profile.rate_hz, str(clip.resolve()), 0
        desensitiser = Desensitiser(rate_hz)
        canvas = np.zeros(GREY_CANVAS.nbytes, np.uint8)
        planes = np.zeros((PLANES, CANVAS_H, CANVAS_W), np.uint8)
        with open_camera(source, rate_hz, GREY_CANVAS, canvas, realtime=False) as camera:
            while (frame := camera.next(FRAME_TIMEOUT_S)) is not None:
                with frame:
                    desensitiser.planes(frame.pixels.reshape(CANVAS_H, CANVAS_W), planes)
                frames += 1
                yield planes
            if not camera.ended:
                raise ReplayError(f"no frame for {FRAME_TIMEOUT_S:g} s after {frames} frames")
        desensitiser.wipe()

    def release(self, embeddings: F32) -> I16:
        """(N, D) float32 -> (N, K) int16, with noise from a fresh key."""
        released = np.zeros((len(embeddings), self.profile.released_dim), np.int16)
        releaser = Releaser(self._parameters, memoryview(bytearray(os.urandom(32))))
        for embedding, out in zip(embeddings, released, strict=True):
            releaser.release(embedding, LEVEL, out)
        releaser.close()
        return released

    def judge(self, *vectors: I16) -> Replay:
        """(N, K) int16 of each sensor, one vector per time step -> what the bridge makes of them.

        `vectors` of the outcome are time steps.
        """
        card = self.recogniser.card
        parameters = alarm_parameters(card.alarms)
        verdicts = self.verdicts(*vectors)
        steps = max(len(one) for one in vectors)
        # A clip is scored by what the alarm rules would look at; one shorter than that, by its end.
        warm = [v for v in verdicts if v.span.vectors >= parameters.warm_up_vectors]
        peak = np.max([v.judgement.behaviours for v in warm or verdicts[-1:]], axis=0)
        return Replay(
            seconds=steps / self.profile.rate_hz,
            vectors=steps,
            peaks=dict(zip(KINDS, peak.tolist(), strict=True)),
            alarms=tuple(raise_alarms(Alarms(card.thresholds, parameters), verdicts)),
            sweep=tuple(
                tuple(raise_alarms(Alarms(shifted(card.thresholds, by), parameters), verdicts))
                for by in SHIFTS
            ),
            stretches=_stretches(verdicts, steps / self.profile.rate_hz),
        )

    def verdicts(self, *vectors: I16) -> list[Verdict]:
        """(N, K) int16 of each sensor -> the recogniser's word on every window that is judged."""
        card = self.recogniser.card
        place = Place(
            "replay", None, tuple(("replay", "clip", f"{n}") for n in range(len(vectors)))
        )
        room = Room(card, place, Alarms(card.thresholds))
        return [
            Verdict(due.time_s, judgement, due.span)
            for batch in self._due(room, vectors)
            for due, judgement in zip(batch, judge(self.recogniser, batch), strict=True)
        ]

    def _due(self, room: Room, vectors: Sequence[I16]) -> Iterator[list[Due]]:
        """The windows that the bridge would judge, some at a time."""
        batch: list[Due] = []
        for step in range(max(len(one) for one in vectors)):
            batch += room.follow(
                self._admitted(number, step, one[step])
                for number, one in enumerate(vectors)
                if step < len(one)
            )
            if len(batch) >= MAX_BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _admitted(self, number: int, step: int, vector: I16) -> Admitted:
        """Sent by the sensor of that number, and there at once."""
        time_us = START_US + step * 1_000_000 // self.profile.rate_hz
        message = VectorMessage(
            profile_id=self.profile.id,
            device="clip",
            sensor=f"{number}",
            epoch=1,
            sequence=step,
            capture_time_us=time_us,
            noise_level=LEVEL,
            repeated=False,
            vector=vector,
        )
        return Admitted(("replay", "clip", f"{number}"), message, time_us / 1e6)


def raise_alarms(alarms: Alarms, verdicts: Iterable[Verdict]) -> list[Alarm]:
    """What the alarm rules make of one clip's verdicts."""
    return [
        _alarm(change)
        for verdict in verdicts
        for change in alarms.step(
            verdict.time_s,
            dict(zip(KINDS, verdict.judgement.behaviours.tolist(), strict=True)),
            verdict.judgement.onset_s,
            verdict.span,
        )
    ]


def _stretches(verdicts: Sequence[Verdict], seconds: float) -> tuple[tuple[float, ...], ...]:
    """The largest probabilities of each stretch of 2 s."""
    times_s = [verdict.time_s - START_US / 1e6 for verdict in verdicts]
    said, steps = [v.judgement.behaviours for v in verdicts], round(seconds * RENDERED_HZ)
    found = verdict_peaks(times_s, np.stack(said), steps)
    return tuple(tuple(row) for row in found.tolist())


def _alarm(change: Transition) -> Alarm:
    start_s = START_US / 1e6
    return Alarm(
        change.kind, change.phase, change.onset_time - start_s, change.detection_time - start_s
    )


def _check(profile: Profile, recogniser: Recogniser, models: Models) -> None:
    digest = hashlib.sha256(models.encoder.read_bytes()).hexdigest()
    if digest != profile.encoder_sha256:
        raise ReplayError(f"{models.profile} was made for another encoder than {models.encoder}")
    if profile.id not in recogniser.card.profile_ids:
        raise ReplayError(f"{models.card} does not name the profile {profile.id.hex()}")
    try:
        profile.require_cap_kept()
    except BadProfile as error:
        raise ReplayError(f"{models.profile}: {error}") from error
