# SPDX-License-Identifier: Apache-2.0
"""Assets are read, bodies simplified and stored; made-up files stand in for the real ones."""

import dataclasses
import io
import json
import struct
import tarfile

import numpy as np
import pytest

from calibration.rooms import assets, bakery, deepmimic, glb, makehuman, mhfiles, rotation, score
from calibration.rooms.clothes import Piece
from calibration.rooms.detail import simplified, strongest
from calibration.rooms.errors import AssetError, RoomsError
from calibration.rooms.limbs import fit_capsules
from calibration.rooms.skeleton import (
    BONES,
    CALF_L,
    FOOT_L,
    FOREARM_L,
    HAND_R,
    PELVIS,
    THIGH_L,
    UPPER_ARM_L,
)
from tests.calibration.rooms.tiny_people import tiny_body, tiny_motions

BODY = tiny_body()


def test_obj_has_groups_and_fans():
    vertices, faces = mhfiles.parse_obj(
        "# a square\nv 0 0 0\nv 10 0 0\nv 10 10 0\nv 0 10 0\n"
        "g body\nf 1/1 2/2 3/3 4/4\ng rest\nf 1 2 4\n"
    )
    assert np.allclose(vertices[2], (1, 1, 0))
    assert faces["body"].tolist() == [[0, 1, 2], [0, 2, 3]]
    assert faces["rest"].tolist() == [[0, 1, 3]]


def test_targets_may_be_empty():
    where, shift = mhfiles.parse_target("# moves\n7 1 0 -2\n9 0 0 5\n")
    assert where.tolist() == [7, 9]
    assert np.allclose(shift, [(0.1, 0, -0.2), (0, 0, 0.5)])
    assert mhfiles.parse_target("# nothing\n")[0].size == 0


CLOTHING = """# a garment
obj_file coat.obj
x_scale 0 1 4.0
verts 0
material coat.mhmat
2
0 1 2 0.5 0.25 0.25 1.0 0 0
delete_verts
1 4 - 6
9
"""


def test_garments_hang_on_the_body_and_grow_with_it():
    square = "v 0 0 0\nv 0 0 0\ng c\nf 1 2 1\n"
    garment = mhfiles.parse_mhclo(CLOTHING, lambda _: mhfiles.parse_obj(square))
    assert garment.hides.tolist() == [1, 4, 5, 6, 9]
    body = np.array([(0, 0, 0), (0.4, 0, 0), (0, 0.8, 0)])
    assert np.allclose(garment.fitted(body), [(0, 0.8, 0), (0.2, 0.2, 0)])
    assert np.allclose(garment.fitted(2 * body), [(0, 1.6, 0), (0.4, 0.4, 0)])
    with pytest.raises(ValueError, match="hung up"):
        mhfiles.parse_mhclo(CLOTHING, lambda _: mhfiles.parse_obj("v 0 0 0\n"))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        *(("upperarm02.L", "upper_arm_l"), ("finger3-1.R", "hand_r"), ("toe1-1.L", "foot_l")),
        *(("spine03", "spine"), ("clavicle.R", "chest"), ("jaw", "head"), ("root", "pelvis")),
    ],
)
def test_every_bone_is_carried_by_one_of_ours(theirs, ours):
    assert BONES[makehuman.carrier(theirs)] == ours


def test_a_wrong_archive_says_so(tmp_path):
    broken = tmp_path / "broken.tar.xz"
    broken.write_bytes(b"no archive")
    other = tmp_path / "other.tar.xz"
    with tarfile.open(other, "w:xz") as packed:
        entry = tarfile.TarInfo("makehuman/3dobjs/base.obj")
        packed.addfile(entry, io.BytesIO(b""))
    for path in (broken, other, tmp_path / "none"):
        with pytest.raises(AssetError, match=path.name):
            makehuman.read(path)


def test_missing_and_foreign_assets_name_their_origin(tmp_path):
    with pytest.raises(AssetError, match="CC0"):
        assets.check(tmp_path)
    name = assets.DEEPMIMIC.format("walk")
    (tmp_path / "deepmimic").mkdir()
    (tmp_path / name).write_text("{}")
    with pytest.raises(AssetError, match=r"not the file .*\(MIT"):
        assets.find(tmp_path, name)


def tiny_glb(turned_node: int, turn_xyzw) -> bytes:
    """The smaller rig at rest as a T-pose; one node turns within a second."""
    rig = glb.RIGS[0]
    sided = [(b[:-2], b[-1]) if b[-2:] in ("_l", "_r") else (b, "") for b in BONES]
    nodes = [
        {"name": rig[bone].format(side), "translation": list(map(float, place))}
        for (bone, side), place in zip(sided, BODY.skeleton.offsets, strict=True)
    ]
    nodes[0]["translation"] = BODY.skeleton.joints[0].tolist()
    for child, parent in enumerate((-1, 0, 1, 2, 2, 4, 5, 2, 7, 8, 0, 10, 11, 0, 13, 14)):
        if parent >= 0:
            nodes[parent].setdefault("children", []).append(child)
    bind = np.tile(np.eye(4), (16, 1, 1))
    bind[:, 3, :3] = -BODY.skeleton.joints
    numbers = [bind.reshape(16, 16), np.array([[0.0], [1.0]]), np.array([(0, 0, 0, 1), turn_xyzw])]
    kinds = ["MAT4", "SCALAR", "VEC4"]
    binary = b"".join(np.asarray(n, "<f4").tobytes() for n in numbers)
    offsets = np.cumsum([0] + [n.size * 4 for n in numbers]).tolist()
    described = {
        "nodes": nodes,
        "skins": [{"joints": list(range(16)), "inverseBindMatrices": 0}],
        "accessors": [
            {"bufferView": 0, "byteOffset": at, "componentType": 5126, "count": len(n), "type": k}
            for at, n, k in zip(offsets, numbers, kinds, strict=False)
        ],
        "bufferViews": [{"byteOffset": 0}],
        "animations": [
            {
                "name": "turn",
                "channels": [{"sampler": 0, "target": {"node": turned_node, "path": "rotation"}}],
                "samplers": [{"input": 1, "output": 2}],
            }
        ],
    }
    text = json.dumps(described).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    chunks += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


def test_gltf_turns_are_global_and_relative_to_the_t_pose(tmp_path):
    path = tmp_path / "turn.glb"
    path.write_bytes(tiny_glb(UPPER_ARM_L, (0, 0, -(0.5**0.5), 0.5**0.5)))
    (made,) = glb.recordings(path)
    assert made.turns.shape == (31, 16, 4)
    assert np.allclose(made.root, made.root[0])
    assert made.root[0, 1] == pytest.approx(1.0)
    joints = BODY.skeleton.places(made.turns[-1:], BODY.skeleton.joints[:1])[0]
    assert np.allclose(joints[FOREARM_L] - joints[UPPER_ARM_L], (0, -0.28, 0), atol=1e-6)
    assert np.allclose(rotation.matrix(made.turns[-1, HAND_R]), np.eye(3), atol=1e-6)
    half = rotation.to_vector(made.turns[15, UPPER_ARM_L])
    assert np.allclose(half, (0, 0, -np.pi / 4), atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"glTF but not really", tiny_glb(0, (0, 0, 0, 1))[:900]])
def test_a_broken_gltf_says_so(tmp_path, content):
    path = tmp_path / "broken.glb"
    path.write_bytes(content)
    with pytest.raises(AssetError, match="broken"):
        list(glb.recordings(path))


def frame(seconds=0.1, **angles):
    """A row of DeepMimic's table, everything hanging."""
    row = [seconds, 0, 0.9, 0, *[1, 0, 0, 0] * 4, 0, *[1, 0, 0, 0] * 2, 0, *[1, 0, 0, 0] * 1]
    row += [0, *[1, 0, 0, 0] * 2, 0]
    for name, angle in angles.items():
        row[deepmimic.JOINTS[name][1]] = angle
    return row


def test_deepmimic_hangs_its_arms_and_bends_its_knees(tmp_path):
    path = tmp_path / "bend.txt"
    path.write_text(json.dumps({"Frames": [frame(), frame(knee_l=-1.0), frame(knee_l=-1.0)]}))
    made = deepmimic.recording(path, "bend")
    assert len(made.turns) == 7  # 0.2 s at 30 Hz
    joints = BODY.skeleton.places(made.turns[-1:], BODY.skeleton.joints[:1])[0]
    assert np.allclose(joints[FOREARM_L] - joints[UPPER_ARM_L], (0, -0.28, 0), atol=1e-6)
    calf = joints[FOOT_L] - joints[CALF_L]
    assert np.allclose(calf, (0, -0.42 * np.cos(1), -0.42 * np.sin(1)), atol=1e-6)  # backwards
    assert np.allclose(joints[CALF_L] - joints[THIGH_L], (0, -0.42, 0), atol=1e-6)
    path.write_text('{"Frames": [[0.1, 2]]}')
    with pytest.raises(AssetError):
        deepmimic.recording(path, "bend")


def test_walking_is_put_on_the_spot_with_its_speed():
    walk = tiny_motions()["tiny_walk"]
    moved = walk.root.astype(float)
    moved[:, 2] += np.linspace(0, 2, len(moved))
    made = score.canonical(glb.Recording("w", walk.turns.astype(float), moved), "walk")
    assert made.speed == pytest.approx(2 / walk.seconds)
    assert np.allclose(made.root[:, 2], 0, atol=1e-6)
    assert made.loops
    on_the_spot = score.canonical(
        glb.Recording("w", walk.turns.astype(float), walk.root.astype(float)), "walk"
    )
    assert 0.2 < on_the_spot.speed < 2
    sit = tiny_motions()["tiny_sit"]
    made = score.canonical(glb.Recording("s", sit.turns.astype(float), sit.root), "sit")
    assert not made.loops  # it does not come back to where it began


def test_simplified_people_keep_their_shape():
    mesh = BODY.near
    part = np.zeros(len(mesh.vertices), np.int64)
    small = simplified(mesh, part, 1200)
    assert 600 < len(small.faces) <= 1200
    assert np.allclose(small.weights.sum(axis=1), 1, atol=1e-6)
    assert np.abs(small.vertices.min(axis=0) - mesh.vertices.min(axis=0)).max() < 0.03
    assert np.abs(small.vertices.max(axis=0) - mesh.vertices.max(axis=0)).max() < 0.03
    assert set(np.unique(small.bones[:, 0])) == set(range(16))
    assert simplified(mesh, part, 10**6) is mesh


def test_the_strongest_bones_carry():
    bones, weights = strongest(np.array([[0.1, 0.2, 0, 0.3, 0.05, 0.35], [0, 0, 1, 0, 0, 0]]))
    assert bones[0].tolist() == [5, 3, 1, 0]
    assert np.allclose(weights[0], np.array([0.35, 0.3, 0.2, 0.1]) / 0.95)
    assert (bones[1, 0], weights[1].tolist()) == (2, [1, 0, 0, 0])


def test_capsules_fit_the_skin_they_were_measured_on():
    mesh = BODY.near
    weights = np.zeros((len(mesh.vertices), 16))
    weights[np.arange(len(weights)), mesh.bones[:, 0]] = 1
    skin = Piece(mesh.vertices.astype(float), mesh.faces, weights)
    shape = fit_capsules(BODY.skeleton.joints, skin)
    assert set(shape.bone) == set(range(16))
    known = BODY.skeleton.capsules
    for bone in (UPPER_ARM_L, THIGH_L, CALF_L):
        mine = shape.bone == bone
        assert np.allclose(shape.radius[mine], known.radius[bone], rtol=0.4)
        assert np.allclose(shape.ends[mine][0, 1], known.ends[bone, 1], atol=0.01)
    refit = type(BODY.skeleton).of(BODY.skeleton.joints, shape)
    at_rest = np.tile(rotation.IDENTITY, (1, 16, 1)), BODY.skeleton.joints[:1]
    assert refit.lowest(*at_rest) == pytest.approx(BODY.skeleton.lowest(*at_rest), abs=0.02)
    assert refit.capsules.radius[refit.capsules.bone == PELVIS].max() < 0.2


def test_what_is_baked_comes_back_the_same(tmp_path):
    path = tmp_path / "body.npz"
    bakery.write(path, bakery.body_arrays(BODY))
    bakery.write(tmp_path / bakery.MOTIONS, bakery.motion_arrays(tiny_motions().values()))
    with np.load(path) as stored:
        again = bakery.body_of(dict(stored))
    for field in dataclasses.fields(BODY.near):
        assert np.array_equal(getattr(again.near, field.name), getattr(BODY.near, field.name))
    assert (again.id, again.sex, again.style) == (BODY.id, BODY.sex, BODY.style)
    assert np.array_equal(again.skeleton.offsets, BODY.skeleton.offsets)
    motion = bakery.Bakery(tmp_path).motion("tiny_walk")
    assert motion.speed == 1.2
    assert np.array_equal(motion.turns, tiny_motions()["tiny_walk"].turns)
    assert not list(tmp_path.glob(".*"))


def test_what_is_not_baked_or_broken_says_so(tmp_path):
    baked = bakery.Bakery(tmp_path)
    with pytest.raises(RoomsError):
        baked.body(0)
    (tmp_path / "body_0000.npz").write_bytes(b"half")
    with pytest.raises(RoomsError, match="anew"):
        baked.body(0)
    with pytest.raises(RoomsError):
        baked.body(10**6)
    with pytest.raises(RoomsError):
        bakery.write(tmp_path / "no" / "folder.npz", {})
    with pytest.raises(AssetError):
        bakery.bake(tmp_path, tmp_path / "bake", range(1))
