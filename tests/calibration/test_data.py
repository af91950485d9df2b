# SPDX-License-Identifier: Apache-2.0
"""labels.csv: what is accepted, and that every refusal names its row."""

from pathlib import Path

import pytest

from calibration.data import DataError, Interval, load_labels

HEADER = "clip,set,subject,scene,label,start_s,end_s\n"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def write(folder, text):
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return folder


def test_rows_of_one_clip_are_joined(tmp_path):
    rows = "a/x.mp4,s,p1,r1,walk,0,2.5\nb.mp4,t,,cam3,odd label,1,1\na/x.mp4,s,p1,r1,fall,2.0,4\n"
    first, second = load_labels(write(tmp_path, HEADER + rows))
    assert first.path == tmp_path / "a/x.mp4"
    assert first.intervals == (Interval("walk", 0.0, 2.5), Interval("fall", 2.0, 4.0))
    assert first.labels == ("fall", "walk")
    assert first.spans(["fall", "down"]) == [(2.0, 4.0)]
    assert (second.subject, second.place) == ("", "t/cam3")


def test_further_columns_any_order_and_a_byte_order_mark_are_accepted(tmp_path):
    text = "\ufefflabel,note,clip,set,subject,scene,end_s,start_s\nfall,n,a.mp4,s,p,r,4,1\n"
    (clip,) = load_labels(write(tmp_path, text))
    assert clip.intervals == (Interval("fall", 1.0, 4.0),)


def test_what_a_rendered_set_says_besides(tmp_path):
    header = HEADER.strip() + ",onset_s,impact_s,person,moment,camera,seed,how\n"
    rows = (
        "c.mkv,rooms_test,b1+b2,r7,walk,0.0,3.0,,,b1,17,1,5,\n"
        'c.mkv,rooms_test,b1+b2,r7,fall,3.0,9.0,3.5,4.2,b2,17,1,5,"faint, limp"\n'
    )
    (clip,) = load_labels(write(tmp_path, header + rows))
    assert (clip.moment, clip.camera, clip.seed, clip.rendered) == ("17", "1", "5", True)
    walk, fall = clip.intervals
    assert walk == Interval("walk", 0.0, 3.0, person="b1")
    assert fall == Interval("fall", 3.0, 9.0, 3.5, 4.2, "b2", "faint, limp")
    (plain,) = load_labels(write(tmp_path, HEADER + "c.mkv,rooms_test,b1,r7,walk,0,3\n"))
    assert not plain.rendered  # the control: a name proves nothing


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("9.5,,b2,17,1,5", "onset_s 9.5 lies outside 3 to 9"),
        ("x,,b2,17,1,5", "onset_s 'x' is no number"),
        ("3,inf,b2,17,1,5", "impact_s must be finite"),
        ("3,,b2,17,1,6", "c.mkv has seed '6', and '5' above"),
    ],
)
def test_a_bad_further_cell_is_named(tmp_path, cells, message):
    header = HEADER.strip() + ",onset_s,impact_s,person,moment,camera,seed\n"
    rows = f"c.mkv,s,b1,r7,walk,0,3,,,b1,17,1,5\nc.mkv,s,b1,r7,fall,3,9,{cells}\n"
    with pytest.raises(DataError, match=f"line 3: {message}"):
        load_labels(write(tmp_path, header + rows))


def test_a_clip_without_intervals(tmp_path):
    (clip,) = load_labels(write(tmp_path, HEADER + "a.mp4,s,p,r,,,\n"))
    assert clip.intervals == ()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.mp4,s,p,r,fall,x,2", "line 3: start_s 'x' is no number"),
        ("a.mp4,s,p,r,fall,1,nan", "line 3: end_s must be finite"),
        ("a.mp4,s,p,r,fall,-1,2", "line 3: start_s must be finite and not negative"),
        ("a.mp4,s,p,r,fall,2,1", "line 3: end_s 1 lies before start_s 2"),
        ("a.mp4,s,p,r,fall,,2", "line 3: start_s '' is no number"),
        ("a.mp4,s,p,r,,0,2", "line 3: an interval needs a label"),
        ("a.mp4,s,p,r,fall,0", "line 3: the row ends before column end_s"),
        ("../a.mp4,s,p,r,fall,0,2", "line 3: clip '../a.mp4' is no path inside"),
        ("/a.mp4,s,p,r,fall,0,2", "line 3: clip '/a.mp4' is no path inside"),
        (",s,p,r,fall,0,2", "line 3: clip '' is no path inside"),
        ("ok.mp4,s,p,OTHER,fall,0,2", "line 3: ok.mp4 has scene 'OTHER', and 'r' above"),
        ('a.mp4,s,p,r,"fall"x,0,2', "not a CSV file"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, message):
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        load_labels(write(tmp_path, f"{HEADER}ok.mp4,s,p,r,walk,0,1\n{row}\n"))


def test_a_missing_column_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(DataError, match=r"labels\.csv: No such file"):
        load_labels(tmp_path)
    with pytest.raises(DataError, match="no column scene, end_s"):
        load_labels(write(tmp_path, "clip,set,subject,label,start_s\n"))


def test_text_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"clip\xff\n")
    with pytest.raises(DataError, match="not UTF-8"):
        load_labels(tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real clips at {SHARED}")
def test_the_shared_list_is_read():
    clips = load_labels(SHARED)
    assert len({clip.name for clip in clips}) == len(clips) > 200
    assert sum(bool(clip.spans(["fight"])) for clip in clips) > 100
    assert all(clip.path.is_file() for clip in clips)
