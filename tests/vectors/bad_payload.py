# SPDX-License-Identifier: Apache-2.0
"""Properly sealed messages that say something wrong, and topics that are none."""

from __future__ import annotations

from typing import Any

import cbor2

from tests.vectors.coin import FIELDS, TOPIC, Case, payload, raw_payload, seal

_BODY = payload()
_SEALED = seal(_BODY)


def bad_payload() -> list[Case]:
    return _whole() + _cut() + _names() + _numbers() + _vectors() + _wrong_names() + _topics()


def _bad(name: str, comment: str, body: bytes) -> Case:
    return Case(f"payload-{name}", "malformed", 5, comment, seal(body))


def _field(name: str, comment: str, **changed: Any) -> Case:
    return _bad(name, comment, payload(**changed))


def _raw(name: str, comment: str, **changed: bytes) -> Case:
    return _bad(name, comment, raw_payload(**changed))


def _whole() -> list[Case]:
    items = _BODY[1:]
    return [
        _bad("empty", "a payload of no bytes", b""),
        _bad("null", "null instead of the array", b"\xf6"),
        _bad("8-items", "the vector left out", cbor2.dumps(list(FIELDS.values())[:-1])),
        _bad("10-items", "one item more", cbor2.dumps([*FIELDS.values(), b""])),
        _bad("open-array", "array of indefinite length", b"\x9f" + items + b"\xff"),
        _bad("long-array", "array length in two bytes", b"\x98\x09" + items),
        _bad("huge-array", "array claims 2^64 - 1 items", b"\x9b" + b"\xff" * 8 + items),
        _bad("map", "a map with names for keys", cbor2.dumps(FIELDS)),
        _bad("map-twice", "a map with one key twice", b"\xa2" + b"\x41a\x01" * 2),
        _bad("map-9", "a map of 9 instead of the array", b"\xa9" + items),
        _bad("bytes", "the array wrapped in bytes once more", cbor2.dumps(_BODY)),
        _bad("tagged", "a tag before the array", b"\xd9\xd9\xf7" + _BODY),
        _bad("trailing-byte", "a byte after the array", _BODY + b"\x00"),
        _bad("twice", "the array twice", _BODY * 2),
        _bad("json", "JSON", b'["device-1","cam-0"]'),
        _bad("nested", "arrays in arrays, 3000 deep", b"\x81" * 3000),
        _bad(
            "big-float",
            "a bigfloat of 2^(2^40) in place of the array",
            b"\xc5\x82\x1b\0\0\1\0\0\0\0\0\1",
        ),
        _bad("largest", "4096 bytes pass rule 2", bytes(4020)),
    ]


def _cut() -> list[Case]:
    places = {
        "head": (1, "cut after the array head"),
        "profile": (9, "cut within the profile id"),
        "device": (20, "cut within the device's name"),
        "epoch": (38, "cut within the epoch"),
        "vector-head": (len(_BODY) - 33, "cut within the vector's length"),
        "vector": (len(_BODY) - 7, "cut within the vector"),
        "last": (len(_BODY) - 1, "the last byte missing"),
    }
    return [_bad(f"cut-{key}", why, _BODY[:at]) for key, (at, why) in places.items()]


def _names() -> list[Case]:
    text = {
        "plus": "device+",
        "hash": "#",
        "slash": "device/1",
        "capital": "Device-1",
        "empty": "",
        "space": "device 1",
        "newline": "device-1\n",
        "nul": "device-1\0",
        "hyphen": "-device",
        "33": "d" * 33,
        "accent": "d\u00e9vice",
        "full-width": "device-\uff11",
    }
    bad = [
        _field(f"device-{key}", f"device is {name!a}", device=name) for key, name in text.items()
    ]
    return [
        *bad,
        _field("sensor-plus", "sensor is '+'", sensor="+"),
        _field("sensor-empty", "sensor is empty", sensor=""),
        _field("device-bytes", "device as bytes", device=b"device-1"),
        _field("device-number", "device as a number", device=1),
        _field("device-null", "device null", device=None),
        _raw("device-no-utf8", "device is no UTF-8", device=b"\x62\xff\xfe"),
        _raw("device-long-head", "length of device in two bytes", device=b"\x78\x08device-1"),
        _raw("device-parts", "device in parts", device=b"\x7f\x64devi\x64ce-1\xff"),
    ]


def _numbers() -> list[Case]:
    profile = FIELDS["profile_id"]
    return [
        _field("profile-short", "profile id of 15 bytes", profile_id=profile[:-1]),
        _field("profile-long", "profile id of 17 bytes", profile_id=profile + b"\0"),
        _field("profile-hex", "profile id as text", profile_id=profile.hex()),
        _field("profile-tag", "profile id tagged as UUID", profile_id=cbor2.CBORTag(37, profile)),
        _raw(
            "profile-long-head",
            "length of profile id in two bytes",
            profile_id=b"\x58\x10" + profile,
        ),
        _field("epoch-7", "epoch of 7 bytes", epoch=bytes(7)),
        _field("epoch-9", "epoch of 9 bytes", epoch=bytes(9)),
        _field("epoch-empty", "epoch of no bytes", epoch=b""),
        _field("epoch-integer", "epoch as an integer", epoch=1_900_000_000),
        _field("epoch-negative", "epoch as a negative integer", epoch=-1),
        _field("epoch-bignum", "epoch as a bignum", epoch=cbor2.CBORTag(2, bytes(8))),
        _field("sequence-integer", "sequence as an integer", sequence=4711),
        _field("sequence-float", "sequence as a float", sequence=4711.0),
        _field("sequence-nan", "sequence not a number", sequence=float("nan")),
        _field("sequence-text", "sequence as eight digits of text", sequence="00004711"),
        _raw("sequence-parts", "sequence in parts", sequence=b"\x5f\x44\0\0\0\0\x44\0\0\0\1\xff"),
        _field(
            "time-tagged",
            "capture time as a tagged date",
            capture_time=cbor2.CBORTag(1, 19 * 10**8),
        ),
        _field("time-text", "capture time as RFC 3339", capture_time="2030-03-17T17:46:40Z"),
        _field("time-float", "capture time as a float", capture_time=1.9e9),
        _field("level-2", "noise level of two bytes", noise_level=b"\0\0"),
        _field("level-integer", "noise level as an integer", noise_level=0),
        _field("repeated-2", "repeated is 2", repeated=b"\x02"),
        _field("repeated-255", "repeated is 255", repeated=b"\xff"),
        _field("repeated-bool", "repeated as a CBOR boolean", repeated=False),
        _field("repeated-empty", "repeated of no bytes", repeated=b""),
        _field("repeated-undefined", "repeated undefined", repeated=cbor2.undefined),
    ]


def _vectors() -> list[Case]:
    z = FIELDS["z"]
    return [
        _field("vector-empty", "a vector of no coordinates", z=b""),
        _field("vector-odd", "a vector of 31 bytes", z=z[:-1]),
        _field("vector-1025", "a vector of 1025 coordinates", z=bytes(2050)),
        _field("vector-list", "the vector as an array of integers", z=[1, 2, 3]),
        _field("vector-floats", "the vector as an array of floats", z=[1.0, 2.0]),
        _field("vector-typed", "the vector as a typed array, tag 73", z=cbor2.CBORTag(73, z)),
        _field("vector-text", "the vector as text", z="00" * 16),
        _field("vector-null", "no vector", z=None),
        _raw("vector-long-head", "length of the vector in three bytes", z=b"\x59\x00\x20" + z),
        _raw("vector-4-byte-head", "length of the vector in five bytes", z=b"\x5a\0\0\0\x20" + z),
        _raw("vector-endless", "the vector claims 2^64 - 1 bytes", z=b"\x5b" + b"\xff" * 8 + z),
        _raw(
            "vector-parts",
            "the vector in parts",
            z=b"\x5f\x50" + z[:16] + b"\x50" + z[16:] + b"\xff",
        ),
    ]


def _wrong_names() -> list[Case]:
    device, sensor = seal(payload(device="device-2")), seal(payload(sensor="cam-1"))
    both = seal(payload(device="cam-0", sensor="device-1"))
    return [
        Case("names-device", "wrong names", 6, "sealed as device-1, says device-2", device),
        Case("names-sensor", "wrong names", 6, "sealed for cam-0, says cam-1", sensor),
        Case("names-swapped", "wrong names", 6, "device and sensor swapped", both),
    ]


def _topics() -> list[Case]:
    topics = {
        "events": TOPIC.replace("vectors", "events"),
        "wildcard": TOPIC.replace("cam-0", "+"),
        "many": "lethe/v1/ward-7/device-1/#",
        "capital": TOPIC.replace("ward", "Ward"),
        "empty-level": TOPIC.replace("ward-7", ""),
        "leading-slash": "/" + TOPIC,
        "trailing-slash": TOPIC + "/",
        "v2": TOPIC.replace("v1", "v2"),
        "prefix": "shared/" + TOPIC,
        "no-sensor": "lethe/v1/ward-7/device-1/vectors",
        "long-name": TOPIC.replace("cam-0", "c" * 33),
        "hyphen": TOPIC.replace("cam-0", "-cam"),
        "space": TOPIC.replace("cam-0", "cam 0"),
        "empty": "",
    }
    return [
        Case(
            f"topic-{key}",
            "bad topic",
            1,
            "properly sealed for a topic that is none",
            seal(_BODY, topic),
            topic,
        )
        for key, topic in topics.items()
    ]
