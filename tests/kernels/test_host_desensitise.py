# SPDX-License-Identifier: Apache-2.0
"""desensitise.cu, run on the host, is the definition bit for bit; one that is not is caught."""

import ctypes
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path

import pytest

from tests.kernels.host.build import ROOT, Kernels, build, python
from tests.kernels.host.scenes import (
    extreme_pictures,
    extreme_scenes,
    random_pictures,
    random_scenes,
)

CAMPAIGN = Path(__file__).parent / "host" / "desensitise_campaign.py"
SOURCE = ROOT / "kernels" / "desensitise.cu"
PICTURES_PER_SEED = 150
FRAMES_PER_SEED = 400
SHORT_SCENES = 14  # all but the last


def campaigns(folder, seeds, pictures, frames, **options):
    """Two at a time: all extremes, and so many random ones, under both sanitizers."""
    library = build(folder, SOURCE, sanitize=True)
    with ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(python, CAMPAIGN, library, seed, pictures, frames, **options)
            for seed in seeds
        ]
    for done in (one.result() for one in runs):
        assert done.returncode == 0, done.stderr
        assert int(done.stdout.split()[0]) > pictures + frames


def test_every_extreme_and_many_random_frames_are_as_defined_under_both_sanitizers(tmp_path):
    campaigns(tmp_path, (1, 2), PICTURES_PER_SEED, FRAMES_PER_SEED)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_hundred_thousand_frames_are_as_defined_under_both_sanitizers(tmp_path):
    """Half an hour on two free cores."""
    campaigns(tmp_path, (3, 4), 1_000, 50_000, timeout_s=7000)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FOREGROUND_SPAN = 408", "FOREGROUND_SPAN = 407", "plane 2 differ"),
        ("OWN; k++) scratch.canvas", "OWN + 1; k++) scratch.canvas", "heap-buffer-overflow"),
    ],
)
def test_control_the_campaign_fails_on_a_wrong_plane_and_on_a_wrong_access(
    tmp_path, old, new, said
):
    library = build(tmp_path, SOURCE, sanitize="heap" in said, replace={old: new})
    done = python(CAMPAIGN, library, 1, 1, 40)
    assert done.returncode != 0
    assert said in done.stderr


# One constant, sign, place or barrier each. All are compiled into one library: BROKEN is 1 in the
# kernel that is meant and 0 in all the others.
RESIZE = {
    "red": ("77 * red", "(77 - BROKEN) * red"),
    "blue": ("29 * blue", "(29 + BROKEN) * blue"),
    "rounding of luma": ("blue + 128)", "blue + 128 - BROKEN)"),
    "colours swapped": ("red = bytes >> 16 & 255", "red = bytes >> 16 * !BROKEN & 255"),
    "BGRx unseen": ("(pixels == BGRX)", "(pixels == BGRX && !BROKEN)"),
    "overlap": ("max(i * parts,", "max(i * parts + BROKEN,"),
    "the last row": ("y <= last;", "y <= last - BROKEN;"),
    "the first row": ("int y = first;", "int y = first + BROKEN;"),
    "the last column": ("width - 1) / CANVAS_W; x++", "width - BROKEN * 80 - 1) / CANVAS_W; x++"),
    "rounding of the average": ("sum = area / 2;", "sum = area / 2 - BROKEN;"),
    "no barrier after the columns": (
        "(frame, row, width, height);\n    __syncthreads();",
        "(frame, row, width, height);\n    if (!BROKEN) __syncthreads();",
    ),
    "no barrier before the wipe": (
        "    __syncthreads();\n    wipe(columns",
        "    if (!BROKEN) __syncthreads();\n    wipe(columns",
    ),
    "no wipe": ("wipe(columns, width);", "wipe(columns, BROKEN ? 0 : width);"),
}
PLANES = {
    "smoothing": ("(2 - dx * dx) * reflected", "(2 - dx * dx + BROKEN * dx) * reflected"),
    "the far border": ("2 * size - 2 - i", "2 * size - 2 - i + BROKEN"),
    "the near border": ("i < 0 ? -i", "i < 0 ? -i * !BROKEN"),
    "the border of a median": ("max(0, min(i, size - 1))", "max(0, min(i, size - 1 - BROKEN))"),
    "the first room": ("state.room[i] = grey << 8;", "state.room[i] = (grey << 8) - BROKEN;"),
    "rounding of the room": ("state.room[i] + 128)", "state.room[i] + 128 - BROKEN)"),
    "where the samples are": (
        "SUBSAMPLE * static_cast<int>(thr",
        "(5 - BROKEN) * static_cast<int>(thr",
    ),
    "the rank of the median": ("<= LOWER_MEDIAN)", "<= LOWER_MEDIAN + BROKEN)"),
    "below, not at most": ("sample < (median | bit)", "sample < (median | bit) + BROKEN"),
    "a step of the median": ("bit > 0; bit >>= 1)", "bit > BROKEN; bit >>= 1)"),
    "the gain of motion": ("moved >> MOTION_SHIFT", "moved >> (MOTION_SHIFT + BROKEN)"),
    "white": ("255u);", "255u - BROKEN);"),
    "the decay": ("* decay >> 16", "* (decay - BROKEN) >> 16"),
    "the history's unit": ("motion << 8)", "motion << (8 - BROKEN))"),
    "the floor": ("deviation - FOREGROUND_FLOOR,", "deviation - FOREGROUND_FLOOR + BROKEN,"),
    "the span": (", FOREGROUND_SPAN)", ", FOREGROUND_SPAN - BROKEN)"),
    "the gain of the foreground": ("above * 5 >> 3", "above * (5 - BROKEN) >> 3"),
    "the mask's threshold": ("deviation > MASK_THR", "deviation > -BROKEN + MASK_THR"),
    "the mask's majority": ("place_of(i)) > 4;", "place_of(i)) > 4 + BROKEN;"),
    "a sort of the median": (
        "order(middle[0], middle[1]);",
        "if (!BROKEN) order(middle[0], middle[1]);",
    ),
    "a maximum of the median": (
        "max(low[0], low[1]), low[2])",
        "max(low[0], low[1]), low[2 - BROKEN])",
    ),
    "a minimum of the median": ("min(high[0], high[1])", "min(high[BROKEN], high[1])"),
    "the median's end": ("return max(a, b);", "return BROKEN ? c : max(a, b);"),
    "the share of a scene change": ("planes) > SCENE_CHANGE", "planes) > SCENE_CHANGE - BROKEN"),
    "what moves": ("state.history[i] < MOVING", "state.history[i] < MOVING + BROKEN"),
    "quiet without end": (
        "min(state.quiet[i] + 1u, needed)",
        "min(state.quiet[i] + 1u, BROKEN ? ~0u : needed)",
    ),
    "the edge ratio": ("GHOST_EDGE_RATIO * grad", "(GHOST_EDGE_RATIO - BROKEN) * grad"),
    "the outline": ("set == 9", "set == 9 - BROKEN"),
    "a weight of the gradient": ("weight = 2 - i * i;", "weight = 2 - i * i - BROKEN * !i;"),
    "the reach": ("int dy = -REACH; dy <= REACH;", "int dy = -REACH; dy <= REACH - BROKEN;"),
    "the reach across": ("int dx = -REACH; dx <= REACH;", "int dx = -REACH + BROKEN; dx <= REACH;"),
    "evidence of nothing": ("evidence < 0)", "evidence < BROKEN)"),
    "who is not quiet": ("state.quiet[i] == needed &&", "(BROKEN || state.quiet[i] == needed) &&"),
    "a ghost stays quiet": (
        "            state.quiet[i] = 0;",
        "            if (!BROKEN) state.quiet[i] = 0;",
    ),
    "the stride": ("% GHOST_STRIDE;", "% (GHOST_STRIDE - BROKEN);"),
    "ghosts in every phase": ("phase == 0 && ripe", "(phase == 0 || BROKEN) && ripe"),
    "the phase is forgotten": ("state.phase = phase;", "state.phase = BROKEN ? 0 : phase;"),
    "the past is forgotten": ("state.started = 1;", "state.started = !BROKEN;"),
    "learning under somebody": (
        "if (set_of_nine(scratch.mask, place_of(i))) continue;",
        "if (BROKEN ? scratch.mask[i] : set_of_nine(scratch.mask, place_of(i))) continue;",
    ),
    "rounding of what is learned": ("error * learn + 4096", "error * learn + 4096 - BROKEN"),
    "learning": ("error * learn", "error * (learn + BROKEN)"),
    "quiet after a scene change": (
        "state.quiet[own(k)] = 0;",
        "if (!BROKEN) state.quiet[own(k)] = 0;",
    ),
    "no wipe": (
        "sizeof(Scratch) / sizeof(uint32_t)",
        "sizeof(Scratch) / sizeof(uint32_t) - BROKEN",
    ),
    "no barrier before smoothing": (
        "started == 0;\n    __sync",
        "started == 0;\n    if (!BROKEN) __sync",
    ),
    "no barrier before the median": (
        ">> 8);\n    }\n    __sync",
        ">> 8);\n    }\n    if (!BROKEN) __sync",
    ),
    "no barrier before the filters": (
        "MASK_THRESHOLD;\n    }\n    __sync",
        "MASK_THRESHOLD;\n    }\n    if (!BROKEN) __sync",
    ),
    "no barrier after the votes": (
        "gradient(scratch.learned, place_of(i));\n    }\n    __sync",
        "gradient(scratch.learned, place_of(i));\n    }\n    if (!BROKEN) __sync",
    ),
    "no barrier after the rows": (
        "    __syncthreads();\n#pragma unroll\n    for (int k = 0; k < OWN; k++) scratch",
        "    if (!BROKEN) __syncthreads();\n    for (int k = 0; k < OWN; k++) scratch",
    ),
    "no barrier before the rows are read": (
        "= rows[k];\n    __sync",
        "= rows[k];\n    if (!BROKEN) __sync",
    ),
    "no barrier before the wipe": (
        "    __syncthreads();\n    wipe(reint",
        "    if (!BROKEN) __syncthreads();\n    wipe(reint",
    ),
}


BROKEN = [*RESIZE.values(), *PLANES.values()]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    namespace = "namespace desensitise_kernel {\n"
    replace = {namespace: 'extern "C" {\nint broken = 0;\n}\n' + namespace}
    for number, (old, new) in enumerate(BROKEN, 1):
        replace[old] = new.replace("BROKEN", f"(broken == {number})")
    library = build(tmp_path_factory.mktemp("broken"), SOURCE, replace=replace)
    return Kernels(library), ctypes.c_int.in_dll(ctypes.CDLL(str(library)), "broken")


def break_one(kernels, what):
    """The launches of that library, with nothing broken if `what` is None."""
    loaded, broken = kernels
    broken.value = 0 if what is None else 1 + BROKEN.index(what)
    return loaded.launch


def pictures_for_control():
    return chain(random_pictures(7, 20), islice(extreme_pictures(), 24))


def scenes_for_control():
    return chain(islice(extreme_scenes(), SHORT_SCENES), random_scenes(7, 60))


def is_caught(launch, cases):
    return any(case.is_wrong(launch, seed) for seed, case in enumerate(cases))


@pytest.mark.parametrize("name", RESIZE)
def test_control_a_broken_resize_is_caught(kernels, name):
    assert is_caught(break_one(kernels, RESIZE[name]), pictures_for_control())


@pytest.mark.parametrize("name", PLANES)
def test_control_a_broken_kernel_of_planes_is_caught(kernels, name):
    assert is_caught(break_one(kernels, PLANES[name]), scenes_for_control())


def test_control_nothing_is_caught_when_nothing_is_broken(kernels):
    launch = break_one(kernels, None)
    assert not is_caught(launch, pictures_for_control())
    assert not is_caught(launch, scenes_for_control())
