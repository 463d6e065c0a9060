"""Annotations of one's own: every form of JSON and CSV, and all that is wrong with a file reported at once."""

from __future__ import annotations

import csv
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.annotations import read_custom
from sspvs.annotations.clock import frames_in, users_of
from sspvs.annotations.custom import seconds_of
from sspvs.annotations.record import AnnotatedVideo, SecondScores, TimeIntervals
from sspvs.cli import main
from sspvs.errors import DatasetError
from sspvs.formats import inspect_file
from sspvs.table import read_dataset
from sspvs.types import Timeline


def intervals_of(video: AnnotatedVideo) -> dict[str, list[list[float]]]:
    assert isinstance(video.opinions, TimeIntervals)
    return {name: pairs.tolist() for name, pairs in video.opinions.seconds.items()}


def scores_of(video: AnnotatedVideo) -> dict[str, list[float]]:
    assert isinstance(video.opinions, SecondScores)
    return {name: values.tolist() for name, values in video.opinions.scores.items()}


def read(tmp_path: Path, content: Any, name: str = "my.json", **options: Any) -> tuple[AnnotatedVideo, ...]:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_custom(path, **options).videos


# JSON ----------------------------------------------------------------------------------------------------------------

LONG = {
    "a clip.mp4": {
        "duration": 60,
        "fps": 25,
        "title": "A cat",
        "category": "pets",
        "annotators": {"anna": {"intervals": [[1.5, 4], [20, 31.2]]}, "ben": [[3, 8]], "cem": {"intervals": []}},
    },
    "Straße/視頻": {"n_frames": 90, "fps": 30, "annotators": {"anna": {"scores": [0, 3, 5]}, "ben": [1, 1, 0.5]}},
}


def test_the_long_form(tmp_path: Path) -> None:
    first, second = read(tmp_path, LONG)
    assert (first.key, first.name, second.key, second.name) == ("video_1", "a clip.mp4", "video_2", "Straße/視頻")
    assert (first.duration_seconds, first.fps, first.title, first.category) == (60, 25, "A cat", "pets")
    assert intervals_of(first) == {"anna": [[1.5, 4], [20, 31.2]], "ben": [[3, 8]], "cem": []}
    assert any("'cem' chose nothing" in repair for repair in first.repairs)
    assert scores_of(second) == {"anna": [0, 3, 5], "ben": [1, 1, 0.5]}
    assert second.n_frames == 90


def test_the_short_form_a_list_and_a_wrapped_object(tmp_path: Path) -> None:
    short = {"a": [[[1, 4], [5, 6]], [[3, 8]]], "b": {"anna": [0, 1, 2], "ben": [2, 1, 0]}, "c": [[1, 2, 3], [3, 2, 1]]}
    del short["b"]
    first, second = read(tmp_path, short)
    assert intervals_of(first) == {"1": [[1, 4], [5, 6]], "2": [[3, 8]]}
    assert scores_of(second) == {"1": [1, 2, 3], "2": [3, 2, 1]}
    wrapped = read(tmp_path, {"videos": LONG})
    listed = read(tmp_path, [{"video": name, **video} for name, video in LONG.items()])
    assert [video.name for video in wrapped] == [video.name for video in listed] == list(LONG)


def test_overlapping_intervals_of_one_annotator_are_merged(tmp_path: Path) -> None:
    (video,) = read(
        tmp_path, {"a": {"annotators": {"x": [[5, 9], [1, 3], [2, 6], [20, 25], [21, 22]], "y": [[1, 2], [2, 3]]}}}
    )
    assert intervals_of(video) == {"x": [[1, 9], [20, 25]], "y": [[1, 2], [2, 3]]}
    assert [repair for repair in video.repairs if "overlapping" in repair] == [
        "overlapping intervals of annotator 'x' were merged"
    ]


def test_objects_with_start_and_end_and_numbers_as_text(tmp_path: Path) -> None:
    (video,) = read(tmp_path, {"a": {"annotators": {"x": [{"start": "1.5", "end": 4}]}}})
    assert intervals_of(video) == {"x": [[1.5, 4.0]]}


@pytest.mark.parametrize(
    ("annotators", "message"),
    [
        ({"x": [[5, 3]]}, "video 'a', annotator 'x', interval 0: expected 0 <= start < end, found 5 .. 3 s"),
        ({"x": [[-1, 3]]}, "found -1 .. 3 s"),
        ({"x": [[1, 2, 3], [1, 2]]}, "interval 0: expected [start, end], found a list of 3"),
        ({"x": [[1, float("nan")]]}, "expected start and end in seconds, found nan"),
        ({"x": [[1, "soon"]]}, "found 'soon'"),
        ({"x": [[True, 2]]}, "found True"),
        ({"x": [0, 1, None, 2]}, "annotator 'x', second 2: expected a number, found None"),
        ({"x": [0, 1e300]}, "second 1: expected a number, found 1e+300"),
        ({"x": {"scores": []}}, "expected one score per second, found none"),
        ({"x": {"scores": [1], "intervals": []}}, "expected a list of 'intervals' or of 'scores'"),
        ({"x": 7}, "expected a list of intervals or of scores, found 7"),
        ({"x": [[0, 1]], "y": [1, 2, 3]}, "annotator 'x' gives intervals and 'y' scores; expected one kind"),
        ({"x": [1, 2], "y": {"intervals": []}}, "annotator 'y' gives nothing"),
        ({}, "no annotators"),
        ([[0, 1], [2, 3]], "may be one annotator's intervals or several annotators' scores"),
        (None, "expected annotators, found nothing"),
    ],
)
def test_annotators_that_make_no_sense(annotators: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, {"a": {"annotators": annotators}})
    assert message in str(caught.value)
    assert "my.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fps": 0}, "expected 'fps' as a number above 0, found 0"),
        ({"duration": "long"}, "expected 'duration' as a number above 0, found 'long'"),
        ({"n_frames": 10.5}, "expected 'n_frames' as a whole number above 0"),
        ({"duration": "1:75"}, "expected 'duration' as a number above 0, found '1:75'"),
    ],
)
def test_fields_that_make_no_sense(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, {"a": {"annotators": {"x": [[0, 1]]}, **fields}})
    assert message in str(caught.value)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    wrong = {f"v{i}": {"annotators": {"x": [[i, i]]}, "fps": -1} for i in range(4)}
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, wrong)
    message = str(caught.value)
    assert "8 problems" in message
    assert "video 'v0': expected 'fps'" in message
    assert "video 'v2'" in message
    assert message.endswith("; and 3 more")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": [[[0, 1]]], "a": [[[0, 2]]]}', "the name 'a' occurs twice"),
        ('{"a": ', "is no JSON"),
        ("{}", "expected an object of videos"),
        ("[1, 2]", "'video' name of its own"),
        ("[" * 100_000, "within one another more than 100 times"),
        ('{"": [[[0, 1]]]}', "expected a name"),
    ],
)
def test_files_that_are_no_annotations(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, text)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(DatasetError, match="pickle"):
        read_custom(path)
    with pytest.raises(DatasetError, match="no such file"):
        read_custom(tmp_path / "b.json")
    with pytest.raises(DatasetError, match="found a folder"):
        read_custom(tmp_path)


# CSV -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_of_intervals(separator: str, tmp_path: Path) -> None:
    rows = [
        "Video,annotator,start,end,duration,title",
        'a clip,anna,1.5,4,60,"one, two"' if separator == "," else "a clip,anna,1.5,4,60,one",
        "a clip,anna,20,31.2,,",
        "b,anna,0,1,30,",
        "a clip,ben,3,8,60,",
        "b,ben,,,,",
        "",
    ]
    text = "\ufeff" + "\r\n".join(row if '"' in row else row.replace(",", separator) for row in rows)
    first, second = read(tmp_path, text, "my.csv")
    assert intervals_of(first) == {"anna": [[1.5, 4], [20, 31.2]], "ben": [[3, 8]]}
    assert intervals_of(second) == {"anna": [[0, 1]], "ben": []}
    assert (first.duration_seconds, second.duration_seconds) == (60, 30)
    assert first.title == ("one, two" if separator == "," else "one")


def test_a_table_of_scores_in_any_order(tmp_path: Path) -> None:
    text = "second,score,video,annotator\n1,3,a,x\n0,5,a,x\n2,1,a,x\n0,0,a,y\n1,0,a,y\n2,0.5,a,y\n"
    (video,) = read(tmp_path, text, "my.csv")
    assert scores_of(video) == {"x": [5, 3, 1], "y": [0, 0, 0.5]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n", "line 1: expected a header video,annotator,start,end or"),
        ("a,b,1,2\n", "found a,b,1,2"),
        ("video,annotator,start\n", "expected a header"),
        ("video,annotator,start,end,Start\n", "line 1: two columns 'start'"),
        ("video,annotator,start,end\na,x,1,2,3\n", "line 2: expected 4 cells, found 5"),
        ("sep=;\nvideo;annotator;start;end\na;x;2;1\n", "line 3: expected 0 <= start < end, found 2 .. 1 s"),
        ("video,annotator,start,end\n", "found none"),
        ("video,annotator,start,end\na,x,1\n", "line 2: expected 4 cells, found 3"),
        ("video,annotator,start,end\na,x,1,2\na,x,4,3\n", "line 3: expected 0 <= start < end, found 4 .. 3 s"),
        ("video,annotator,start,end\na,,1,2\n", "line 2: expected 'annotator', found an empty cell"),
        ("video,annotator,start,end\na,x,1:75,2\n", "line 2: expected start and end in seconds, found '1:75'"),
        ("video,annotator,start,end,fps\na,x,1,2,25\na,y,1,2,30\n", "line 3: 'fps' of video 'a' is 30.0 here"),
        ("video,annotator,second,score\na,x,0,1\na,x,0,2\n", "line 3: second 0 of annotator 'x'"),
        ("video,annotator,second,score\na,x,0,1\na,x,2,2\n", "second 1 is missing of seconds 0 .. 2"),
        ("video,annotator,second,score\na,x,0.5,1\n", "line 2: expected 'second' as a whole number"),
        ("video,annotator,second,score\na,x,0,high\n", "line 2: expected 'score' as a number, found 'high'"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, text, "my.csv")
    assert message in str(caught.value)
    assert "my.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("65", 65),
        ("1:05", 65),
        ("01:05.5", 65.5),
        ("0:01:05", 65),
        ("00:01:05.250", 65.25),
        ("00:01:05,250", 65.25),  # as subtitles have it
        ("90:00", 5400),
        ("1:30:00", 5400),
        (" 1:05 ", 65),
        ("1:75", None),
        ("1:5:75", None),
        ("1:60:00", None),
        ("-1:05", None),
        ("1:", None),
        ("0:01:05:12", None),
        ("1,5", None),  # 1.5, or 15?
        ("soon", None),
        (True, None),
        (None, None),
    ],
)
def test_times_as_people_write_them(written: Any, seconds: float | None, tmp_path: Path) -> None:
    assert seconds_of(written) == seconds
    wanted = {"a": {"annotators": {"x": [["0:00", written]]}}}
    if seconds is None:
        with pytest.raises(DatasetError, match="expected start and end in seconds, found"):
            read(tmp_path, wanted)
    else:
        (video,) = read(tmp_path, wanted)
        assert intervals_of(video) == {"x": [[0, seconds]]}


@given(st.integers(0, 10**7))
def test_a_time_means_its_hours_minutes_and_seconds(milliseconds: int) -> None:
    minutes, rest = divmod(milliseconds, 60_000)
    for text in (
        f"{minutes}:{rest / 1000:06.3f}",
        f"{minutes // 60}:{minutes % 60:02}:{rest // 1000:02},{rest % 1000:03}",
        f"{minutes // 60:02}:{minutes % 60:02}:{rest / 1000:06.3f}",
        str(milliseconds / 1000),
    ):
        assert seconds_of(text) == pytest.approx(milliseconds / 1000, abs=1e-9)


SHEET = [
    ["Video ", "ANNOTATOR", " Start (s)", "End [s]", "Comment", "N Frames", ""],
    ["a clip", "anna", "1,5", "0:00:04", "nice; really", "1588", ""],
    ["a clip", "anna", "0:20", "00:00:31,200", "", "", ""],
    ["a clip", "ben", "3", "8.25", "dull, mostly", "1588", ""],
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_table_out_of_a_spreadsheet(separator: str, encoding: str, tmp_path: Path) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=separator).writerows(SHEET)
    stated = "sep=;\r\n" if separator == ";" else ""
    (tmp_path / "my.csv").write_bytes((stated + buffer.getvalue()).encode(encoding))
    found = read_custom(tmp_path / "my.csv")
    (video,) = found.videos
    assert intervals_of(video) == {"anna": [[1.5, 4], [20, 31.2]], "ben": [[3, 8.25]]}
    assert video.n_frames == 1588
    known = "known beside annotators are duration, fps, n_frames, title, category"
    assert found.warnings == (f"{tmp_path / 'my.csv'}: not read: 'Comment'; {known}",)
    assert inspect_file(tmp_path / "my.csv").kind == "custom"


def test_scores_with_decimal_commas_and_seconds_as_times(tmp_path: Path) -> None:
    text = "video;annotator;second;score\na;x;0:00;0,5\na;x;0:01;1\na;x;0:02;-2,25\n"
    (video,) = read(tmp_path, text, "my.csv")
    assert scores_of(video) == {"x": [0.5, 1, -2.25]}


def test_a_comment_in_the_last_column_may_have_separators_or_be_missing(tmp_path: Path) -> None:
    text = "video,annotator,start,end,comment\na,x,1,2,well, well\na,x,3,4\n"
    (video,) = read(tmp_path, text, "my.csv")
    assert intervals_of(video) == {"x": [[1, 2], [3, 4]]}


def test_fields_that_are_not_read_are_named_once(tmp_path: Path) -> None:
    noted = {"annotators": {"x": {"intervals": [{"start": 0, "end": 1, "why": "fun"}], "by": "me"}}, "lenght": 3}
    (tmp_path / "my.json").write_text(json.dumps({"a": noted, "b": noted}))
    found = read_custom(tmp_path / "my.json")
    assert [intervals_of(video) for video in found.videos] == [{"x": [[0, 1]]}] * 2
    (sentence,) = found.warnings
    assert "not read: 'lenght', 'by', 'why'; known beside annotators are duration" in sentence


def test_build_takes_a_spreadsheet_and_says_what_it_did_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["video;annotator;start;end;duration;fps;comment", "a;anna;0:01,5;0:04;0:10;10;good", "a;ben;2;5;;;"]
    (tmp_path / "my.csv").write_bytes("\r\n".join(rows).encode("utf-16"))
    annotations = ["--annotations", str(tmp_path / "my.csv"), "--out", str(tmp_path / "d.h5")]
    assert main(["data", "build", "custom", *annotations]) == 0
    assert capsys.readouterr().err.count("not read: 'comment'") == 1
    with read_dataset(tmp_path / "d.h5") as dataset:
        built = dataset["video_1"]
    assert built.user_summaries is not None
    expected = [[15 <= frame < 40 for frame in range(100)], [20 <= frame < 50 for frame in range(100)]]
    assert built.user_summaries.tolist() == expected


# On frames -----------------------------------------------------------------------------------------------------------


def timeline_of(n_frames: int, fps: float) -> Timeline:
    return Timeline(np.arange(n_frames) / fps, n_frames / fps)


TICKS = st.integers(0, 400).map(lambda tick: tick / 20)  # grids of 20 per second: many land on a frame's own time


@given(st.lists(st.tuples(TICKS, TICKS), max_size=6), st.sampled_from([7.0, 10.0, 20.0, 24.0, 29.97]))
def test_frames_in_intervals_are_those_that_start_in_them(pairs: list[tuple[float, float]], fps: float) -> None:
    n_frames = int(20 * fps)
    end = n_frames / fps
    intervals = [(a, min(b, end)) for a, b in pairs if a < min(b, end)]
    timeline = Timeline(np.arange(n_frames) / fps, end)
    expected = [False] * n_frames
    for a, b in intervals:
        inside = [f for f in range(n_frames) if a - 1e-6 <= f / fps < b - 1e-6]
        for f in inside or [max(f for f in range(n_frames) if f / fps <= a + 1e-9)]:
            expected[f] = True
    found = frames_in(np.array(intervals).reshape(-1, 2), timeline)
    assert found.tolist() == expected


@given(st.lists(st.floats(0, 5, width=32), min_size=3, max_size=30), st.sampled_from([5.0, 24.0, 29.97]))
def test_scores_of_seconds_are_held_over_their_frames(scores: list[float], fps: float) -> None:
    n_frames = int(len(scores) * fps)
    video = AnnotatedVideo("video_1", "a", SecondScores({"x": np.array(scores)}), where="here")
    users = users_of(video, timeline_of(n_frames, fps))
    expected = [scores[min(int(f / fps + 1e-6), len(scores) - 1)] for f in range(n_frames)]
    np.testing.assert_allclose(users.scores, [expected], rtol=1e-6)
    assert users.chosen is None


def test_a_little_beyond_the_end_is_cut_and_far_beyond_is_refused() -> None:
    def users(end: float) -> Any:
        video = AnnotatedVideo("video_1", "a", TimeIntervals({"x": np.array([[50.0, end]])}), where="file, video 'a'")
        return users_of(video, timeline_of(600, 10))  # 60 s

    assert users(60).repairs == ()
    assert users(60.7).repairs == ("an interval of annotator 'x' ended 0.70 s after the video and was cut",)
    assert users(60.7).chosen.sum() == users(60).chosen.sum() == 100
    with pytest.raises(DatasetError, match=r"file, video 'a', annotator 'x': interval 50 \.\. 75 s is beyond"):
        users(75.0)


def test_numbers_of_scores_that_do_not_fit_the_video() -> None:
    def users(count: int) -> Any:
        video = AnnotatedVideo("video_1", "a", SecondScores({"x": np.arange(count)}), where="file, video 'a'")
        return users_of(video, timeline_of(604, 10))  # 60.4 s

    assert users(60).repairs == users(61).repairs == ()
    assert "the last one was held" in users(59).repairs[0]
    assert "those beyond were left out" in users(62).repairs[0]
    for count in (30, 58, 63, 604):
        with pytest.raises(DatasetError, match=f"{count} scores for a video of 60.40 s; expected one per second"):
            users(count)
