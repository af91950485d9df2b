# SPDX-License-Identifier: Apache-2.0
"""A clip whose every row can be found again, and a search of a process's memory for it.

Each row of frame i is a chain of 32-byte blocks: a mark, the frame's index, and bytes that follow
from both. Wherever a block lies in memory, in whatever layout, the frame that it is from is known.
Rows differ between frames in most bytes, so that no encoder can carry a row over as it stands.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections import Counter
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

WIDTH, HEIGHT, FPS = 320, 240, 30
MARK = hashlib.sha256(b"canary").digest()[:8]
BLOCK = 32
ENCODE_TIMEOUT_S = 60


def block(index: int) -> bytes:
    head = MARK + index.to_bytes(2, "big")
    return head + hashlib.sha256(head).digest()[: BLOCK - len(head)]


def write_clip(path: Path, frames: int, encoder: str) -> Path:
    """`frames` frames at 30/s into a Matroska file; `encoder` names a lossless one, or none."""
    raw = path.with_suffix(".yuv")
    chroma = bytes([128]) * (WIDTH * HEIGHT // 2)
    with raw.open("wb") as out:
        for index in range(frames):
            out.write(block(index) * (WIDTH // BLOCK * HEIGHT) + chroma)
    _play(
        f"filesrc location={raw} ! rawvideoparse format=i420 width={WIDTH} height={HEIGHT} "
        f"framerate={FPS}/1 ! {encoder} ! matroskamux ! filesink location={path}"
    )
    raw.unlink()
    return path


def _play(description: str) -> None:
    Gst.init(None)
    pipeline = Gst.parse_launch(description)
    pipeline.set_state(Gst.State.PLAYING)
    wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(ENCODE_TIMEOUT_S * Gst.SECOND, wanted)
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type != Gst.MessageType.EOS:
        raise RuntimeError(f"no clip: {message and message.parse_error()}")


def found_in(pid: int) -> Counter[int]:
    """How many blocks of which frame are in the memory of process `pid`, which is stopped while
    it is read."""
    found: Counter[int] = Counter()
    os.kill(pid, signal.SIGSTOP)
    try:
        for memory in _writable_memory(pid):
            at = memory.find(MARK)
            while at >= 0:
                index = int.from_bytes(memory[at + 8 : at + 10], "big")
                found[index] += memory[at : at + BLOCK] == block(index)
                at = memory.find(MARK, at + 1)
    finally:
        os.kill(pid, signal.SIGCONT)
    return +found


def rows(found: Counter[int]) -> float:
    """The same, in rows of a frame."""
    return found.total() * BLOCK / WIDTH


def _writable_memory(pid: int) -> list[bytes]:
    """Everything that the process could have written a pixel to."""
    pieces = []
    with (
        Path(f"/proc/{pid}/maps").open() as maps,
        Path(f"/proc/{pid}/mem").open("rb", 0) as memory,
    ):
        for line in maps:
            span, permissions, *_ = line.split()
            if not permissions.startswith("rw"):
                continue
            low, high = (int(edge, 16) for edge in span.split("-"))
            try:
                memory.seek(low)
                pieces.append(memory.read(high - low))
            except OSError:
                continue  # device memory: not readable, and none of the process's own
    return pieces
