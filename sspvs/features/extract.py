"""Features of one video, or of many into one file, with progress bars on stderr where that is a terminal."""

import io
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias, overload

import numpy as np
from tqdm import tqdm

from sspvs.errors import SspvsError, VideoError, local_only, reason
from sspvs.features.backbones import Backbone, load_backbone
from sspvs.features.resumable import ExtractionReport, Job, Outcome, run_jobs
from sspvs.table import pack_video
from sspvs.types import FloatArray, FrameFeatures, FrameTrace, FurtherStream, ImageArray, IntArray, VideoInfo
from sspvs.video import open_video
from sspvs.video.files import list_videos

Encode = Callable[[Backbone, ImageArray], FloatArray]
Progress = Callable[[float, float], None]
"""Called with the seconds of a video decoded so far, and its length in seconds (0 when unknown)."""
WIDTH_PIXELS = 160
MAX_HEIGHT_PIXELS = 480  # of a very tall picture
JPEG_QUALITY = 80
MAX_DAMAGED = 1 / 3  # a video may have this share of damaged frames and still be used


class NotFiniteError(SspvsError):
    """A network that gave NaN or infinity."""


@dataclass(frozen=True)
class ExtractedVideo:
    """One video's features, what its frames look like where each is decoded, and, where wanted, a JPEG of each pick."""

    features: FrameFeatures
    thumbnails: tuple[bytes, ...] = ()
    trace: FrameTrace | None = None


@dataclass(frozen=True)
class Sampling:
    """How videos are looked at: picks a second, decoder, frames encoded at a time (never of two videos), limits."""

    rate_hz: float = 2.0
    decoder: str = "auto"
    batch_size: int = 32
    time_limit_seconds: float = 60.0
    max_damaged: float = MAX_DAMAGED  # share of the frames that may be damaged, or predicted from damaged ones

    def __post_init__(self) -> None:
        if not 0 <= self.max_damaged <= 1:
            raise ValueError(f"max_damaged must be between 0 and 1, got {self.max_damaged}")


DEFAULT_SAMPLING = Sampling()


PathLike: TypeAlias = str | os.PathLike[str]


@overload
def extract(
    videos: PathLike,
    *,
    backbone: str | Backbone = ...,
    rate_hz: float = ...,
    device: str = ...,
    download: bool = ...,
    progress: bool = ...,
) -> FrameFeatures: ...
@overload
def extract(
    videos: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    backbone: str | Backbone = ...,
    rate_hz: float = ...,
    device: str = ...,
    download: bool = ...,
    workers: int = ...,
    overwrite: bool = ...,
    progress: bool = ...,
) -> ExtractionReport: ...
def extract(
    videos: PathLike | Sequence[PathLike],
    out: PathLike | None = None,
    *,
    backbone: str | Backbone = "auto",
    rate_hz: float = 2.0,
    device: str = "auto",
    download: bool = False,
    workers: int = 1,
    overwrite: bool = False,
    progress: bool = False,
) -> FrameFeatures | ExtractionReport:
    """Frame features of one video, or of many into one feature file.

    Args:
        videos: A video file; with `out` also a folder of them, or a list of files and folders.
        out: Feature file (h5) to make or add to, as `sspvs extract --out` does: videos in it are kept, and an
            interrupted run goes on where it stopped.
        backbone: Name of a frame encoder (`list_backbones`), or one already loaded. `auto`: the best one here.
        rate_hz: Frames encoded per second of video.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.
        download: Fetch weights that are not on this machine.
        workers: Videos decoded at the same time, with `out`.
        overwrite: Replace `out` instead of adding to it.
        progress: Show progress bars.

    Returns:
        Without `out` the video's features: `features` (T, D) float32 at the frames `picks` (T,). With `out` a report of
        the videos that were extracted, kept and refused.

    Raises:
        VideoError: The video cannot be opened, or nothing of it can be decoded.
        WeightsNotFoundError: The backbone's weights are not on this machine.
        OutputError: `out` cannot be written.
        ValueError: A setting is out of its range, or there are several videos and no `out`.

    Example:
        >>> import sspvs
        >>> video = sspvs.extract("video.mp4", backbone="efficientnet-lite0")
        >>> video.features.shape[1], len(video.picks) == len(video.features)
        (1280, True)
        >>> report = sspvs.extract(["video.mp4"], "new.h5", backbone="efficientnet-lite0")
        >>> len(report.extracted)
        1
    """
    encoder = load_backbone(backbone, device=device, download=download) if isinstance(backbone, str) else backbone
    sampling = Sampling(rate_hz=rate_hz)
    if out is None:
        if not isinstance(videos, (str, os.PathLike)):
            raise ValueError("give out, the feature file that the features of several videos go into")
        return extract_video(videos, encoder, sampling, progress=progress).features
    listed = [videos] if isinstance(videos, (str, os.PathLike)) else videos
    paths = list_videos([Path(path) for path in listed])
    return extract_to_file(paths, Path(out), encoder, sampling, workers=workers, overwrite=overwrite, progress=progress)


def extract_video(
    path: str | os.PathLike[str],
    backbone: Backbone,
    sampling: Sampling = DEFAULT_SAMPLING,
    *,
    thumbnails: bool = False,
    progress: bool = False,
    opened: Callable[[VideoInfo], None] = lambda _: None,
    further: Sequence[Backbone] = (),
) -> ExtractedVideo:
    """Features of one video's picks, with timeline and decode report; NotFiniteError where some are not finite.

    `opened` is called with what the container states before the first frame is decoded. The features of `further`
    backbones become streams of these, under `stream_of`.
    """
    local_only(path)
    with video_bar(Path(path).name, show=progress) as advance:
        return _extract(
            path, backbone, _encode, sampling, advance, thumbnails=thumbnails, opened=opened, further=further
        )


def stream_of(backbone: str) -> str:
    """The name of the stream of a further backbone's features: `open_clip_ViT-B-32_openai`, for example."""
    return re.sub(r"[^\w.-]+", "_", backbone)


def _encode(backbone: Backbone, frames: ImageArray) -> FloatArray:
    return backbone.encode(frames)


def _extract(
    path: str | os.PathLike[str],
    backbone: Backbone,
    encode: Encode,
    sampling: Sampling,
    progress: Progress,
    *,
    thumbnails: bool = False,
    opened: Callable[[VideoInfo], None] = lambda _: None,
    further: Sequence[Backbone] = (),
) -> ExtractedVideo:
    """Features by all backbones; those that take frames of the same size share a pass over the video."""
    together = [backbone, *(one for one in further if one.resize == backbone.resize)]
    encoded: list[list[FloatArray]] = [[] for _ in together]
    picks: list[IntArray] = []
    pictures: list[bytes] = []
    with open_video(Path(path), decoder=sampling.decoder, time_limit_seconds=sampling.time_limit_seconds) as reader:
        info = reader.info
        opened(info)
        for chunk in reader.sample(sampling.rate_hz, backbone.resize, chunk_frames=sampling.batch_size):
            for one, found in zip(together, encoded, strict=True):
                found.append(encode(one, chunk.frames))  # (C, D)
            picks.append(chunk.picks)
            if thumbnails:
                pictures += thumbnail_jpegs(chunk.pictures, info.width, info.height)
            progress(float(chunk.seconds[-1]), info.duration_seconds)
        timeline, decode, trace = reader.timeline, reader.decode_report, reader.trace
    if decode.corrupt_frames > sampling.max_damaged * decode.all_frames:  # smears, which would be scored as pictures
        raise VideoError(
            f"{path}: {decode.corrupt_frames} of {decode.all_frames} frames are damaged, or predicted from damaged "
            f"ones, more than {sampling.max_damaged:.0%} of them; --max-damaged 1 uses it all the same"
        )
    features = [_finite(found, one, path) for one, found in zip(together, encoded, strict=True)]
    streams = {
        stream_of(one.name): FurtherStream(found, one.fingerprint(sampling.rate_hz))
        for one, found in zip(together[1:], features[1:], strict=True)
    }
    for one in further:
        if one not in together:
            alone = _extract(path, one, encode, sampling, progress).features
            streams[stream_of(one.name)] = FurtherStream(alone.features, alone.fingerprint)
    return ExtractedVideo(
        FrameFeatures(
            name=Path(path).stem,
            features=features[0],
            picks=np.concatenate(picks),
            n_frames=timeline.n_frames,
            timeline=timeline,
            fingerprint=backbone.fingerprint(sampling.rate_hz),
            frame_change=None if trace is None else trace.change,
            info=info,
            decode=decode,
            streams=streams,
        ),
        tuple(pictures),
        trace,
    )


def _finite(encoded: Sequence[FloatArray], backbone: Backbone, path: str | os.PathLike[str]) -> FloatArray:
    """(T, D) of chunks of it."""
    features = np.concatenate(encoded).astype(np.float32, copy=False)
    if not np.isfinite(features).all():
        raise NotFiniteError(
            f"{path}: {backbone.name} gave features that are not finite; try --precision fp32, or another backbone"
        )
    return features


def extract_job(
    job: Job,
    backbone: Backbone,
    sampling: Sampling,
    progress: Progress = lambda *_: None,
    encode: Encode = _encode,
    further: Sequence[Backbone] = (),
) -> Outcome:
    """Extract one of many videos: whatever it meets becomes an outcome, not an error, and the rest go on."""
    try:
        video = _extract(job.path, backbone, encode, sampling, progress, further=further).features
        packed = pack_video(job.group, video, job.source)
    except Exception as error:
        return Outcome(job, reason=reason(error))
    warnings = video.decode.warnings if video.decode else ()
    return Outcome(job, packed, n_frames=video.n_frames, n_picks=len(video.picks), warnings=warnings)


def extract_to_file(
    paths: Sequence[Path],
    out: Path,
    backbone: Backbone,
    sampling: Sampling = DEFAULT_SAMPLING,
    *,
    further: Sequence[Backbone] = (),
    workers: int = 1,
    overwrite: bool = False,
    progress: bool = False,
) -> ExtractionReport:
    """Features of many videos, into one file; an interrupted run goes on where it stopped.

    Videos that cannot be used are reported. What `out` has stays, unless `overwrite`, its video has changed or it lacks
    the stream of a `further` backbone.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")

    def produce(jobs: Sequence[Job]) -> Iterator[Outcome]:
        turn, stop = threading.Lock(), threading.Event()

        def encode(one: Backbone, frames: ImageArray) -> FloatArray:
            with turn:
                if stop.is_set():
                    raise _StoppedError
                return one.encode(frames)

        def one(job: Job) -> Outcome:
            with bar.video(job.path.name) as advance:
                return extract_job(job, backbone, sampling, advance, encode, further)

        with VideosBar(len(jobs), show=progress) as bar:
            if workers == 1:
                yield from map(one, jobs)
            else:
                yield from _side_by_side(one, jobs, workers, stop)

    streams = {stream_of(one.name): one.fingerprint(sampling.rate_hz) for one in further}
    return run_jobs(paths, out, backbone.fingerprint(sampling.rate_hz), produce, streams=streams, overwrite=overwrite)


class _StoppedError(BaseException):
    """Ends a thread whose result is not wanted any more."""


def _side_by_side(
    one: Callable[[Job], Outcome], jobs: Sequence[Job], workers: int, stop: threading.Event
) -> Iterator[Outcome]:
    """Outcomes as they come, `workers` videos at a time; on an error the others stop at their next batch."""
    waiting = iter(jobs)
    running: set[Future[Outcome]] = set()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="extract")
    try:
        while True:
            running |= {pool.submit(one, job) for job in islice(waiting, workers - len(running))}
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def thumbnail_jpegs(frames: ImageArray, width: int, height: int) -> list[bytes]:
    """Each frame as a small JPEG at the video's own aspect, whatever shape the network takes."""
    from PIL import Image

    tall = round(WIDTH_PIXELS * height / width) if width > 0 and height > 0 else WIDTH_PIXELS
    size = (WIDTH_PIXELS, min(max(1, tall), MAX_HEIGHT_PIXELS))
    pictures = []
    for frame in frames:
        buffer = io.BytesIO()
        Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=JPEG_QUALITY)
        pictures.append(buffer.getvalue())
    return pictures


@contextmanager
def video_bar(name: str, *, show: bool) -> Iterator[Progress]:
    """A bar for one video."""
    layout = "{desc}{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of video [{elapsed}<{remaining}]"
    with tqdm(desc=shorten(name), total=1, leave=False, disable=None if show else True, bar_format=layout) as bar:

        def advance(seconds: float, length: float) -> None:
            bar.total = max(length, seconds)
            bar.update(seconds - bar.n)

        yield advance


class VideosBar:
    """One bar for many videos, each counting by the part of it that is decoded; safe to use from threads."""

    def __init__(self, n_videos: int, *, show: bool) -> None:
        layout = "{desc}{percentage:3.0f}%|{bar}| {n:.1f}/{total} videos [{elapsed}<{remaining}{postfix}]"
        self._bar = tqdm(total=n_videos, leave=False, disable=None if show else True, bar_format=layout)
        self._lock = threading.Lock()
        self._seconds = 0.0

    def __enter__(self) -> "VideosBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    @contextmanager
    def video(self, name: str) -> Iterator[Progress]:
        """One of the videos; it counts as whole when the block ends, however it ends."""
        part, before = 0.0, 0.0

        def advance(seconds: float, length: float) -> None:
            nonlocal part, before
            now = min(seconds / length, 1.0) if length > 0 else part
            self._advance(now - part, seconds - before, name)
            part, before = now, seconds

        try:
            yield advance
        finally:
            self._advance(1.0 - part, 0.0, name)

    def _advance(self, videos: float, seconds: float, name: str) -> None:
        with self._lock:
            self._seconds += seconds
            self._bar.set_description(shorten(name), refresh=False)
            self._bar.set_postfix_str(f"{self._seconds:.0f} s of video", refresh=False)
            self._bar.update(videos)


def shorten(name: str, width: int = 30) -> str:
    """A name that leaves room for the bar: its middle goes first."""
    if len(name) <= width:
        return name
    return f"{name[: width // 2 - 1]}...{name[-(width // 2) :]}"
