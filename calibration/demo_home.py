# SPDX-License-Identifier: Apache-2.0
"""The demo's household: configuration files for one device and one bridge in a temporary folder."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calibration.broker import Broker
    from calibration.pki import CertPaths

SITE, DEVICE, SENSOR = "demo", "device-1", "camera-0"
STATE_EVERY_S = 0.5  # more often than usual: each state is a sample of the time to a result


@dataclass(frozen=True, slots=True)
class Models:
    """Files that replace the shipped ones, when the demo is run on others."""

    folder: Path

    @property
    def edge(self) -> dict[str, dict[str, object]]:
        """Sections of the device's configuration."""
        return {
            "encoder": {"model": str(self.folder / "encoder.onnx")},
            "profile": {"path": str(self.folder / "profile.json")},
        }

    @property
    def bridge(self) -> dict[str, dict[str, object]]:
        """Sections of the bridge's configuration."""
        return {"model": {"card": str(self.folder / "recogniser.json")}}


def write_edge(folder: Path, broker: Broker, models: Models) -> Path:
    """The device's configuration; its state goes into `folder` too."""
    own = broker.client(DEVICE)
    return _write(
        folder / "edge.toml",
        {"site": SITE, "device": DEVICE, "sensor": SENSOR},
        {
            "broker": {
                "url": broker.url,
                **_certificates(own, ("ca_file", "cert_file", "key_file")),
            },
            "state": {"dir": str(folder / "edge-state")},
            **models.edge,
        },
    )


def write_bridge(folder: Path, broker: Broker, models: Models, public_key: str) -> Path:
    """The bridge's configuration, with the one device registered under its public key (base64)."""
    own = broker.client("bridge")
    path = _write(
        folder / "bridge.toml",
        {"state_directory": str(folder / "bridge-state")},
        {
            "broker": {
                "url": broker.url,
                "client_id": f"bridge-{secrets.token_hex(8)}",
                **_certificates(own, ("ca", "certificate", "key")),
            },
            "stream": {"state_every_s": STATE_EVERY_S},
            **models.bridge,
        },
    )
    device = {"site": SITE, "name": DEVICE, "public_key": public_key, "sensors": [SENSOR]}
    profile = {"profile": models.edge["profile"]["path"]}
    with path.open("a") as file:
        file.write("\n".join(["[[device]]", *_lines({**device, **profile}), ""]))
    return path


def _certificates(paths: CertPaths, keys: tuple[str, str, str]) -> dict[str, object]:
    return dict(zip(keys, (str(paths.ca), str(paths.cert), str(paths.key)), strict=True))


def _write(path: Path, top: dict[str, object], sections: dict[str, dict[str, object]]) -> Path:
    lines = _lines(top)
    for name, values in sections.items():
        lines += [f"[{name}]", *_lines(values)]
    path.write_text("\n".join([*lines, ""]))
    return path


def _lines(values: dict[str, object]) -> list[str]:
    # JSON's strings, numbers and lists of strings are TOML's too.
    return [f"{key} = {json.dumps(value)}" for key, value in values.items()]
