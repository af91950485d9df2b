# SPDX-License-Identifier: Apache-2.0
"""Extreme and random frames and scenes through a kernel library, against the definition.

`python desensitise_campaign.py LIBRARY SEED PICTURES FRAMES`; run by test_host_desensitise.py under
the sanitizers. An odd seed has the extremes of the scenes, an even one those of the pictures.
"""

import sys
from itertools import chain
from pathlib import Path

from tests.kernels.host.build import Kernels
from tests.kernels.host.scenes import (
    extreme_pictures,
    extreme_scenes,
    random_pictures,
    random_scenes,
)


def main(library: str, seed: str, pictures: str, frames: str) -> None:
    launch = Kernels(Path(library)).launch
    extremes = extreme_scenes() if int(seed) % 2 else extreme_pictures()
    done = 0
    for case in chain(
        random_pictures(int(seed), int(pictures)), random_scenes(int(seed), int(frames)), extremes
    ):
        wrong = case.is_wrong(launch, seed=done)
        if wrong:
            sys.exit(wrong)
        done += len(case)
    sys.stdout.write(f"{done} frames as defined\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
