"""Annotations of one's own: stretches of time, or one score per second, per video and annotator, as JSON or CSV."""

from __future__ import annotations

import os
from pathlib import Path

from sspvs.data.annotations.custom_csv import read_csv_drafts
from sspvs.data.annotations.custom_json import read_json_drafts
from sspvs.data.annotations.draft import NUMBER_FIELDS, TEXT_FIELDS, Problems, VideoDraft
from sspvs.data.annotations.record import AnnotatedVideo, AnnotationSet
from sspvs.errors import DatasetError
from sspvs.files import WrongFileError, read_text

RULES = {
    "user_summary": "intervals: 1 at the frames that start within them; scores: exact knapsack of each annotator's "
    "scores over the shots, floor of 15 % of the frames",
    "user_scores": "intervals: the same as user_summary; scores: held to every frame of their second",
    "gtscore": "mean over annotators of user_scores at the picks",
}

_FIELDS = (*NUMBER_FIELDS, *TEXT_FIELDS)


def read_custom(path: str | os.PathLike[str], *, fps: float | None = None) -> AnnotationSet:
    """Read annotations of one's own.

    JSON, the long form and the short one; both may be mixed, and lie under a key `videos`::

        {"a.mp4": {"duration": 63.5, "fps": 25, "n_frames": 1588, "title": "...", "category": "...",
                   "annotators": {"anna": {"intervals": [[1.5, 4], [20, 31.2]]}, "ben": {"scores": [0, 3, 5, ...]}}},
         "b.mp4": [[[1.5, 4], [20, 31.2]], [[3, 8]]]}

    CSV with a header: `video, annotator, start, end` or `video, annotator, second, score`, and where wanted
    `duration, fps, n_frames, title, category` (in any row of a video). Columns are separated by commas, semicolons or
    tabs, numbers may have a decimal comma where it is not the separator, and UTF-16 is read as well as UTF-8.

    Times are seconds, `MM:SS` or `HH:MM:SS`, with decimals where wanted. Other columns and fields, such as a comment,
    are not read; the set's `warnings` name them.

    All annotators of one video give intervals, or all give scores. Seconds count from the start of the video. What a
    file does not say about length and frame rate comes from features or from `fps`. Videos are numbered in the order
    of the file.

    Args:
        path: The file; what it is shows in its contents.
        fps: Frames per second, for videos whose rate is not known otherwise.

    Returns:
        What the annotators said.

    Raises:
        DatasetError: When the file cannot be read; otherwise all its problems at once, the first few in words.
    """
    path = Path(path)
    text = _text_of(path)
    problems = Problems(path)
    if text.lstrip()[:1] in ("{", "["):
        drafts = read_json_drafts(text, path, problems)
    else:
        drafts = read_csv_drafts(text, path, problems)
    videos = [_video(draft, number, path, fps, problems) for number, draft in enumerate(drafts, 1)]
    problems.raise_if_any()
    found = tuple(video for video in videos if video is not None)
    if not found:
        raise DatasetError(f"{path}: expected annotations of at least one video, found none")
    return AnnotationSet(path.stem, found, (path,), RULES, warnings=_left_out(problems))


def _left_out(problems: Problems) -> tuple[str, ...]:
    if not problems.unread:
        return ()
    names = ", ".join(f"'{name}'" for name in problems.unread)
    return (f"{problems.path}: not read: {names}; known beside annotators are {', '.join(_FIELDS)}",)


def _text_of(path: Path) -> str:
    if path.is_dir():
        raise DatasetError(f"{path}: expected a JSON or CSV file, found a folder")
    if not path.exists():
        raise DatasetError(f"{path}: no such file; expected annotations as JSON or CSV")
    try:
        return read_text(path)
    except WrongFileError as error:
        raise DatasetError(f"{path}: expected annotations as JSON or CSV, but {error}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: expected annotations as JSON or CSV in UTF-8 or UTF-16, found other bytes at {error.start}; "
            "save it as UTF-8"
        ) from error


def _video(draft: VideoDraft, number: int, path: Path, fps: float | None, problems: Problems) -> AnnotatedVideo | None:
    opinions = draft.opinions(problems)
    if opinions is None:
        return None
    n_frames, duration = draft.numbers.get("n_frames"), draft.numbers.get("duration")
    if n_frames is not None and duration is not None:
        fps = n_frames / duration
    return AnnotatedVideo(
        key=f"video_{number}",
        name=draft.name,
        opinions=opinions,
        n_frames=None if n_frames is None else int(n_frames),
        fps=draft.numbers.get("fps", fps),
        duration_seconds=duration,
        title=draft.texts.get("title", ""),
        category=draft.texts.get("category", ""),
        where=f"{path}, video '{draft.name}'",
        repairs=tuple(draft.repairs),
    )
