"""Shards: the same pairs as the manifest, whole or not there, readable by WebDataset."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.extraction_material import GREEN, RED, draw_video
from helpers.pair_sets import features_of, pairs_of, write_release, write_set

from sspvs.cli import main
from sspvs.data.pairs import load_pairs
from sspvs.data.pretrain import PretrainDataModule
from sspvs.errors import DatasetError, OutputError
from sspvs.formats import convert, inspect_file
from sspvs.formats import shards as writing
from sspvs.formats.shards import read_index, write_shards
from sspvs.table import Video, VideoTable

LENGTHS = [5, 40, 17, 33, 8, 26, 12, 9, 21, 14, 6]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def by_id(items: Any) -> dict[str, Video]:
    return {item.id: item for item in items}


def test_the_same_pairs_as_the_manifest(tmp_path: Path) -> None:
    items = pairs_of(tmp_path, LENGTHS, split=["train"] * 8 + ["val"] * 3)
    report = write_shards(VideoTable(items), tmp_path / "shards", shard_size=4, dtype="float32")
    assert (report.n_items, report.written, report.kept) == (11, 3, 0)
    table = load_pairs(tmp_path / "shards")
    found = by_id(table.videos)
    assert set(found) == {item.id for item in items}
    for number, item in enumerate(items):
        mine = found[item.id]
        assert (mine.text, mine.n_picks, mine.feature_dim, mine.part) == (item.text, item.n_picks, 6, item.part)
        assert table.reader.shape(mine.streams[0]) == (LENGTHS[number], 6)
        np.testing.assert_array_equal(table.features(mine), features_of(number, LENGTHS[number]))
        np.testing.assert_array_equal(table.features(mine, 2, 5), features_of(number, LENGTHS[number])[2:5])
    assert sorted(item.shard for item in found.values()) == [0] * 4 + [1] * 4 + [2] * 3
    assert [item.id for item in read_index(tmp_path / "shards").videos] != sorted(found), "the order is not shuffled"


def test_webdataset_reads_them(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    items = pairs_of(tmp_path, LENGTHS)
    write_shards(VideoTable(items), tmp_path / "shards", shard_size=4)
    urls = [str(path) for path in sorted((tmp_path / "shards").glob("*.tar"))]
    samples = list(wds.WebDataset(urls, shardshuffle=False).decode())
    assert len(samples) == len(items)
    for sample in samples:
        number = int(sample["json"]["id"][1:])
        assert sample["json"]["title"] == items[number].text.title  # type: ignore[union-attr]
        assert sample["npy"].dtype == np.float16
        np.testing.assert_array_equal(sample["npy"], features_of(number, LENGTHS[number]).astype(np.float16))


def test_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = pairs_of(tmp_path, LENGTHS)
    write_shards(VideoTable(items), tmp_path / "whole", shard_size=3)
    write = writing._write_shard

    def stopped(path: Path, *rest: Any) -> None:
        if path.name == "shard-000002.tar":
            raise KeyboardInterrupt
        write(path, *rest)

    monkeypatch.setattr(writing, "_write_shard", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_shards(VideoTable(items), tmp_path / "shards", shard_size=3)
    with pytest.raises(DatasetError, match="expected an SSPVS release"):
        load_pairs(tmp_path / "shards")  # a part of them is not trained on
    monkeypatch.undo()
    report = write_shards(VideoTable(items), tmp_path / "shards", shard_size=3)
    assert (report.written, report.kept) == (2, 2)
    assert digests(tmp_path / "shards") == digests(tmp_path / "whole")
    again = write_shards(VideoTable(items), tmp_path / "shards", shard_size=3)
    assert (again.written, again.kept) == (0, 4)


@pytest.mark.parametrize("change", [{"shard_size": 5}, {"dtype": "float32"}, {"seed": 1}, {"items": 9}])
def test_other_shards_are_not_mixed_with(tmp_path: Path, change: dict[str, Any]) -> None:
    items = pairs_of(tmp_path, LENGTHS)
    write_shards(VideoTable(items), tmp_path / "shards", shard_size=3)
    before = digests(tmp_path / "shards")
    how: dict[str, Any] = {"shard_size": 3, **change}
    fewer = items[: how.pop("items", None)]
    with pytest.raises(OutputError, match=r"shards of other videos, texts or settings.*--overwrite"):
        write_shards(VideoTable(fewer), tmp_path / "shards", **how)
    assert digests(tmp_path / "shards") == before
    write_shards(VideoTable(fewer), tmp_path / "shards", **how, overwrite=True)
    write_shards(VideoTable(fewer), tmp_path / "fresh", **how)
    assert digests(tmp_path / "shards") == digests(tmp_path / "fresh")


def test_texts_that_have_changed_are_other_shards(tmp_path: Path) -> None:
    write_shards(VideoTable(pairs_of(tmp_path, [4, 5])), tmp_path / "shards")
    with pytest.raises(OutputError, match="other videos, texts"):
        write_shards(VideoTable(pairs_of(tmp_path, [4, 5], titles=["new", "old"])), tmp_path / "shards")


def test_features_too_large_for_half_precision(tmp_path: Path) -> None:
    items = pairs_of(tmp_path, [4] * 70)  # the first column counts to 69003
    with pytest.raises(ValueError, match="too large for float16; write the shards as float32"):
        write_shards(VideoTable(items), tmp_path / "shards")
    assert not list((tmp_path / "shards").glob("*.tar"))


def test_token_ids_stay_token_ids(tmp_path: Path) -> None:
    write_release(tmp_path / "release", ["a", "b"], ["c"])
    items = load_pairs(tmp_path / "release").videos
    write_shards(VideoTable(items), tmp_path / "shards")
    found = by_id(load_pairs(tmp_path / "shards").videos)
    assert [found[item.id].text for item in items] == [item.text for item in items]


def test_they_are_inspected_and_converted(tmp_path: Path) -> None:
    """Back into a release like the one that they were made of."""
    write_release(tmp_path / "release", ["a", "b"], ["c"])
    before = load_pairs(tmp_path / "release")
    write_shards(before, tmp_path / "shards", dtype="float32")
    found = inspect_file(tmp_path / "shards")
    assert (found.kind, found.n_videos, found.usable, found.problems) == ("shards", 3, True, [])
    convert(tmp_path / "shards", tmp_path / "again", to="sspvs")
    after = load_pairs(tmp_path / "again")
    assert set(after) == {"a", "b", "c"}
    for name in after:
        assert (after[name].text, after[name].part) == (before[name].text, before[name].part)
        np.testing.assert_array_equal(after.features(after[name]), before.features(before[name]))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda folder: (folder / "shard-000001.tar").unlink(), "the shard shard-000001.tar is missing"),
        (lambda folder: cut(folder, 3), "cut short: 3 of 5 videos"),
        (lambda folder: (folder / "index.jsonl").write_text('{"format": "x"}\n'), "expected an index of shards"),
        (lambda folder: (folder / "index.jsonl").write_text(""), "expected an index of shards"),
    ],
)
def test_damaged_folders_are_refused(tmp_path: Path, change: Any, expected: str) -> None:
    write_shards(VideoTable(pairs_of(tmp_path, [4, 5, 6, 7, 8])), tmp_path / "shards", shard_size=3)
    change(tmp_path / "shards")
    with pytest.raises(DatasetError, match=expected):
        load_pairs(tmp_path / "shards")


def cut(folder: Path, kept: int) -> None:
    lines = (folder / "index.jsonl").read_text().splitlines()
    (folder / "index.jsonl").write_text("\n".join(lines[: kept + 1]))


def test_an_index_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    write_shards(VideoTable(pairs_of(tmp_path, [4, 5])), tmp_path / "shards")
    index = tmp_path / "shards" / "index.jsonl"
    index.write_text(index.read_text().replace("shard-000000.tar", "../../secret.tar"))
    with pytest.raises(DatasetError, match=r"the shard secret\.tar is missing"):
        load_pairs(tmp_path / "shards")


def test_training_from_shards_and_from_the_manifest(tmp_path: Path) -> None:
    """The same examples, in whatever batches: each draw of a video is the same from both."""
    manifest = write_set(tmp_path, LENGTHS)
    command = ["data", "shard", str(manifest), "--out", str(tmp_path / "shards"), "--shard-size", "3"]
    assert main([*command, "--dtype", "float32"]) == 0
    examples = []
    for path in (manifest, tmp_path / "shards"):
        data = PretrainDataModule(
            str(path), encoder="small", batch_size=2, val_share=0.0, max_frames=8, num_workers=2, repeats=2
        )
        data.prepare_data()
        data.setup()
        loader = data.train_dataloader()
        assert len(loader) == 11
        found = []
        for batch in loader:
            for row, name in enumerate(batch.ids):
                frames = batch.frames[row, batch.frame_mask[row]].tolist()
                found.append((name, frames, batch.masked_index[row].tolist(), batch.tokens[row].tolist()))
        examples.append(sorted(found))
    assert len(examples[0]) == 22
    assert examples[0] == examples[1]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_fewer_shards_than_workers_and_ranks(tmp_path: Path) -> None:
    write_shards(VideoTable(pairs_of(tmp_path, LENGTHS)), tmp_path / "shards", shard_size=100)
    for resample in (False, True):
        data = PretrainDataModule(
            str(tmp_path / "shards"), encoder="small", batch_size=2, val_share=0.0, num_workers=3, resample=resample
        )
        data.prepare_data()
        data.setup()
        assert len(list(data.train_dataloader())) == 5


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_set(tmp_path, LENGTHS)
    out = tmp_path / "new" / "shards"
    command = ["data", "shard", str(manifest), "--out", str(out), "--shard-size", "4"]
    assert main(command) == 0
    assert "11 videos of 6-D features in 3 shards" in capsys.readouterr().out
    with tarfile.open(out / "shard-000000.tar") as tar:
        names = tar.getnames()
        assert names[:2] == ["000000000.npy", "000000000.json"]
        about = json.load(tar.extractfile(names[1]))  # type: ignore[arg-type]
        assert {"id", "title", "description", "category", "query", "n_frames"} <= set(about)
    assert main(command) == 0
    assert "0 written, 3 kept" in capsys.readouterr().out
    assert main([*command[:-1], "5"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert main([*command[:-1], "0", "--seed", "-1"]) == 2
    assert "--shard-size must be at least 1, got 0; --seed must not be negative" in capsys.readouterr().err
    manifest.write_text('{"id": "a", "path": "gone.npy"}')
    assert main(["data", "shard", str(manifest), "--out", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()


def test_a_video_that_cannot_be_used_is_left_out_of_the_shards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sspvs.features import extract

    rows = [
        {"id": name, "path": f"{name}.mp4", "title": f"title of {name}"} for name in ("first", "bad", "odd", "last")
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    for name, colour in (("first", RED), ("odd", GREEN), ("last", GREEN)):
        draw_video(tmp_path / f"{name}.mp4", [colour])
    (tmp_path / "bad.mp4").write_text("no video")
    look = extract.open_video

    def open_video(path: Path, **how: Any) -> Any:
        if path.stem == "odd":
            raise KeyError("no exception of one video stops the rest")
        return look(path, **how)

    monkeypatch.setattr(extract, "open_video", open_video)
    command = ["data", "shard", str(tmp_path / "m.jsonl"), "--out", str(tmp_path / "s"), "--backbone"]
    assert main([*command, "efficientnet-lite0"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("error: ") and line.endswith("left out")] == lines
    assert ["line 2: bad: " in lines[0], "line 3: odd: KeyError" in lines[1], len(lines)] == [True, True, 2]
    assert sorted(by_id(load_pairs(tmp_path / "s").videos)) == ["first", "last"]
