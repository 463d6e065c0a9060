"""Kinds of array, and the facts of a video: shots, container, timeline, decoding, features."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]  # (..., H, W, 3) RGB

TEXT_CODECS = frozenset(("mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"))
"""Kinds of subtitles that are text, by FFmpeg's names; others are pictures."""
MOST_FRAMES = 2**26  # a longer video (25 days at 30 Hz) is a slip of the pen, or damage: arrays of that length are made
LARGEST = float(np.finfo(np.float32).max)
"""Larger values are refused where they come from a file: single precision has none, and sums of them overflow."""


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
    def from_starts(cls, starts: IntArray, n_frames: int) -> "Shots":
        """Shots from their (S,) first frames, the first one 0."""
        ends = np.append(starts[1:], n_frames)
        return cls(np.stack([starts, ends], axis=1).astype(np.int64), n_frames)

    @property
    def lengths(self) -> IntArray:
        """(S,) frames in each shot."""
        return self.bounds[:, 1] - self.bounds[:, 0]

    def __len__(self) -> int:
        return len(self.bounds)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for start, end in self.bounds:
            yield int(start), int(end)


@dataclass(frozen=True)
class VideoInfo:
    """The container's facts about a video, as a viewer sees it.

    Attributes:
        path: The file, as given.
        width: Displayed width in pixels, after rotation.
        height: Displayed height in pixels, after rotation.
        fps: Average frames per second.
        duration_seconds: Length in seconds as the container states it.
        declared_frames: Frames the container claims (0 when it states none); decoding may find another number.
        has_audio: Whether there is at least one audio stream.
        rotation: Clockwise degrees (0, 90, 180, 270) already applied to what readers give.
        codec: Video codec name, such as `h264`.
        start_seconds: Presentation time of the first video frame on the container's own clock.
        timecode: Timecode of the first video frame as the container writes it, such as `01:00:00:00` or, drop-frame,
            `01:00:00;00`; empty when it has none.
        reel_name: The tape, card or camera roll that the container names as its origin; empty when it names none.
        recorded: When it was recorded, as the container writes it, such as `2024-07-14T10:20:30.000000Z`; else empty.
        hdr: `PQ` or `HLG` when the picture has high dynamic range, which readers map to standard range; else empty.
        subtitle_codecs: FFmpeg's names of the kinds of subtitles inside it, with spaces between; else empty.
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
    timecode: str = ""
    reel_name: str = ""
    recorded: str = ""
    hdr: str = ""
    subtitle_codecs: str = ""


@dataclass(frozen=True)
class Timeline:
    """When each frame is shown: exact under variable frame rate, and one clock for picture and sound.

    Attributes:
        frame_seconds: (N,) float64, strictly increasing presentation times, the first one 0.
        end_seconds: When the last frame ends.
        origins: (seconds, raw seconds) at which the file's own clock starts and, where streams were joined, starts
            again: raw timestamps from there on, of sound as well, count from there. Empty when that is not known.
        guessed_frames: Frames that had no usable timestamp of their own.
        gaps: Frames behind which the recording pauses: each is shown for a usual frame length, not until the next one.
    """

    frame_seconds: FloatArray
    end_seconds: float
    origins: tuple[tuple[float, float], ...] = ()
    guessed_frames: int = 0
    gaps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.frame_seconds.ndim != 1 or len(self.frame_seconds) == 0:
            raise ValueError(f"frame_seconds must be (N,) with N >= 1, got shape {self.frame_seconds.shape}")

    @property
    def n_frames(self) -> int:
        """N, the number of frames that could be decoded."""
        return len(self.frame_seconds)

    @property
    def is_raw(self) -> bool:
        """Whether times are the file's own, counted from the first frame, so that one can jump to them."""
        return len(self.origins) <= 1 and self.guessed_frames == 0

    @property
    def has_constant_rate(self) -> bool:
        """Whether no frame is further than a frame length from where a constant rate would have it."""
        step = self.end_seconds / self.n_frames
        return bool(np.abs(self.frame_seconds - step * np.arange(self.n_frames)).max() <= step * (1 + 1e-6))

    @property
    def edges(self) -> FloatArray:
        """(N + 1,) seconds at which each frame begins, and the end."""
        return np.append(self.frame_seconds, self.end_seconds)

    @property
    def shown_seconds(self) -> FloatArray:
        """(N + 1,) seconds of picture before each frame, and in all: their times, less the gaps before them."""
        edges = self.edges
        for frame in self.gaps:
            edges[frame + 1 :] -= self._hold(frame) - self._usual_hold
        return edges

    def seconds_of(self, frame: int) -> float:
        """The time at which `frame` starts; frame N is the end of the video."""
        return float(self.end_seconds if frame >= self.n_frames else self.frame_seconds[frame])

    def end_of(self, frame: int) -> float:
        """The time at which `frame` stops being shown."""
        return self.seconds_of(frame) + self._usual_hold if frame in self.gaps else self.seconds_of(frame + 1)

    def frame_at(self, seconds: float) -> int:
        """The frame on screen at `seconds`, clipped to the video."""
        index = int(np.searchsorted(self.frame_seconds, seconds, side="right")) - 1
        return min(max(index, 0), self.n_frames - 1)

    def _hold(self, frame: int) -> float:
        return self.seconds_of(frame + 1) - self.seconds_of(frame)

    @property
    def _usual_hold(self) -> float:
        return float(np.median(np.diff(self.frame_seconds)))


class Cue(NamedTuple):
    """Words that are spoken, or a sentence of them, and when: seconds from the first frame."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class DecodeReport:
    """What decoding a video met.

    Attributes:
        declared_frames: Frames the container claims (0 when it states none).
        decoded_frames: Frames that came out.
        corrupt_frames: Frames that the decoder refused or marked damaged, and those predicted from them.
        decoder: Name of the decoder that did the work.
        warnings: Sentences for the user.
        refused_frames: Those of `corrupt_frames` that did not come out.
        lost_sound_seconds: Sound of the summary that could not be decoded and is silent there.
    """

    declared_frames: int
    decoded_frames: int
    corrupt_frames: int
    decoder: str
    warnings: tuple[str, ...] = ()
    refused_frames: int = 0
    lost_sound_seconds: float = 0.0

    @property
    def all_frames(self) -> int:
        """Frames that there were, decoded or not: the whole that `corrupt_frames` is a part of."""
        return self.decoded_frames + self.refused_frames


@dataclass(frozen=True)
class FrameTrace:
    """What every frame of a video looks like, in a few numbers: enough for cuts, fades, titles and blur.

    Attributes:
        change: (N,) float32 mean absolute luma change of each frame against the one before (0..255, first one 0).
        blocks: (N, 208) uint8 means of 9 x 16 blocks of luma and 4 x 8 of each chroma plane, 128 without colour.
        flat: (N,) float32 share of the picture whose luma is within two levels of the commonest one, in [0, 1].
        detail: (N,) float32 mean absolute difference of horizontal neighbours in luma (0..255).
    """

    change: FloatArray
    blocks: npt.NDArray[np.uint8]
    flat: FloatArray
    detail: FloatArray


@dataclass(frozen=True)
class SoundTrace:
    """What each moment of a video sounds like, in a few numbers, on the clock of its pictures.

    Attributes:
        speech: (K,) float32 probability that someone speaks.
        loudness: (K,) float32 decibels of full scale.
        noise: (K,) float32 spectral flatness: near 0 of tones and vowels, about 0.6 of hiss and applause.
        step: Seconds between two values; silence follows the last one.
    """

    speech: FloatArray
    loudness: FloatArray
    noise: FloatArray
    step: float


@dataclass(frozen=True)
class WrittenClip:
    """A video file that was written: its path, length, frames and displayed size, and what was lost on the way.

    Attributes:
        starts: Seconds at which each stretch begins in it.
    """

    path: Path
    seconds: float
    n_frames: int
    width: int  # pixels, even
    height: int
    has_audio: bool
    warnings: tuple[str, ...] = ()  # sentences for the user
    lost_sound_seconds: float = 0.0  # sound that could not be decoded and is silent
    starts: tuple[float, ...] = ()


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
class FurtherStream:
    """Features of another kind at the same picks, such as motion, sound or captions.

    Attributes:
        features: (T, D) float32; a row of zeros says that there is nothing at that pick.
        fingerprint: What made them; None when unknown.
    """

    features: FloatArray
    fingerprint: Fingerprint | None = None


@dataclass(frozen=True)
class FrameFeatures:
    """Features of one video's picks, with all that is needed to go back to the video.

    Attributes:
        name: The video's name.
        features: (T, D) float32, as the backbone gives them (not normalised).
        picks: (T,) int64 frame indices, strictly increasing.
        n_frames: N.
        timeline: When each frame is shown; None for feature files without one.
        fingerprint: What made the features; None when unknown.
        frame_change: (N,) float32 mean absolute luma change of each frame against the one before (0..255, first
            one 0): where a cut falls between two picks; None when not measured.
        info: The container's facts; None when unknown.
        decode: What decoding met; None when unknown.
        streams: Further streams of features at the same picks, by name, such as `captions`.
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
    streams: Mapping[str, FurtherStream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.features) != len(self.picks):
            raise ValueError(
                f"{self.name}: features {self.features.shape} and picks {self.picks.shape} must be (T, D) and (T,)"
            )


@dataclass(frozen=True)
class Resize:
    """How frames are resized while they are decoded, so that full-size frames are never kept.

    Attributes:
        mode: `squash` gives `pixels` x `pixels`; `short_side` and `long_side` keep the aspect and set that side
            to `pixels` (`long_side` never enlarges); `none` keeps the displayed size.
        pixels: Size in pixels.
        filter: Resampling filter.
        height: With `squash` only: gives `pixels` x `height` instead of a square.
    """

    mode: Literal["squash", "short_side", "long_side", "none"] = "squash"
    pixels: int = 224
    filter: Literal["area", "bilinear", "bicubic"] = "area"
    height: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("squash", "short_side", "long_side", "none"):
            raise ValueError(f"mode must be squash, short_side, long_side or none, got {self.mode!r}")
        if self.filter not in ("area", "bilinear", "bicubic"):
            raise ValueError(f"filter must be area, bilinear or bicubic, got {self.filter!r}")
        if self.pixels < 1:
            raise ValueError(f"pixels must be at least 1, got {self.pixels}")
        if self.height is not None and (self.mode != "squash" or self.height < 1):
            raise ValueError(f"height must be at least 1 and goes with squash only, got {self.height} ({self.mode})")

    def target_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in pixels, each at least 1, of what a picture of `width` x `height` becomes."""
        if self.mode == "squash":
            return self.pixels, self.height or self.pixels
        if self.mode == "none":
            return width, height
        side = min(width, height) if self.mode == "short_side" else max(width, height)
        if self.mode == "long_side" and side <= self.pixels:
            return width, height
        scale = self.pixels / side
        return max(1, round(width * scale)), max(1, round(height * scale))
