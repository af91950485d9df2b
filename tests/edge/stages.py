# SPDX-License-Identifier: Apache-2.0
"""A camera and an encoder that obey the rules of the real ones, and a pipeline made with them."""

import hashlib
import time
from pathlib import Path

import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.arena import Arena
from edge.books import Books
from edge.errors import UseAfterWipe
from edge.ledger import Caps, Ledger
from edge.mechanism import release_parameters
from edge.outbox import Outbox
from edge.pipeline import Pipeline
from edge.processors.cpu import ARENA_BYTES, CpuProcessor
from edge.sequence import Sequence
from edge.ticks import Ticks
from kernels.bounds import leak_bits
from wire.message import Signer, open_sealed, unpack
from wire.profile import Profile
from wire.topics import SensorTopics

RATE = 10
D, K = 8, 4
NOISE_KEY = bytes(range(32))
TOPICS = SensorTopics("home", "device-1", "door")


def tiny_profile(encoder_sha256="0" * 64, embedding_dim=D, **changes):
    values = {
        "name": "tiny",
        "encoder_sha256": encoder_sha256,
        "embedding_dim": embedding_dim,
        "released_dim": K,
        "projection": np.full((K, embedding_dim), 100, np.int8).tobytes(),
        "embedding_scale": 0.01,
        "clip_norm": 100,
        "full_scale": 1000,
        "sigmas": (100, 200),
        "rate_hz": RATE,
        "window_s": 2,
        "window_cap_bits": 16.0,
    }
    return Profile(**{**values, **changes})


def write_models(folder, *, breaks_on_motion=False):
    """A real, tiny encoder (averages of patches) and its profile; -> their two paths.

    One that breaks makes NaN (the root of a negative number) as soon as something moves.
    """
    weights = np.random.default_rng(0).normal(size=(D, 3, 16, 16)).astype(np.float32)
    constants = {"weights": weights, "rest": np.float32([1.0]), "little": np.float32([1e-6])}
    nodes = [
        onnx.helper.make_node("Cast", ["planes"], ["float"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Conv", ["float", "weights"], ["maps"], strides=[16, 16]),
        onnx.helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        onnx.helper.make_node("Flatten", ["pooled"], ["flat" if breaks_on_motion else "embedding"]),
    ]
    if breaks_on_motion:
        nodes += [
            onnx.helper.make_node("ReduceMean", ["float"], ["moved"], keepdims=0),
            onnx.helper.make_node("Sub", ["rest", "moved"], ["quiet"]),
            onnx.helper.make_node("Sqrt", ["quiet"], ["root"]),
            onnx.helper.make_node("Mul", ["root", "little"], ["nothing"]),
            onnx.helper.make_node("Add", ["flat", "nothing"], ["embedding"]),
        ]
    graph = onnx.helper.make_graph(
        nodes,
        "tiny",
        [onnx.helper.make_tensor_value_info("planes", onnx.TensorProto.UINT8, [1, 3, 64, 80])],
        [onnx.helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, [1, D])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    path, profile_path = folder / "encoder.onnx", folder / "profile.json"
    onnx.save(model, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    tiny_profile(encoder_sha256=digest, embedding_scale=1.0).save(profile_path)
    return path, profile_path


class FakeFrame:
    """Pixels with an owner: asking for them after the wipe raises."""

    def __init__(self, pixels, time_ns):
        self._pixels, self.time_ns, self.wipes = pixels, time_ns, 0

    @property
    def pixels(self):
        if self.wipes:
            raise UseAfterWipe("this frame was wiped")
        return self._pixels

    def wipe(self):
        self.wipes += 1
        self._pixels.fill(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wipe()


class FakeCamera:
    """Plays frames at the given seconds after its first use; then it has ended."""

    def __init__(self, times_s):
        self._times = list(times_s)
        self._start_ns = None
        self.given = []
        self.frames = self.frames_wiped = 0
        self.ended, self.state = False, "live"

    def next(self, timeout_s):
        now = time.monotonic_ns()
        self._start_ns = self._start_ns or now
        due = self._start_ns + round(self._times[0] * 1e9) if self._times else None
        if due is None or due > now + timeout_s * 1e9:
            self.ended = due is None
            time.sleep(timeout_s)
            return None
        time.sleep(max(0.0, (due - now) / 1e9))
        self._times.pop(0)
        return self.frame(due)

    def frame(self, time_ns):
        pixels = np.random.default_rng(self.frames).integers(1, 256, 64 * 80).astype(np.uint8)
        self.frames += 1
        self.frames_wiped += 1
        self.given.append(FakeFrame(pixels, time_ns))
        return self.given[-1]


class FakeEncoder:
    """An embedding that is never all zeros, and a note of what was seen when."""

    dim = D

    def __init__(self):
        self.seen = []

    def embed(self, planes, out):
        self.seen.append(planes.copy())
        out[:] = 1.0 + planes.mean() / 255.0

    def close(self):
        return


def make_pipeline(folder, camera, profile=None, caps=None, key=None, clock=None):
    """A whole pipeline on fake hardware; everything else is the product's own."""
    profile = profile or tiny_profile()
    caps = caps or Caps.continuous(profile.window_s, profile.window_cap_bits)
    costs = [leak_bits(profile.clip_norm, sigma) for sigma in profile.sigmas]
    folder.mkdir(exist_ok=True)
    memory = Arena(ARENA_BYTES)
    noise_key = memory.buffer(32)
    noise_key[:] = NOISE_KEY
    parameters = release_parameters(profile)
    ledger_clock = {} if clock is None else {"now": clock}
    return Pipeline(
        camera=camera,
        ledger=Ledger(folder / "ledger", caps, costs, **ledger_clock),
        processor=CpuProcessor(memory, FakeEncoder(), parameters, profile.rate_hz, noise_key),
        signer=Signer(key or Ed25519PrivateKey.generate()),
        outbox=Outbox(folder / "outbox", 1000, 600.0),
        sequence=Sequence(folder / "epoch", time.time()),
        topics=TOPICS,
        profile_id=profile.id,
        ticks=Ticks(profile.rate_hz),
        vector=np.zeros(profile.released_dim, np.int16),
    )


def books_of(pipeline, profile=None):
    """The books that a daemon with this pipeline would have open."""
    return Books(
        topics=pipeline.topics,
        model=Path("encoder.onnx"),
        profile=profile or tiny_profile(),
        signer=pipeline.signer,
        sequence=pipeline.sequence,
        ledger=pipeline.ledger,
        outbox=pipeline.outbox,
    )


def queued(outbox, key):
    """All messages that wait, opened as a bridge would; they stay in the outbox."""
    found, number = [], 0
    while (waiting := outbox.after(number)) is not None:
        number = waiting.number
        found.append(unpack(open_sealed(waiting.body, waiting.topic, key.public_key())))
    return found
