"""`tools/pairs/collect.py`: what yt-dlp leaves behind becomes a set to train from; what cannot is named."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from helpers.extraction_material import BLUE, GREEN, RED, MeanColour, draw_video

from sspvs.data import pairs as raw_videos
from sspvs.data.pairs import load_pairs
from sspvs.table.text import TextFields


@pytest.fixture
def backbone(monkeypatch: pytest.MonkeyPatch) -> MeanColour:
    made = MeanColour()
    monkeypatch.setattr(raw_videos, "load_backbone", lambda *_, **__: made)
    return made


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).parents[1] / "tools" / "pairs" / "collect.py"
    spec = importlib.util.spec_from_file_location("collect_pairs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def download(folder: Path, name: str, colours: list[tuple[int, int, int]], **facts: object) -> None:
    """A video and its metadata, as yt-dlp leaves them."""
    draw_video(folder / f"{name}.mp4", colours)
    about = {
        "id": name, "title": f"The  {name}\nvideo", "description": "Find more\nat https://a.b/c?d=e and www.x.org now",
        "categories": ["Howto & Style"], "tags": ["x"], "playlist_title": "how to draw", "duration": 3, **facts,
    }  # fmt: skip
    (folder / f"{name}.info.json").write_text(json.dumps(about))


def test_downloads_become_a_set(
    tmp_path: Path, tool: ModuleType, backbone: MeanColour, capsys: pytest.CaptureFixture[str]
) -> None:
    videos, out = tmp_path / "videos", tmp_path / "set"
    download(videos, "aaa", [RED, GREEN])
    download(videos / "below", "bbb", [BLUE, GREEN, RED], categories=None, description=None, playlist_title=None)
    assert tool.main([str(videos), "--out", str(out)]) == 0
    assert "2 videos with text" in capsys.readouterr().out
    for path in (out / "pairs.jsonl", out / "shards"):
        pairs = load_pairs(path)
        found = {item.id: item for item in pairs.videos}
        assert found["aaa"].text == TextFields("Howto & Style", "how to draw", "The aaa video", "Find more at and now")
        assert found["bbb"].text == TextFields(title="The bbb video")
        assert (found["aaa"].n_picks, found["bbb"].n_picks) == (4, 6)
        assert pairs.fingerprint == backbone.fingerprint(2.0)


def test_run_again_with_more(
    tmp_path: Path, tool: ModuleType, backbone: MeanColour, capsys: pytest.CaptureFixture[str]
) -> None:
    videos, out = tmp_path / "videos", tmp_path / "set"
    download(videos, "aaa", [RED, GREEN])
    download(videos, "bbb", [BLUE, GREEN])
    command = [str(videos), "--out", str(out), "--query", "folder", "--keep-addresses"]
    assert tool.main(command) == 0
    done = len(backbone.batches)
    assert tool.main(command) == 0
    assert len(backbone.batches) == done, "extracted again"
    download(videos, "ccc", [BLUE])
    download(videos / "again", "copy", [RED], id="aaa")
    draw_video(videos / "alone.mp4", [RED])
    (videos / "broken.mp4").write_bytes(b"no video" * 100)
    (videos / "broken.info.json").write_text('{"id": "broken", "title": "t"}')
    (videos / "odd.mp4").write_bytes(b"")
    (videos / "odd.info.json").write_text("[]")
    capsys.readouterr()
    assert tool.main(command) == 1
    sentence = capsys.readouterr().err
    for part in ("no alone.info.json", "broken: not a video that can be", "odd.info.json is not", "the same video as"):
        assert part in sentence, part
    items = {item.id: item for item in load_pairs(out / "shards").videos}
    assert set(items) == {"aaa", "bbb", "ccc"}
    assert items["aaa"].text.query in ("videos", "again")
    assert "https://a.b/c?d=e" in items["ccc"].text.description


def test_nothing_to_collect(tmp_path: Path, tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main([str(tmp_path), "--out", str(tmp_path / "set")]) == 2
    assert "no videos with an .info.json" in capsys.readouterr().err
    assert tool.main([str(tmp_path / "none"), "--out", str(tmp_path / "set")]) == 2
    assert not (tmp_path / "set").exists()
