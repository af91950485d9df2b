# SPDX-License-Identifier: Apache-2.0
"""The command `lethe-bridge`.

Exit status: 0 after SIGTERM or SIGINT, 1 if it could not go on, 2 if the command line, the
configuration or the model is wrong. Errors are one line and say what to do.
"""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from cloud_bridge.config import DEFAULT_PATH, load_config
from cloud_bridge.errors import BridgeError, ConfigError, ModelError

log = logging.getLogger("lethe-bridge")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run, return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        return _run(options.config, options.broker)
    except (ConfigError, ModelError) as error:
        return _complain(error, 2)
    except BridgeError as error:
        return _complain(error, 1)
    except Exception:
        log.exception("internal error; please report it with these lines")
        return 1


def _run(config_path: Path, broker_url: str | None) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    config = load_config(config_path, broker_url)
    # Imported late: --help and a wrong configuration need neither the engine nor the network.
    from cloud_bridge.service import Service

    service = Service(config)
    registry = config.registry
    log.info("%d sensors in %d rooms", len(registry.sensors), len(registry.places))
    service.run(stop.is_set)
    return 0


def _complain(error: BridgeError, status: int) -> int:
    print(f"lethe-bridge: {error}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lethe-bridge",
        description="Admit signed vectors from a broker, recognise behaviour, publish results.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="run")
    run = commands.add_parser(
        "run",
        help="run in the foreground until SIGTERM or Ctrl-C",
        description="Run in the foreground until SIGTERM or Ctrl-C (exit status 0). "
        "Status 2: configuration or model is wrong; 1: it could not go on.",
    )
    run.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_PATH,
        metavar="F",
        help="TOML file with broker and registered devices (default: %(default)s)",
    )
    run.add_argument(
        "--broker",
        metavar="URI",
        help="mqtts://host:port in place of the file's; mqtt:// only to localhost",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
