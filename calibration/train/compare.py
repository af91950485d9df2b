# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate inputs`: what the encoder should be shown, and what recognition costs identity.

One row for each of `calibration.train.baselines.rows`. A row that is done stays done, and one that
was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from calibration.data import DataError
from calibration.folds import FOLDS
from calibration.rooms.store import write_text
from calibration.train.baselines import bench, figures, rows, thinned
from calibration.train.packed import Packed
from calibration.train.recognised import Figures
from calibration.train.stranger import PEOPLE, WHO
from calibration.train.targets import KINDS

STEPS = 2000  # of either stage
CLIPS = 2000  # rendered ones to learn from, at most

log = logging.getLogger(__name__)


def table(done: Mapping[str, Figures]) -> str:
    """For a terminal: macro-F1 and AUC of each kind, and how often somebody was recognised."""
    kinds = 2 * "".join(f"{kind:>8}" for kind in KINDS)
    lines = [
        f"{'':36}{'macro-F1':^21}{'AUC, rendered':^32}{'AUC, real':^32}{'rank-1':^21}",
        f"{'shown':36}{'val':>7}{'test':>7}{'real':>7}{kinds}{'chance':>7}{'2 s':>7}{'stay':>7}",
    ]
    for name, of in done.items():
        scores = "".join(_number(of.get(part, {}).get("f1"), 7) for part in ("val", "test", "real"))
        areas = "".join(
            _number(of.get(part, {}).get("kinds", {}).get(kind, {}).get("auc"), 8)
            for part in ("test", "real")
            for kind in KINDS
        )
        who = of["identity"][WHO]
        known = "".join(_number(who[k], 7) for k in ("chance", "strongest", "strongest_stay"))
        lines.append(f"{name:36}{scores}{areas}{known}")
    return "\n".join(lines)


def _number(value: float | None, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.3f}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lethe-calibrate inputs`."""
    add = parser.add_argument
    add("--pack", type=Path, required=True, help="packed clips (see train)")
    add("--json", type=Path, required=True, help="figures; runs are kept in a folder beside it")
    add("--steps", type=int, default=STEPS, help="of either stage, for every row")
    add("--bits", type=float, default=16.0, help="leaked-bit cap per 2 s")
    add("--clips", type=int, default=CLIPS, help="rendered ones to learn from, at most")
    add("--people", type=int, default=PEOPLE, help="whom an attacker shall recognise")
    add("--fold", type=int, default=0, choices=range(FOLDS), help="of real clips, held out")
    add("--rows", nargs="+", default=[], metavar="NAME", help="inputs wanted; default: all")
    add("--threads", type=int, default=1, help="CPU threads")


def run(args: argparse.Namespace) -> int:
    """Train and judge every row that is not done; print and write the table."""
    torch.set_num_threads(args.threads)
    if min(args.steps, args.clips) < 1:
        raise DataError("--steps and --clips must be at least 1")
    wanted = [row for row in rows(args.bits) if not args.rows or row.shown in args.rows]
    unknown = set(args.rows) - {row.shown for row in wanted}
    if unknown:
        raise DataError(f"no input is called {', '.join(sorted(unknown))}")
    made_by = {key: getattr(args, key) for key in ("steps", "bits", "clips", "people", "fold")}
    made_by |= {"pack": str(args.pack.absolute())}
    done = _done(args.json, made_by)
    packed = thinned(Packed.open(args.pack), args.clips)
    on = bench(packed, args.fold, args.people, args.steps, args.json.with_suffix(""))
    for number, row in enumerate(wanted, 1):
        if row.name not in done:
            log.info("row %d of %d: %s", number, len(wanted), row.name)
            done[row.name] = figures(row, on)
            write_text(args.json, json.dumps({"made_by": made_by, "rows": done}, indent=1) + "\n")
    print(table({row.name: done[row.name] for row in wanted}))
    return 0


def _done(path: Path, made_by: Mapping[str, object]) -> dict[str, Figures]:
    """Rows of an earlier run with the same settings."""
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        settings, found = known["made_by"], dict(known["rows"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no table of this command ({error}); name another file") from error
    other = sorted(key for key in made_by if settings.get(key) != made_by[key])
    if other:
        raise DataError(
            f"{path}: begun with another {', '.join(other)}; name another file, or delete it and "
            f"the folder beside it"
        )
    return found
