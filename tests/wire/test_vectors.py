# SPDX-License-Identifier: Apache-2.0
"""Every plain-text vector gets the answer it expects, by the rule it names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.vectors import make
from tests.vectors.coin import KEY
from wire.errors import BadSeal, BadTopic, Malformed
from wire.message import Signer, VectorMessage, open_sealed, unpack
from wire.seal import SEALED_MAX_BYTES
from wire.topics import parse_vectors

VECTORS = Path(make.__file__).parent
FILES = sorted(VECTORS.glob("*.txt"))


def read(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def judge(vector: dict[str, str]) -> tuple[str, int, VectorMessage | None]:
    """(expectation, rule, message) of one vector, by the rules that need no state."""
    sealed, topic = bytes.fromhex(vector["sealed"]), vector["topic"]
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(vector["public key"]))
    try:
        topics = parse_vectors(topic)
    except BadTopic:
        return "bad topic", 1, None
    try:
        payload = open_sealed(sealed, topic, key)
    except BadSeal:
        return "bad seal", 4, None
    except Malformed:
        return "malformed", 2 if len(sealed) > SEALED_MAX_BYTES else 4, None
    try:
        message = unpack(payload)
    except Malformed:
        return "malformed", 5, None
    if (message.device, message.sensor) != (topics.device, topics.sensor):
        return "wrong names", 6, None
    return "ok", 0, message


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_vector_gets_the_answer_it_expects(path):
    vector = read(path)
    expect, rule, _ = judge(vector)
    assert (expect, rule) == (vector["expect"], int(vector.get("rule", 0)))


@pytest.mark.parametrize("path", sorted(VECTORS.glob("ok-*.txt")), ids=lambda path: path.stem)
def test_a_good_vector_says_what_is_written_and_is_sealed_to_the_same_bytes(path):
    vector = read(path)
    _, _, message = judge(vector)
    assert message is not None
    assert message.profile_id.hex() == vector["profile id"]
    assert (message.device, message.sensor) == (vector["device"], vector["sensor"])
    assert message.epoch == int(vector["epoch"])
    assert message.sequence == int(vector["sequence"])
    assert message.capture_time_us == int(vector["capture time"])
    assert message.noise_level == int(vector["noise level"])
    assert message.repeated == bool(int(vector["repeated"]))
    assert message.vector.tolist() == [int(z) for z in vector["vector"].split()]
    assert Signer(KEY).seal(message, vector["topic"]).hex() == vector["sealed"]


def test_the_files_are_what_the_script_writes():
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in FILES}
    assert on_disk == make.texts()


def test_there_are_many_and_most_are_bad():
    count = Counter(read(path)["expect"] for path in FILES)
    assert set(count) == {"ok", "bad topic", "malformed", "bad seal", "wrong names"}
    assert len(FILES) >= 40
    assert len(FILES) - count["ok"] > len(FILES) // 2


def test_control_a_judge_that_skips_the_seal_is_caught():
    vector = read(VECTORS / "seal-flip-vector.txt")
    payload = bytes.fromhex(vector["sealed"])[9:-66]
    assert unpack(payload).device == "device-1"  # only the seal tells that it was altered
    assert judge(vector)[0] == "bad seal"
