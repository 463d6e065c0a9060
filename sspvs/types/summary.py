"""The annotations of a video, and its summary."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sspvs.types.video import (
    BoolArray,
    Cue,
    DecodeReport,
    Fingerprint,
    FloatArray,
    IntArray,
    Shots,
    Timeline,
    VideoInfo,
)

_DECODED = ("declared_frames", "decoded_frames", "corrupt_frames", "refused_frames", "lost_sound_seconds", "decoder")
WHOLE_FRAME_SECONDS = 0.1  # a frame that lasts no longer is shown whole, however short the budget


@dataclass(frozen=True)
class Annotations:
    """The annotations of one video by U people, on the video's frames.

    Whatever a source does not have is None (or empty): a protocol that needs it refuses to go on.

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
        repairs: Sentences about what was repaired when the source was read.
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
        for name, lengths in allowed.items():
            array = getattr(self, name)
            if array is not None and (array.shape[-1] not in lengths or array.ndim != 1 + name.startswith("user")):
                raise ValueError(f"{where}: {name} of shape {array.shape} does not fit N = {n_frames}, T = {n_picks}")
        if self.shots is not None and self.shots.n_frames != n_frames:
            raise ValueError(f"{where}: shots of {self.shots.n_frames} frames do not fit N = {n_frames}")

    @property
    def n_users(self) -> int:
        """U; 0 without data of single annotators."""
        known = self.user_scores if self.user_scores is not None else self.user_summaries
        return 0 if known is None else len(known)

    @property
    def user_scores_at_picks(self) -> FloatArray | None:
        """(U, T) each annotator's scores at the picks."""
        scores = self.user_scores
        if scores is None or scores.shape[1] == len(self.picks) != self.n_frames:
            return scores
        return scores[:, self.picks]

    @property
    def user_scores_at_frames(self) -> FloatArray | None:
        """(U, N) each annotator's scores at every frame; None when they are known only at the picks."""
        scores = self.user_scores
        return scores if scores is not None and scores.shape[1] == self.n_frames else None


class Guidance(NamedTuple):
    """How much a title did for the choice of pieces."""

    changed: int  # pieces that the choice without it does not have
    pieces: int
    best_seconds: float | None  # when the video fits it best; None where nothing fits
    spoken: str = ""  # what is spoken there, if that fits

    @property
    def in_words(self) -> str:
        """A sentence."""
        if self.best_seconds is None:
            return "Nothing in the video clearly fits the title: the choice is as without it"
        at = f"{int(self.best_seconds) // 60}:{int(self.best_seconds) % 60:02d}"
        spoken = f" ('{self.spoken}')" if self.spoken else ""
        pieces = f"{self.pieces} piece{'' if self.pieces == 1 else 's'}"
        return f"The title changed {self.changed} of {pieces}; it fits best at {at}{spoken}"


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
        segments: (M, 2) int64 half-open frame ranges that the summary plays, in order: pieces of the selected shots, or
            all of them.
        keyframes: (S,) int64, the frame that stands for each shot.
        budget_frames: The most frames the summary may have.
        budget_seconds: The longest it may be; infinite when only a number of shots was limited.
        avoided: Stretches that were avoided as (start frame, end frame, reason); they may overlap.
        scenes: (S,) int64 number of each shot's scene: shots of one scene look alike; None where that is not known.
        settings: Every parameter of the run, by name.
        curves: Named (T,) curves behind the scores, such as the terms of the importance.
        title: Text that guided the scores, or empty.
        warnings: Sentences for the user.
        thumbnails: JPEG bytes of a small picture for each pick, in the order of `picks`; may be empty.
        played: What the clip plays, where that is more than the segments one after the other: seconds of the clip at
            which it begins, its start and end in seconds of the video, and how many times faster it is.
        guidance: How much the title did; None where it guides nothing.
        cues: What is spoken in the video, where that is known.
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
    budget_seconds: float = math.inf
    avoided: tuple[tuple[int, int, str], ...] = ()
    scenes: IntArray | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, FloatArray] = field(default_factory=dict)
    title: str = ""
    warnings: tuple[str, ...] = ()
    thumbnails: tuple[bytes, ...] = ()
    guidance: Guidance | None = None
    cues: tuple[Cue, ...] = ()
    played: tuple[tuple[float, float, float, float], ...] = ()

    @property
    def plays(self) -> list[tuple[float, float, float, float]]:
        """As `played`, of the segments where that is empty."""
        if self.played:
            return list(self.played)
        spans, at = self.segment_seconds, 0.0
        rows = []
        for start, end in spans:
            rows.append((at, start, end, 1.0))
            at += end - start
        return rows

    @property
    def of_pieces(self) -> bool:
        """Whether pieces were chosen, not whole shots, as published."""
        return bool(self.settings.get("select", "knapsack") != "knapsack")

    @property
    def clip_seconds(self) -> float:
        """Length of the clip in seconds."""
        return max((at + (end - start) / speed for at, start, end, speed in self.plays), default=0.0)

    @property
    def budget_fraction(self) -> float:
        """The share of the video that the summary may have: of its frames, or of its time where the rate varies."""
        if self.budget_frames < self.timeline.n_frames:
            return self.budget_frames / self.timeline.n_frames
        return min(1.0, self.budget_seconds / float(self.timeline.shown_seconds[-1]))

    @property
    def segment_seconds(self) -> list[tuple[float, float]]:
        """Start and end of each played segment in seconds of the original video."""
        timeline = self.timeline
        played = [(timeline.seconds_of(first), timeline.end_of(last - 1)) for first, last in self.segments.tolist()]
        if len(played) == 1:  # one frame is always allowed; a still picture that lasts longer than the budget is cut
            start, end = played[0]
            played = [(start, min(end, start + max(self.budget_seconds * (1 + 1e-9), WHOLE_FRAME_SECONDS)))]
        return played

    @property
    def selected_seconds(self) -> float:
        """Length of the summary in seconds."""
        return sum(end - start for start, end in self.segment_seconds)

    def as_dict(self) -> dict[str, Any]:
        """What `summary.json` holds: plain types only."""
        info, decode, seconds_of = self.info, self.decode, self.timeline.seconds_of
        return {
            "video": {
                "path": Path(info.path).name,
                "n_frames": self.timeline.n_frames,
                "fps": info.fps,
                "duration_seconds": self.timeline.end_seconds,
                "width": info.width,
                "height": info.height,
                "has_audio": info.has_audio,
                **({"timecode": info.timecode} if info.timecode else {}),
            },
            "title": self.title,
            **({"guidance": {"text": guided.in_words, **guided._asdict()}} if (guided := self.guidance) else {}),
            "scorer": self.scorer,
            "feature_fingerprint": {**self.fingerprint.as_dict(), "digest": self.fingerprint.digest},
            "budget": {
                "fraction": self.budget_fraction,
                "frames": self.budget_frames,
                "seconds": self.budget_seconds if math.isfinite(self.budget_seconds) else None,
            },
            "picks": [int(pick) for pick in self.picks],
            "scores": [float(score) for score in self.scores],
            "shots": [
                {
                    "start_frame": start,
                    "end_frame": end,
                    "start_seconds": seconds_of(start),
                    "end_seconds": self.timeline.end_of(end - 1),
                    "score": float(score),
                    "selected": bool(selected),
                    "keyframe": int(keyframe),
                    **({} if self.scenes is None else {"scene": int(self.scenes[index])}),
                }
                for index, ((start, end), score, selected, keyframe) in enumerate(
                    zip(self.shots, self.shot_scores, self.selected, self.keyframes, strict=True)
                )
            ],
            "segments": [
                {"start_frame": int(a), "end_frame": int(b), "start_seconds": s, "end_seconds": e}
                for (a, b), (s, e) in zip(self.segments, self.segment_seconds, strict=True)
            ],
            **(
                {"avoided": [{"start_frame": a, "end_frame": b, "reason": reason} for a, b, reason in self.avoided]}
                if self.avoided
                else {}
            ),
            "selected_seconds": self.selected_seconds,
            **(
                {"clip": {"seconds": self.clip_seconds, "plays": [list(play) for play in self.played]}}
                if self.played
                else {}
            ),
            "decode": {name: getattr(decode, name) for name in _DECODED},
            "settings": self.settings,
            "warnings": list(self.warnings),
        }
