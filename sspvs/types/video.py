"""A video file's facts: what the container says, when each frame is shown, what decoding met."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sspvs.types.arrays import FloatArray


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
        hdr: `PQ` or `HLG` when the picture has high dynamic range, which readers map to standard range; else empty.
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
    hdr: str = ""


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
