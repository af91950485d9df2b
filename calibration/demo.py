# SPDX-License-Identifier: Apache-2.0
"""The main job on one machine: broker, bridge and edge daemon as they would run apart.

Order: broker, the device's identity, the operator, the bridge, the edge daemon on a bundled clip.
Results are printed as they are published; a table follows. Whatever happens, Ctrl-C included,
everything is stopped in reverse order and the temporary folder, with state and keys, is removed.
"""

from __future__ import annotations

import base64
import json
import signal
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration.broker import Broker
from calibration.demo_home import Models, write_bridge, write_edge
from calibration.demo_story import HEADING, ClipFacts, Story, table
from calibration.listener import Listener
from calibration.programs import ROOT, Program, ProgramError
from wire.seal import device_key

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from types import FrameType

CLIPS = ROOT / "tests" / "clips"
DEFAULT_CLIP = "restroom_fall_1"
POLL_S = 0.1
READY_TIMEOUT_S = 90.0  # engines compile their networks at start
TIME_RESOLUTION_S = 0.001  # of times in results
SETTLE_S = 5.0  # how long the last vectors may take to be judged


class DemoError(Exception):
    """The demo could not go on; the message says where it stood."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Both have defaults."""
    parser.add_argument(
        "--clip", choices=sorted(_facts()), default=DEFAULT_CLIP, help="default: %(default)s"
    )
    parser.add_argument(
        "--models",
        type=Path,
        default=ROOT / "models",
        metavar="DIR",
        help="with encoder.onnx, profile.json, recogniser.json and its networks; default: shipped",
    )


def run(args: argparse.Namespace) -> int:
    """0 when the whole path ran; what it recognised is in the table."""
    with _interrupts() as check, ExitStack() as stack:
        clip = _clip(args.clip)
        models = Models(args.models.resolve())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lethe-demo-")))
        story, edge = _tell(clip, models, folder, stack, check)
        summary = _summary(edge)
    _say("", *table(story, summary))
    return 0


def _tell(
    clip: ClipFacts, models: Models, folder: Path, stack: ExitStack, check: Callable[[], None]
) -> tuple[Story, Program]:
    """Start everything, follow it to the clip's end; `stack` stops what was started."""
    broker = stack.enter_context(Broker())
    _say(f"broker    {broker.url}: TLS, a certificate per client, each device only its own topics")
    config = write_edge(folder, broker, models)
    public_key = _identity(config, folder, check)
    _say(f"device    its public key is {public_key}")
    story = Story(clip, device_key(base64.b64decode(public_key)))
    listener = stack.enter_context(Listener(broker.port, broker.client("operator")))
    bridge_config = write_bridge(folder, broker, models, public_key)
    bridge = Program("cloud_bridge", ["run", "--config", str(bridge_config)], folder)
    audience = Audience(story, listener, stack.enter_context(bridge), check)
    audience.follow(lambda: story.state is not None, READY_TIMEOUT_S)
    _say(
        f"bridge    runs and knows the device; now the clip {clip.name}, in real time", "", HEADING
    )
    source = ["--source", str(CLIPS / f"{clip.name}.mp4"), "--until-eos"]
    edge = Program("edge", ["run", "--config", str(config), *source], folder)
    stack.enter_context(edge)
    audience.follow(edge.ended, clip.seconds + READY_TIMEOUT_S)
    audience.settle()
    return story, edge


@dataclass(frozen=True, slots=True)
class Audience:
    """Whoever follows the story while the bridge runs; `check` raises when asked to stop."""

    story: Story
    listener: Listener
    bridge: Program
    check: Callable[[], None]

    def follow(self, done: Callable[[], bool], limit_s: float) -> None:
        """Print what is heard until `done`; DemoError after limit_s."""
        deadline = time.monotonic() + limit_s
        while not done():
            self.check()
            if self.bridge.ended():
                raise DemoError(f"the bridge ended by itself\n{self.bridge.complaints()}")
            if time.monotonic() > deadline:
                raise DemoError(f"not done after {limit_s:.0f} s\n{self.bridge.complaints()}")
            heard = self.listener.next(POLL_S)
            line = None if heard is None else self.story.hear(heard)
            if line is not None:
                _say(line)

    def settle(self) -> None:
        """Until a state speaks of the last vector; what takes longer than SETTLE_S is not heard."""
        deadline = time.monotonic() + SETTLE_S
        story = self.story

        def judged() -> bool:
            return story.judged_s >= story.last_vector_s - TIME_RESOLUTION_S

        self.follow(lambda: judged() or time.monotonic() > deadline, 2 * SETTLE_S)


def _identity(config: Path, folder: Path, check: Callable[[], None]) -> str:
    """The device's public key, from its own command, which makes the key."""
    with Program("edge", ["identity", "--config", str(config)], folder) as program:
        while not program.ended():
            check()
            time.sleep(POLL_S)
        return program.output().strip()


def _summary(edge: Program) -> dict[str, Any]:
    for line in edge.output().splitlines():
        found: dict[str, Any] = json.loads(line)
        if "summary" in found:
            return dict(found["summary"])
    raise ProgramError(f"{edge.name} ended without a summary\n{edge.complaints()}")


def _facts() -> dict[str, dict[str, Any]]:
    events: dict[str, dict[str, Any]] = json.loads((CLIPS / "events.json").read_text())
    return {name.removesuffix(".mp4"): facts for name, facts in events.items()}


def _clip(name: str) -> ClipFacts:
    facts = _facts()[name]
    return ClipFacts(
        name=name,
        seconds=facts["frames"] / facts["fps"],
        file_bytes=(CLIPS / f"{name}.mp4").stat().st_size,
        events=tuple((event["kind"], event["onset_s"]) for event in facts["events"]),
    )


@contextmanager
def _interrupts() -> Iterator[Callable[[], None]]:
    """Signals that would end us only set a flag; calling the yielded function heeds it.

    So a stop never falls between starting a program and remembering to stop it, and a second
    Ctrl-C does not disturb the clearing up.
    """
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, note) for number in numbers]
    try:
        yield check
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)
