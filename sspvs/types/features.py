"""Features of a video's picks, and what made them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from sspvs.types.arrays import FloatArray, IntArray
from sspvs.types.video import DecodeReport, Timeline, VideoInfo


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
