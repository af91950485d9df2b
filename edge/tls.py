# SPDX-License-Identifier: Apache-2.0
"""How the broker is verified and how we show who we are. There is no way to switch this off."""

from __future__ import annotations

import ssl

from edge.config import BrokerConfig
from edge.errors import ConfigError


def client_context(broker: BrokerConfig) -> ssl.SSLContext:
    """TLS 1.2 or later, the server's name and certificate verified, our certificate if we have one.

    Raises ConfigError naming the key whose file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[broker] ca_file {broker.ca_file}: {_reason(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if (broker.cert_file is None) != (broker.key_file is None):
        raise ConfigError("[broker] cert_file and key_file must be given together")
    if broker.cert_file is not None:
        try:
            context.load_cert_chain(broker.cert_file, broker.key_file, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            files = f"{broker.cert_file} with key_file {broker.key_file}"
            raise ConfigError(f"[broker] cert_file {files}: {_reason(error)}") from error
    return context


def _no_password() -> str:
    """The library would ask on the terminal; a daemon has none."""
    raise ssl.SSLError("the key is encrypted; a daemon needs it without a password")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
