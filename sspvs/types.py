"""The values that cross from one folder to the next.

Axis letters: T picks (sampled frames), N frames of the original video, S shots, D feature width.
Two clocks, two names: a *frame* is an index into the original video (0..N-1), a *pick* is one of the T
frames that were sampled. Seconds count from the first frame of the video. Shots are half-open frame ranges.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]  # (..., H, W, 3) RGB


@dataclass(frozen=True)
class VideoInfo:
    """What the container says about a video, as a viewer sees it.

    Attributes:
        path: The file, as given.
        width: Displayed width in pixels, after rotation.
        height: Displayed height in pixels, after rotation.
        fps: Average frames per second.
        duration_seconds: Length in seconds as the container states it.
        declared_frames: Frames the container claims (0 when it does not say); decoding may find another number.
        has_audio: Whether there is at least one audio stream.
        rotation: Clockwise degrees (0, 90, 180, 270) already applied to what readers give.
        codec: Video codec name, such as `h264`.
        start_seconds: Presentation time of the first video frame on the container's own clock.
    """

    path: str
    width: int
    height: int
    fps: float
    duration_seconds: float
    declared_frames: int
    has_audio: bool
    rotation: int = 0
    codec: str = ""
    start_seconds: float = 0.0


@dataclass(frozen=True)
class Timeline:
    """When each frame is shown: exact under variable frame rate.

    Attributes:
        frame_seconds: (N,) float64, strictly increasing presentation times, the first one 0.
        end_seconds: When the last frame ends.
    """

    frame_seconds: FloatArray
    end_seconds: float

    def __post_init__(self) -> None:
        if self.frame_seconds.ndim != 1 or len(self.frame_seconds) == 0:
            raise ValueError(f"frame_seconds must be (N,) with N >= 1, got shape {self.frame_seconds.shape}")

    @property
    def n_frames(self) -> int:
        """N, the number of frames that could be decoded."""
        return len(self.frame_seconds)

    def seconds_of(self, frame: int) -> float:
        """The time at which `frame` starts; frame N is the end of the video."""
        return float(self.end_seconds if frame >= self.n_frames else self.frame_seconds[frame])

    def frame_at(self, seconds: float) -> int:
        """The frame on screen at `seconds`, clipped to the video."""
        index = int(np.searchsorted(self.frame_seconds, seconds, side="right")) - 1
        return min(max(index, 0), self.n_frames - 1)


@dataclass(frozen=True)
class DecodeReport:
    """What decoding a video met, told and not hidden.

    Attributes:
        declared_frames: Frames the container claims (0 when it does not say).
        decoded_frames: Frames that came out.
        corrupt_frames: Frames that the decoder refused or marked damaged, and those predicted from them.
        decoder: Name of the decoder that did the work.
        warnings: Sentences for the user.
    """

    declared_frames: int
    decoded_frames: int
    corrupt_frames: int
    decoder: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fingerprint:
    """What made a set of features: two sets are comparable only when all of it agrees.

    Attributes:
        backbone: Name, such as `efficientnet-lite0` or `open_clip:ViT-B-32/laion2b_s34b_b79k`.
        weights_digest: SHA-256 of the weights, hexadecimal.
        transform: How a frame becomes the network's input, such as `resize 224x224 area`.
        normalisation: What is done to pixel values, such as `(x - 127) / 128`.
        rate_hz: Sampling rate in picks per second.
    """

    backbone: str
    weights_digest: str
    transform: str
    normalisation: str
    rate_hz: float

    def as_dict(self) -> dict[str, str | float]:
        """Plain fields, for JSON and h5 attributes."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that stand for all fields."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FrameFeatures:
    """Features of one video's picks, with all that is needed to go back to the video.

    Attributes:
        name: The video's name.
        features: (T, D) float32, as the backbone gives them (not normalised).
        picks: (T,) int64 frame indices, strictly increasing.
        n_frames: N.
        timeline: When each frame is shown; None for feature files that do not know.
        fingerprint: What made the features; None when unknown.
        frame_change: (N,) float32 mean absolute luma change of each frame against the one before (0..255, first
            one 0): where a cut falls between two picks; None when not measured.
        info: The container's facts; None when unknown.
        decode: What decoding met; None when unknown.
    """

    name: str
    features: FloatArray
    picks: IntArray
    n_frames: int
    timeline: Timeline | None = None
    fingerprint: Fingerprint | None = None
    frame_change: FloatArray | None = None
    info: VideoInfo | None = None
    decode: DecodeReport | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.features) != len(self.picks):
            raise ValueError(
                f"{self.name}: features {self.features.shape} and picks {self.picks.shape} must be (T, D) and (T,)"
            )


@dataclass(frozen=True)
class Shots:
    """A video cut into shots: half-open frame ranges that cover it without gap or overlap.

    Attributes:
        bounds: (S, 2) int64, rows [start_frame, end_frame).
        n_frames: N.
    """

    bounds: IntArray
    n_frames: int

    def __post_init__(self) -> None:
        bounds = self.bounds
        if bounds.ndim != 2 or bounds.shape[1] != 2 or len(bounds) == 0:
            raise ValueError(f"shots must be (S, 2) with S >= 1, got shape {bounds.shape}")
        if bounds[0, 0] != 0 or bounds[-1, 1] != self.n_frames or (bounds[1:, 0] != bounds[:-1, 1]).any():
            raise ValueError(f"shots must cover [0, {self.n_frames}) without gap or overlap")
        if (self.lengths <= 0).any():
            raise ValueError("every shot must have at least one frame")

    @classmethod
    def from_starts(cls, starts: IntArray, n_frames: int) -> Shots:
        """Shots from their (S,) first frames, the first one 0."""
        ends = np.append(starts[1:], n_frames)
        return cls(np.stack([starts, ends], axis=1).astype(np.int64), n_frames)

    @property
    def lengths(self) -> IntArray:
        """(S,) frames in each shot."""
        lengths: IntArray = self.bounds[:, 1] - self.bounds[:, 0]
        return lengths

    def __len__(self) -> int:
        return len(self.bounds)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for start, end in self.bounds:
            yield int(start), int(end)


@dataclass(frozen=True)
class Summary:
    """A video's importance, its shots, and which of them were chosen.

    Attributes:
        info: The container's facts.
        timeline: When each frame is shown.
        decode: What decoding met.
        scorer: Name of what scored the frames, such as `contrastive`.
        fingerprint: What made the features.
        picks: (T,) int64 frame indices.
        scores: (T,) importance at the picks.
        shots: The video cut into S shots.
        shot_scores: (S,) mean importance of each shot's frames.
        selected: (S,) bool, the shots in the summary.
        segments: (M, 2) int64 half-open frame ranges that the summary plays, in order: the selected shots, or,
            when no shot fits the budget, the part of the best one that does.
        keyframes: (S,) int64, the frame that stands for each shot.
        budget_frames: The most frames the summary may have.
        settings: Every parameter of the run, by name.
        curves: Named (T,) curves behind the scores, such as the terms of the importance.
        title: Text that guided the scores, or empty.
        warnings: Sentences for the user.
        thumbnails: JPEG bytes of a small picture for each pick, in the order of `picks`; may be empty.
    """

    info: VideoInfo
    timeline: Timeline
    decode: DecodeReport
    scorer: str
    fingerprint: Fingerprint
    picks: IntArray
    scores: FloatArray
    shots: Shots
    shot_scores: FloatArray
    selected: BoolArray
    segments: IntArray
    keyframes: IntArray
    budget_frames: int
    settings: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, FloatArray] = field(default_factory=dict)
    title: str = ""
    warnings: tuple[str, ...] = ()
    thumbnails: tuple[bytes, ...] = ()

    @property
    def segment_seconds(self) -> list[tuple[float, float]]:
        """Start and end of each played segment in seconds of the original video."""
        return [(self.timeline.seconds_of(int(a)), self.timeline.seconds_of(int(b))) for a, b in self.segments]

    @property
    def selected_seconds(self) -> float:
        """Length of the summary in seconds."""
        return sum(end - start for start, end in self.segment_seconds)

    def as_dict(self) -> dict[str, Any]:
        """What `summary.json` holds: plain types only."""
        info, decode, seconds_of = self.info, self.decode, self.timeline.seconds_of
        return {
            "video": {
                "path": info.path,
                "n_frames": self.timeline.n_frames,
                "fps": info.fps,
                "duration_seconds": self.timeline.end_seconds,
                "width": info.width,
                "height": info.height,
                "has_audio": info.has_audio,
            },
            "title": self.title,
            "scorer": self.scorer,
            "feature_fingerprint": {**self.fingerprint.as_dict(), "digest": self.fingerprint.digest},
            "budget": {
                "fraction": self.budget_frames / self.timeline.n_frames,
                "frames": self.budget_frames,
            },
            "picks": [int(pick) for pick in self.picks],
            "scores": [float(score) for score in self.scores],
            "shots": [
                {
                    "start_frame": start,
                    "end_frame": end,
                    "start_seconds": seconds_of(start),
                    "end_seconds": seconds_of(end),
                    "score": float(score),
                    "selected": bool(selected),
                    "keyframe": int(keyframe),
                }
                for (start, end), score, selected, keyframe in zip(
                    self.shots, self.shot_scores, self.selected, self.keyframes, strict=True
                )
            ],
            "segments": [
                {"start_frame": int(a), "end_frame": int(b), "start_seconds": s, "end_seconds": e}
                for (a, b), (s, e) in zip(self.segments, self.segment_seconds, strict=True)
            ],
            "selected_seconds": self.selected_seconds,
            "decode": {
                "declared_frames": decode.declared_frames,
                "decoded_frames": decode.decoded_frames,
                "corrupt_frames": decode.corrupt_frames,
                "decoder": decode.decoder,
            },
            "settings": self.settings,
            "warnings": list(self.warnings),
        }
