# SPDX-License-Identifier: Apache-2.0
"""The documents: links that lead somewhere, commands that exist, words that are not used."""

import re
from pathlib import Path

import pytest

from calibration.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
ROOMS = ("calibration", "cloud_bridge", "docs", "edge", "kernels", "models", "systemd", "wire")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(p for room in ROOMS for p in ROOT.glob(f"{room}/**/*.md"))]
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CLAIMS = re.compile(r"\b(anonymous|GDPR[- ]compliant|unhackable)\b", re.IGNORECASE)


def dead_links(text, folder):
    targets = [link for link in LINK.findall(text) if "://" not in link]
    return [link for link in targets if not (folder / link).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path):
    assert dead_links(path.read_text(encoding="utf-8"), path.parent) == []


def test_a_dead_link_is_noticed():
    assert dead_links("[a](README.md) [b](nowhere.md#part)", ROOT) == ["nowhere.md"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_named_exist(path):
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"lethe-calibrate ([a-z]+)", text))
    verbs = set(re.findall(r"\./build\.sh ([a-z]+)", text))
    script = (ROOT / "build.sh").read_text(encoding="utf-8")
    assert named <= set(COMMANDS)
    assert {
        verb for verb in verbs if not re.search(rf"^#   {verb} ", script, re.MULTILINE)
    } == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_claimed_that_no_bound_carries(path):
    assert CLAIMS.findall(path.read_text(encoding="utf-8")) == []
