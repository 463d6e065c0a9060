"""The tool that makes the table of TVSum: nothing of a tested video is in what a fold is pretrained on."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

from sspvs.annotations.splits import read_splits

KEYS = [f"video_{number}" for number in range(1, 5)]


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "tools" / "real")
        yield importlib.import_module("tvsum")


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """Four videos whose every row, title and caption names the video, and a highlight."""
    (tmp_path / "tvsum").mkdir()
    (tmp_path / "youtube_highlights").mkdir()
    pairs, captions = [], []
    for number, key in enumerate(KEYS, 1):
        pairs.append({"id": f"name{number}", "path": f"features.h5#{key}", "title": f"title {number}"})
        captions += [{"id": f"name{number}", "frame": 30 * row, "caption": f"{number} at {row}"} for row in range(9)]
    write_lines(tmp_path / "tvsum" / "pairs.jsonl", pairs)
    write_lines(tmp_path / "tvsum" / "captions.jsonl", captions)
    with h5py.File(tmp_path / "tvsum_captions.h5", "w") as file:
        for number, key in enumerate(KEYS, 1):
            group = file.create_group(key)
            group["features"] = group["features_captions"] = np.full((9, 2), number, np.float32)
            group["picks"] = 30 * np.arange(9) + 30
            group["gtscore"] = np.full(9, 7.0)
    highlight = {"id": "h", "path": "features.h5#h", "title": "a dog", "category": "dog"}
    write_lines(tmp_path / "youtube_highlights" / "pairs.jsonl", [highlight])
    with h5py.File(tmp_path / "youtube_highlights" / "features.h5", "w") as file:
        file.create_group("h")["features"] = np.ones((3, 2), np.float32)
    return tmp_path


def write_lines(path: Path, lines: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("captioned", [False, True])
def test_a_fold_pretrains_on_nothing_of_its_tested_videos(
    tool: ModuleType, real: Path, tmp_path: Path, captioned: bool
) -> None:
    splits = tmp_path / "splits.json"
    folds = [{"train_keys": KEYS[:3], "test_keys": KEYS[3:]}, {"train_keys": KEYS[1:], "test_keys": KEYS[:1]}]
    splits.write_text(json.dumps(folds))
    material = tool.Material(real, tmp_path / "none.mat", splits, real, 1, 1)
    for number, fold in enumerate(read_splits(splits).folds):
        train = [ref.key for ref in fold.train]
        pairs = tool.write_pairs(material, train, tmp_path / f"made_{number}", captioned=captioned)
        tested = [text for ref in fold.test for text in (f"title {ref.key[-1]}", f"{ref.key[-1]} at")]
        entries = read_lines(pairs)
        assert {entry["id"].partition("-")[0] for entry in entries} == {*train, "h"}
        assert not any(text in json.dumps(entry) for entry in entries for text in tested)
        with h5py.File(pairs.parent / "rows.h5") as file:
            streams = {"features", "features_captions"} if captioned else {"features"}
            assert all(set(group) == streams for group in file.values())  # no label
            seen = {int(group[name][0, 0]) for group in file.values() for name in streams}
            assert seen == {int(key[-1]) for key in train}
        if captioned:  # a caption is not seen on both sides
            assert all("description" not in entry for entry in entries)


def test_a_row_has_the_captions_up_to_the_next(tool: ModuleType, real: Path, tmp_path: Path) -> None:
    material = tool.Material(real, tmp_path / "none.mat", tmp_path / "none.json", real, 1, 1)
    first, second, *_ = read_lines(tool.write_pairs(material, KEYS[:1], tmp_path / "made"))
    # Rows are at frames 30, 60, ..., captions at 0, 30, ...
    assert (first["description"], second["description"]) == ("1 at 1", "1 at 2")


def test_shuffled_texts_are_the_same_texts_of_other_rows(tool: ModuleType, real: Path, tmp_path: Path) -> None:
    material = tool.Material(real, tmp_path / "none.mat", tmp_path / "none.json", real, 1, 1)
    own = read_lines(tool.write_pairs(material, KEYS, tmp_path / "own"))
    other = read_lines(tool.write_pairs(material, KEYS, tmp_path / "other", shuffled=True))
    assert [one["id"] for one in own] == [one["id"] for one in other]
    texts = [sorted(one.get("description", one["title"]) for one in entries) for entries in (own, other)]
    assert texts[0] == texts[1]
    assert sum(a.get("description") != b.get("description") for a, b in zip(own, other, strict=True)) > len(own) // 2
