"""The folders of highlight detection: what is read of them, what is repaired, and what is refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.format_material import highlights, matched_highlights

from sspvs.cli import main
from sspvs.errors import DatasetError
from sspvs.formats import Settings, convert, detect, inspect_file, read_table
from sspvs.table import VideoTable, read_dataset


def changed(folder: Path, file: str, name: str, **fields: Any) -> Path:
    """The folder with other values in one entry."""
    content = json.loads((folder / file).read_text())
    content[name] |= fields
    (folder / file).write_text(json.dumps(content))
    return folder


def test_ratings_titles_and_streams_are_read(tmp_path: Path) -> None:
    folder = highlights(tmp_path / "tvsum")
    content = json.loads((folder / "tvsum_anno.json").read_text())
    table = read_table(folder)
    video = table.load(table["-esJrBWj2d8"])
    annotations = video.annotations
    assert annotations is not None
    assert annotations.user_scores is not None
    ratings = np.array(content[video.id]["anno"])
    np.testing.assert_array_equal(annotations.user_scores, ratings.T)
    np.testing.assert_allclose(annotations.gtscore, (ratings.mean(axis=1) - 1) / 4, rtol=1e-6)
    assert annotations.picks.tolist() == [25 + 50 * row for row in range(11)]  # the middle of two seconds
    assert (annotations.n_frames, annotations.fps, video.text.title, video.text.category) == (557, 25.0, "A tyre", "VT")
    assert annotations.repairs == (
        "rows differ and were cut to 11, the fewest: 12 of rgb, 11 of opt, 11 of audio, 11 of the annotation",
    )
    assert video.features is not None
    first = np.load(folder / "video_features" / "-esJrBWj2d8_rgb.npy")
    np.testing.assert_array_equal(video.features.features, first[:11])
    shapes = {name: stream.features.shape for name, stream in video.features.streams.items()}
    assert shapes == {"opt": (11, 4), "audio": (11, 5)}
    assert set(video.unread) == {"'url'", "'length'", "query_features"}
    assert table.name == "tvsum"


def test_labels_become_importance_of_one_annotator(tmp_path: Path) -> None:
    table = read_table(matched_highlights(tmp_path / "youtube"))
    video = table.load(table["dog 1"])
    assert video.annotations is not None
    assert video.annotations.user_scores is not None
    assert video.annotations.user_scores.tolist() == [[1, 1, 0.5, 0, 0, 0]]
    assert video.annotations.picks.tolist() == [50, 100, 150, 200, 250, 300]
    assert video.text == ("dog", "dog", "My dog", "He runs")


@pytest.mark.parametrize("make", [highlights, matched_highlights])
def test_the_layout_is_written_back(make: Any, tmp_path: Path) -> None:
    source = make(tmp_path / "source")
    ledger = convert(source, tmp_path / "D.h5", to="community")
    assert "further streams of features" not in ledger.left_out
    table = VideoTable.open(tmp_path / "D.h5", streams=("features", *sorted(read_streams(tmp_path / "D.h5"))))
    assert table.feature_dim == (15 if make is highlights else 6)
    convert(source, tmp_path / "back", to="highlights")
    first, second = read_table(source), read_table(tmp_path / "back")
    assert [*first] == [*second]
    for name in first:
        one, other = first.load(first[name]), second.load(second[name])
        assert one.annotations is not None
        assert other.annotations is not None
        for field in ("user_scores", "picks", "gtscore"):
            np.testing.assert_array_equal(getattr(one.annotations, field), getattr(other.annotations, field))
        assert one.features is not None
        assert other.features is not None
        np.testing.assert_array_equal(one.features.features, other.features.features)
        assert one.text[0] == other.text[0]
        assert [*one.features.streams] == [*other.features.streams]
        for name, stream in one.features.streams.items():
            np.testing.assert_array_equal(stream.features, other.features.streams[name].features)


def read_streams(path: Path) -> list[str]:
    """The further streams of a dataset file."""
    with h5py.File(path) as file:
        return [key for key in next(iter(file.values())) if key.startswith("features_")]


def test_picks_of_another_rate_become_two_second_units(tmp_path: Path) -> None:
    convert(highlights(tmp_path / "tvsum"), tmp_path / "D.h5", to="community")
    with h5py.File(tmp_path / "D.h5", "a") as file:
        for group in file.values():
            rows = len(group["picks"])
            group["picks"][...] = np.arange(rows) * 25  # a row a second: half of the video, then the last one is held
    ledger = convert(tmp_path / "D.h5", tmp_path / "back", to="highlights", settings=Settings(resample="hold"))
    assert any("one row each 2 seconds" in how for how in ledger.changed)
    table = read_table(tmp_path / "back")
    with read_dataset(tmp_path / "D.h5") as store:
        before, after = store["-esJrBWj2d8"], table.load(table["-esJrBWj2d8"]).annotations
    assert after is not None
    assert after.user_scores is not None
    assert before.user_scores is not None
    np.testing.assert_array_equal(after.user_scores[:, :5], before.user_scores[:, 0:10:2])


def test_a_stream_that_a_video_lacks_is_zeros(tmp_path: Path) -> None:
    folder = highlights(tmp_path / "tvsum")
    (folder / "video_features" / "AwmHb44_ouw_opt.npy").unlink()
    table = read_table(folder)
    video = table.load(table["AwmHb44_ouw"])
    assert video.features is not None
    assert video.features.streams["opt"].features.shape == (8, 4)
    assert not video.features.streams["opt"].features.any()
    assert video.annotations is not None
    assert "no 'opt': zeros, which mean that the stream is missing" in video.annotations.repairs


def test_features_without_annotations_under_their_other_names(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((5, 3), np.float32)
    for kind, width in (("slowfast_features", 3), ("clip_features", 2)):
        (tmp_path / "qv" / kind).mkdir(parents=True)
        np.savez(tmp_path / "qv" / kind / "abc_0.0_10.0.npz", features=values[:, :width])
    with h5py.File(tmp_path / "rgb.h5", "w") as file:
        file["abc_0.0_10.0"] = values
    for path, expected in ((tmp_path / "qv", values[:, :2]), (tmp_path / "rgb.h5", values)):
        assert detect(path).name == "highlights"
        assert inspect_file(path).usable
        video = read_table(path).load(read_table(path)["abc_0.0_10.0"])
        assert video.annotations is None
        assert video.features is not None
        np.testing.assert_array_equal(video.features.features, expected)
    convert(tmp_path / "qv", tmp_path / "D.h5", to="community")
    assert read_streams(tmp_path / "D.h5") == ["features_slowfast"]


def test_an_annotation_file_is_read_alone(tmp_path: Path) -> None:
    folder = matched_highlights(tmp_path / "youtube")
    shutil.rmtree(folder / "video_features")
    video = read_table(folder / "youtube_anno.json").load(read_table(folder / "youtube_anno.json")["skate_2"])
    assert video.features is None
    assert video.annotations is not None
    assert video.annotations.picks.tolist() == [50, 100, 150, 200]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"match": [1, 0, 2, 0, 0, 0]}, "'match': expected 1, 0 or -1, found 2"),
        ({"match": [1, 0]}, r"2 values of 'match', but 'clip' of shape \(6, 2\)"),
        ({"match": "no"}, "'match': expected T numbers"),
        ({"match": [1, 0, None, 0, 0, 0]}, "'match': expected T numbers"),
        ({"clip": [[0, 100]] * 6}, "expected clips one after the other"),
        ({"clip": [[-400, 100], *([k, k + 9] for k in range(5))]}, "expected clips one after the other"),
        ({"fps": 0}, "'fps': expected a number above 0, found 0"),
        ({"frames": "many"}, "'frames': expected a number above 0, found 'many'"),
        ({"frames": "inf"}, "'frames': expected a number above 0, found 'inf'"),
        ({"anno": [[1, 2], [3, 9]]}, "'anno': expected ratings 1 to 5, found 1..9"),
        ({"anno": [[1, 2], [3]]}, "'anno': expected T x U numbers"),
    ],
)
def test_a_wrong_entry_is_refused_in_a_line(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = changed(matched_highlights(tmp_path / "youtube"), "youtube_anno.json", "dog 1", **fields)
    table = read_table(folder)
    with pytest.raises(DatasetError, match=message):
        table.load(table["dog 1"])
    assert not inspect_file(folder).usable


def test_damaged_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = highlights(tmp_path / "tvsum")
    place = folder / "audio_features" / "AwmHb44_ouw.npy"
    place.write_bytes(place.read_bytes()[:-20])
    assert main(["data", "convert", str(folder), "--to", "community", "--out", str(tmp_path / "D.h5")]) == 2
    assert "AwmHb44_ouw.npy: cannot be read: cut short" in capsys.readouterr().err
    np.save(place, np.full((8, 5), np.nan))
    with pytest.raises(DatasetError, match="'audio' has NaN"):
        read_table(folder).load(read_table(folder)["AwmHb44_ouw"])
    np.save(place, np.zeros((8, 7), np.float32))
    table = read_table(folder)
    with pytest.raises(DatasetError, match=r"'audio' is \d wide, expected \d wide"):
        [table.load(video) for video in table.videos]
    (folder / "tvsum_anno.json").write_text("{")
    assert main(["data", "inspect", str(folder)]) != 0
    assert "damaged JSON" in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / "D.h5").exists()
