# SPDX-License-Identifier: Apache-2.0
"""Write the plain-text vectors beside this file: `python -m tests.vectors.make`, from the root.

The same bytes every time; a test compares. Each file is one message:

    expect: ok | bad topic | malformed | bad seal | wrong names
    rule: the number in wire/SPEC.md that refuses it (not for ok)
    comment: what is wrong
    topic: as delivered
    public key: of the topic's device, 32 bytes in hex
    sealed: the message in hex

and for `ok` what it says: profile id, device, sensor, epoch, sequence, capture time, noise level,
repeated, vector.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.vectors.bad_envelope import bad_envelope
from tests.vectors.bad_payload import bad_payload
from tests.vectors.bad_seal import bad_seal
from tests.vectors.coin import Case
from tests.vectors.good import good

HERE = Path(__file__).parent


def cases() -> list[Case]:
    return good() + bad_seal() + bad_envelope() + bad_payload()


def render(case: Case) -> str:
    lines = [f"expect: {case.expect}"]
    lines += [f"rule: {case.rule}"] if case.rule else []
    lines += [
        f"comment: {case.comment}",
        f"topic: {case.topic}",
        f"public key: {case.public.hex()}",
        f"sealed: {case.sealed.hex()}",
    ]
    lines += _said(case.fields) if case.fields else []
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _said(fields: dict[str, Any]) -> list[str]:
    z = fields["z"]
    vector = [int.from_bytes(z[at : at + 2], "big", signed=True) for at in range(0, len(z), 2)]
    numbers = {
        key.replace("_", " "): int.from_bytes(fields[key], "big")
        for key in ("epoch", "sequence", "capture_time", "noise_level", "repeated")
    }
    return [
        f"profile id: {fields['profile_id'].hex()}",
        f"device: {fields['device']}",
        f"sensor: {fields['sensor']}",
        *(f"{key}: {number}" for key, number in numbers.items()),
        "vector: " + " ".join(map(str, vector)),
    ]


def texts() -> dict[str, str]:
    """File name -> content, of all vectors."""
    found = {f"{case.name}.txt": render(case) for case in cases()}
    if len(found) != len(cases()):
        raise ValueError("two vectors have the same name")
    return found


def main() -> None:
    wanted = texts()
    for path in HERE.glob("*.txt"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
