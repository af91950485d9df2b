# SPDX-License-Identifier: Apache-2.0
"""Every extreme batch and many random ones through a kernel library, against the definition.

`python campaign.py LIBRARY SEED RELEASES`; run by test_host_release.py under the sanitizers.
"""

import sys
from itertools import chain
from pathlib import Path

from tests.kernels.host.batches import extreme_batches, random_batches
from tests.kernels.host.build import Kernels
from tests.kernels.host.releases import answer, run


def main(library: str, seed: str, releases: str) -> None:
    kernels = Kernels(Path(library))
    done = 0
    for number, batch in enumerate(
        chain(extreme_batches(), random_batches(int(seed), int(releases)))
    ):
        got, left = run(kernels.launch, batch, seed=number)
        wrong = got.differs_from(answer(batch))
        if wrong or left:
            K, D = batch.projection.shape
            sys.exit(f"batch {number}, K {K}, D {D}: releases {wrong} differ, {left} bytes left")
        done += len(batch.levels)
    sys.stdout.write(f"{done} releases as defined\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
