# SPDX-License-Identifier: Apache-2.0
"""`lethe-calibrate rooms`: render labelled clips of people who never existed.

Moments are numbered from 0 and dealt to worker processes in order; each yields one clip per camera.
What a moment becomes depends on the seed and its number only, so a run that was interrupted goes on
where it stopped, and another number of jobs changes nothing. Labels are written at the end,
however it comes.

Long recordings are made in the same way into sets of their own: `life`, about ten minutes in which
nobody falls, and `after`, the minutes after a fall. They are of one split, test or val.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.metadata
import logging
import multiprocessing
import os
import platform
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration.rooms import splits, workers
from calibration.rooms.errors import RoomsError

if TYPE_CHECKING:
    from calibration.rooms.bakery import Bakery
    from calibration.rooms.clip import Plan

PROGRESS_EVERY_S = 5.0
BAKE = "bake"
MEAN_STEPS = {"moments": 140, "life": 6200, "after": 1700}  # of a clip, to estimate space
STEP_BYTES, FRAME_BYTES, BODY_BYTES = 9_000, 14_000, 800_000
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # processes are enough
PACKAGES = ("numpy", "opencv-python-headless", "mujoco-core", "mujoco")

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--clips", type=int, required=True, help="how many recordings, at least")
    parser.add_argument("--out", type=Path, required=True, help="folder of the set")
    parser.add_argument("--assets", type=Path, required=True, help="folder of bodies and motions")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worker processes")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another set")
    parser.add_argument(
        "--kind",
        choices=splits.KINDS,
        default="moments",
        help="short moments of all splits, ten minutes of ordinary life, or the time after a fall",
    )
    parser.add_argument(
        "--split", choices=splits.JUDGED, help="of life and after: whose people and rooms (test)"
    )
    parser.add_argument("--keep-frames", action="store_true", help="also write lossless videos")
    parser.add_argument(
        "--sheet", metavar="LABEL", help="then draw a sheet of this label or kind of fall"
    )


def run(args: argparse.Namespace) -> int:
    """Render what is missing -> 0. Raises RoomsError."""
    if args.clips < 1 or args.jobs < 1:
        raise RoomsError("--clips and --jobs are at least 1")
    if args.kind == "moments" and args.split:
        raise RoomsError("moments are dealt to all splits; --split is for --kind life and after")
    for name in ONE_THREAD:
        os.environ[name] = "1"
    from calibration.rooms import sheet, store

    job = Job(args.out, args.seed, args.keep_frames, args.jobs)
    plans = list(planned(args.seed, args.clips, args.kind, args.split or "test"))
    kind = args.kind if args.kind == "moments" else plans[0].series
    store.open_set(args.out, made_by(args.seed, kind, frames=args.keep_frames))
    missing = [plan for plan in plans if not job.done(plan)]
    _check_space(job, missing)
    bakery = _bake(args.assets, job, plans)
    try:
        with workers.orderly_end():
            _render(job, missing)
    finally:
        clips = store.write_labels(args.out)
        store.write_people(args.out, _people(bakery, plans))
    log.info("%d clips in %s", clips, args.out)
    if args.sheet:
        log.info("contact sheet: %s", sheet.draw(args.out, args.sheet, bakery))
    return 0


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker is told."""

    out: Path
    seed: int
    keep_frames: bool
    jobs: int

    def done(self, plan: Plan) -> bool:
        """Whether all recordings of this moment are there."""
        from calibration.rooms import store

        return all(
            store.has(self.out, plan.series, plan.number, k, video=self.keep_frames)
            for k in range(plan.cameras)
        )


def planned(
    seed: int, clips: int, kind: splits.Kind = "moments", split: splits.Split = "test"
) -> Iterator[Plan]:
    """The first moments, or long recordings of `split`, that have `clips` cameras together."""
    from calibration.rooms.clip import plan, plan_long

    number = cameras = 0
    while cameras < clips:
        moment = plan(seed, number) if kind == "moments" else plan_long(seed, number, kind, split)
        yield moment
        number, cameras = number + 1, cameras + moment.cameras


# ---- what made a set ---------------------------------------------------------------------------


def made_by(seed: int, kind: str = "moments", *, frames: bool) -> dict[str, Any]:
    """What decides a set's bytes; a set that was begun by something else is refused.

    kind: moments, or the series of long recordings.
    """
    return {
        "version": 1,
        "kind": kind,
        "seed": seed,
        "frames": frames,
        "recipe": _recipe(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "processor": _processor(),
        "shared_motions": list(splits.shared()),
    }


def _recipe() -> str:
    """A digest over this package's sources, which carry the digests of the assets."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in {".py", ".c", ".h"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """Its kind: another one may round the last bit otherwise, and a fall is chaotic."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _people(bakery: Bakery, plans: list[Plan]) -> Iterator[Mapping[str, Any]]:
    """One row of people.csv per body of the plans."""
    for number in sorted({person for plan in plans for person in plan.people}):
        body = bakery.body(number)
        yield {
            "id": f"b{number}",
            "split": splits.of_body(number),
            "sex": body.sex,
            "age_years": f"{body.age_years:.0f}",
            "height_m": f"{body.height_m:.2f}",
            "weight_kg": f"{body.weight_kg:.0f}",
            "build": f"{body.build:.2f}",
            "clothing": body.clothing,
        }


# ---- before ------------------------------------------------------------------------------------


def _check_space(job: Job, missing: list[Plan]) -> None:
    from calibration.rooms import store

    each = STEP_BYTES + (FRAME_BYTES if job.keep_frames else 0)
    need = sum(plan.cameras * MEAN_STEPS[plan.kind] for plan in missing) * each
    free = store.free_bytes(job.out)
    if need > free:
        raise RoomsError(
            f"{job.out}: about {need / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free"
        )


def _bake(assets: Path, job: Job, plans: list[Plan]) -> Bakery:
    from calibration.rooms.bakery import bake

    bodies = sorted({person for plan in plans for person in plan.people})
    said = time.monotonic()

    def tell(done: int) -> None:
        nonlocal said
        if time.monotonic() - said > PROGRESS_EVERY_S:
            said = time.monotonic()
            log.info("%d of at most %d bodies made", done, len(bodies))

    return bake(assets, job.out / BAKE, bodies, job.jobs, tell)


# ---- rendering ---------------------------------------------------------------------------------


def record(job: Job, plan: Plan) -> tuple[int, int]:
    """In a worker: make and save one moment -> clips, frames."""
    from calibration.rooms import clip, store

    company = _bakery(job.out / BAKE)
    recordings = clip.make(job.seed, plan, company, keep_frames=job.keep_frames)
    for recording in recordings:
        store.save(job.out, recording)
    return len(recordings), sum(len(recording.planes) for recording in recordings)


@functools.lru_cache(1)
def _bakery(folder: Path) -> Bakery:
    from calibration.rooms.bakery import Bakery

    return Bakery(folder)


def _render(job: Job, missing: list[Plan]) -> None:
    """All of them; on an error the other workers are stopped and the moment is named."""
    progress = Progress(missing)
    pool = workers.pool(job.jobs)
    waiting = missing[::-1]
    running: dict[Future[tuple[int, int]], int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < 2 * job.jobs:
                plan = waiting.pop()
                running[pool.submit(record, job, plan)] = plan.number
            finished, _ = wait(running, timeout=PROGRESS_EVERY_S, return_when=FIRST_COMPLETED)
            for future in finished:
                progress.add(*_result(future, running, progress))
                del running[future]
            progress.tell()
    finally:
        pool.shutdown(wait=not running, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()


def _result(
    future: Future[tuple[int, int]], running: dict[Future[tuple[int, int]], int], progress: Progress
) -> tuple[int, int]:
    """What a worker made, or why it could not: RoomsError with its moment."""
    from calibration.rooms.store import DiskFull

    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool):
        numbers = ", ".join(str(n) for n in sorted(running.values()))
        raise RoomsError(f"a worker was killed while it made one of moments {numbers}") from error
    if isinstance(error, DiskFull):
        raise RoomsError(
            f"disk full after {progress.clips} clips: free about {progress.missing_gb():.1f} GB "
            f"and run the same command again ({error})"
        ) from error
    if isinstance(error, RoomsError):
        raise error
    raise RoomsError(f"moment {running[future]}: {type(error).__name__}: {error}") from error


class Progress:
    """How far it is, said every few seconds."""

    def __init__(self, missing: list[Plan]) -> None:
        self._wanted = sum(plan.cameras for plan in missing)
        self._steps = MEAN_STEPS[missing[0].kind] if missing else 0
        self.clips = self.frames = 0
        self._start = self._said = time.monotonic()

    def add(self, clips: int, frames: int) -> None:
        """So many are finished."""
        self.clips += clips
        self.frames += frames

    def missing_gb(self) -> float:
        """Space for what is not there yet."""
        return (self._wanted - self.clips) * self._steps * STEP_BYTES / 1e9

    def tell(self) -> None:
        """A line, if the last one is a while ago."""
        now = time.monotonic()
        if now - self._said < PROGRESS_EVERY_S or not self.clips:
            return
        self._said = now
        spent = now - self._start
        left = spent / self.clips * (self._wanted - self.clips)
        log.info(
            "%d of %d clips, %d frames, %.0f frames/s, about %.0f min left",
            *(self.clips, self._wanted, self.frames, self.frames / spent, left / 60),
        )
