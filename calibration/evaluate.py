# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate evaluate`: the deployed path over labelled clips, and its figures.

Order: read labels.csv, replay every clip (`calibration.replay`: real noise at the shipped profile's
finest level), match alarms with labels (`calibration.outcomes`), write the report as JSON and, if
wanted, as a page. A clip that is missing, cannot be decoded or ends before its labels is counted
and named, the rest is finished, and the exit status is 1. Written are numbers: no embedding, no
vector, and no frame but of people who never existed (`calibration.stills`).
"""

import argparse
import importlib.metadata
import json
import logging
import multiprocessing
import platform
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from calibration.data import Clip, DataError, load_labels
from calibration.folds import FOLDS, split
from calibration.metrics import Bounds
from calibration.outcomes import PHASES
from calibration.page import page
from calibration.replay import LEVEL, Models, ReplayError, Station
from calibration.report import BOOTSTRAP_SEED, Outcome, Report, build_report
from calibration.train.f1 import Thresholds
from calibration.train.targets import KINDS
from edge.errors import CameraError

LIBRARIES = ("lethe", "numpy", "openvino", "opencv-python-headless", "cryptography")
MODELS = Path(__file__).parents[1] / "models"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `evaluate` takes."""
    parser.add_argument("--data", type=Path, required=True, help="folder with a labels.csv")
    parser.add_argument("--json", type=Path, required=True, help="where the report is written")
    parser.add_argument("--html", type=Path, help="where the report is written as one page")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the shipped models")
    parser.add_argument("--profile", type=Path, help="profile to use instead of the shipped one")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="SET[/SCENE]", help="evaluate these clips only"
    )
    parser.add_argument(
        "--fold", type=int, choices=range(FOLDS), help="only what training with this fold left out"
    )
    parser.add_argument(
        "--thresholds", type=Path, metavar="REPORT", help="of other clips: F1 at its thresholds"
    )
    parser.add_argument("--repeat", type=int, default=1, metavar="R", help="draws of the noise")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes")


def run(args: argparse.Namespace) -> int:
    """Evaluate, write the report, print a summary; 1 if a clip failed."""
    if args.repeat < 1 or args.workers < 1:
        raise DataError("--repeat and --workers must be at least 1")
    for path in (args.json, args.html or args.json):
        if not path.parent.is_dir():
            raise DataError(f"{path.parent}: no such folder")
    thresholds = thresholds_of(args.thresholds) if args.thresholds else None
    models = shipped_models(args.models, args.profile)
    listed = load_labels(args.data)
    clips = choose(listed if args.fold is None else split(listed, args.fold)[1], args.only)
    with closing(Station(models)) as station:
        described = describe(station)
    outcomes = list(_progress(replay_all(models, clips, args.repeat, args.workers), len(clips)))
    report = build_report(outcomes, args.repeat, thresholds) | described
    args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if args.html:
        args.html.write_text(page(report, clips), encoding="utf-8")
    print(table(report))
    return 1 if any(outcome.failure for outcome in outcomes) else 0


def thresholds_of(report: Path) -> Thresholds:
    """Those of F1 in an earlier report; DataError if there are none."""
    try:
        found = json.loads(report.read_text(encoding="utf-8"))["f1_thresholds"]
        return {kind: None if found[kind] is None else float(found[kind]) for kind in KINDS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{report}: no thresholds in it ({error}); evaluate other clips") from error


def shipped_models(folder: Path, profile: Path | None) -> Models:
    """The files of a models folder, with another profile if one is named."""
    return Models(
        profile=profile or folder / "profile.json",
        encoder=folder / "encoder.onnx",
        card=folder / "recogniser.json",
    )


def choose(clips: Sequence[Clip], only: Sequence[str]) -> list[Clip]:
    """Clips whose set, set/scene or name is in `only`; all if it is empty; DataError for none."""
    chosen = [c for c in clips if not only or {c.set, c.place, c.name} & set(only)]
    if not chosen:
        raise DataError(f"no clip belongs to {' '.join(only) or 'the list'}")
    return chosen


def replay_all(
    models: Models, clips: Sequence[Clip], draws: int, workers: int
) -> Iterator[Outcome]:
    """Outcomes in the order of the clips, from `workers` processes."""
    if workers == 1:
        with closing(Station(models)) as station:
            yield from (replay_one(station, clip, draws) for clip in clips)
        return
    # A fresh interpreter per worker: GStreamer and OpenVINO do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _open_in_worker, (models,)) as pool:
        yield from pool.map(_replay_in_worker, clips, [draws] * len(clips))


def replay_one(station: Station, clip: Clip, draws: int) -> Outcome:
    """Replay one clip; what is wrong with this clip alone becomes part of its outcome."""
    try:
        replays = tuple(station.replay(clip.path, draws))
        return Outcome(clip, replays, _beyond(clip, replays[0].seconds))
    except (CameraError, ReplayError) as error:
        return Outcome(clip, (), str(error))


def _beyond(clip: Clip, seconds: float) -> str:
    """What is wrong with labels that begin when the clip is over; an event there is no event."""
    late = [i for i in clip.intervals if i.start_s > seconds]
    return "".join(
        f"label {i.label!r} begins at {i.start_s:g} s, and the clip ends at {seconds:g} s"
        for i in late[:1]
    )


_station: list[Station] = []  # of a worker process: opened once, by the pool's initialiser


def _open_in_worker(models: Models) -> None:
    _station.append(Station(models))


def _replay_in_worker(clip: Clip, draws: int) -> Outcome:
    return replay_one(_station[0], clip, draws)


def _progress(outcomes: Iterable[Outcome], total: int) -> Iterator[Outcome]:
    for number, outcome in enumerate(outcomes, 1):
        if outcome.failure:
            log.error("%s: %s", outcome.clip.name, outcome.failure)
        else:
            log.info("%d/%d %s", number, total, outcome.clip.name)
        yield outcome


def describe(station: Station) -> Report:
    """What was evaluated: models, mechanism, noise, machine and library versions."""
    profile, card = station.profile, station.recogniser.card
    return {
        "profile": {
            "name": profile.name,
            "id": profile.id.hex(),
            "encoder_sha256": profile.encoder_sha256,
            "released_dim": profile.released_dim,
            "noise_level": LEVEL,
            "sigma_over_clip_norm": profile.sigmas[LEVEL] / profile.clip_norm,
            "bits_per_release": profile.release_bits(LEVEL),
            "window_s": profile.window_s,
            "bits_per_window": profile.window_bits(),
            "window_cap_bits": profile.window_cap_bits,
        },
        "model_id": card.model_id,
        "thresholds": {kind: asdict(value) for kind, value in card.thresholds.items()},
        "alarms": card.alarms,
        "noise": "a fresh key from the kernel's random source for every clip and draw",
        "seeds": {"bootstrap": BOOTSTRAP_SEED},
        "versions": {name: version(name) for name in LIBRARIES}
        | {"python": platform.python_version(), "machine": platform.machine()},
    }


def version(package: str) -> str:
    """A package's version; a checkout that runs without being installed says so."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def table(report: Report) -> str:
    """The summary for a terminal: one line per kind and phase, then what was spent."""
    profile = report["profile"]
    head = f"{'kind':12}{'phase':11}{'recall':>22}{'in time':>20}{'delay s':>9}{'p90':>6}"
    lines = [f"{head}{'false/h':>22}{'AUC':>20}"]
    for name, figure in report["kinds"].items():
        for phase in PHASES:
            found = figure[phase]
            recall, timely = (
                _with_interval(found[key], found[f"{key}_interval"])
                for key in ("recall", "recall_in_time")
            )
            rate = _with_interval(
                found["false_alarms_per_hour"], found["false_alarms_per_hour_interval"], 1
            )
            area = _with_interval(figure["auc"]["value"], figure["auc"]["interval"])
            lines.append(
                f"{name:12}{phase:11}{recall:>16}{'n=' + str(figure['events']):>6}{timely:>20}"
                f"{_number(found['median_delay_s'], 1):>9}{_number(found['p90_delay_s'], 1):>6}"
                f"{rate:>22}{area if phase == PHASES[0] else '':>20}"
            )
    for name, part in report["origins"].items():
        lines += [_normal(name, part), *_f1(name, part)]
    ways = ", ".join(f"{n} by {name}" for name, n in report["clips_by_way"].items())
    lines.append(
        f"{report['clips_evaluated']} clips ({ways}), {report['hours']:.2f} h; at most "
        f"{profile['bits_per_window']:.2f} bits per {profile['window_s']} s; "
        f"{len(report['clips_failed'])} clips failed"
    )
    return "\n".join(lines)


def _normal(origin: str, part: Report) -> str:
    """How often normal life raises an alarm of any kind."""
    life = part["normal_life"]
    rates = (
        f"{phase} {_with_interval(rate, life[phase]['false_alarms_per_day_interval'], 1)}"
        for phase in PHASES
        for rate in [life[phase]["false_alarms_per_day"]]
    )
    hours = life[PHASES[0]]["hours"]
    return f"{origin}: false alarms per day of normal life ({hours:.2f} h): {', '.join(rates)}"


def _f1(origin: str, part: Report) -> list[str]:
    """Macro-F1 over stretches of 2 s, if thresholds were given."""
    if "f1" not in part:
        return []
    of = part["f1"]
    kinds = ", ".join(f"{kind} {_number(of['kinds'][kind]['f1'])}" for kind in of["macro_over"])
    return [f"{origin}: macro-F1 {_with_interval(of['f1'], of['f1_interval'])} ({kinds})"]


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _with_interval(value: float | None, bounds: Bounds | None, digits: int = 2) -> str:
    if value is None or bounds is None:
        return _number(value, digits)
    return f"{value:.{digits}f} [{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]"
