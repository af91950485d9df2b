# SPDX-License-Identifier: Apache-2.0
"""An engine is taken only if it is what was written, for exactly this machine and network."""

import hashlib
import json
import os
import resource
from contextlib import contextmanager
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.encoders.plan import SIDECAR, PlanKey, load_plan, plan_folder, save_plan
from edge.errors import EncoderError

KEY = PlanKey("ab" * 32, "tensorrt 10.3.0", "Orin, compute capability (8, 7)", "12060")
OLD, NEW = b"the old plan" * 1000, b"the new plan" * 20000


@pytest.fixture
def folder(tmp_path):
    return plan_folder(tmp_path / "state")


def everything(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@contextmanager
def files_at_most(size):
    """A disk that is full: no file grows beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_saved_is_loaded(folder):
    save_plan(folder, KEY, OLD)
    assert load_plan(folder, KEY) == OLD


def test_a_newer_plan_takes_the_place_of_the_old_one(folder):
    save_plan(folder, KEY, OLD)
    key = replace(KEY, driver="13000")
    path = save_plan(folder, key, NEW)
    assert load_plan(folder, key) == NEW
    assert sorted(everything(folder)) == sorted([path.name, SIDECAR])


def test_the_same_plan_may_be_saved_again(folder):
    save_plan(folder, KEY, OLD)
    before = everything(folder)
    save_plan(folder, KEY, OLD)
    assert everything(folder) == before


def test_nobody_else_can_read_or_change_it(folder):
    path = save_plan(folder, KEY, OLD)
    modes = [p.stat().st_mode & 0o777 for p in (folder.parent, folder, path, folder / SIDECAR)]
    assert modes == [0o700, 0o700, 0o600, 0o600]


@pytest.mark.parametrize("name", [field.name for field in fields(PlanKey)])
def test_a_plan_of_anything_else_is_refused_by_name(folder, name):
    save_plan(folder, KEY, OLD)
    other = replace(KEY, **{name: "something else"})
    with pytest.raises(EncoderError) as caught:
        load_plan(folder, other)
    assert repr(getattr(KEY, name)) in str(caught.value)
    assert "'something else'" in str(caught.value)


@pytest.mark.parametrize("at", [0, len(OLD) // 2, len(OLD) - 1])
def test_one_flipped_bit_is_noticed(folder, at):
    path = save_plan(folder, KEY, OLD)
    damaged = bytearray(OLD)
    damaged[at] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(EncoderError, match="damaged"):
        load_plan(folder, KEY)


@pytest.mark.parametrize("content", [b"", OLD[:-1], OLD + b"\0"])
def test_a_plan_of_another_length_is_refused(folder, content):
    save_plan(folder, KEY, OLD).write_bytes(content)
    with pytest.raises(EncoderError, match="damaged"):
        load_plan(folder, KEY)


def test_where_there_is_none_it_says_so(folder):
    with pytest.raises(EncoderError, match=f"no engine in {folder}"):
        load_plan(folder, KEY)
    save_plan(folder, KEY, OLD).unlink()
    with pytest.raises(EncoderError, match="No such file"):
        load_plan(folder, KEY)


def test_a_sidecar_that_points_elsewhere_leads_nowhere(folder, tmp_path):
    """The control: the file is there, and its digest is not its name."""
    save_plan(folder, KEY, OLD)
    (tmp_path / "elsewhere.plan").write_bytes(NEW)
    sidecar = json.loads((folder / SIDECAR).read_text())
    sidecar["plan_sha256"] = os.path.relpath(tmp_path / "elsewhere", folder)
    (folder / SIDECAR).write_text(json.dumps(sidecar))
    with pytest.raises(EncoderError, match="damaged"):
        load_plan(folder, KEY)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_other_sidecar_is_refused(folder, content):
    save_plan(folder, KEY, OLD)
    (folder / SIDECAR).write_bytes(content)
    with pytest.raises(EncoderError):
        load_plan(folder, KEY)


SIDECARS = st.dictionaries(
    st.sampled_from(["plan_sha256", *(field.name for field in fields(PlanKey)), "more"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.integers()),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIDECARS | st.lists(st.integers()) | st.none())
def test_any_other_json_is_refused(folder, content):
    save_plan(folder, KEY, OLD)
    (folder / SIDECAR).write_text(json.dumps(content))
    with pytest.raises(EncoderError):
        load_plan(folder, KEY)


@pytest.mark.parametrize("size", [0, 100, len(OLD)])
def test_a_full_disk_leaves_the_old_engine_byte_for_byte(folder, size):
    save_plan(folder, KEY, OLD)
    before = everything(folder)
    with files_at_most(size), pytest.raises(EncoderError, match=r"File too large; nothing has"):
        save_plan(folder, replace(KEY, driver="13000"), NEW)
    assert everything(folder) == before
    assert load_plan(folder, KEY) == OLD


def test_a_disk_too_full_for_the_sidecar_leaves_the_old_engine(folder):
    save_plan(folder, KEY, OLD)
    before = everything(folder)
    long = replace(KEY, gpu="x" * 2 * len(OLD))
    with files_at_most(len(OLD)), pytest.raises(EncoderError, match="nothing has changed"):
        save_plan(folder, long, b"small enough")
    assert everything(folder) == before


def test_a_power_cut_before_the_sidecar_leaves_the_old_engine(folder):
    """The new plan is there already, and something half written; the sidecar names the old one."""
    save_plan(folder, KEY, OLD)
    (folder / f"{hashlib.sha256(NEW).hexdigest()}.plan").write_bytes(NEW)
    (folder / f"{SIDECAR}.new").write_text('{"plan_sh')
    assert load_plan(folder, KEY) == OLD
    path = save_plan(folder, KEY, NEW)
    assert sorted(everything(folder)) == sorted([path.name, SIDECAR])
