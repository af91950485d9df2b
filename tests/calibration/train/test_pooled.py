# SPDX-License-Identifier: Apache-2.0
"""One message for each 2 s: the same leak, and the same trials as of twenty."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calibration.accounting import release_bits  # noqa: E402
from calibration.data import Interval  # noqa: E402
from calibration.train import f1  # noqa: E402
from calibration.train.batches import Embedded  # noqa: E402
from calibration.train.pooled import pooled, pooled_ratio  # noqa: E402
from calibration.train.recipe import CLIP_NORM, noise_ratio  # noqa: E402
from calibration.train.targets import KINDS  # noqa: E402
from tests.calibration.train.made_up import packed_of, rendered  # noqa: E402

pytestmark = pytest.mark.train

K = 12


@pytest.mark.parametrize("bits", [4.0, 16.0, 32.0])
def test_one_release_leaks_what_twenty_would(bits):
    once, often = (round(f(bits, K) * CLIP_NORM) for f in (pooled_ratio, noise_ratio))
    alone = release_bits(CLIP_NORM, once, K, "leak")
    assert alone == pytest.approx(20 * release_bits(CLIP_NORM, often, K, "leak"), rel=0.03)
    assert alone <= bits
    assert release_bits(CLIP_NORM, once - 1, K, "leak") > bits  # no noise is wasted
    assert pooled_ratio(None, K) == noise_ratio(None, K)


def test_stretches_have_mean_embeddings_and_the_answers_of_a_trial(tmp_path):
    fall = Interval("fall", 1.0, 4.0, onset_s=1.0, impact_s=2.0)
    sit = Interval("sit", 5.5, 5.7)
    long = rendered(tmp_path, 0, "train", 75, 1, (fall, sit))
    short = rendered(tmp_path, 1, "train", 8, 2)
    packed = packed_of([short, long])
    variants = np.arange(83, dtype=np.float16)[None, :, None] + np.array(
        [[[0]], [[0.5]]], np.float16
    )
    found = pooled(Embedded(packed, variants))
    assert [one.steps for one in found.packed.clips] == [1, 4]
    assert [one.start for one in found.packed.clips] == [0, 1]
    assert found.variants[0, :, 0].tolist() == [3.5, 17.5, 37.5, 57.5, 75]
    assert found.variants[1, 0, 0] == 4.0
    asked = f1.answers(long[1].behaviours, long[1].known)
    truth = found.packed.targets.at(slice(1, 5))
    assert np.array_equal(truth.behaviours > 0, asked.true)
    assert np.array_equal(truth.known > 0, asked.asked)
    assert truth.known[2, KINDS.index("fall")] == 2.5  # what is hard stays hard
    assert not found.packed.targets.known[0].any()  # too short to be asked about
    assert truth.onset[0] == pytest.approx(0.9)
