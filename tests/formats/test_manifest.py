"""Manifests, the release layout and the survey: what they read, and everything they refuse, reported at once."""

from __future__ import annotations

import csv
import json
import os
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.pair_sets import features_of, pairs_of, write_release, write_set

from sspvs.data.pairs import load_pairs, split_pairs
from sspvs.errors import DatasetError, FeatureFileError
from sspvs.formats.manifest import read_manifest
from sspvs.table import FeatureStream, StreamReader, write_features
from sspvs.table import survey as survey_notes
from sspvs.table.survey import SURVEY
from sspvs.table.text import TextFields, TokenFields
from sspvs.types import Fingerprint, FrameFeatures


def write_manifest(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def message(path: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        load_pairs(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_json_lines_and_csv_say_the_same(tmp_path: Path) -> None:
    manifest = write_set(tmp_path, [5, 9, 3], category=["a", "", "c"], query=["", "q, with comma", 'and "quotes"'])
    entries = read_manifest(manifest)
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    with (tmp_path / "pairs.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    from_csv = read_manifest(tmp_path / "pairs.csv")
    assert [(e.id, e.source, e.streams, e.text) for e in from_csv] == [
        (e.id, e.source, e.streams, e.text) for e in entries
    ]
    assert entries[1].text.query == "q, with comma"
    assert [entry.where for entry in from_csv] == ["line 2", "line 3", "line 4"]
    assert entries[2].streams[0] == FeatureStream(tmp_path / "features.h5", "v02")


def test_a_written_manifest_is_read_again(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 2), np.float32))
    write_manifest(tmp_path / "m.jsonl", [{"id": "ä", "path": "a.npy", "title": "zwei\nZeilen", "url": "x"}])
    (entry,) = read_manifest(tmp_path / "m.jsonl")
    assert (entry.id, entry.text) == ("ä", TextFields(title="zwei\nZeilen"))


def test_all_that_is_wrong_with_a_manifest_is_reported_at_once(tmp_path: Path) -> None:
    write_set(tmp_path, [5, 9])
    (tmp_path / "notes.txt").touch()
    lines = [
        '{"id": "v00", "path": "features.h5#v00"}',
        '{"id": "v00", "path": "features.h5#v01"}',
        '{"path": "features.h5#v01"}',
        '{"id": "x"}',
        '{"id": "y", "path": "gone.h5"}',
        '{"id": "z", "path": "features.h5#v00", "video": "a.mp4"}',
        "no json",
        "[1]",
        '{"id": "w", "path": "notes.txt"}',
        '{"id": "u", "path": "features.h5#v00", "title": {"en": 1}}',
        '{"id": "t", "path": "features.h5#v00", "split": "tests"}',
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    sentence = message(tmp_path / "m.jsonl")
    for part in (
        "10 problems",
        "line 2: the id 'v00' is taken by line 1",
        "line 3: no id",
        "line 4: no path",
        f"line 5: no file {tmp_path / 'gone.h5'}",
        "line 6: 2 paths",
        "line 7: no JSON",
        "line 8: expected an object",
        "line 9: notes.txt is neither features",
        "line 10: title: expected text",
        "line 11: split 'tests'",
    ):
        assert part in sentence, part


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("m.jsonl", "", "the file is empty"),
        ("m.csv", "id,path\n", "it is empty"),
        ("m.csv", "name,path\na,b\n", "no column 'id' (columns: name, path)"),
        ("m.csv", "id,titel\na,b\n", "no column 'path', 'features' or 'video'"),
        ("m.csv", "id,path,titel\na,b.npy,c\n", "column 'titel': did you mean 'title'?"),
        ("m.csv", "id,path\na,b.npy,c,d\n", "line 2: more values than the 2 columns"),
    ],
)
def test_headers_that_are_refused(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).write_text(text)
    assert expected in message(tmp_path / name)


def test_other_columns_are_left_alone(tmp_path: Path) -> None:
    assert len(load_pairs(write_set(tmp_path, [3, 4], url=["a", "b"], duration=[1, 2])).videos) == 2


def test_what_is_wrong_with_features_is_reported_at_once(tmp_path: Path) -> None:
    manifest = write_set(tmp_path, [5, 6, 7, 8, 9, 4])
    with h5py.File(tmp_path / "features.h5", "r+") as file:
        file["v01/features"][3, 2] = np.nan
        del file["v02/features"]
        file["v02/features"] = np.ones((4, 9), np.float32)
        del file["v03/features"]
        file["v03/features"] = np.ones((4, 6), np.int64)
        del file["v04"]
    sentence = message(manifest)
    assert "4 problems" in sentence
    assert "line 2: v01" in sentence
    assert "NaN or infinite features, first at pick 3" in sentence
    assert "line 3: v02: features 9 wide, most others 6" in sentence
    assert "line 4: v03" in sentence
    assert "of int64" in sentence
    assert "line 5: v04" in sentence
    assert "no 'features' in it" in sentence


def test_features_made_otherwise_are_refused(tmp_path: Path) -> None:
    ours = Fingerprint("net", "00", "resize", "none", 2.0)
    for number, rate in enumerate((2.0, 2.0, 4.0)):
        video = FrameFeatures("v", np.ones((4, 3), np.float32), np.arange(4), 4)
        other = Fingerprint("net", "00", "resize", "none", rate)
        write_features(tmp_path / f"f{number}.h5", [video], fingerprint=other)
    rows = [{"id": f"v{n}", "path": f"f{n}.h5"} for n in range(3)]
    write_manifest(tmp_path / "m.jsonl", rows)
    assert "line 3: v2: features of another extractor than most others (rate_hz is 4.0, expected 2.0)" in message(
        tmp_path / "m.jsonl"
    )
    write_manifest(tmp_path / "m.jsonl", rows[:2])
    assert load_pairs(tmp_path / "m.jsonl").common_fingerprint == ours
    np.save(tmp_path / "f.npy", np.ones((2, 3), np.float32))
    write_manifest(tmp_path / "m.jsonl", [*rows[:2], {"id": "n", "path": "f.npy"}])
    assert load_pairs(tmp_path / "m.jsonl").common_fingerprint is None  # that of one video is unknown


def test_the_survey_is_kept_and_sees_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_set(tmp_path, [5, 6])
    looked: list[str] = []
    look = survey_notes.look
    monkeypatch.setattr(survey_notes, "look", lambda ref, reader: looked.append(ref.group) or look(ref, reader))
    first = load_pairs(manifest)
    assert looked == ["v00", "v01"]
    assert load_pairs(manifest) == first
    assert looked == ["v00", "v01"]
    notes = json.loads((tmp_path / SURVEY).read_text())
    for name, odd in (("fingerprint", ["net"]), ("fingerprint", {"backbone": 1}), ("n_frames", "5"), ("stamp", {})):
        changed = {key: {**note, name: odd} for key, note in notes["features"].items()}
        (tmp_path / SURVEY).write_text(json.dumps({**notes, "features": changed}))
        assert load_pairs(manifest) == first
    assert looked == ["v00", "v01"] * 5
    with h5py.File(tmp_path / "features.h5", "r+") as file:
        file["v01/features"][0, 0] = np.inf
    os.utime(tmp_path / "features.h5", ns=(1, 1))
    assert "first at pick 0" in message(manifest)
    (tmp_path / SURVEY).write_text("{damaged")
    assert "first at pick 0" in message(manifest)


def test_npy_files_and_files_of_one_video(tmp_path: Path) -> None:
    array = features_of(1, 9)
    np.save(tmp_path / "a.npy", array.astype(np.float16))
    with h5py.File(tmp_path / "root.h5", "w") as file:
        file["features"] = array
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["only/features"] = array
    reader = StreamReader(most_open=1)
    for name, tolerance in (("a.npy", 1.0), ("root.h5", 0), ("one.h5", 0)):
        ref = FeatureStream(tmp_path / name)
        assert reader.shape(ref) == (9, 6)
        for start, stop in ((0, None), (2, 5), (8, 9)):
            read = reader.read(ref, start, stop)
            assert read.dtype == np.float32
            np.testing.assert_allclose(read, array[start:stop], atol=tolerance)
    again = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(again.read(FeatureStream(tmp_path / "root.h5")), array)


def test_files_that_are_no_features(tmp_path: Path) -> None:
    pairs_of(tmp_path, [3, 4])
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "flat.npy", np.ones(4, np.float32))
    (tmp_path / "text.h5").write_text("hello")
    np.save(tmp_path / "cut.npy", np.ones((50, 4), np.float32))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:300])
    (tmp_path / "header.npy").write_bytes(b"\x93NUMPY\x01\x00\x16\x00{'descr': '<f4', (1, 2" + bytes(64))
    for name, expected in (
        ("header.npy", "cannot be read as a NumPy array"),
        ("objects.npy", "expected \\(T, D\\) float numbers, found \\(1,\\) of object"),
        ("flat.npy", "found \\(4,\\)"),
        ("text.h5", "it is text"),
        ("cut.npy", "cut short"),
        ("features.h5", "has 2 videos; say which: features.h5#v00"),
    ):
        with pytest.raises(FeatureFileError, match=expected):
            StreamReader().read(FeatureStream(tmp_path / name))


def test_the_release_layout(tmp_path: Path) -> None:
    write_release(tmp_path, ["-a_b", "c"], ["d"])
    items = load_pairs(tmp_path).videos
    found = [(item.id, item.part, item.n_picks) for item in items]
    assert found == [("-a_b", "train", 4), ("c", "train", 5), ("d", "val", 6)]
    assert items[1].text == TokenFields((2001,), (2100, 2101), (3001, 3001), ())
    train, val = split_pairs(items, 0.5)
    assert [[item.id for item in part] for part in (train, val)] == [["-a_b", "c"], ["d"]]


def test_what_is_wrong_with_a_release_is_reported_at_once(tmp_path: Path) -> None:
    write_release(tmp_path, ["a", "b", "c", "c"], ["d"])
    (tmp_path / "features" / "a.h5").unlink()
    with h5py.File(tmp_path / "info_embed" / "b.h5", "r+") as file:
        del file["title"]
        file["title"] = np.array([1.5])
    (tmp_path / "list_file" / "train_list.json").write_text('["a", "b", "c", "c", "../d"]')
    sentence = message(tmp_path)
    assert "4 problems" in sentence
    for part in (
        "train_list.json, 'a': no features/ file",
        "expected ids 0..30521",
        "train_list.json, 'c': named 2 times",
        "train_list.json, '../d': is no id",
    ):
        assert part in sentence, part
    (tmp_path / "list_file" / "train_list.json").write_text('["c", "d"]')
    assert "val_list.json, 'd': in both lists" in message(tmp_path)
    assert "expected an SSPVS release" in message(tmp_path / "features")


def test_held_out_by_id(tmp_path: Path) -> None:
    items = pairs_of(tmp_path, [2] * 60, titles=[f"title {number // 2}" for number in range(60)])
    train, val = split_pairs(items, 0.25)
    assert 4 <= len(val) <= 28
    assert {item.text.title for item in train}.isdisjoint({item.text.title for item in val})  # twins stay together
    again = split_pairs(items[::-1], 0.25)[1]
    assert {item.id for item in again} == {item.id for item in val}
    fewer = split_pairs(items[:30], 0.25)[1]
    assert {item.id for item in fewer} == {item.id for item in val if item.id < "v30"}
    assert split_pairs(items, 0.0)[1] == []


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.95])
def test_a_share_of_few_videos(share: float, tmp_path: Path) -> None:
    """Two titles at least on either side, of four or more; each video with its twin; the first two by chance stay."""
    every = pairs_of(tmp_path, [2] * 24, titles=[f"title {number // 2}" for number in range(24)])
    before: set[str] = set()
    for count in range(1, 25):
        train, val = split_pairs(every[:count], share)
        titles = [{item.text.title for item in part} for part in (train, val)]
        assert not titles[0] & titles[1]
        assert len(train) + len(val) == count
        assert (min(map(len, titles)) >= 2) == (count > 6)
        assert bool(val) == (count > 6)
        if share == 0.001:
            assert len(titles[1]) == (2 if count > 6 else 0)
        elif share == 0.5 and count > 18:
            assert before <= {item.id for item in val}  # those who stayed out, stay out
            before = {item.id for item in val}


def test_the_split_column_decides(tmp_path: Path) -> None:
    items = pairs_of(tmp_path, [2] * 4, split=["val", "train", "", "val"])
    train, val = split_pairs(items, 0.9)
    assert [item.id for item in train] == ["v01", "v02"]
    assert [item.id for item in val] == ["v00", "v03"]
