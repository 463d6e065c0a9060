"""One film from many videos: its pieces are chosen together from all of them, within one length.

The videos are joined end to end, in the order of recording, and pieces are chosen as from one. Contrastive importance
is computed on all of them together: normalised within each video, a dull one would have as important moments as others.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import VideoError, reason
from sspvs.features.backbones import Backbone
from sspvs.overwriting import read_summary
from sspvs.pipeline.film import FilmSummary, LeftOut
from sspvs.pipeline.look import ClipLook
from sspvs.pipeline.settings import SummarySettings, Tools, load_tools
from sspvs.pipeline.summarizing import VideoSummary, made_with, summarize_with
from sspvs.schema import parameters
from sspvs.scorers import ContrastiveScorer
from sspvs.selection.material import Material, join
from sspvs.selection.overview import BRIEF_SECONDS, REPEAT
from sspvs.selection.summary import Selection, split_at
from sspvs.table import SourceStamp, natural_order
from sspvs.types import FloatArray, FrameFeatures
from sspvs.video.files import list_videos
from sspvs.video.subtitles import digest
from sspvs.weights.digest import file_digest

MOST_PICKS = 40_000
"""Of all videos together; some five hours have as many. Longer material is looked at less often, not in more memory."""
MOST_SCORED = 10_000
"""Of these, as many are scored together, which takes time by their square; the rest are scored as the one before."""
_EARLIEST = datetime(1990, 1, 1, tzinfo=timezone.utc)  # cameras whose clock is not set state 1904, 1970 or 1980


def summarize_many(
    videos: Sequence[str | Path] | str | Path,
    *,
    total: float,
    backbone: str | Backbone = "auto",
    download: bool = False,
    progress: bool = False,
    **settings: Any,
) -> FilmSummary:
    """Summarise many videos as one film: a best-of of a trip, with a chapter for each video.

    The length is shared by importance and by how much each video has to show. Every video is shown where the length
    allows it, except those with nothing to show. A video that cannot be used is left out, and named in `left_out`.

    Args:
        videos: Video files, folders of them, or both.
        total: Longest film in seconds.
        backbone: As in `summarize`.
        download: Whether weights that are not here may be fetched.
        progress: Show progress bars.
        **settings: Other keywords of `summarize`, but `ratio`, `duration` and `max_shots`.

    Returns:
        The film; its `save(folder)` writes all files.

    Raises:
        ValueError: Settings are out of range; the message lists all of them.
        VideoError: None of the videos can be used.
        SspvsError: The weights or an extra is missing or broken; the message says what to do.

    Example:
        >>> film = sspvs.summarize_many(["video.mp4"], total=5)
        >>> film.seconds <= 5
        True
    """
    look = ClipLook(**{name: settings.pop(name) for name in parameters(ClipLook) if name in settings})
    tools = load_tools(film_settings(total, **settings), backbone, download=download, look=look)
    paths = [videos] if isinstance(videos, (str, Path)) else videos
    return make_film(list_videos([Path(path) for path in paths]), tools, progress=progress)


def film_settings(total: float, **settings: Any) -> SummarySettings:
    """Settings of a film of at most `total` seconds; ValueError where they do not go together."""
    others = [name for name in ("ratio", "duration", "max_shots") if settings.pop(name, None) is not None]
    if others:
        raise ValueError(f"give one budget, got total and {' and '.join(others)}")
    if not 0 < total < math.inf:
        raise ValueError(f"total must be a positive number of seconds, got {total:g}")
    if settings.get("select") == "knapsack":
        raise ValueError("total chooses pieces of many videos: select overview or highlights, not knapsack")
    return SummarySettings(duration=total, **settings)


def make_film(
    paths: Sequence[Path],
    tools: Tools,
    *,
    progress: bool = False,
    report: Callable[[VideoSummary | LeftOut], None] = lambda _: None,
) -> FilmSummary:
    """Choose a film from video files; `report` is called after each with what became of it."""
    if tools.look.speed:
        raise ValueError("speed shows all of a video: it does not go with total")
    copies = _copies(paths)
    looked: list[tuple[VideoSummary, Material]] = []
    left_out: list[LeftOut] = []
    stride = 1
    for path in paths:
        try:
            if path in copies:
                other = copies[path]
                same = other.name if other.name != path.name else f"{other.parent.name}/{other.name}"
                left_out.append(LeftOut(path, f"the same file as {same}", False))
            else:
                looked.append(_look(path, tools, stride, progress=progress))
        except Exception as error:  # whatever one video meets, the rest go on
            why = reason(error).replace(str(path), path.name)
            why = why.removeprefix(f"{path.name}: ").removesuffix(f": {path.name}")
            left_out.append(LeftOut(path, why, True))
        report(left_out[-1] if left_out and left_out[-1].path == path else looked[-1][0])
        while sum(len(material.picks) for _, material in looked) > max(MOST_PICKS, len(looked)):
            stride *= 2
            looked = [(summary, _thinned(material, 2)) for summary, material in looked]
    if not looked:
        raise VideoError(f"none of the {len(paths)} videos can be used; the first: {left_out[0].reason}")
    order, by = _in_order([summary for summary, _ in looked])
    videos, notes = _share([looked[index] for index in order], tools)
    assert tools.settings.duration is not None
    return FilmSummary(videos, notes, tools.settings.duration, by, tuple(left_out))


def is_made(paths: Sequence[Path], out: Path, tools: Tools) -> bool:
    """Whether a folder holds a whole film of video files as they are now, made with the same tools and settings."""
    made = read_summary(out)
    return (
        made is not None
        and sources_of(made) == {SourceStamp.of(path) for path in paths}
        and _has_words_of(made, paths, tools)
        and made_with(made, out, tools)
    )


def _has_words_of(made: dict[str, Any], paths: Sequence[Path], tools: Tools) -> bool:
    """Whether the subtitles of all videos of a film are those that it was made with."""
    known = {SourceStamp.from_dict(one["source"]): one.get("subtitles", "") for one in made.get("videos", ())}
    words = {SourceStamp.of(path): digest(path, tools.settings.subtitles) for path in paths}
    return all(words.get(stamp, "") == of_film for stamp, of_film in known.items() if stamp is not None)


def sources_of(made: dict[str, Any]) -> set[SourceStamp | None]:
    """The stamps of all files that a `summary.json` of a film names."""
    listed = [*made.get("videos", ()), *made.get("left_out", ())]
    return {SourceStamp.from_dict(one["source"] or {}) for one in listed if isinstance(one, dict) and "source" in one}


def _copies(paths: Sequence[Path]) -> dict[Path, Path]:
    """Files with the same content as one before, and that one."""
    sizes: dict[int, list[Path]] = {}
    for path in paths:
        if path.is_file():
            sizes.setdefault(path.stat().st_size, []).append(path)
    copies = {}
    for alike in sizes.values():
        first: dict[str, Path] = {}
        for path in alike if len(alike) > 1 else ():
            try:
                digest = file_digest(path)
            except OSError:
                continue  # reading it as a video says why
            if first.setdefault(digest, path) != path:
                copies[path] = first[digest]
    return copies


def _look(path: Path, tools: Tools, stride: int, *, progress: bool) -> tuple[VideoSummary, Material]:
    """A video without pieces, and the material to choose them from, without what takes much memory."""
    held: list[Material] = []

    def nothing(material: Material) -> Selection:
        held.append(_thinned(material, stride))
        shots = len(material.shots)
        none, zeros = np.zeros((0, 2), np.int64), np.zeros(shots)
        return Selection(zeros.astype(np.bool_), none, material.shots.bounds[:, 0], zeros, 0, 0.0)

    summary = summarize_with(path, tools, progress=progress, choose=nothing)
    return replace(summary, thumbnails=(), curves={}), held[0]


def _thinned(material: Material, stride: int) -> Material:
    """With every so many-th pick only."""
    if stride == 1:
        return material
    features, scores, picks = material.features[::stride], material.scores[::stride], material.picks[::stride]
    fit = None if material.fit is None else material.fit[::stride]
    return replace(material, features=features.copy(), scores=scores, picks=picks, fit=fit)


def _in_order(videos: Sequence[VideoSummary]) -> tuple[list[int], str]:
    """Indices in the order of recording where all state a time, otherwise by name; and which of the two."""
    paths = [video.info.path.casefold() for video in videos]
    rank = {path: number for number, path in enumerate(natural_order(paths))}
    times = [_recorded(video.info.recorded) for video in videos]
    if None in times:
        return sorted(range(len(videos)), key=lambda index: rank[paths[index]]), "name"
    return sorted(range(len(videos)), key=lambda index: (times[index], rank[paths[index]])), "time"


def _recorded(text: str) -> datetime | None:
    """A time of recording; None where it is none, or one that a camera whose clock is not set gives."""
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    return time if _EARLIEST < time < datetime.now(timezone.utc) + timedelta(days=1) else None


def _share(
    looked: Sequence[tuple[VideoSummary, Material]], tools: Tools
) -> tuple[tuple[VideoSummary, ...], tuple[str, ...]]:
    """Each video with its pieces of the best choice from all of them, and why it has none."""
    joined = join([material for _, material in looked])
    if isinstance(tools.scorer, ContrastiveScorer):
        joined = replace(joined, scores=_scores_together(joined, tools))
    chosen = tools.pieces(joined)
    segments = split_at(chosen.segments, np.asarray(joined.begins, np.int64))
    of_videos = joined.videos_of(segments)
    looks = joined.looks(segments)
    videos, notes, shot, pick = [], [], 0, 0
    for number, ((summary, material), begin) in enumerate(zip(looked, joined.begins, strict=True)):
        own = segments[of_videos == number] - begin
        if len(own):
            own = split_at(own, np.asarray(summary.timeline.gaps, np.int64) + 1)
        shots, picks = slice(shot, shot + len(material.shots)), slice(pick, pick + len(material.picks))
        shot, pick = shots.stop, picks.stop
        video = replace(
            summary,
            picks=material.picks,
            scores=joined.scores[picks],
            shot_scores=chosen.shot_scores[shots],
            selected=chosen.selected[shots],
            segments=own,
            keyframes=chosen.keyframes[shots] - begin,
            budget_frames=int(np.diff(own).sum()),
            budget_seconds=min(float(np.diff(material.edges[own]).sum()), chosen.budget_seconds),
        )
        videos.append(video)
        notes.append("" if len(own) else _why_not(video, material, looks))
    return tuple(videos), tuple(notes)


def _scores_together(joined: Material, tools: Tools) -> FloatArray:
    """(T,) importance among all videos; what is avoided, black pictures and the like, is not compared with."""
    kept = np.flatnonzero(~joined.avoid[joined.picks])
    kept = kept if len(kept) else np.arange(len(joined.picks))
    some = kept[:: math.ceil(len(kept) / MOST_SCORED)]
    features = FrameFeatures("film", joined.features[some], joined.picks[some], joined.shots.n_frames)
    found = tools.scorer.score(features, tools.settings.text).scores
    scores: FloatArray = np.full(len(joined.picks), found.min())
    scores[kept] = found[np.searchsorted(some, kept, side="right") - 1]
    return scores


def _why_not(video: VideoSummary, material: Material, looks: FloatArray) -> str:
    """Why a video has no piece."""
    ranges = material.ranges(avoid=True)
    if np.diff(material.edges[ranges]).max(initial=0) < BRIEF_SECONDS:
        reasons = " and ".join(dict.fromkeys(reason for *_, reason in video.avoided))
        return f"it has {reasons} only" if reasons else f"it lasts {material.edges[-1]:.1f} s"
    if np.median((material.unit @ looks.T).max(axis=1)) > REPEAT:
        return "other videos show the same"
    return "other videos have more to show"
