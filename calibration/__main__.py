# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate`: one command per piece of work that is done before deployment.

Each command is a module of this package with `add_arguments(parser)` and `run(args) -> int`.
Only the module of the command that was named is imported, so `demo` never needs what `train` does.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# name -> what --help says of it
COMMANDS = {
    "train": "train encoder, projection and recogniser (needs the train extra)",
    "rooms": "render clips of people who never existed in rooms nobody filmed (synth extra)",
    "quantise": "turn a trained network into an INT8 ONNX file (needs the train extra)",
    "engine": "build the encoder's TensorRT engine for the GPU of this machine",
    "evaluate": "run the deployed path over labelled clips and write its figures",
    "crossvalidate": "train and evaluate fold by fold (needs the train extra)",
    "benchmark": "time the daemon's stages, beside another network if one is named",
    "tune": "choose the alarm thresholds of a recogniser",
    "privacy": "turn leaked-bit caps into noise levels and back",
    "fisher": "floors of reconstruction from the trained network (needs the train extra)",
    "audit": "attack the shipped release, and say what it leaks at least",
    "identity": "try to recognise people from released vectors (needs the train extra)",
    "inputs": "compare what the encoder could be shown, and baselines (needs the train extra)",
    "demo": "run broker, bridge and edge on a bundled clip and show the results as they come",
}
MODULES = {  # of commands that have a package of their own
    "train": "calibration.train.command",
    "identity": "calibration.train.stranger",
    "inputs": "calibration.train.compare",
}
INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status is ours. Missing packages and bad input end with a line."""
    words = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        return _dispatch(words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ModuleNotFoundError as error:
        print(f"lethe-calibrate: {_advice(error)}", file=sys.stderr)
        return 1
    except Exception as error:
        logging.getLogger(__name__).debug("stopped by", exc_info=error)
        print(f"lethe-calibrate: {type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _dispatch(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="lethe-calibrate", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if words[:1] == [name]:
            _complete(command, name, words)
    args = parser.parse_args(words)
    return int(args.run(args))


def _complete(command: argparse.ArgumentParser, name: str, words: list[str]) -> None:
    """Add the command's own options, which its module knows."""
    try:
        module = importlib.import_module(MODULES.get(name, f"calibration.{name}"))
    except ModuleNotFoundError as error:
        if not {"-h", "--help"} & set(words):
            raise
        command.epilog = f"Its options cannot be shown: {_advice(error)}"
        return
    module.add_arguments(command)
    command.set_defaults(run=module.run)


def _advice(error: ModuleNotFoundError) -> str:
    if error.name in {"torch", "onnx"}:
        install = "pip install --no-deps -r requirements/train.txt"
        return f"{error.name} is missing; it comes with: {install}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
