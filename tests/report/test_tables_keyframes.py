"""Key-frame pictures: names, contents, and counts that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.summary_builder import COLOURS, SummaryBuilder
from PIL import Image

from sspvs.errors import OutputError
from sspvs.report import write_keyframe_images
from sspvs.types import ImageArray


def pictures(indices: list[int]) -> Iterator[ImageArray]:
    for index in indices:
        yield np.full((36, 64, 3), COLOURS[index], dtype=np.uint8)


def test_each_shot_gets_its_picture_under_a_name_that_says_where_it_is_from(
    make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    summary = make_summary()
    written = write_keyframe_images(summary, pictures([1, 3, 4]), tmp_path / "keyframes", shot_indices=[1, 3, 4])
    assert [path.name for path in written] == [
        "shot_002_frame_000075.jpg",
        "shot_004_frame_000175.jpg",
        "shot_005_frame_000225.jpg",
    ]
    assert sorted(written) == sorted((tmp_path / "keyframes").iterdir())
    for path, index in zip(written, [1, 3, 4], strict=True):
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == ("JPEG", (64, 36))
            assert np.abs(np.asarray(picture).astype(int).mean(axis=(0, 1)) - COLOURS[index]).max() < 4


@pytest.mark.parametrize("given", [[0, 1], [0, 1, 2, 3, 4, 5, 0]])
def test_too_few_or_too_many_pictures_are_refused(
    given: list[int], make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="expected 6 key frames"):
        write_keyframe_images(make_summary(), pictures(given), tmp_path)


def test_a_file_in_the_way_of_the_folder_is_told(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    (tmp_path / "keyframes").write_text("")
    with pytest.raises(OutputError, match="keyframes"):
        write_keyframe_images(make_summary(), pictures(list(range(6))), tmp_path / "keyframes")
