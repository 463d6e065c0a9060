"""From a video file to its summary, once through the house: reader, features, scores, shots, summary.

`summarize` computes, `VideoSummary.save` writes. Both together are `sspvs summarize`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from sspvs.features.backbones import Backbone, load_backbone
from sspvs.features.extract import MAX_DAMAGED, Sampling, extract_video
from sspvs.features.transnet import cut_frames
from sspvs.importance.contrastive import contrastive_importance
from sspvs.output import write_outputs
from sspvs.selection.kts import DEFAULT_PENALTY, WINDOW_PICKS, kts
from sspvs.selection.shots import given_shots, merge_short, shots_from_cuts, shots_from_picks, uniform_shots
from sspvs.selection.summary import Budget, select, select_in_parts
from sspvs.types import FrameFeatures, Shots, Summary, Timeline, VideoInfo

Segmenter = Literal["kts", "uniform", "given", "transnet"]
SEGMENTERS: tuple[Segmenter, ...] = ("kts", "uniform", "given", "transnet")

Combine = Literal["a", "ag"]
Post = Literal["summe", "tvsum", "none"]


@dataclass(frozen=True)
class SummarySettings:
    """Everything that decides which frames a summary keeps; wrong values are reported all at once.

    Attributes:
        ratio: Longest summary as a part of the video, in (0, 1); 0.15 when no budget is given.
        duration: Longest summary in seconds; instead of `ratio`.
        max_shots: Most shots in the summary; instead of `ratio`.
        min_shot_seconds: Shots shorter than this are joined to a neighbour.
        title: Text that guides the scores: importance is multiplied by each frame's similarity to it.
        scorer: `contrastive`, the training-free importance.
        combine: `a` local dissimilarity alone, `ag` times global consistency.
        post: What follows the product: see `contrastive_importance`.
        segmenter: How the video is cut into shots: `kts`, `uniform` (every `shot_seconds`), `given` (`shots`),
            `transnet` (hard cuts; an extra).
        kts_penalty: Weight of the KTS penalty: larger means fewer, longer shots.
        shot_seconds: Length of uniform shots.
        shots: JSON file of shots, for `given`: [start, end) pairs that cover the video, or a `summary.json`.
        shots_unit: What the pairs count: `frames` or `seconds`.
        rate_hz: Frames looked at per second of video.
        decoder: `auto`, `pyav` or `decord`.
        time_limit_seconds: Longest time a decoder may give nothing before it is stopped.
        max_damaged: Share of the frames that may be damaged, or predicted from damaged ones, in [0, 1].
        device: Where the scores are computed: `auto`, `cpu`, `cuda`, `cuda:1`.
    """

    ratio: float | None = None
    duration: float | None = None
    max_shots: int | None = None
    min_shot_seconds: float = 1.0
    title: str = ""
    scorer: str = "contrastive"
    combine: Combine = "ag"
    post: Post = "summe"
    segmenter: Segmenter = "kts"
    kts_penalty: float = DEFAULT_PENALTY
    shot_seconds: float = 5.0
    shots: str | Path | None = None
    shots_unit: Literal["frames", "seconds"] = "frames"
    rate_hz: float = 2.0
    decoder: str = "auto"
    time_limit_seconds: float = 60.0
    max_damaged: float = MAX_DAMAGED
    device: str = "auto"

    def __post_init__(self) -> None:
        problems = []
        try:
            self.budget()
        except ValueError as error:
            problems.append(str(error))
        if self.scorer != "contrastive":
            problems.append(f"scorer must be 'contrastive', got '{self.scorer}'")
        if self.segmenter not in SEGMENTERS:
            problems.append(f"segmenter must be one of {', '.join(SEGMENTERS)}, got '{self.segmenter}'")
        if self.shots_unit not in ("frames", "seconds"):
            problems.append(f"shots_unit must be frames or seconds, got '{self.shots_unit}'")
        if self.shots is not None and not Path(self.shots).is_file():
            problems.append(f"no such file of shots: {self.shots}")
        if (self.segmenter == "given") != (self.shots is not None):
            problems.append("segmenter 'given' and a file of shots go together: --segmenter given --shots FILE")
        if not 0 <= self.min_shot_seconds < math.inf:
            problems.append(f"min_shot_seconds must be >= 0, got {self.min_shot_seconds}")
        for name in ("kts_penalty", "rate_hz", "shot_seconds", "time_limit_seconds"):
            if not 0 < getattr(self, name) < math.inf:
                problems.append(f"{name} must be a positive number, got {getattr(self, name)}")
        if not 0 <= self.max_damaged <= 1:
            problems.append(f"max_damaged must be between 0 and 1, got {self.max_damaged}")
        if problems:
            raise ValueError("; ".join(problems))

    def budget(self) -> Budget:
        """The length the summary may have."""
        return Budget(ratio=self.ratio, duration_seconds=self.duration, max_shots=self.max_shots)


@dataclass(frozen=True)
class VideoSummary(Summary):
    """A `Summary` that can write itself to a folder."""

    def save(self, out_dir: str | Path, *, progress: bool = False) -> Path:
        """Write the clip, the page, the scores, the key frames and the edit lists.

        Files appear under their names only when all of them are finished; those of an earlier run are replaced.

        Args:
            out_dir: Folder to write into; made when it does not exist.
            progress: Show a progress bar while the clip is written.

        Returns:
            `out_dir` as a path.

        Raises:
            OutputError: The folder cannot be written to.
            VideoError: The source video cannot be read any more.
        """
        return write_outputs(self, Path(out_dir), progress=progress)


def summarize(
    video: str | Path,
    *,
    backbone: str | Backbone = "auto",
    download: bool = False,
    progress: bool = False,
    **settings: Any,
) -> VideoSummary:
    """Summarise one video, without training.

    Args:
        video: The video file.
        backbone: Name of a frame encoder, or one already loaded (for many videos).
        download: Whether weights that are not here may be fetched.
        progress: Show progress bars.
        **settings: Fields of `SummarySettings`: `ratio`, `duration`, `max_shots`, `title`, `segmenter`, ...

    Returns:
        The summary; its `save(folder)` writes all files.

    Raises:
        ValueError: A setting is out of range.
        SspvsError: The video, the weights or an extra is missing or broken; the message says what to do.

    Example:
        >>> import sspvs
        >>> summary = sspvs.summarize("video.mp4", ratio=0.15)  # doctest: +SKIP
        >>> summary.save("out/")  # doctest: +SKIP
    """
    known = {field.name for field in fields(SummarySettings)}
    if unknown := sorted(set(settings) - known):
        raise ValueError(f"unknown settings {', '.join(unknown)}; expected some of: {', '.join(sorted(known))}")
    checked = SummarySettings(**settings)
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, device=checked.device, download=download)
    return summarize_with(video, backbone, checked, progress=progress)


def summarize_with(
    video: str | Path, backbone: Backbone, settings: SummarySettings, *, progress: bool = False
) -> VideoSummary:
    """Summarise one video with a loaded backbone and checked settings.

    Args:
        video: The video file.
        backbone: A frame encoder.
        settings: What decides which frames are kept.
        progress: Show progress bars.

    Returns:
        The summary.

    Raises:
        SspvsError: The video or an extra is missing or broken; the message says what to do.
    """
    extracted = extract_video(
        video,
        backbone,
        Sampling(
            rate_hz=settings.rate_hz,
            decoder=settings.decoder,
            time_limit_seconds=settings.time_limit_seconds,
            max_damaged=settings.max_damaged,
        ),
        thumbnails=True,
        progress=progress,
    )
    features = extracted.features
    assert features.info is not None
    assert features.timeline is not None
    assert features.decode is not None
    importance = contrastive_importance(
        features.features,
        combine=settings.combine,
        post=settings.post,
        text_similarity=backbone.text_similarity(features.features, settings.title) if settings.title else None,
        device=settings.device,
    )
    shots, shot_warnings = _cut_into_shots(features, features.timeline, features.info, settings)
    if settings.segmenter in ("kts", "transnet"):
        shots, chosen = select_in_parts(
            importance.scores,
            features.picks,
            shots,
            settings.budget(),
            features.timeline,
            min_shot_seconds=settings.min_shot_seconds,
        )
    else:  # shots of a length or at places that were asked for stay as they are
        chosen = select(importance.scores, features.picks, shots, settings.budget(), features.timeline)
    return VideoSummary(
        info=features.info,
        timeline=features.timeline,
        decode=features.decode,
        scorer=settings.scorer,
        fingerprint=backbone.fingerprint(settings.rate_hz),
        picks=features.picks,
        scores=importance.scores,
        shots=shots,
        shot_scores=chosen.shot_scores,
        selected=chosen.selected,
        segments=chosen.segments,
        keyframes=chosen.keyframes,
        budget_frames=chosen.budget_frames,
        settings=_settings_used(settings, backbone),
        curves=importance.curves,
        title=settings.title,
        warnings=features.decode.warnings + shot_warnings,
        thumbnails=extracted.thumbnails,
    )


def _settings_used(settings: SummarySettings, backbone: Backbone) -> dict[str, Any]:
    """Plain values of the settings that had a say, for the report."""
    unused = {
        "kts_penalty": settings.segmenter != "kts",
        "shot_seconds": settings.segmenter != "uniform",
        "shots_unit": settings.segmenter != "given",
        "title": True,  # stands in the summary itself
        "device": True,
    }
    used = {name: value for name, value in asdict(settings).items() if value is not None and not unused.get(name)}
    if settings.duration is None and settings.max_shots is None:
        used["ratio"] = settings.budget().ratio
    if settings.shots is not None:
        used["shots"] = str(settings.shots)
    return {"backbone": backbone.name, "backbone_reason": backbone.reason, **used}


def _cut_into_shots(
    features: FrameFeatures, timeline: Timeline, info: VideoInfo, settings: SummarySettings
) -> tuple[Shots, tuple[str, ...]]:
    """Shots of at least `min_shot_seconds` where the video allows it, and sentences about what was repaired."""
    warnings: tuple[str, ...] = ()
    if settings.segmenter == "kts":
        starts = kts(features.features, penalty=settings.kts_penalty)
        shots = shots_from_picks(starts, features.picks, features.n_frames, features.frame_change)
        if len(features.picks) > WINDOW_PICKS:
            warnings = (
                f"{len(features.picks)} picks are more than KTS takes at once: shots were found in windows of at most "
                f"{WINDOW_PICKS}, and every window starts a shot; a lower --rate avoids it",
            )
    elif settings.segmenter == "uniform":
        shots = uniform_shots(timeline, settings.shot_seconds)
    elif settings.segmenter == "given":
        assert settings.shots is not None
        shots, warnings = given_shots(settings.shots, timeline, unit=settings.shots_unit)
    else:
        cuts = cut_frames(info.path, decoder=settings.decoder, time_limit_seconds=settings.time_limit_seconds)
        shots = shots_from_cuts(cuts, features.n_frames)
    return merge_short(shots, timeline, settings.min_shot_seconds), warnings
