# SPDX-License-Identifier: Apache-2.0
"""A profile is refused out of range, keeps its id through a file, and any change changes the id."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.table import noise_table
from wire.errors import BadProfile
from wire.profile import FILE_MAX_BYTES, Profile, noise_bound

STEADY = settings(derandomize=True, deadline=None, max_examples=200, database=None)
PROFILE = Profile(
    name="ward-16-bits",
    encoder_sha256=hashlib.sha256(b"an encoder").hexdigest(),
    embedding_dim=4,
    released_dim=3,
    projection=bytes([1, 2, 3, 4, 255, 254, 253, 252, 0, 127, 128, 5]),
    embedding_scale=0.5,
    clip_norm=500,
    full_scale=9000,
    sigmas=(500, 1000, 2000),
    rate_hz=10,
    window_s=2,
    window_cap_bits=16.0,
)


def test_a_file_keeps_everything(tmp_path):
    PROFILE.save(tmp_path / "profile.json")
    loaded = Profile.load(tmp_path / "profile.json")
    assert loaded == PROFILE
    assert loaded.id == PROFILE.id


def test_the_id_is_the_hash_of_bytes_written_by_hand():
    by_hand = b"\x8d" + b"\x6flethe profile 1" + b"\x6cward-16-bits"  # array of 13, two texts
    by_hand += b"\x58\x20" + hashlib.sha256(b"an encoder").digest()
    by_hand += b"\x04\x03" + b"\x4c" + PROFILE.projection
    by_hand += b"\xf9" + struct.pack(">e", 0.5) + b"\x19\x01\xf4" + b"\x19\x23\x28"
    by_hand += b"\x83\x19\x01\xf4\x19\x03\xe8\x19\x07\xd0" + b"\x0a\x02"
    by_hand += b"\xf9" + struct.pack(">e", 16.0)
    assert PROFILE.id == hashlib.sha256(by_hand).digest()[:16]


CHANGES = {
    "name": "other",
    "encoder_sha256": "0" * 64,
    "embedding_dim": 6,
    "released_dim": 2,
    "projection": bytes(12),
    "embedding_scale": 0.25,
    "clip_norm": 501,
    "full_scale": 9001,
    "sigmas": (500, 1000),
    "rate_hz": 11,
    "window_s": 3,
    "window_cap_bits": 8.0,
}


@pytest.mark.parametrize("key", CHANGES)
def test_any_change_changes_the_id(key):
    changed = {key: CHANGES[key]}
    if key == "embedding_dim":
        changed["released_dim"] = 2
    if key == "released_dim":
        changed["embedding_dim"] = 6
    assert replace(PROFILE, **changed).id != PROFILE.id


def test_every_value_has_a_change_in_the_table():
    assert set(CHANGES) == {field.name for field in fields(Profile)} - {"id"}


def test_control_an_equal_profile_has_the_same_id_also_with_int_for_float():
    assert replace(PROFILE, window_cap_bits=16).id == PROFILE.id


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("name", "Ward", "text of the form"),
        ("encoder_sha256", "ab", "text of the form"),
        ("encoder_sha256", "G" * 64, "text of the form"),
        ("embedding_dim", 0, "from 1 to 4096"),
        ("embedding_dim", 4097, "from 1 to 4096"),
        ("embedding_dim", True, "from 1 to 4096"),
        ("released_dim", 1025, "from 1 to 1024"),
        ("projection", bytes(11), "12 bytes"),
        ("embedding_scale", 0.0, "from 1e-12"),
        ("embedding_scale", math.nan, "from 1e-12"),
        ("embedding_scale", math.inf, "from 1e-12"),
        ("clip_norm", 0, "from 1 to 32767"),
        ("clip_norm", 1.5, "from 1 to 32767"),
        ("full_scale", 0, "from 1 to 2147483647"),
        ("sigmas", (), "1 to 16"),
        ("sigmas", tuple(range(1, 18)), "1 to 16"),
        ("sigmas", [500], "1 to 16"),
        ("sigmas", (0,), "from 1 to 2933"),
        ("sigmas", (2934,), "from 1 to 2933"),
        ("sigmas", (500, 500), "increasing"),
        ("sigmas", (1000, 500), "increasing"),
        ("rate_hz", 101, "from 1 to 100"),
        ("window_s", 0, "from 1 to 3600"),
        ("window_cap_bits", 0.0, "from 1e-06"),
        ("window_cap_bits", "8", "from 1e-06"),
    ],
)
def test_out_of_range_is_refused_with_key_and_range(key, value, allowed):
    with pytest.raises(BadProfile, match=f"{key} must be .*{allowed}"):
        replace(PROFILE, **{key: value})


def test_every_release_fits_int16():
    widest = replace(PROFILE, clip_norm=32767 - noise_bound(1), sigmas=(1,))
    assert widest.coordinate_bound(0) == 32767
    with pytest.raises(BadProfile, match="sigmas"):
        replace(PROFILE, clip_norm=32767 - noise_bound(1) + 1, sigmas=(1,))


@pytest.mark.parametrize("sigma", [1, 2, 3, 7, 33, 500, 2933])
def test_no_table_of_the_release_mechanism_exceeds_the_bound(sigma):
    assert 0.9 * noise_bound(sigma) <= noise_table(sigma).bound <= noise_bound(sigma)


def test_the_projection_is_a_read_only_matrix():
    matrix = PROFILE.projection_matrix()
    assert matrix.dtype == np.int8
    assert matrix.tolist() == [[1, 2, 3, 4], [-1, -2, -3, -4], [0, 127, -128, 5]]
    assert not matrix.flags.writeable


def test_bits_of_a_release_are_those_of_the_design_table():
    per_level = [PROFILE.release_bits(level) for level in range(3)]
    assert per_level == pytest.approx([0.7213, 0.1803, 0.0451], abs=1e-4)


def changed_file(**changed):
    return json.dumps({**json.loads(PROFILE.to_json()), **changed}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b"9" * 5000,
        changed_file(extra=1),
        changed_file(projection="AAAA"),
        changed_file(projection="not base64!"),
        changed_file(projection="\u00e9" * 16),
        changed_file(projection=[1, 2]),
        changed_file(sigmas=500),
        changed_file(sigmas="500"),
        changed_file(sigmas=[[500]]),
        changed_file(sigmas=[None]),
        changed_file(embedding_scale=math.nan),
        changed_file(clip_norm=500.0),
        changed_file(clip_norm=10**400),
        PROFILE.to_json().replace(b'"rate_hz":10', b'"rate_hz":10,"rate_hz":20'),
        PROFILE.to_json().replace(b'"rate_hz":10,', b""),
        PROFILE.to_json() + b"x",
        PROFILE.to_json() + b" " * FILE_MAX_BYTES,
    ],
)
def test_a_bad_file_is_a_bad_profile(data, tmp_path):
    path = tmp_path / "profile.json"
    path.write_bytes(data)
    with pytest.raises(BadProfile):
        Profile.load(path)


def test_a_file_that_cannot_be_read_is_a_bad_profile(tmp_path):
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(BadProfile):
            Profile.load(path)


@STEADY
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_bad_profile(data):
    with pytest.raises(BadProfile):
        Profile.from_json(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@STEADY
@given(st.sampled_from(sorted(CHANGES)), values)
def test_any_value_for_a_key_gives_a_profile_or_bad_profile(key, value):
    try:
        profile = Profile.from_json(changed_file(**{key: value}))
    except BadProfile:
        return
    assert Profile.from_json(profile.to_json()) == profile
