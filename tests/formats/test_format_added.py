"""A format is added by one class in one module, also from outside the package: this one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.format_material import make

from sspvs.cli import main
from sspvs.errors import DatasetError
from sspvs.formats import FORMATS, Format, Ledger, Settings, convert, detect, inspect_file, read_table
from sspvs.formats.head import PathHead
from sspvs.table import LoadedVideo, Video, VideoTable, read_dataset, read_features
from sspvs.types import FrameFeatures

WIDTH = 4


@FORMATS.register("test-rows")
class TestRows(Format):
    """`{"rows of": {name: (T, D) numbers}}`, each row a frame of its own, at one frame a second."""

    __test__ = False
    what = "rows of numbers (JSON)"
    keys: ClassVar = {"rows of": ("(T, D)", "what each frame looks like")}
    holds = frozenset({"features"})
    needs_clock = True

    def matches(self, head: PathHead) -> bool:
        return isinstance(head.json, dict) and "rows of" in head.json

    def read(self, path: Path, settings: Settings) -> VideoTable:
        rows_of = json.loads(path.read_text())["rows of"]
        videos = [Video(name, read=partial(self._load, name, rows)) for name, rows in rows_of.items()]
        return VideoTable(videos, name=path.stem)

    def _load(self, name: str, rows: Any) -> LoadedVideo:
        if len(rows[0]) != WIDTH:
            raise DatasetError(f"{name}: rows of {len(rows[0])} numbers, expected {WIDTH}")
        values = np.asarray(rows, dtype=np.float32)
        features = FrameFeatures(name, values, np.arange(len(values)), len(values))
        return LoadedVideo(name, name, features=features, frame_rate=1.0)

    def lacks(self, video: LoadedVideo) -> str | None:
        return None if video.features is not None else "features"

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        rows = {video.name: video.features.features.tolist() for video in videos}
        path.write_text(json.dumps({"rows of": rows}))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.json"
    values = {name: np.arange(3 * WIDTH).reshape(3, WIDTH) + number for number, name in enumerate("ab")}
    path.write_text(json.dumps({"rows of": {name: array.tolist() for name, array in values.items()}}))
    return path


def test_it_is_recognised_before_the_formats_of_the_package(rows: Path) -> None:
    content = json.loads(rows.read_text())
    rows.write_text(json.dumps({"videos": {"v": {"annotators": []}}}))
    assert detect(rows).name == "custom"
    rows.write_text(json.dumps(content | {"videos": {"v": {"annotators": []}}}))
    assert detect(rows).name == "test-rows"
    assert "test-rows" in FORMATS


def test_it_is_inspected_with_its_own_reader(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = inspect_file(rows, "b")
    assert (found.kind, found.n_videos, found.usable) == ("test-rows", 2, True)
    assert [(key.name, key.meaning, key.count) for key in found.keys] == [("rows of", "what each frame looks like", 2)]
    assert found.detail == {"has": "features"}
    with pytest.raises(ValueError, match="no video 'c'"):
        inspect_file(rows, "c")
    content = json.loads(rows.read_text())
    content["rows of"]["c"] = [[1]]
    rows.write_text(json.dumps(content))
    assert main(["data", "inspect", str(rows)]) == 1
    assert "error: c: rows of 1 numbers, expected 4" in capsys.readouterr().out


def test_its_videos_are_a_table(rows: Path, tmp_path: Path) -> None:
    table = read_table(rows)
    assert (table.name, list(table)) == ("rows", ["a", "b"])
    features = table.load(table["b"]).features
    assert features is not None
    assert features.features.tolist() == json.loads(rows.read_text())["rows of"]["b"]
    with pytest.raises(ValueError, match=r"scores, a list a video .* is not read as videos: scores are evaluated"):
        read_table(make("scores-json", tmp_path))


def test_it_is_converted_there_and_back(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "convert", str(rows), "--to", "community", "--out", str(tmp_path / "f.h5")]) == 0
    with read_features(tmp_path / "f.h5") as store:
        assert store["b"].features.tolist() == json.loads(rows.read_text())["rows of"]["b"]
    assert (
        main(["data", "convert", str(tmp_path / "f.h5"), "--to", "test-rows", "--out", str(tmp_path / "r.json")]) == 0
    )
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(rows.read_text())
    capsys.readouterr()
    assert main(["data", "convert", str(rows), "--to", "nothing", "--out", str(tmp_path / "x")]) == 2
    assert "--to is one of: test-rows, community, " in capsys.readouterr().err


def test_the_package_writes_to_it(tmp_path: Path) -> None:
    source = make("community", tmp_path)
    with pytest.raises(DatasetError, match=r"test-rows needs frames per second \(--fps\), which the source"):
        convert(source, tmp_path / "r.json", to="test-rows")
    ledger = convert(source, tmp_path / "r.json", to="test-rows", settings=Settings(fps=25.0))
    with read_dataset(source) as store:
        names = [store[key].video_name for key in ledger.written]
    assert list(json.loads((tmp_path / "r.json").read_text())["rows of"]) == names
    assert "gtscore" in ledger.left_out


def test_a_second_format_of_one_name_is_refused() -> None:
    with pytest.raises(ValueError, match="two formats are called 'test-rows'"):

        @FORMATS.register("test-rows")
        class Other(Format):
            pass
