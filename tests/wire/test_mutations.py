# SPDX-License-Identifier: Apache-2.0
"""No changed, foreign or rerouted message opens; only the replay, which freshness must refuse."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from tests.vectors.coin import KEY, OTHER_KEY, TOPIC
from tests.wire.mutations import mutations
from wire.errors import BadSeal, Malformed
from wire.message import Signer, VectorMessage, open_sealed, unpack

MANY = 15_000


@pytest.fixture(scope="module")
def sealed():
    vector = np.arange(-800, 800, 100, dtype=np.int16)
    message = VectorMessage(
        bytes(16), "device-1", "cam-0", 7, 8, 9, noise_level=0, repeated=False, vector=vector
    )
    return Signer(KEY).seal(message, TOPIC)


def outcome(topic, sealed, key):
    try:
        unpack(open_sealed(sealed, topic, key))
    except (BadSeal, Malformed) as error:
        return type(error)
    return None


def test_nothing_but_the_replay_opens(sealed):
    public = KEY.public_key()
    count = Counter()
    for label, topic, changed in mutations(sealed, TOPIC, 1, MANY):
        result = outcome(topic, changed, public)
        count[label, result] += 1
        assert (result is None) == (label == "replay"), (label, changed.hex())
    assert len({label for label, _ in count}) == 12
    assert sum(n for (_, result), n in count.items() if result is BadSeal) > MANY // 3


def test_they_are_the_same_for_the_same_seed_and_others_for_another(sealed):
    first = list(mutations(sealed, TOPIC, 5, 500))
    assert first == list(mutations(sealed, TOPIC, 5, 500))
    assert first != list(mutations(sealed, TOPIC, 6, 500))


def test_only_a_replay_is_the_message_itself(sealed):
    for label, topic, changed in mutations(sealed, TOPIC, 2, 3000):
        assert ((topic, changed) == (TOPIC, sealed)) == (label == "replay")


def test_control_a_foreign_message_opens_under_the_key_that_made_it(sealed):
    message = unpack(open_sealed(sealed, TOPIC, KEY.public_key()))
    foreign = Signer(OTHER_KEY).seal(message, TOPIC)
    assert outcome(TOPIC, foreign, OTHER_KEY.public_key()) is None
    assert outcome(TOPIC, foreign, KEY.public_key()) is BadSeal


def test_they_never_end_early(sealed):
    assert len(list(islice(mutations(sealed, TOPIC, 3, 77), 1000))) == 77
