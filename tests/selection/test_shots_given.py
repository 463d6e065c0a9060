"""Given shots, in all the forms they come in."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sspvs.selection.shots import given_shots
from sspvs.types import Timeline

TIMELINE = Timeline(np.arange(100) / 10, 10.0)


def test_pairs_of_frames():
    shots, warnings = given_shots([[0, 40], [40, 100]], 100)
    assert shots.bounds.tolist() == [[0, 40], [40, 100]]
    assert warnings == ()


def test_inclusive_ends_are_repaired_and_told():
    shots, warnings = given_shots(np.array([[0, 39], [40, 99]]), TIMELINE)
    assert shots.bounds.tolist() == [[0, 40], [40, 100]]
    assert len(warnings) == 1
    assert "inclusive" in warnings[0]
    assert given_shots([[0, 9], [10, 39], [40, 99]], 100)[0].bounds.tolist() == [[0, 10], [10, 40], [40, 100]]


@pytest.mark.parametrize(
    "content",
    [
        [[0, 40], [40, 100]],
        {"shots": [[0, 40], [40, 100]]},
        {"shots": [{"start_frame": 0, "end_frame": 40, "score": 1}, {"start_frame": 40, "end_frame": 100}]},
    ],
)
def test_files(tmp_path, content):
    path = tmp_path / "shots.json"
    path.write_text(json.dumps(content))
    for source in (path, str(path)):
        assert given_shots(source, TIMELINE)[0].bounds.tolist() == [[0, 40], [40, 100]]


def test_files_in_seconds(tmp_path):
    path = tmp_path / "shots.json"
    path.write_text('{"shots": [{"start_seconds": 0, "end_seconds": 4}, {"start_seconds": 4, "end_seconds": 10}]}')
    assert given_shots(path, TIMELINE, unit="seconds")[0].bounds.tolist() == [[0, 40], [40, 100]]
    with pytest.raises(ValueError, match="must have start_frame and end_frame"):
        given_shots(path, TIMELINE)


def test_seconds_go_to_the_nearest_frame():
    shots, _ = given_shots([[0, 3.96], [3.96, 7.0], [7.0, 10]], TIMELINE, unit="seconds")
    assert shots.bounds.tolist() == [[0, 40], [40, 70], [70, 100]]
    shots, _ = given_shots([[0.01, 5], [5, 9.95]], TIMELINE, unit="seconds")  # ends a little before the video
    assert shots.bounds.tolist() == [[0, 50], [50, 100]]
    uneven = Timeline(np.array([0.0, 1.0, 5.0, 5.5]), 8.0)
    assert given_shots([[0, 5], [5, 8]], uneven, unit="seconds")[0].bounds.tolist() == [[0, 2], [2, 4]]
    paused = Timeline(np.array([0.0, 1.0, 2.0, 62.0, 63.0, 64.0]), 65.0, gaps=(2,))  # seconds are those of the file
    assert given_shots([[0, 62], [62, 65]], paused, unit="seconds")[0].bounds.tolist() == [[0, 3], [3, 6]]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[0, 40], [41, 100]], "a gap between the shots"),
        ([[0, 40], [39, 100]], "an overlap between the shots"),
        ([[1, 100]], "start at frame 0"),
        ([[0, 98]], "end with the video at 100, got 98"),
        ([[0, 101]], "end with the video at 100, got 101"),
        ([[0, 39], [40, 98]], "gap"),
        ([[0, 40], [40, 40], [40, 100]], "shot 1 has no frame"),
        ([[0, 1.5], [1.5, 100]], "whole numbers"),
        ([[0, 50, 100]], "pairs"),
        ([], "pairs"),
        ([["a", "b"]], "pairs of numbers"),
        ([[0, 1], [1]], "pairs"),
        ([[0, float("nan")]], "finite"),
    ],
)
def test_wrong_pairs(pairs, message):
    with pytest.raises(ValueError, match=message):
        given_shots(pairs, 100)


def test_wrong_seconds():
    with pytest.raises(ValueError, match="timeline"):
        given_shots([[0, 10]], 100, unit="seconds")
    with pytest.raises(ValueError, match="within the video"):
        given_shots([[0, 100]], TIMELINE, unit="seconds")
    with pytest.raises(ValueError, match="unit"):
        given_shots([[0, 100]], TIMELINE, unit="minutes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "not JSON"),
        ('{"a": 1}', "expected a list"),
        ("3", "expected a list"),
        ('[{"start": 1}]', "must have"),
        ("[null]", "pairs"),
        ('["0", "1"]', "pairs"),
    ],
)
def test_wrong_files_are_named(tmp_path, content, message):
    path = tmp_path / "shots.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        given_shots(path, 100)
    assert "shots.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(ValueError, match="cannot read"):
        given_shots(tmp_path / "none.json", 100)
    with pytest.raises(ValueError, match="cannot read"):
        given_shots(tmp_path, 100)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not JSON"):
        given_shots(tmp_path / "binary.json", 100)
