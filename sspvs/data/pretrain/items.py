"""What is known of a video-text pair before its features are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sspvs.data.text import TextFields, TokenFields


@dataclass(frozen=True)
class FeatureRef:
    """Where a video's features are.

    Attributes:
        path: An h5 file, a .npy file, or a tar of shards.
        group: The video's group in an h5 file; empty for a file of one video.
        offset: Where the array's bytes begin in a tar.
    """

    path: Path
    group: str = ""
    offset: int = 0

    @property
    def name(self) -> str:
        """As a manifest writes it."""
        return f"{self.path}#{self.group}" if self.group else str(self.path)


@dataclass(frozen=True)
class Entry:
    """A line of a manifest, or what stands for one.

    Attributes:
        id: The video's name, unique.
        source: Its features, or the video itself.
        text: What is written about it.
        where: `line 7`, for messages.
        part: `train`, `val` or empty, where the file says so.
    """

    id: str
    source: FeatureRef | Path
    text: TextFields | TokenFields
    where: str = ""
    part: str = ""


@dataclass(frozen=True)
class PretrainItem:
    """A video-text pair that was looked at and found good.

    Attributes:
        id: The video's name, unique.
        features: Where its features are.
        text: What is written about it.
        n_frames: T, its picks.
        feature_dim: D.
        part: `train`, `val` or empty, where the file says so.
        shard: Number of the shard it is in; -1 outside of shards.
    """

    id: str
    features: FeatureRef
    text: TextFields | TokenFields
    n_frames: int
    feature_dim: int
    part: str = ""
    shard: int = -1
