from __future__ import annotations

from pathlib import Path

import pytest

from sspvs.errors import VideoError
from sspvs.video import list_videos
from sspvs.video.files import find_videos


def test_files_as_given_and_folders_sorted(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    for name in ("b.mp4", "a.MKV", "c.webm", "notes.txt", ".hidden.mp4", "deeper/d.mp4"):
        (folder / name).touch()
    odd = tmp_path / "odd.bin"
    odd.touch()
    names = [path.name for path in list_videos([odd, folder, folder / "b.mp4"])]
    assert names == ["odd.bin", "a.MKV", "b.mp4", "c.webm"]


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(VideoError, match="no videos in the folder"):
        list_videos([tmp_path])
    with pytest.raises(VideoError, match="no such file"):
        list_videos([tmp_path / "missing.mp4"])
    with pytest.raises(ValueError, match="at least one"):
        list_videos([])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Videos on three levels, a link that loops, a hidden folder, a second way to a folder, and our own outputs."""
    for name in ("a.mp4", "one/a.mp4", "one/two/b.mov", ".trash/c.mp4", "out/a/summary.mp4", "x-summary/summary.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "x-summary" / "summary.json").write_text('{"generated_by": "sspvs 0.1.0", "files": ["summary.mp4"]}')
    (tmp_path / "x-summary" / "taken.mp4").touch()
    (tmp_path / "one" / "loop").symlink_to(tmp_path)
    (tmp_path / "another way").symlink_to(tmp_path / "one" / "two")
    return tmp_path


def test_folders_within_folders(tree: Path) -> None:
    found = find_videos([tree], recursive=True, out=tree / "out")
    assert {path.relative_to(tree).as_posix(): folder.as_posix() for path, folder in found.folders.items()} == {
        "a.mp4": ".",
        "one/a.mp4": "one",
        "x-summary/taken.mp4": "x-summary",
        "one/two/b.mov": "one/two",
    }
    assert found.not_searched == 0


def test_folders_that_are_not_searched_are_counted(tree: Path) -> None:
    found = find_videos([tree, tree / "one"], out=tree / "out")
    assert [path.relative_to(tree).as_posix() for path in found.videos] == ["a.mp4", "one/a.mp4"]
    assert found.not_searched == 4  # "another way" and "one" of the first, "two" and "loop" of the second
    with pytest.raises(VideoError, match=r"1 sub-folder in it was not searched: --recursive"):
        find_videos([tree / "one" / "two" / ".." / ".." / "out"])


def test_a_summary_of_ours_is_not_found_as_a_video_even_beside_its_source(tmp_path: Path) -> None:
    for name in ("trip.mp4", "summary.mp4"):
        (tmp_path / name).touch()
    assert [path.name for path in list_videos([tmp_path])] == ["summary.mp4", "trip.mp4"]
    (tmp_path / "summary.json").write_text('{"generated_by": "another tool", "files": ["summary.mp4"]}')
    assert [path.name for path in list_videos([tmp_path])] == ["summary.mp4", "trip.mp4"]
    (tmp_path / "summary.json").write_text('{"generated_by": "sspvs 0.1.0", "shots": []}')
    assert [path.name for path in list_videos([tmp_path])] == ["trip.mp4"]
    assert list_videos([tmp_path / "summary.mp4"]) == [tmp_path / "summary.mp4"]
