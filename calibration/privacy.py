# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate privacy`: the floors under what released vectors can tell, and their inverse.

Say what a window may leak (`--bits`), what it may cost (`--epsilon`), how well one person may be
named from it (`--naming`), or how much noise there is (`--sigma`). The answer is the noise level
and every figure that follows from it, each block with what it assumes. `--table` prints the table
of docs/privacy.md. Nothing is measured here: audit.py attacks, this is arithmetic.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass

from calibration.accounting import (
    Form,
    deployed_privacy,
    epsilon_for,
    releases_in,
    sigma_for,
    sigma_for_epsilon,
)
from calibration.evidence import (
    evidence_bits,
    kl_bits,
    least_false_positive_rate,
    needed_bits,
    needed_releases,
    reidentification_cap,
)
from calibration.exact_noise import exact_noise, table_bits
from kernels.bounds import capacity_bits, leak_bits, zcdp_rho

DELTA = 1e-6
GALLERIES = (25, 1000)  # people among whom one is named
RECALL = 0.95
DECISION_S = 2.0
DECISIONS_PER_DAY = 86_400 / DECISION_S
EVIDENCE_S = (1.0, 2.0, 3.0, 10.0, 20.0)  # a fall, a decision, suspected, on the floor, confirmed
_RARE = 1e-6  # false alarms a day: less is only told as less
TABLE_CLIP_NORM = 256
TABLE_RELEASED_DIM = 8
TABLE_RATIOS = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Noise:
    """One coordinate's noise as it is drawn, and what a release of K coordinates is made with."""

    clip_norm: int
    sigma: int
    released_dim: int
    variance: float
    excess_bits: float  # per coordinate and release: cut tail and rounding, counted in all bits


@dataclass(frozen=True, slots=True)
class Floors:
    """Caps on what the releases of one stretch of time tell together, of whatever they show."""

    name: str
    seconds: float | None  # none: a single release
    releases: int
    bits: float  # the leak, which the device's ledger charges
    capacity_bits: float  # the same by capacity, never larger
    rho: float
    epsilon: float
    delta: float
    naming: dict[str, float]  # gallery -> best success


@dataclass(frozen=True, slots=True)
class Alarm:
    """The best that evidence of this length can do at RECALL."""

    seconds: float
    evidence_bits: float
    false_positive_rate: float  # per decision, at least
    false_alarms_per_day: float  # with a decision every DECISION_S, at least


@dataclass(frozen=True, slots=True)
class Report:
    """One noise level in figures."""

    noise: Noise
    rate_hz: float
    floors: tuple[Floors, ...]
    alarms: tuple[Alarm, ...]
    daily_alarm_needs_bits: float
    daily_alarm_needs_s: float


def report(
    C: int, sigma: int, K: int, rate_hz: float, window_s: float, delta: float = DELTA
) -> Report:
    """Every figure of one noise level; ValueError or ReleaseError for numbers without a meaning."""
    exact = exact_noise(sigma)
    stretches = {"window": window_s, "visit": 30.0, "hour": 3600.0, "day": 86_400.0}
    one = Noise(C, sigma, K, exact.variance, exact.excess_bits)
    floors = [_floors("release", None, 1, one, delta)]
    for name, seconds in stretches.items():
        floors.append(_floors(name, seconds, releases_in(seconds, rate_hz), one, delta))
    leak = floors[0].bits
    rate = 1.0 / DECISIONS_PER_DAY
    return Report(
        noise=one,
        rate_hz=rate_hz,
        floors=tuple(floors),
        alarms=tuple(_alarm(s, releases_in(s, rate_hz) * leak) for s in EVIDENCE_S),
        daily_alarm_needs_bits=needed_bits(RECALL, rate),
        daily_alarm_needs_s=needed_releases(RECALL, rate, leak) / rate_hz,
    )


def _floors(name: str, seconds: float | None, n: int, one: Noise, delta: float) -> Floors:
    C, sigma, K = one.clip_norm, one.sigma, one.released_dim
    leak = n * table_bits(leak_bits(C, sigma), K, sigma)
    # Of the drawn law's own variance V: (K / 2) log2(1 + C^2 / (K V)).
    spread = math.log1p(C * C / (K * one.variance)) * K / (2.0 * math.log(2.0))
    capacity = min(leak, n * table_bits(spread, K, sigma))
    epsilon, spent = deployed_privacy(C, sigma, K, n, delta)
    naming = {str(people): reidentification_cap(capacity, people) for people in GALLERIES}
    rho = n * zcdp_rho(C, sigma)
    return Floors(name, seconds, n, leak, capacity, rho, epsilon, spent, naming)


def _alarm(seconds: float, leak: float) -> Alarm:
    evidence = evidence_bits(leak)
    rate = least_false_positive_rate(evidence, RECALL)
    return Alarm(seconds, evidence, rate, rate * DECISIONS_PER_DAY)


def table() -> str:
    """The Markdown table of docs/privacy.md: one release, by sigma / C."""
    heads = ["sigma/C", "bits", f"bits, K = {TABLE_RELEASED_DIM}", "rho", "epsilon at 1e-6"]
    heads += [f"naming one of {people}" for people in GALLERIES]
    lines = [_row(heads), "|" + "---|" * len(heads)]
    for ratio in TABLE_RATIOS:
        sigma = round(ratio * TABLE_CLIP_NORM)
        bits = leak_bits(TABLE_CLIP_NORM, sigma)
        capacity = capacity_bits(TABLE_CLIP_NORM, sigma, TABLE_RELEASED_DIM)
        rho = zcdp_rho(TABLE_CLIP_NORM, sigma)
        cells = [f"{ratio:g}", f"{bits:.3f}", f"{capacity:.3f}", f"{rho:g}"]
        cells.append(f"{epsilon_for(rho, DELTA):.1f}")
        cells += [f"{reidentification_cap(bits, people):.3f}" for people in GALLERIES]
        lines.append(_row(cells))
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--bits", type=float, help="most bits a window may leak: finds sigma")
    wanted.add_argument("--epsilon", type=float, help="largest epsilon of a window: finds sigma")
    naming = "best success in naming one of --people from a window: finds bits and sigma"
    wanted.add_argument("--naming", type=float, metavar="P", help=naming)
    wanted.add_argument("--sigma", type=int, help="noise level: says what it means")
    wanted.add_argument("--table", action="store_true", help="print the table of docs/privacy.md")
    form = "form of the bound for --bits and --naming (default: leak, which the ledger charges)"
    parser.add_argument("--form", choices=("leak", "capacity"), default="leak", help=form)
    people = "size of the gallery of --naming (default: 25)"
    parser.add_argument("--people", type=int, default=GALLERIES[0], metavar="M", help=people)
    delta = "what the exact mechanism spends (default: 1e-6); the table's part comes on top"
    parser.add_argument("--delta", type=float, default=DELTA, help=delta)
    parser.add_argument("--clip-norm", type=int, default=256, metavar="C", help="default: 256")
    parser.add_argument("--released-dim", type=int, default=12, metavar="K", help="default: 12")
    rate = "releases per second (default: 10)"
    parser.add_argument("--rate", type=float, default=10.0, metavar="HZ", help=rate)
    window = "seconds that the wish speaks of (default: 2); 30 for a visit, 3600 for an hour"
    parser.add_argument("--window", type=float, default=2.0, metavar="S", help=window)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the answer."""
    if args.table:
        print(table())
        return 0
    C, K = args.clip_norm, args.released_dim
    found = report(C, _wanted_sigma(args), K, args.rate, args.window, args.delta)
    print(json.dumps(asdict(found), indent=2) if args.json else _text(found))
    return 0


def _wanted_sigma(args: argparse.Namespace) -> int:
    """The noise level that was named, or the smallest that grants the wish."""
    if args.sigma is not None:
        return int(args.sigma)
    n, C, K = releases_in(args.window, args.rate), args.clip_norm, args.released_dim
    if args.epsilon is not None:
        return sigma_for_epsilon(args.epsilon, args.delta, n, C, K)
    form: Form = args.form
    bits = args.bits if args.naming is None else _bits_for_naming(args.naming, args.people)
    return sigma_for(bits, n, C, K, form)


def _bits_for_naming(success: float, people: int) -> float:
    """The leak at which the cap on naming one of `people` is `success`."""
    if people < 2 or not 1.0 / people < success < 1.0:
        raise ValueError(f"naming one of {people} succeeds blindly with 1/{people}; need P above")
    return kl_bits(success, 1.0 / people)


def _text(r: Report) -> str:
    return "\n\n".join([_noise_text(r), _floors_text(r.floors), _alarms_text(r)])


def _noise_text(r: Report) -> str:
    one = r.noise
    return f"""\
sigma {one.sigma}, C {one.clip_norm}, K {one.released_dim}: \
sigma/C {one.sigma / one.clip_norm:.3f}, {r.rate_hz:g} releases a second
  the table that is drawn from: variance {one.variance:.6g}, and {one.excess_bits:.2g} bits per
  coordinate for its cut tail and its rounding, counted in all bits below"""


def _floors_text(floors: tuple[Floors, ...]) -> str:
    heads = ["", "releases", "bits", "by capacity", "rho", "epsilon", "delta"]
    heads += [f"1 of {people}" for people in GALLERIES]
    rows = [heads]
    for f in floors:
        label = f.name if f.seconds is None else f"{f.name}, {f.seconds:g} s"
        cells = [label, str(f.releases), _figure(f.bits), _figure(f.capacity_bits)]
        cells += [_figure(f.rho), _figure(f.epsilon), f"{f.delta:.6g}"]
        rows.append(cells + [f"{success:.3f}" for success in f.naming.values()])
    lines = [row[0].ljust(16) + "".join(cell.rjust(13) for cell in row[1:]) for row in rows]
    return "\n".join(["what they tell together, at most", *lines, _FLOORS_ASSUME])


_FLOORS_ASSUME = """\
  bits: of anything the camera saw, for any encoder, prior knowledge and method of attack
  rho, epsilon, delta: any two scenes of that stretch exchanged; large values promise nothing
  1 of M: average success in naming one of M people, all equally likely before; 1.000: no cap
  all assume: noise that is secret, fresh and as good as random (ChaCha20), one camera, this very
  code; every release new. What a ledger caps lower per hour or day leaks no more than its cap"""


def _alarms_text(r: Report) -> str:
    lines = [f"alarms of recall {RECALL:g}, a decision every {DECISION_S:g} s, at best"]
    lines += [
        f"  {alarm.seconds:4g} s of evidence: {alarm.evidence_bits:7.2f} bits, "
        f"{_alarms_figure(alarm.false_alarms_per_day)} false alarms a day"
        for alarm in r.alarms
    ]
    lines.append(
        f"  one false alarm a day takes {r.daily_alarm_needs_bits:.1f} bits: "
        f"at least {r.daily_alarm_needs_s:.1f} s"
    )
    return "\n".join([*lines, _ALARMS_ASSUME])


_ALARMS_ASSUME = """\
  assumes an encoder that spends all of its norm on this one question, and nothing known before:
  no model on these releases does better, any real one does worse"""


def _alarms_figure(per_day: float) -> str:
    return f"{per_day:.3g}" if per_day >= _RARE else f"fewer than {_RARE:g}"


def _figure(value: float) -> str:
    return f"{value:.3f}" if value < 1000 else f"{value:.0f}"
