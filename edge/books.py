# SPDX-License-Identifier: Apache-2.0
"""What outlives a run of the daemon, opened in order under one lock.

The state directory, profile and model (which must belong together), the device's key, its epoch,
the ledger and the outbox.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edge.config import EdgeConfig, PrivacyConfig, shipped, state_dir
from edge.errors import ConfigError
from edge.identity import load_or_create
from edge.ledger import Caps, Ledger
from edge.outbox import Outbox
from edge.sequence import Sequence
from edge.state import open_state
from kernels.bounds import leak_bits
from wire.errors import BadProfile
from wire.message import Signer
from wire.profile import Profile
from wire.topics import SensorTopics

KEY_NAME, EPOCH_NAME, LEDGER_NAME, OUTBOX_NAME = "device.key", "epoch", "ledger", "outbox"


@dataclass(frozen=True, slots=True)
class Books:
    """Open, and this process's alone."""

    topics: SensorTopics
    model: Path
    profile: Profile
    signer: Signer
    sequence: Sequence
    ledger: Ledger
    outbox: Outbox


def open_books(config: EdgeConfig, stack: ExitStack) -> Books:
    """Open all of it; `stack` closes it. Raises EdgeError for whatever cannot be had."""
    model = config.encoder.model or shipped("encoder.onnx")
    profile = load_profile(config.profile.path or shipped("profile.json"), model)
    state = stack.enter_context(open_state(state_dir(config.state)))
    signer = Signer(load_or_create(state / KEY_NAME))
    costs = [leak_bits(profile.clip_norm, sigma) for sigma in profile.sigmas]
    ledger = Ledger(state / LEDGER_NAME, caps(profile, config.privacy), costs)
    stack.callback(ledger.close)
    outbox = Outbox(state / OUTBOX_NAME, config.outbox.max_messages, config.outbox.max_age_s)
    stack.callback(outbox.close)
    return Books(
        topics=SensorTopics(config.site, config.device, config.sensor),
        model=model,
        profile=profile,
        signer=signer,
        sequence=Sequence(state / EPOCH_NAME, time.time()),
        ledger=ledger,
        outbox=outbox,
    )


def load_profile(path: Path, model: Path) -> Profile:
    """The profile, if it keeps its cap and was made for exactly this model; else ConfigError."""
    try:
        profile = Profile.load(path)
        profile.require_cap_kept()
    except BadProfile as error:
        raise ConfigError(f"[profile] path {path}: {error}") from error
    try:
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"[encoder] model {model}: {error.strerror}") from error
    if digest != profile.encoder_sha256:
        raise ConfigError(
            f"profile {path} was made for another model than {model}: its noise was chosen for "
            "that one; name the two files that were made together"
        )
    return profile


def caps(profile: Profile, privacy: PrivacyConfig) -> Caps:
    """The caps that hold: the profile's, or lower ones; ConfigError for higher ones."""
    most = Caps.continuous(profile.window_s, profile.window_cap_bits)
    window = _lower("window_bits", privacy.window_bits, most.window_bits)
    most = Caps.continuous(profile.window_s, window)
    hour = _lower("hour_bits", privacy.hour_bits, most.hour_bits)
    return Caps(profile.window_s, window, hour, _lower("day_bits", privacy.day_bits, most.day_bits))


def _lower(key: str, wanted: float | None, most: float) -> float:
    if wanted is not None and wanted > most:
        raise ConfigError(f"[privacy] {key} must be at most {most:g}, which the profile allows")
    return most if wanted is None else wanted
