from __future__ import annotations

from pathlib import Path

import pytest

from sspvs.errors import VideoError
from sspvs.video import list_videos


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
