"""SumMe's official annotations (Gygli et al., ECCV 2014): a folder of MATLAB v5 files, or one of them."""

from __future__ import annotations

from pathlib import Path

from sspvs.annotations import AnnotatedVideo, FrameChoices
from sspvs.annotations.summe import read_summe, read_summe_video
from sspvs.errors import one_line
from sspvs.formats.glimpse import DAMAGE, Glimpse
from sspvs.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use, span
from sspvs.formats.kind import Kind


def matches(glimpse: Glimpse) -> bool:
    """MATLAB v5 files (v7.3 is h5)."""
    if glimpse.is_folder:
        inner = Glimpse(glimpse.path / "GT")
        return bool(glimpse.files(".mat")) or bool(inner.path.is_dir() and inner.files(".mat"))
    return glimpse.head.startswith(b"MATLAB 5.0")


def inspect(path: Path, inspection: Inspection) -> None:
    """Every file."""
    videos = _videos(path, inspection)
    inspection.n_videos = len(videos)
    inspection.names = {item.key: item.name for item in videos} if path.is_dir() else {}
    users = [len(item.opinions.chosen) for item in videos if isinstance(item.opinions, FrameChoices)]
    frames = [item.n_frames or 0 for item in videos]
    shape = f"({span(frames)}, {span(users)})"
    inspection.keys = [
        KeyNote("user_score", len(videos), shape, "numbers", "above 0 where a person's summary has the frame"),
        KeyNote("gt_score", len(videos), f"({span(frames)}, 1)", "numbers", "mean of the people's summaries"),
        KeyNote("nFrames", len(videos), "scalar", "number", "N, how many frames the video has"),
        KeyNote("FPS", len(videos), "scalar", "number", "frames per second"),
        KeyNote("video_duration", len(videos), "scalar", "number", "seconds"),
    ]
    for item in videos:
        for sentence in item.repairs:
            inspection.repair(sentence, item.name)
        if inspection.video in (item.key, item.name) and isinstance(item.opinions, FrameChoices):
            shares = ", ".join(f"{share:.0%}" for share in item.opinions.chosen.mean(axis=1))
            inspection.detail = {
                "name": item.name,
                "frames": f"{item.n_frames} at {item.fps} per second",
                "annotators": str(len(item.opinions.chosen)),
                "share of the frames each kept": shares,
            }
    if inspection.video is not None and not inspection.detail:
        raise NoSuchVideoError(inspection.video)
    whole = path.is_dir()
    inspection.uses = [
        Use(
            "a dataset file: sspvs data build summe --annotations THIS --out D.h5", whole, "" if whole else "its folder"
        )
    ]


def _videos(path: Path, inspection: Inspection) -> list[AnnotatedVideo]:
    if not path.is_dir():
        return [read_summe_video(path, path.stem)]
    try:
        annotations = read_summe(path)
    except DAMAGE:  # say what is wrong with each of them, not with the first alone
        folder = path if Glimpse(path).files(".mat") else path / "GT"
        videos = []
        for file in Glimpse(folder).files(".mat"):
            try:
                videos.append(read_summe_video(file, file.stem))
            except DAMAGE as error:
                inspection.problem(one_line(error).removeprefix(f"{file}: "), file.stem, remedy="fetch the file again")
        return videos
    for sentence in annotations.warnings:
        inspection.problem(sentence, blocking=False)
    return list(annotations.videos)


KIND = Kind(
    name="summe",
    what="SumMe's official annotations (MATLAB v5)",
    matches=matches,
    inspect=inspect,
    instead="sspvs data build summe --annotations THIS --out D.h5 makes a dataset file of it",
)
