# SPDX-License-Identifier: Apache-2.0
"""Settings: all optional, none misspelt, every refusal names the key and what is allowed."""

import dataclasses
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.config import (
    READERS,
    SECTIONS,
    EdgeConfig,
    host_name,
    load_config,
    split_broker_url,
    state_dir,
)
from edge.errors import ConfigError
from wire.checks import NAME

EXAMPLE = Path(__file__).resolve().parents[2] / "edge" / "example.toml"


def load(tmp_path, text):
    path = tmp_path / "edge.toml"
    path.write_text(text)
    return load_config(path)


def test_no_file_gives_working_defaults():
    config = load_config(None)
    assert (config.site, config.sensor) == ("home", "camera-0")
    assert NAME.fullmatch(config.device)
    assert (config.outbox.max_messages, config.outbox.max_age_s) == (6000, 600.0)
    assert config.camera.source is None


def test_the_example_says_the_defaults():
    config, default = load_config(EXAMPLE), load_config(None)
    assert config.overridden(None, None) == dataclasses.replace(default, camera=config.camera)


def test_the_example_explains_every_key():
    lines = [line.lstrip("#") for line in EXAMPLE.read_text("utf-8").splitlines()]
    keys = {line.partition(" = ")[0] for line in lines if " = " in line}
    assert keys == {key for readers in READERS.values() for key in readers}


def test_every_section_and_key_can_be_set():
    assert set(READERS) == {EdgeConfig, *SECTIONS.values()}
    for kind, readers in READERS.items():
        own = {field.name for field in dataclasses.fields(kind)} - set(SECTIONS)
        assert own == set(readers)


def test_values_are_taken(tmp_path):
    config = load(tmp_path, 'device = "d-1"\n[outbox]\nmax_messages = 10\nmax_age_s = 5\n')
    assert (config.device, config.outbox.max_messages, config.outbox.max_age_s) == ("d-1", 10, 5.0)


def test_paths_are_relative_to_their_file(tmp_path):
    text = '[broker]\nca_file = "ca.pem"\ncert_file = "/abs/c.pem"\n[state]\ndir = "~/x"\n'
    config = load(tmp_path, text)
    assert config.broker.ca_file == tmp_path / "ca.pem"
    assert config.broker.cert_file == Path("/abs/c.pem")
    assert config.state.dir == Path.home() / "x"


REFUSED = [
    ("sitee = 'x'", "sitee"),
    ("[cameras]\nsource = 'x'", "cameras"),
    ("[camera]\nsorce = 'x'", r"\[camera\] sorce; allowed are: source"),
    ("site = 'Has Space'", "site must be 1 to 32"),
    ("device = ''", "device must be"),
    ("device = 5", "device must be"),
    ("camera = 'x'", r"\[camera\] must be a table"),
    ("[camera]\nsource = ''", r"\[camera\] source"),
    ('[camera]\nsource = "a\\nb"', r"\[camera\] source"),
    ("[encoder]\nthreads = 0", r"\[encoder\] threads must be a whole number from 1 to 64"),
    ("[encoder]\nthreads = 1.0", "threads"),
    ("[encoder]\nthreads = true", "threads"),
    ("[privacy]\nhour_bits = -1", r"\[privacy\] hour_bits must be a number from 1e-06 to 1e\+09"),
    ("[privacy]\nhour_bits = nan", "hour_bits"),
    ("[privacy]\nday_bits = inf", "day_bits"),
    ("[privacy]\nwindow_bits = '8'", "window_bits"),
    ("[privacy]\nwindow_bits = true", "window_bits"),
    ("[outbox]\nmax_messages = 9", "from 10 to 1000000"),
    ("[outbox]\nmax_age_s = 0", "from 1 to 86400"),
    ("[broker]\nurl = 'mqtt://example.org'", "without TLS"),
    ("[state]\ndir = 5", r"\[state\] dir"),
    ("not toml", "not TOML"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_is_wrong_is_named(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load_config(tmp_path / "none.toml")


def test_no_password_shows_in_any_text_of_the_configuration(tmp_path):
    config = load(tmp_path, "[camera]\nsource = 'rtsp://user:hunter2@host/x'\n")
    assert "hunter2" not in repr(config)
    assert config.camera.source.endswith("hunter2@host/x")


def test_the_command_line_wins(tmp_path):
    config = load(tmp_path, "[camera]\nsource = 'a'\n[broker]\nca_file = 'ca.pem'\n")
    changed = config.overridden("test:", "mqtts://broker:8884")
    assert changed.camera.source == "test:"
    assert changed.broker.url == "mqtts://broker:8884"
    assert changed.broker.ca_file == config.broker.ca_file
    with pytest.raises(ConfigError, match="--broker"):
        config.overridden(None, "http://x")


URLS = [
    ("mqtts://broker.example", (True, "broker.example", 8883)),
    ("mqtts://10.0.0.1:8884", (True, "10.0.0.1", 8884)),
    ("mqtts://[fe80::1]:99", (True, "fe80::1", 99)),
    ("mqtt://localhost", (False, "localhost", 1883)),
    ("mqtt://127.0.0.1:1884/", (False, "127.0.0.1", 1884)),
    ("mqtt://[::1]", (False, "::1", 1883)),
]


@pytest.mark.parametrize(("url", "found"), URLS)
def test_broker_urls(url, found):
    assert split_broker_url(url) == found


BAD_URLS = [
    "mqtt://broker.example",
    "mqtt://localhost.example",
    "mqtt://127.0.0.1.example",
    "tcp://localhost",
    "localhost:1883",
    "mqtts://",
    "mqtts://host:0x1",
    "mqtts://host:99999",
    "mqtts://host/path",
    "mqtts://host?x=1",
    "mqtts://user:hunter2@host",
    "mqtts://[::1",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_bad_broker_urls_are_refused_without_showing_them(url):
    with pytest.raises(ConfigError) as caught:
        split_broker_url(url)
    assert "hunter2" not in str(caught.value)
    assert "mqtts://HOST" in str(caught.value)


@given(st.text(max_size=80))
def test_any_host_name_makes_a_device_name(name):
    assert NAME.fullmatch(host_name(name))


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text() | st.booleans()))
@example({"dir": "~nobody-of-that-name/x"})
def test_no_table_raises_anything_but_config_error(table):
    for readers in READERS.values():
        for key, read in readers.items():
            for value in [*table.values(), [], {}, None, 1.5]:
                with suppress(ConfigError):
                    read(key, value, Path())


def test_state_directory(tmp_path, monkeypatch):
    config = load_config(None)
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")
    assert state_dir(config.state) == Path("/var/lib/a")
    monkeypatch.delenv("STATE_DIRECTORY")
    assert state_dir(config.state) == Path.home() / ".local/state/lethe"
    assert state_dir(load(tmp_path, "[state]\ndir = 's'").state) == tmp_path / "s"
