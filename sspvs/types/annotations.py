"""What people said about a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sspvs.types.arrays import BoolArray, FloatArray, IntArray
from sspvs.types.shots import Shots


@dataclass(frozen=True)
class Annotations:
    """What U annotators said about one video, on the video's frames.

    Whatever a source does not have is None (or empty): evaluation says which protocol needs it.

    Attributes:
        key: The video's key in its dataset, such as `video_7`.
        video_name: Its own name, such as `Cockpit_Landing`; the key where the source has no other.
        n_frames: N.
        picks: (T,) int64 frame indices, strictly increasing.
        user_summaries: (U, N) bool, the frames each annotator's summary has.
        user_scores: (U, N) or (U, T) float32 importance as each annotator gave it. On SumMe, whose annotators made
            summaries, the same as `user_summaries`.
        gtscore: (T,) float32 mean importance at the picks.
        gtsummary: (T,) bool key frames; of unknown origin in the community's files: nothing is evaluated on it.
        shots: The video cut into S shots.
        title: Text, or empty.
        category: Text, or empty.
        fps: Frames per second; None when unknown.
        repairs: Sentences that say what was repaired when the source was read.
    """

    key: str
    video_name: str
    n_frames: int
    picks: IntArray
    user_summaries: BoolArray | None = None
    user_scores: FloatArray | None = None
    gtscore: FloatArray | None = None
    gtsummary: BoolArray | None = None
    shots: Shots | None = None
    title: str = ""
    category: str = ""
    fps: float | None = None
    repairs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_frames, n_picks, where = self.n_frames, len(self.picks), self.video_name
        if self.picks.ndim != 1 or n_picks == 0 or self.picks[0] < 0 or self.picks[-1] >= n_frames:
            raise ValueError(f"{where}: picks must be (T,), T >= 1, within 0..{n_frames - 1}")
        if (np.diff(self.picks) <= 0).any():
            raise ValueError(f"{where}: picks must increase strictly")
        allowed = {
            "user_summaries": (n_frames,),
            "user_scores": (n_frames, n_picks),
            "gtscore": (n_picks,),
            "gtsummary": (n_picks,),
        }
        for field, lengths in allowed.items():
            array = getattr(self, field)
            if array is not None and (array.shape[-1] not in lengths or array.ndim != 1 + field.startswith("user")):
                raise ValueError(f"{where}: {field} of shape {array.shape} does not fit N = {n_frames}, T = {n_picks}")
        if self.shots is not None and self.shots.n_frames != n_frames:
            raise ValueError(f"{where}: shots of {self.shots.n_frames} frames do not fit N = {n_frames}")

    @property
    def n_users(self) -> int:
        """U; 0 when nothing is known of single annotators."""
        known = self.user_scores if self.user_scores is not None else self.user_summaries
        return 0 if known is None else len(known)

    @property
    def user_scores_at_picks(self) -> FloatArray | None:
        """(U, T) each annotator's scores at the picks."""
        scores = self.user_scores
        if scores is None or scores.shape[1] == len(self.picks) != self.n_frames:
            return scores
        at_picks: FloatArray = scores[:, self.picks]
        return at_picks

    @property
    def user_scores_at_frames(self) -> FloatArray | None:
        """(U, N) each annotator's scores at every frame; None when they are known only at the picks."""
        scores = self.user_scores
        return scores if scores is not None and scores.shape[1] == self.n_frames else None
