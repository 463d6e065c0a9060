from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sspvs.report.storyboard import (
    MOST_PREVIEW_BYTES,
    PREVIEW_HZ,
    preview_seconds,
    write_preview,
    write_storyboard,
)


@pytest.mark.parametrize("size", [(160, 90), (90, 160)])
@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_every_picture_is_on_the_sheet(tmp_path: Path, size: tuple[int, int], count: int) -> None:
    width, height = size
    colours = np.random.default_rng(count).integers(30, 220, (count, 3)).astype(np.uint8)
    pictures = [np.full((height, width, 3), colour, np.uint8) for colour in colours]
    labels = [f"{number}.  0:00 - 0:02 {'and more ' * 20}" for number in range(count)]
    write_storyboard(pictures, labels, "名前 a very long name " * 9, tmp_path / "board.jpg")
    sheet = np.asarray(Image.open(tmp_path / "board.jpg")).astype(np.int16)[::2, ::2]
    assert sheet.shape[1] <= 1200
    seen = [int((np.abs(sheet - colour).max(axis=-1) < 12).sum()) for colour in colours]
    assert min(seen) > 0.85 * width * height / 4
    paper = np.abs(sheet - (250, 250, 248)).max(axis=-1) < 60  # beside pictures JPEG leaves traces
    assert paper[:, :4].all()  # the text of the last column does not run over the edge
    assert paper[:, -4:].all()
    text = ~paper
    for colour in colours:
        text &= np.abs(sheet - colour).max(axis=-1) > 40
    assert text.sum() > 10 * count  # there is something written


def test_a_preview_plays_again_and_again(tmp_path: Path) -> None:
    pictures = [np.full((90, 160, 3), 20 * number, np.uint8) for number in range(12)]
    write_preview(pictures, tmp_path / "p.webp")
    with Image.open(tmp_path / "p.webp") as preview:
        assert preview.info["loop"] == 0
        durations = []
        for number in range(preview.n_frames):
            preview.seek(number)
            preview.load()
            durations.append(preview.info["duration"])
        assert sum(durations) == 12 * round(1000 / PREVIEW_HZ)
        assert preview.size == (160, 90)


def test_a_preview_stays_small(tmp_path: Path) -> None:
    pictures = list(np.random.default_rng(0).integers(0, 255, (80, 180, 320, 3)).astype(np.uint8))
    write_preview(pictures, tmp_path / "p.webp")
    assert (tmp_path / "p.webp").stat().st_size <= MOST_PREVIEW_BYTES
    with Image.open(tmp_path / "p.webp") as preview:
        assert 5 <= preview.n_frames < 80
        frames = preview.n_frames
        preview.seek(1)
        preview.load()
        assert preview.info["duration"] * frames == pytest.approx(80 * 1000 / PREVIEW_HZ, rel=0.25)


@pytest.mark.parametrize("count", [1, 3, 12, 60, 300])
@pytest.mark.parametrize("length", [0.05, 1.5, 30.0])
def test_seconds_of_a_preview_lie_in_the_pieces(count: int, length: float) -> None:
    plays = []
    for number in range(count):
        plays.append((number * (length + 1), 7.0, 7.0 + length, 1.0))
        plays.append((number * (length + 1) + length, 50.0, 58.0, 8.0))
    seconds = preview_seconds(plays)
    assert seconds == sorted(seconds)
    assert 1 <= len(seconds) <= 120
    assert all((second + 1e-9) % (length + 1) <= length + 2e-9 for second in seconds)
    if count <= 20:
        assert len({int((second + 1e-9) // (length + 1)) for second in seconds}) == count
