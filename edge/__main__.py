# SPDX-License-Identifier: Apache-2.0
"""The command `lethe-edge`: what it was told to do, done, or one line that says why not.

Exit status: 0 after a clean stop, 1 when it broke while running, 2 when it was told wrongly or
lacks what no restart brings, 3 when the way from frame to vector failed and a restart may cure it.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from edge.bench import bench, table
from edge.books import KEY_NAME
from edge.config import EdgeConfig, load_config, state_dir
from edge.daemon import run
from edge.errors import ConfigError, EdgeError, ProcessorError
from edge.hygiene import harden, reexec_with_perturb
from edge.identity import load_or_create, public_key_text
from edge.state import make_directory
from edge.supervisor import from_environment

MOST_FRAMES = 1_000_000
DESCRIPTION = """\
Turn a camera into a short noisy vector ten times a second, wipe every frame, and publish
the signed vectors over MQTT. No picture ever leaves this process or reaches a disk."""

EXAMPLES = """\
sources (--source, or `source` in [camera]):
  csi:0                              a camera on the board's connector (Jetson)
  v4l2:/dev/video0                   a USB camera
  rtsp://user:password@host/stream   a network camera; never logged, but a command line can be
                                     read by others: put a password into the file instead
  clip.mp4                           a file, played at its own speed
  test:                              a moving test pattern

try it on one machine, with Mosquitto listening on localhost:
  lethe-edge run --source test:
  mosquitto_sub -t 'lethe/v1/+/+/status' -v

for a real broker write a file (edge/example.toml explains every key) and tell the bridge who
you are:
  lethe-edge identity --config edge.toml
  lethe-edge run --config edge.toml

SIGTERM or Ctrl-C stops cleanly: everything that saw a frame is wiped, waiting messages are
flushed for at most 2 s and kept otherwise, and one line of JSON sums up the run on standard
output. A second Ctrl-C ends at once.

Exit status: 0 clean; 1 broke while running; 2 wrong settings, or a driver or kernels that
a restart does not bring; 3 the way from frame to vector failed: start it again. The status of the
device at the broker names the fault."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the only place where any error is caught."""
    options = _parser().parse_args(arguments)
    try:
        command = {"run": _run, "identity": _identity, "bench": _bench}[options.command]
        return command(options, load_config(options.config))
    except ConfigError as error:
        return _complain(error, 2)
    except ProcessorError as error:
        return _complain(error, 3 if error.restart_may_cure else 2)
    except EdgeError as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return _complain("interrupted before everything was open", 130)
    except Exception as error:
        logging.getLogger("edge").debug("internal error", exc_info=True)
        return _complain(f"internal error: {type(error).__name__}: {error}; please report it", 1)


def _run(options: argparse.Namespace, config: EdgeConfig) -> int:
    reexec_with_perturb()
    harden()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    supervisor = from_environment()
    supervisor.catch_signals()
    config = config.overridden(options.source, options.broker)
    summary = run(config, supervisor, until_eos=options.until_eos)
    print(json.dumps({"summary": summary}), flush=True)
    return 0


def _identity(_: argparse.Namespace, config: EdgeConfig) -> int:
    """One line for the bridge's registry, on standard output."""
    directory = make_directory(state_dir(config.state))
    print(public_key_text(load_or_create(directory / KEY_NAME)))
    return 0


def _bench(options: argparse.Namespace, config: EdgeConfig) -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    figures = bench(config, options.frames)
    print(json.dumps(figures) if options.json else table(figures))
    return 0


def _frames(text: str) -> int:
    """A number of frames that percentiles can be told from."""
    if not text.isdecimal() or not 100 <= int(text) <= MOST_FRAMES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 100 to {MOST_FRAMES}")
    return int(text)


def _complain(error: object, status: int) -> int:
    print(f"lethe-edge: error: {error}", file=sys.stderr, flush=True)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lethe-edge",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="run | identity | bench"
    )
    running = commands.add_parser(
        "run",
        help="watch a source and publish vectors until stopped",
        description="Watch a source and publish vectors until stopped.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    identity = commands.add_parser(
        "identity",
        help="print the public key for the bridge's registry, making the key if there is none",
        description="Print this device's public key (32 bytes in base64) as the bridge's registry "
        "wants it. The private key stays in the state directory; it is made if there is none.",
    )
    benchmark = commands.add_parser(
        "bench",
        help="time every stage from a frame to its vector on this machine",
        description="Time every stage from a frame to its released vector with frames of noise: by "
        "the clock and, on a GPU, by its own events, with an empty kernel beside them. Nothing is "
        "published and no budget is spent. Stop the daemon first: it would be measured as well.",
    )
    for command in (running, identity, benchmark):
        command.add_argument("--config", type=Path, metavar="FILE", help="TOML; default: none")
    running.add_argument("--source", metavar="URI", help="in place of `source` in [camera]")
    running.add_argument("--broker", metavar="URI", help="in place of `url` in [broker]")
    running.add_argument(
        "--until-eos",
        action="store_true",
        help="stop when a file has ended; otherwise its last vector is repeated until stopped",
    )
    benchmark.add_argument(
        "--frames", type=_frames, default=2000, metavar="N", help="how many; default: 2000"
    )
    benchmark.add_argument("--json", action="store_true", help="figures for a program")
    return parser


if __name__ == "__main__":
    sys.exit(main())
