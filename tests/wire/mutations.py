# SPDX-License-Identifier: Apache-2.0
"""Many bad messages from one good one, fast and the same every time.

`mutations(sealed, topic, seed, n)` yields n triples (label, topic, sealed). Given that `sealed` was
admitted on `topic` before, none of them may be admitted or change any state:

    replay     the same message on the same topic
    rerouted   the same message on another topic: another sensor's, or none of vectors
    flipped    one bit changed              overwritten  1 to 8 bytes replaced
    cut        bytes missing at an end      extended     bytes added at an end
    dropped    bytes missing within         inserted     bytes added within
    reframed   another payload in a right envelope under the old signature
    resigned   the same payload in a right envelope under a random signature
    foreign    the same message, or a later sequence number, sealed by a stranger's key
    noise      random bytes, or random bytes in a right envelope

Making one takes a few microseconds; about six in ten reach the signature check.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wire.seal import ENVELOPE_HEAD, SIGNATURE_BYTES, seal_payload, signing_key
from wire.topics import SensorTopics, parse_vectors

Mutation = tuple[str, str, bytes]

_FOREIGN = 64  # strangers' messages made once per call, since signing is the slow part


def mutations(sealed: bytes, topic: str, seed: int, n: int) -> Iterator[Mutation]:
    """N bad messages made from `sealed`, which was sealed for `topic`; see the head."""
    draw = random.Random(seed)
    makers = _makers(sealed, topic, draw)
    labels = list(makers)
    for _ in range(n):
        label = draw.choice(labels)
        yield (label, *makers[label]())


def _makers(
    sealed: bytes, topic: str, draw: random.Random
) -> dict[str, Callable[[], tuple[str, bytes]]]:
    payload = cbor2.loads(sealed).value[2]
    topics = _other_topics(topic)
    foreign = [_foreign(payload, topic, draw) for _ in range(_FOREIGN)]
    edits = {
        "flipped": _flipped,
        "overwritten": _overwritten,
        "cut": _cut,
        "extended": _extended,
        "dropped": _dropped,
        "inserted": _inserted,
        "noise": _noise,
    }

    def edited(edit: Callable[[bytes, random.Random], bytes]) -> tuple[str, bytes]:
        changed = edit(sealed, draw)
        while changed == sealed:
            changed = edit(sealed, draw)
        return topic, changed

    return {
        "replay": lambda: (topic, sealed),
        "rerouted": lambda: (draw.choice(topics), sealed),
        **{label: lambda edit=edit: edited(edit) for label, edit in edits.items()},
        "reframed": lambda: (topic, _reframed(payload, sealed[-SIGNATURE_BYTES:], draw)),
        "resigned": lambda: (topic, sealed[:-SIGNATURE_BYTES] + draw.randbytes(SIGNATURE_BYTES)),
        "foreign": lambda: (topic, draw.choice(foreign)),
    }


def _other_topics(topic: str) -> list[str]:
    at = parse_vectors(topic)
    found = [
        SensorTopics(at.site, at.device, f"{at.sensor[:30]}-x").vectors,
        SensorTopics(at.site, f"{at.device[:30]}-x", at.sensor).vectors,
        SensorTopics(f"{at.site[:30]}-x", at.device, at.sensor).vectors,
        SensorTopics(at.device, at.site, at.sensor).vectors,
        SensorTopics(at.site, at.sensor, at.device).vectors,
    ]
    found += [at.events, at.state, topic + "/", "/" + topic, topic.upper(), topic + "\0"]
    return [other for other in found if other != topic]


def _foreign(payload: bytes, topic: str, draw: random.Random) -> bytes:
    """A stranger seals the payload, mostly with a sequence number that would be fresh."""
    items = cbor2.loads(payload)
    later = int.from_bytes(items[4], "big") + draw.randrange(1000)
    items[4] = min(later, 2**64 - 1).to_bytes(8, "big")
    stranger = signing_key(Ed25519PrivateKey.from_private_bytes(draw.randbytes(32)))
    return seal_payload(cbor2.dumps(items), topic, stranger)


def _flipped(sealed: bytes, draw: random.Random) -> bytes:
    bit = draw.randrange(8 * len(sealed))
    changed = bytearray(sealed)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _overwritten(sealed: bytes, draw: random.Random) -> bytes:
    size = draw.randint(1, 8)
    at = draw.randrange(len(sealed) - size)
    return sealed[:at] + draw.randbytes(size) + sealed[at + size :]


def _cut(sealed: bytes, draw: random.Random) -> bytes:
    size = draw.randint(1, len(sealed))
    return sealed[:-size] if draw.random() < 0.5 else sealed[size:]


def _extended(sealed: bytes, draw: random.Random) -> bytes:
    more = draw.choice((draw.randbytes(draw.randint(1, 16)), b"\0", sealed))
    return sealed + more if draw.random() < 0.5 else more + sealed


def _dropped(sealed: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(sealed))
    return sealed[:at] + sealed[at + draw.randint(1, 8) :]


def _inserted(sealed: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(sealed))
    return sealed[:at] + draw.randbytes(draw.randint(1, 8)) + sealed[at:]


def _noise(sealed: bytes, draw: random.Random) -> bytes:
    if draw.random() < 0.5:
        return draw.randbytes(draw.randint(0, 2 * len(sealed)))
    payload = draw.randbytes(draw.randint(0, 200))
    return _framed(payload, draw.randbytes(SIGNATURE_BYTES))


def _reframed(payload: bytes, signature: bytes, draw: random.Random) -> bytes:
    edit = draw.choice((_flipped, _overwritten, _cut, _extended, _dropped, _inserted))
    changed = edit(payload, draw)
    while changed == payload:
        changed = edit(payload, draw)
    return _framed(changed, signature)


def _framed(payload: bytes, signature: bytes) -> bytes:
    return ENVELOPE_HEAD + cbor2.dumps(payload) + cbor2.dumps(signature)
