"""Which features are of which annotated video: by its name, or by its key where keys are the community's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sspvs.annotations.record import AnnotatedVideo, AnnotationSet
from sspvs.annotations.video_names import spelling
from sspvs.errors import DatasetError, VideoError, about
from sspvs.table import DatasetStore, read_dataset
from sspvs.types import FrameFeatures, Shots

if TYPE_CHECKING:
    from sspvs.features.backbones import Backbone
    from sspvs.features.extract import Sampling
    from sspvs.features.resumable import ExtractionReport

_SHOWN = 5
_SPELLINGS: tuple[Callable[[str], str], ...] = (str, spelling, lambda name: spelling(name).casefold())


class FeatureSource:
    """The features of annotated videos, read one at a time.

    Attributes:
        path: The feature file: ours, or one of the community's layout.
        store: The same, opened.

    Args:
        path: The feature file.
        annotations: The videos.
        allow_missing: Whether videos may be without features.

    Raises:
        DatasetError: When the file cannot be read, or a video's features are missing or cannot be told.
    """

    def __init__(self, path: str | os.PathLike[str], annotations: AnnotationSet, *, allow_missing: bool) -> None:
        self.path = Path(path)
        self.store: DatasetStore = read_dataset(self.path)
        self._group_of = self._match(annotations, allow_missing)

    def __contains__(self, video: AnnotatedVideo) -> bool:
        return video.key in self._group_of

    def features_of(self, video: AnnotatedVideo) -> FrameFeatures | None:
        """A video's features; None when it has none.

        Raises:
            FeatureFileError: When they cannot be read.
        """
        group = self._group_of.get(video.key)
        return None if group is None else self.store.features[group]

    def shots_of(self, video: AnnotatedVideo) -> Shots | None:
        """The shots that come with a video's features; None when there are none.

        Raises:
            DatasetError: When they are no shots.
        """
        group = self._group_of.get(video.key)
        return None if group is None else self.store.shots_of(group)

    def _match(self, annotations: AnnotationSet, allow_missing: bool) -> dict[str, str]:
        own_names = self.store.video_names()
        by_name = match_names([video.name for video in annotations.videos], own_names, self.path)
        found: dict[str, str] = {}
        for video in annotations.videos:
            if video.name in by_name:
                found[video.key] = by_name[video.name]
            elif annotations.community_keys and own_names.get(video.key) == video.key:
                found[video.key] = video.key  # the file knows no names: the keys are the same everywhere
        missing = [video for video in annotations.videos if video.key not in found]
        if missing and (not allow_missing or len(missing) == len(annotations.videos)):
            raise DatasetError(self._missing(missing, annotations, own_names))
        return found

    def _missing(self, missing: Sequence[AnnotatedVideo], annotations: AnnotationSet, names: Mapping[str, str]) -> str:
        shown = ", ".join(video.name for video in missing[:_SHOWN])
        rest = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        there = ", ".join(names[group] for group in list(names)[:_SHOWN])
        numbered = all(group == name for group, name in names.items()) and not annotations.community_keys
        remedy = (
            "it may know videos by number only, which fits complete SumMe and TVSum annotations only; "
            if numbered
            else ""
        )
        return (
            f"{self.path}: no features of {len(missing)} of {len(annotations.videos)} videos ({shown}{rest}); it has "
            f"{there}{' ...' if len(names) > _SHOWN else ''}; {remedy}name its groups after the videos, or leave these "
            "videos without features with --allow-missing-features"
        )


def match_names(wanted: Sequence[str], known: Mapping[str, str], path: Path) -> dict[str, str]:
    """Find each wanted name among known ones.

    A name written the same goes first; then spaces and underscores are the same and a file ending does not count; then
    case does not count either.

    Args:
        wanted: Names.
        known: Anything -> its name.
        path: Where the known ones are, for messages.

    Returns:
        Wanted name -> what it was found under; without those that were not found.

    Raises:
        DatasetError: When a name can mean more than one.
    """
    tables: list[dict[str, list[str]]] = []
    for spelled in _SPELLINGS:
        table: dict[str, list[str]] = {}
        for group, name in known.items():
            table.setdefault(spelled(name), []).append(group)
        tables.append(table)
    found = {}
    for name in wanted:
        for spelled, table in zip(_SPELLINGS, tables, strict=True):
            groups = table.get(spelled(name), [])
            if len(groups) > 1:
                raise DatasetError(
                    f"{path}: '{name}' may be any of {', '.join(groups[:_SHOWN])}; expected one; rename or remove the "
                    "others"
                )
            if groups:
                found[name] = groups[0]
                break
    return found


def extract_features(
    annotations: AnnotationSet,
    folder: Path,
    out: Path,
    backbone: Backbone,
    sampling: Sampling,
    *,
    allow_missing: bool = False,
    progress: bool = False,
) -> ExtractionReport:
    """Extract features of the annotated videos that are in a folder; goes on where an earlier run stopped.

    Args:
        annotations: The videos.
        folder: Where the video files are.
        out: The feature file to make or add to.
        backbone: What encodes the frames.
        sampling: How videos are looked at.
        allow_missing: Whether videos may be missing, or unusable.
        progress: Show a progress bar.

    Returns:
        What was done, kept and refused.

    Raises:
        DatasetError: When videos are missing.
        VideoError: When videos cannot be used.
    """
    from sspvs.features.extract import extract_to_file
    from sspvs.video import list_videos

    files = {str(path): path.stem for path in list_videos([folder])}
    found = match_names([video.name for video in annotations.videos], files, folder)
    missing = [video.name for video in annotations.videos if video.name not in found]
    if missing and (not allow_missing or not found):
        shown = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")
        raise DatasetError(
            f"{folder}: no video files of {len(missing)} of {len(annotations.videos)} annotated videos ({shown}); put "
            "them there under their names, or leave them without features with --allow-missing-features"
        )
    report = extract_to_file(
        [Path(found[video.name]) for video in annotations.videos if video.name in found],
        out,
        backbone,
        sampling,
        progress=progress,
    )
    if report.failed and not allow_missing:
        shown = "; ".join(about(path, reason) for path, reason in report.failed[:_SHOWN])
        more = f"; and {len(report.failed) - _SHOWN} more" if len(report.failed) > _SHOWN else ""
        raise VideoError(
            f"{len(report.failed)} of {len(found)} videos could not be used: {shown}{more}; the others' features are "
            f"kept in {out}; mend these, or leave them without features with --allow-missing-features"
        )
    return report
