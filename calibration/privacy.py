# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate privacy`: from a cap in bits to a noise level, and what a noise level means.

Give a cap (`--bits`) or a noise level (`--sigma`); the answer names both forms of the bound, the
differential privacy, the re-identification cap and the evidence an alarm can have. `--table` prints
the table of docs/privacy.md. Nothing is measured here: audit.py attacks, this is arithmetic.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass

from calibration.accounting import (
    Form,
    deployed_privacy,
    epsilon_for,
    releases_in,
    sigma_for,
)
from calibration.evidence import (
    evidence_bits,
    needed_bits,
    needed_releases,
    reidentification_cap,
)
from kernels.bounds import capacity_bits, leak_bits, zcdp_rho

DELTA = 1e-6
PEOPLE = (25, 1000)
RECALL = 0.95
FALSE_ALARM_RATE = 1 / 43_200  # once a day with a decision every 2 s
HOUR_S = 3600
DAY_S = 86_400
TABLE_CLIP_NORM = 256
TABLE_RELEASED_DIM = 8
TABLE_RATIOS = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Report:
    """One noise level in figures. Bits are caps; `capacity` forms are never above the others."""

    clip_norm: int
    sigma: int
    released_dim: int
    rate_hz: float
    window_s: float
    releases_per_window: int
    release_bits: float
    release_capacity_bits: float
    window_bits: float
    window_capacity_bits: float
    hour_bits_unless_capped: float
    day_bits_unless_capped: float
    release_rho: float
    window_rho: float
    window_epsilon: float
    window_delta: float
    window_reidentification_cap: dict[str, float]
    window_evidence_bits: float
    alarm_needs_bits: float
    alarm_needs_s: float


def report(C: int, sigma: int, K: int, rate_hz: float, window_s: float) -> Report:
    """Every figure of one noise level."""
    n = releases_in(window_s, rate_hz)
    one, capacity = leak_bits(C, sigma), capacity_bits(C, sigma, K)
    epsilon, delta = deployed_privacy(C, sigma, K, n, DELTA)
    return Report(
        clip_norm=C,
        sigma=sigma,
        released_dim=K,
        rate_hz=rate_hz,
        window_s=window_s,
        releases_per_window=n,
        release_bits=one,
        release_capacity_bits=capacity,
        window_bits=n * one,
        window_capacity_bits=n * capacity,
        hour_bits_unless_capped=releases_in(HOUR_S, rate_hz) * one,
        day_bits_unless_capped=releases_in(DAY_S, rate_hz) * one,
        release_rho=zcdp_rho(C, sigma),
        window_rho=n * zcdp_rho(C, sigma),
        window_epsilon=epsilon,
        window_delta=delta,
        window_reidentification_cap={
            str(people): reidentification_cap(n * capacity, people) for people in PEOPLE
        },
        window_evidence_bits=evidence_bits(n * one),
        alarm_needs_bits=needed_bits(RECALL, FALSE_ALARM_RATE),
        alarm_needs_s=needed_releases(RECALL, FALSE_ALARM_RATE, one) / rate_hz,
    )


def table() -> str:
    """The Markdown table of docs/privacy.md: one release, by sigma / C."""
    heads = ["sigma/C", "bits", f"bits, K = {TABLE_RELEASED_DIM}", "rho", "epsilon at 1e-6"]
    heads += [f"naming one of {people}" for people in PEOPLE]
    lines = [_row(heads), "|" + "---|" * len(heads)]
    for ratio in TABLE_RATIOS:
        sigma = round(ratio * TABLE_CLIP_NORM)
        bits = leak_bits(TABLE_CLIP_NORM, sigma)
        capacity = capacity_bits(TABLE_CLIP_NORM, sigma, TABLE_RELEASED_DIM)
        rho = zcdp_rho(TABLE_CLIP_NORM, sigma)
        cells = [f"{ratio:g}", f"{bits:.3f}", f"{capacity:.3f}", f"{rho:g}"]
        cells.append(f"{epsilon_for(rho, DELTA):.1f}")
        cells += [f"{reidentification_cap(bits, people):.3f}" for people in PEOPLE]
        lines.append(_row(cells))
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--bits", type=float, help="cap per window: find the smallest sigma")
    wanted.add_argument("--sigma", type=int, help="noise level: say what it means")
    wanted.add_argument("--table", action="store_true", help="print the table of docs/privacy.md")
    form = "form of the bound that --bits caps (default: leak, which the device's ledger charges)"
    parser.add_argument("--form", choices=("leak", "capacity"), default="leak", help=form)
    parser.add_argument("--clip-norm", type=int, default=256, metavar="C")
    parser.add_argument("--released-dim", type=int, default=8, metavar="K")
    parser.add_argument("--rate-hz", type=float, default=10.0)
    parser.add_argument("--window-s", type=float, default=2.0)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the answer."""
    if args.table:
        print(table())
        return 0
    sigma = args.sigma if args.bits is None else _wanted_sigma(args)
    found = report(args.clip_norm, sigma, args.released_dim, args.rate_hz, args.window_s)
    print(json.dumps(asdict(found), indent=2) if args.json else _text(found))
    return 0


def _wanted_sigma(args: argparse.Namespace) -> int:
    n = releases_in(args.window_s, args.rate_hz)
    form: Form = args.form
    return sigma_for(args.bits, n, args.clip_norm, args.released_dim, form)


def _text(r: Report) -> str:
    naming = ", ".join(f"{v:.3f} of {k}" for k, v in r.window_reidentification_cap.items())
    return f"""\
sigma {r.sigma}, C {r.clip_norm}, K {r.released_dim}: sigma/C {r.sigma / r.clip_norm:.3f}
one release
  leaks at most       {r.release_bits:.4f} bits, by capacity {r.release_capacity_bits:.4f}
  zCDP rho            {r.release_rho:.4f}
{r.window_s:g} s, {r.releases_per_window} releases
  leak at most        {r.window_bits:.3f} bits, by capacity {r.window_capacity_bits:.3f}
  zCDP rho            {r.window_rho:.3f}
  epsilon, delta      {r.window_epsilon:.1f}, {r.window_delta:.2g}, the table's cut tail included
  naming a person     succeeds at most {naming}
  evidence            {r.window_evidence_bits:.1f} bits between two situations at most
without caps per hour and day
  leak at most        {r.hour_bits_unless_capped:.0f} bits an hour, \
{r.day_bits_unless_capped:.0f} a day
an alarm of recall {RECALL} and one false a day (decisions every 2 s)
  needs               {r.alarm_needs_bits:.1f} bits, at least {r.alarm_needs_s:.1f} s of releases"""
