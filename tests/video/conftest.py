from __future__ import annotations

from pathlib import Path

import pytest
from helpers.drawn_videos import uneven, write_video


@pytest.fixture
def vfr_video(tmp_path: Path) -> tuple[Path, list[float]]:
    """B frames, variable frame rate, short groups of pictures: the file and its true times."""
    seconds = uneven(120)
    return write_video(tmp_path / "vfr.mp4", seconds), seconds
