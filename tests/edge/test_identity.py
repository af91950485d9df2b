# SPDX-License-Identifier: Apache-2.0
"""One key per device, private from its first moment, refused when it may not have stayed so."""

import base64
import os

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.errors import IdentityError
from edge.identity import load_or_create, public_key_text


def test_a_missing_key_is_made_once_and_stays(tmp_path):
    path = tmp_path / "device.key"
    first = load_or_create(path)
    assert public_key_text(load_or_create(path)) == public_key_text(first)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path], "no temporary copy of the key is left"


def test_two_devices_have_two_keys(tmp_path):
    texts = {public_key_text(load_or_create(tmp_path / name)) for name in ("a", "b")}
    assert len(texts) == 2


def test_public_text_is_the_raw_key_that_verifies(tmp_path):
    key = load_or_create(tmp_path / "device.key")
    raw = base64.b64decode(public_key_text(key), validate=True)
    Ed25519PublicKey.from_public_bytes(raw).verify(key.sign(b"x"), b"x")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o601])
def test_a_key_that_others_may_touch_is_refused(tmp_path, mode):
    path = tmp_path / "device.key"
    load_or_create(path)
    path.chmod(mode)
    with pytest.raises(IdentityError, match="chmod 600"):
        load_or_create(path)
    path.chmod(0o600)
    load_or_create(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(tmp_path):
    path = tmp_path / "device.key"
    load_or_create(path)
    os.chown(path, 12345, -1)
    with pytest.raises(IdentityError, match="12345"):
        load_or_create(path)


def test_a_link_is_not_followed(tmp_path):
    load_or_create(tmp_path / "real")
    (tmp_path / "device.key").symlink_to(tmp_path / "real")
    with pytest.raises(IdentityError):
        load_or_create(tmp_path / "device.key")


def other_kind_of_key():
    return generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize("content", [b"", b"no key", other_kind_of_key()])
def test_a_file_without_our_kind_of_key_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "device.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(IdentityError, match="remove it to get a new identity"):
        load_or_create(path)
    assert path.read_bytes() == content


def test_a_directory_that_is_not_there_is_our_error(tmp_path):
    with pytest.raises(IdentityError):
        load_or_create(tmp_path / "nowhere" / "device.key")
