"""The official annotations of SumMe and TVSum, which `sspvs data build` makes datasets of."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from sspvs.annotations import read_tvsum
from sspvs.annotations.official import read_summe, read_summe_video
from sspvs.annotations.record import AnnotatedVideo, FrameChoices, FrameRatings
from sspvs.errors import one_line
from sspvs.formats.format import FORMATS, Format
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span
from sspvs.table.h5_file import DAMAGE

_RATINGS = re.compile(r"^[1-5](,[1-5])*,?$")


@FORMATS.register("tvsum")
class TVSum(Format):
    """`ydata-tvsum50.mat` (HDF5) or its `.tsv` (Song et al., CVPR 2015)."""

    what = "TVSum's official annotations"
    order = 80
    keys: ClassVar = {
        "user_anno": ("1-5", "how important each person found each frame, 1 to 5"),
        "video": ("text", "the video's YouTube id"),
        "category": ("text", "two letters for the kind of video"),
        "title": ("text", "the video's title"),
        "length": ("number", "seconds"),
        "nframes": ("number", "N, how many frames the video has"),
        "gt_score": ("numbers", "mean of the ratings"),
    }
    instead = "sspvs data build tvsum --annotations THIS --out D.h5 makes a dataset file of it"

    def matches(self, head: PathHead) -> bool:
        """The MATLAB file, or a table of id, category and ratings."""
        if head.family == "tvsum":
            return True
        columns = head.columns
        return len(columns) == 3 and b"\t" in head.start and bool(_RATINGS.match(columns[2].replace(" ", "")))

    def inspect(self, path: Path, found: Inspection) -> None:
        annotations = read_tvsum(path)
        videos = annotations.videos
        for sentence in annotations.warnings:
            found.problem(sentence, blocking=False)
        users, frames = _look_at(videos, found)
        found.names = {video.key: video.name for video in videos}
        shapes = {"user_anno": f"({users}, {frames})", "video": "text", "category": "text"}
        if path.suffix.lower() == ".mat":
            shapes |= {"title": "text", "length": "scalar", "nframes": "scalar", "gt_score": f"(1, {frames})"}
        for name, shape in shapes.items():
            found.key(name, len(videos), shape, *self.keys[name])
        found.use("a dataset file: sspvs data build tvsum --annotations THIS --out D.h5", True)


@FORMATS.register("summe")
class SumMe(Format):
    """A folder of MATLAB v5 files, or one of them (Gygli et al., ECCV 2014)."""

    what = "SumMe's official annotations (MATLAB v5)"
    order = 90
    keys: ClassVar = {
        "user_score": ("numbers", "above 0 where a person's summary has the frame"),
        "gt_score": ("numbers", "mean of the people's summaries"),
        "nFrames": ("number", "N, how many frames the video has"),
        "FPS": ("number", "frames per second"),
        "video_duration": ("number", "seconds"),
    }
    instead = "sspvs data build summe --annotations THIS --out D.h5 makes a dataset file of it"

    def matches(self, head: PathHead) -> bool:
        """MATLAB v5 files (v7.3 is h5)."""
        if head.is_folder:
            return bool(head.files(".mat") or PathHead(head.path / "GT").files(".mat"))
        return head.is_kind("mat")

    def inspect(self, path: Path, found: Inspection) -> None:
        videos, is_whole = _summe_videos(path, found), path.is_dir()
        users, frames = _look_at(videos, found)
        found.names = {video.key: video.name for video in videos} if is_whole else {}
        shapes = {"user_score": f"({frames}, {users})", "gt_score": f"({frames}, 1)"}
        for name, note in self.keys.items():
            found.key(name, len(videos), shapes.get(name, "scalar"), *note)
        command = "sspvs data build summe --annotations THIS --out D.h5"
        found.use(f"a dataset file: {command}", is_whole, "" if is_whole else "its folder")


def _look_at(videos: Sequence[AnnotatedVideo], found: Inspection) -> tuple[str, str]:
    """Note repairs and the one video that is named; the spans of U and N."""
    found.n_videos, users = len(videos), list[int]()
    for video in videos:
        for sentence in video.repairs:
            found.repair(sentence, video.name)
        opinions = video.opinions
        rate = "unknown" if video.fps is None else f"{video.fps:.3f}"
        detail = {"name": video.name, "frames": f"{video.n_frames} at {rate} per second"}
        if isinstance(opinions, FrameRatings):
            users.append(len(opinions.ratings))
            detail |= {"annotators": str(users[-1]), "title": video.title or "(none)"}
            detail["category"] = video.category or "(none)"
        elif isinstance(opinions, FrameChoices):
            users.append(len(opinions.chosen))
            detail |= {"frames": f"{video.n_frames} at {video.fps} per second", "annotators": str(users[-1])}
            detail["share of the frames each kept"] = ", ".join(f"{kept:.0%}" for kept in opinions.chosen.mean(axis=1))
        if found.video in (video.key, video.name):
            found.detail = detail
    return span(users), span([video.n_frames or 0 for video in videos])


def _summe_videos(path: Path, found: Inspection) -> Sequence[AnnotatedVideo]:
    if not path.is_dir():
        return [read_summe_video(path, path.stem)]
    try:
        annotations = read_summe(path)
    except DAMAGE:  # report what is wrong with each of them, not with the first alone
        videos = []
        for file in PathHead(path).files(".mat") or PathHead(path / "GT").files(".mat"):
            try:
                videos.append(read_summe_video(file, file.stem))
            except DAMAGE as error:
                found.problem(one_line(error).removeprefix(f"{file}: "), file.stem, remedy="fetch the file again")
        return videos
    for sentence in annotations.warnings:
        found.problem(sentence, blocking=False)
    return annotations.videos
