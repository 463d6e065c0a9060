"""Finding video files among what a user gave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sspvs.errors import VideoError

VIDEO_SUFFIXES = frozenset(
    (
        *(".3g2", ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4"),
        *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
    )
)
"""What is taken from a folder; a file named by the user is tried whatever its name."""


def list_videos(paths: Sequence[Path | str]) -> list[Path]:
    """The video files that `paths` stand for: files as given, folders expanded.

    Args:
        paths: Files and folders. A folder gives the videos directly inside it, sorted by name, without hidden
            files; subfolders are not entered.

    Returns:
        Files, each once, in the order given.

    Raises:
        VideoError: A path does not exist, a folder cannot be read or has no videos.
        ValueError: No path was given.
    """
    if not paths:
        raise ValueError("expected at least one video file or folder, got none")
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            found.update(dict.fromkeys(_videos_inside(path)))
        elif path.exists():
            found[path] = None
        else:
            raise VideoError(f"no such file or folder: {path}")
    return list(found)


def _videos_inside(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise VideoError(f"cannot read the folder {folder}: {error.strerror}") from error
    videos = [
        entry
        for entry in entries
        if entry.suffix.lower() in VIDEO_SUFFIXES and not entry.name.startswith(".") and entry.is_file()
    ]
    if not videos:
        raise VideoError(f"no videos in the folder {folder} (looked for {', '.join(sorted(VIDEO_SUFFIXES))})")
    return videos
