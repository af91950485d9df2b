# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate audit`: attack the shipped release, and say what it really leaks at least.

The two worst vectors are opposite poles of the ball, +C and -C on one axis. Release each many
times, guess which one it was from the sign along that axis (the likelihood-ratio test of the
Gaussian, its threshold fixed in advance), and turn the two error counts into a lower bound on the
privacy actually lost:
    mu >= Phi^-1(1 - a) - Phi^-1(b),
a and b being Clopper-Pearson upper limits of the false-positive and the false-negative rate, each
at half of the risk. The claim is mu = 2C / sigma, that is rho = mu^2 / 2 = 2 C^2 / sigma^2. An
audit above the claim convicts the sampler; one far below it says that the claim is loose. It
never proves a claim.

The command audits every noise level of a profile: the draws alone, many times, and the whole
release, fewer times. Beside each stands a control, a copy with a planted fault that must be
convicted. `--timing` asks instead whether the sampler's time depends on its words (timing.py).
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from calibration.timing import (
    BELOW,
    LEAST_RUNS,
    LIMIT,
    TimingResult,
    early_exit_run,
    sampler_run,
    timing_test,
)
from kernels.bounds import zcdp_rho
from kernels.noise import KEY_BYTES, WORD_BYTES, ratchet, sample
from kernels.reference import ReleaseParameters, Releaser
from kernels.table import noise_table
from wire.profile import Profile

# (v (K) int32, n) -> n independent releases of v, (n, K) integers
Sampler = Callable[[NDArray[np.int32], int], NDArray[np.integer]]

FAULT = 0.8  # of the claimed sigma: the noise of the control
TIGHT = 0.7  # a lower bound below this part of the claim has too few trials to say much
EXIT_CONVICTED = 1

_CHUNK = 4096  # releases that are drawn from one key
_TERMS = 500  # of a continued fraction; exact to 10 digits up to n = 10^6


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What the attack achieved. Rates are of `trials` releases of either pole."""

    trials: int
    false_positives: int
    false_negatives: int
    confidence: float
    rho_lower: float  # lost at least, with that confidence
    rho_claimed: float

    @property
    def tightness(self) -> float:
        """Lower bound over claim; above 1 the sampler is convicted."""
        return self.rho_lower / self.rho_claimed

    @property
    def within_claim(self) -> bool:
        """False convicts the sampler."""
        return self.rho_lower <= self.rho_claimed


def audit(
    sampler: Sampler,
    clip_norm: int,
    sigma: int,
    released_dim: int,
    *,
    trials: int,
    confidence: float = 0.9999,
) -> AuditResult:
    """Attack `sampler`, which claims this norm and noise, with 2 * trials releases."""
    if trials < 1 or not 0.0 < confidence < 1.0:
        raise ValueError("need at least one trial and a confidence inside 0..1")
    pole = np.zeros(released_dim, dtype=np.int32)
    pole[0] = clip_norm
    false_negatives = trials - int(np.count_nonzero(sampler(pole, trials)[:, 0] > 0))
    false_positives = int(np.count_nonzero(sampler(-pole, trials)[:, 0] > 0))
    risk = (1.0 - confidence) / 2.0
    a, b = (upper_limit(k, trials, risk) for k in (false_positives, false_negatives))
    return AuditResult(
        trials, false_positives, false_negatives, confidence, _rho(a, b), zcdp_rho(clip_norm, sigma)
    )


def table_sampler(sigma: int, key: bytes) -> Sampler:
    """The noise kernel alone, added to v; fast enough for millions of releases."""
    state = bytearray(key)

    def draw(v: NDArray[np.int32], n: int) -> NDArray[np.integer]:
        out = np.empty((n, len(v)), dtype=np.int32)
        for start in range(0, n, _CHUNK):
            rows = out[start : start + _CHUNK]
            state[:], words = ratchet(state, rows.size)
            rows[:] = v + sample(noise_table(sigma), words).reshape(rows.shape)
        return out

    return draw


def releaser_sampler(clip_norm: int, sigma: int, key: bytes) -> Sampler:
    """The whole release, key ratchet included, on an embedding whose clipped vector is v."""
    state = bytearray(key)

    def draw(v: NDArray[np.int32], n: int) -> NDArray[np.integer]:
        state[:], seed = ratchet(state, KEY_BYTES // WORD_BYTES)
        projection = np.diag(np.sign(v)).astype(np.int8)
        parameters = ReleaseParameters(projection, 1.0, clip_norm, 1, (sigma,))
        releaser = Releaser(parameters, memoryview(bytearray(seed.tobytes())))
        embedding = np.full(len(v), np.inf, dtype=np.float32)
        out = np.empty((n, len(v)), dtype=np.int16)
        for row in out:
            releaser.release(embedding, 0, row)
        releaser.close()
        return out

    return draw


def upper_limit(k: int, n: int, risk: float) -> float:
    """Clopper-Pearson: the rate at which k or fewer of n happen with probability `risk`."""
    if not 0 <= k <= n:
        raise ValueError(f"k must lie in 0..{n}, got {k}")
    if k == n:
        return 1.0
    low, high = k / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if _at_most(k, n, middle) > risk:
            low = middle
        else:
            high = middle
    return high


def _at_most(k: int, n: int, p: float) -> float:
    """P(Binomial(n, p) <= k) for p >= k / n, by the continued fraction of the incomplete beta.

    NIST DLMF 8.17.22, evaluated from its tail; with x = 1 - p below the mean it converges fast.
    """
    a, b, x = n - k, k + 1, 1.0 - p
    if x <= 0.0:
        return 0.0
    fraction = 1.0
    for m in range(_TERMS, 0, -1):
        half = m // 2
        if m % 2:
            d = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            d = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        fraction = 1.0 + d / fraction
    scale = math.lgamma(a + b) - math.lgamma(a + 1) - math.lgamma(b)
    return min(1.0, math.exp(scale + a * math.log(x) + b * math.log1p(-x)) / fraction)


def _rho(a: float, b: float) -> float:
    """Zero when the limits leave nothing to conclude."""
    if a >= 1.0 or b >= 1.0:
        return 0.0
    normal = NormalDist()
    mu = normal.inv_cdf(1.0 - a) - normal.inv_cdf(b)
    return max(0.0, mu) ** 2 / 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the command: what was attacked, beside a copy that must not pass."""

    what: str
    sigma: int
    honest: AuditResult
    control: AuditResult  # the same with FAULT * sigma

    @property
    def passed(self) -> bool:
        """Within its claim and close to it, while the faulty copy is convicted."""
        return (
            self.honest.within_claim
            and self.honest.tightness >= TIGHT
            and not self.control.within_claim
        )


def audit_profile(profile: Profile, trials: int, release_trials: int) -> list[Finding]:
    """Every noise level of a profile, by its draws and by the whole release."""
    C, K = profile.clip_norm, profile.released_dim
    makers: list[tuple[str, Callable[[int], Sampler], int]] = [
        ("draws", lambda sigma: table_sampler(sigma, os.urandom(KEY_BYTES)), trials),
        ("release", lambda s: releaser_sampler(C, s, os.urandom(KEY_BYTES)), release_trials),
    ]
    found = []
    for what, make, count in makers:
        for sigma in profile.sigmas:
            honest = audit(make(sigma), C, sigma, K, trials=count)
            control = audit(make(round(FAULT * sigma)), C, sigma, K, trials=count)
            found.append(Finding(what, sigma, honest, control))
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--profile", type=Path, metavar="FILE", help="default: the shipped one")
    trials = "releases of either pole for the draws alone (default: 1000000)"
    parser.add_argument("--trials", type=int, default=1_000_000, metavar="N", help=trials)
    whole = "the same for the whole release, which is slower (default: 40000)"
    parser.add_argument("--release-trials", type=int, default=40_000, metavar="N", help=whole)
    timing = "time the sampler instead, over so many runs (1000000 take some minutes)"
    parser.add_argument("--timing", type=int, metavar="RUNS", help=timing)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print what was found; EXIT_CONVICTED if something failed, or a control was not caught."""
    profile = Profile.load(args.profile or Path(str(files("models") / "profile.json")))
    if args.timing is not None:
        return run_timing(profile.sigmas[0], profile.released_dim, args.timing, as_json=args.json)
    found = audit_profile(profile, args.trials, args.release_trials)
    rows = [{**asdict(f), "passed": f.passed} for f in found]
    print(json.dumps(rows, indent=2) if args.json else _text(found))
    return 0 if all(f.passed for f in found) else EXIT_CONVICTED


def _text(found: list[Finding]) -> str:
    lines = ["attacked    sigma    trials  claimed rho  found at least  tightness  faulty copy"]
    for f in found:
        caught = "convicted" if not f.control.within_claim else "NOT CAUGHT"
        verdict = "" if f.passed else "  FAILED"
        lines.append(
            f"{f.what:10}{f.sigma:7d}{f.honest.trials:10d}{f.honest.rho_claimed:13.4f}"
            f"{f.honest.rho_lower:16.4f}{f.honest.tightness:11.3f}  {caught}{verdict}"
        )
    lines.append(
        f"found with confidence {found[0].honest.confidence:g} each; above 1 in tightness convicts,"
        f" below {TIGHT:g} says\ntoo little; the faulty copy has {FAULT:g} of the noise. An audit "
        "refutes or fails to, it proves no claim"
    )
    return "\n".join(lines)


def run_timing(sigma: int, K: int, runs: int, *, as_json: bool) -> int:
    """Time the sampler of K draws, and a faulty one that must be caught; -> exit status."""
    table = noise_table(sigma)
    honest = timing_test(sampler_run(sigma, K), table, runs, K)
    control = timing_test(early_exit_run(sigma), table, max(LEAST_RUNS, runs // 100), K)
    if as_json:
        print(json.dumps({"honest": asdict(honest), "control": asdict(control)}, indent=2))
    else:
        print(_timing_text(sigma, K, honest, control))
    return 0 if honest.constant and not control.constant else EXIT_CONVICTED


def _timing_text(sigma: int, K: int, honest: TimingResult, control: TimingResult) -> str:
    by = zip(BELOW, honest.t, strict=True)
    shown = ", ".join(f"{t:+.2f} below the {percent:g}th percentile" for percent, t in by)
    return f"""\
sigma {sigma}, {K} draws, fixed against random words, {honest.runs} runs of \
{honest.median_ns / 1000:.1f} us
  t: {shown}
  largest |t| {honest.worst:.2f}: {"no difference seen" if honest.constant else "CONVICTED"} \
(limit {LIMIT:g})
  a copy that stops early: |t| {control.worst:.1f} over {control.runs} runs, \
{"NOT CAUGHT" if control.constant else "convicted"}"""
