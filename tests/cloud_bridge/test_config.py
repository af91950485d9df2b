# SPDX-License-Identifier: Apache-2.0
"""The configuration is read strictly, and an error names the key and what is allowed."""

import dataclasses
import re
from importlib.resources import files
from pathlib import Path

import pytest
import tomli

from cloud_bridge.alarm_parameters import RANGES, AlarmParameters
from cloud_bridge.config import load_config, parse_broker_url
from cloud_bridge.errors import ConfigError
from tests.cloud_bridge.scene import PROFILE, write_config

LOCAL = 'url = "mqtt://localhost:1883"'


def loaded(tmp_path, broker=LOCAL, more="", rooms="", **replaced):
    path = write_config(tmp_path, broker, more, rooms)
    text = path.read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    return load_config(path)


def test_a_complete_file_is_read(tmp_path):
    config = loaded(tmp_path, more="[alarms]\noverstay_s = 60\n[thresholds]\n")
    assert (config.broker.host, config.broker.port, config.broker.tls) == ("localhost", 1883, False)
    assert config.state_directory == tmp_path / "state"
    assert config.registry.sensors == [
        ("home", "device-1", "hall"),
        ("home", "device-1", "bath"),
        ("home", "device-2", "main"),
    ]
    assert config.registry.find("home", "device-1").profile == PROFILE
    assert config.registry.find("home", "device-9") is None
    assert config.alarms == {"overstay_s": 60}
    assert (config.admission.max_age_s, config.admission.max_ahead_s) == (900, 30)


def test_the_command_line_replaces_the_broker(tmp_path):
    config = load_config(write_config(tmp_path, LOCAL), "mqtts://example.org")
    assert (config.broker.host, config.broker.port, config.broker.tls) == (
        "example.org",
        8883,
        True,
    )


def test_thresholds_may_be_overridden(tmp_path):
    config = loaded(tmp_path, more="[thresholds.fall]\nsuspect = 0.3\nconfirm = 0.4")
    assert config.thresholds["fall"].confirm == 0.4


ROOM = """
[[rooms]]
site = "home"
name = "flat"
sensors = ["device-2/main", "device-1/hall"]
"""


def test_rooms_group_sensors_and_the_first_speaks_for_them(tmp_path):
    places = loaded(tmp_path, rooms=ROOM).registry.places
    assert [(place.title, place.speaker) for place in places] == [
        ("home/flat", ("home", "device-2", "main")),
        ("home/device-1/bath", ("home", "device-1", "bath")),
    ]
    assert places[0].sensors[1] == ("home", "device-1", "hall")


BAD_ROOMS = {
    "no name": ('name = "flat"', "", r"rooms\[0\].name must be"),
    "no site": ('site = "home"', "", r"rooms\[0\].site must be"),
    "site elsewhere": ('site = "home"', 'site = "away"', "device-2/main is registered at away"),
    "no list": ("[[rooms]]", "[rooms]", r"rooms must be written as \[\[rooms\]\]"),
    "no sensors": ('["device-2/main", "device-1/hall"]', "[]", "a list of 1 to 4 sensors"),
    "no device": ('"device-2/main"', '"main"', r'made of "device/sensor"'),
    "too deep": ('"device-2/main"', '"home/device-2/main"', r'made of "device/sensor"'),
    "twice": ('"device-2/main"', '"device-1/hall"', "a list without repetitions"),
    "unknown": ('"device-2/main"', '"device-2/hall"', "no sensor device-2/hall is registered"),
    "five": ("[", '["a/a", "a/b", "a/c", ', "a list of 1 to 4 sensors"),
    "unknown key": ("sensors", "beds = 2\nsensors", r"rooms\[0\].beds is unknown"),
}


@pytest.mark.parametrize("name", BAD_ROOMS)
def test_a_wrong_room_is_refused(tmp_path, name):
    old, new, message = BAD_ROOMS[name]
    head, _, tail = ROOM.rpartition(old)
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, rooms=f"{head}{new}{tail}")


def test_a_sensor_in_two_rooms_is_refused(tmp_path):
    other = ROOM.replace("flat", "house").replace('"device-2/main", ', "")
    with pytest.raises(ConfigError, match="device-1/hall is in the rooms home/flat and home/house"):
        loaded(tmp_path, rooms=ROOM + other)


REFUSED = {
    "unknown key": ("[stream]", "[stream]\nstep = 1", "stream.step is unknown"),
    "unknown table": ("[stream]", "[flow]\n[stream]", "flow is unknown"),
    "unknown alarm": ("[stream]", "[alarms]\nfall = 1\n[stream]", "alarms.fall is unknown"),
    "unknown in device": ('sensors = ["main"]', 'sensors = ["main"]\nx = 1', r"device\[1\].x is"),
    "out of range": ("stalled_after_s = 2", "stalled_after_s = 0", "from 0.5 to 3600"),
    "not a number": ("stalled_after_s = 2", 'stalled_after_s = "2"', "must be a number"),
    "truth is no number": ("stalled_after_s = 2", "stalled_after_s = true", "must be a number"),
    "infinity": ("stalled_after_s = 2", "stalled_after_s = inf", "from 0.5 to 3600"),
    "no whole number": ("[model]", "[model]\nthreads = 1.5", "model.threads must be a whole"),
    "not a table": (
        "state_directory",
        "admission = 3\nstate_directory",
        "admission must be a table",
    ),
    "nobody's home": (
        'state_directory = "',
        'state_directory = "~nobody-of-that-name/',
        "home of nobody",
    ),
    "bad TOML": ("[stream]", "[stream", "bridge.toml"),
    "no name": ('name = "device-2"', 'name = "Device 2"', r"device\[1\].name must be"),
    "names missing": ('sensors = ["main"]', "sensors = []", r"sensors must be a list of 1 to 64"),
    "names twice": ('sensors = ["main"]', 'sensors = ["a", "a"]', "without repetitions"),
    "device twice": ('name = "device-2"', 'name = "device-1"', "registered twice"),
    "key is no base64": ('public_key = "', 'public_key = "*', "base64 of 32 bytes"),
    "key too short": ('public_key = "', 'public_key = "AAAA" # ', "base64 of 32 bytes"),
    "key of small order": ('public_key = "', f'public_key = "{"A" * 43}=" # ', "small order"),
    "a single network": ("[model]", '[model]\nnetwork = "n.onnx"', "model.network is unknown"),
    "no profile": ("profile.json", "none.json", r"device\[0\].profile"),
    "threshold alone": (
        "[stream]",
        "[thresholds.fall]\nsuspect = 0.3\n[stream]",
        "thresholds.fall needs suspect and confirm",
    ),
    "threshold too large": (
        "[stream]",
        "[thresholds.fall]\nsuspect = 0.3\nconfirm = 1.0\n[stream]",
        "between 0 and 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_by_name(tmp_path, name):
    old, new, message = REFUSED[name]
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, **{old: new})


BROKERS = {
    "plain to elsewhere": ('url = "mqtt://example.org"', "mqtts:// unless"),
    "another scheme": ('url = "http://localhost"', "must be mqtts://host:port"),
    "no host": ('url = "mqtts://"', "must be mqtts://host:port"),
    "password in it": ('url = "mqtts://a:b@localhost"', "identity is a certificate"),
    "port out of range": ('url = "mqtts://localhost:99999"', "is no URL"),
    "certificate alone": ('url = "mqtts://localhost"\ncertificate = "c"', "given together"),
    "no such authority": ('url = "mqtts://localhost"\nca = "none"', "broker.ca must be a file"),
    "session too long": ("session_expiry_s = 9999999", "from 0 to 2592000"),
}


@pytest.mark.parametrize("name", BROKERS)
def test_a_wrong_broker_is_refused(tmp_path, name):
    text, message = BROKERS[name]
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, broker=text)


def test_a_password_in_the_url_is_not_repeated():
    with pytest.raises(ConfigError) as caught:
        parse_broker_url("mqtts://user:geheim@localhost")
    assert "geheim" not in str(caught.value)


def test_two_devices_with_one_key_are_refused(tmp_path):
    path = write_config(tmp_path, LOCAL)
    keys = re.findall(r'public_key = "(.*)"', path.read_text())
    with pytest.raises(ConfigError, match="home/device-1 and home/device-2 have the same"):
        loaded(tmp_path, **{keys[1]: keys[0]})


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match=r"example\.toml and name it with --config"):
        load_config(tmp_path / "none.toml")


def test_the_example_is_a_configuration(tmp_path):
    text = (Path(str(files("cloud_bridge"))) / "example.toml").read_text()
    PROFILE.save(tmp_path / "profile.json")
    path = tmp_path / "bridge.toml"
    path.write_text(text.replace("# profile =", "profile ="))
    config = load_config(path)
    assert config.registry.sensors == [("home", "device-1", "main")]


def test_the_example_names_every_parameter_with_its_default_and_range():
    text = (Path(str(files("cloud_bridge"))) / "example.toml").read_text()
    lines = re.findall(r"^# (\w+) = ([\d.]+) +# ([\d.]+) to ([\d.]+);", text, re.MULTILINE)
    shown = {name: (float(low), float(high)) for name, _, low, high in lines}
    defaults = {name: float(value) for name, value, _, _ in lines}
    assert shown == RANGES
    assert defaults == dataclasses.asdict(AlarmParameters())
    uncommented = re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)
    assert tomli.loads(uncommented)["thresholds"]
