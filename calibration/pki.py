# SPDX-License-Identifier: Apache-2.0
"""A throw-away certificate authority for the demo and the tests: one folder, two days of validity.

ECDSA P-256 throughout: every TLS library on a device speaks it. A real site keeps its own authority
and never this one; the key of the authority exists only in this process.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALIDITY = datetime.timedelta(days=2)
CLOCK_SLACK = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CertPaths:
    """Where a client finds the authority's certificate, its own and its key (PEM, key 0600)."""

    ca: Path
    cert: Path
    key: Path


class Authority:
    """Issues certificates into `folder`; names are taken as they are, the folder is ours alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("lethe throw-away authority")
        self.ca = folder / "ca.crt"
        builder = _builder(self._name, self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self._write(self.ca, self._sign(builder))

    def server(self) -> CertPaths:
        """For a broker that is reached as localhost."""
        names = x509.SubjectAlternativeName(
            [
                x509.DNSName("localhost"),
                x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                x509.IPAddress(ipaddress.ip_address("::1")),
            ]
        )
        return self._issue("server", "localhost", ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, name: str) -> CertPaths:
        """For a client whose common name, and so its name at the broker, is `name`."""
        return self._issue(f"client-{name}", name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self,
        stem: str,
        common_name: str,
        usage: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None = None,
    ) -> CertPaths:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name), self._name, key.public_key()).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        paths = CertPaths(self.ca, self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        self._write(paths.cert, self._sign(builder))
        self._write(
            paths.key,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        return paths

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    @staticmethod
    def _write(path: Path, body: bytes) -> None:
        path.touch(mode=0o600)
        path.write_bytes(body)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + VALIDITY)
    )
