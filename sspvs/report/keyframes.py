"""Key-frame pictures: one JPEG a shot, named so that the file says where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sspvs.atomic import atomic_stream
from sspvs.errors import OutputError
from sspvs.types import ImageArray, Summary


def keyframe_name(shot_index: int, frame: int) -> str:
    """File name of a key frame, such as `shot_003_frame_000123.jpg`.

    Shots are numbered from 1 here, as people count them and as the report shows them.

    Args:
        shot_index: Position in `summary.shots`, from 0.
        frame: Frame index in the original video.
    """
    return f"shot_{shot_index + 1:03d}_frame_{frame:06d}.jpg"


def write_keyframe_images(
    summary: Summary,
    frames: Iterable[ImageArray],
    folder: Path,
    *,
    shot_indices: Sequence[int] | None = None,
    quality: int = 90,
) -> list[Path]:
    """Write the key frame of each shot as a JPEG.

    Args:
        summary: Whose key frames.
        frames: (H, W, 3) uint8 RGB pictures, one for each of `shot_indices` in that order. Any iterable, so that
            full-size frames of a long video need not be in memory together.
        folder: Where to; made when missing.
        shot_indices: Which shots, from 0; None = every shot.
        quality: JPEG quality, 1 to 95.

    Returns:
        The written files, in the order of `shot_indices`.

    Raises:
        ValueError: The number of frames is not the number of shots.
        OutputError: The folder cannot be written to.
    """
    from PIL import Image

    wanted = range(len(summary.shots)) if shot_indices is None else [int(index) for index in shot_indices]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}; choose another one") from error
    written: list[Path] = []
    pictures = iter(frames)
    for index in wanted:
        picture = next(pictures, None)
        if picture is None:
            raise ValueError(f"expected {len(wanted)} key frames, one a shot, got {len(written)}")
        target = folder / keyframe_name(index, int(summary.keyframes[index]))
        with atomic_stream(target) as stream:
            Image.fromarray(picture).save(stream, format="JPEG", quality=quality)
        written.append(target)
    if next(pictures, None) is not None:
        raise ValueError(f"expected {len(wanted)} key frames, one a shot, got more")
    return written
