"""What each key of the field's h5 files means, in plain words, and how to make it.

The community's keys were never documented by those who made them; what is said here was checked against the official
annotation files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sspvs.features.store import annotation_keys as annotation
from sspvs.features.store import layout, score_file


@dataclass(frozen=True)
class KeyGuide:
    """One key, explained.

    Attributes:
        shape: Its shape in axis letters: T picks, N frames, S shots, U annotators, D width, L tokens.
        meaning: What it is.
        made: How to make it; empty where nobody makes it.
    """

    shape: str
    meaning: str
    made: str = ""


PEER_SCORE, MACHINE_SUMMARY, F_MEASURE = "score", "machine_summary", "fm"
TOKEN_KEYS = ("cat", "query", "title", "description")  # SSPVS: BERT token ids of the four text fields
FRAME_BYTES, AUDIO_BYTES = "rgb", "audio"  # YouTube-8M

GUIDE: Mapping[str, KeyGuide] = MappingProxyType(
    {
        layout.FEATURES: KeyGuide(
            "(T, D)", "what the frame encoder saw at each pick, one row a pick", "sspvs extract VIDEO... --out F.h5"
        ),
        layout.PICKS: KeyGuide(
            "(T,)",
            "the frame numbers that were sampled from the video: 0, 15, 30, ... for every 15th frame",
            "numpy.arange(0, n_frames, 15)",
        ),
        layout.N_FRAMES: KeyGuide("()", "N, how many frames the original video has", "count them by decoding"),
        layout.N_STEPS: KeyGuide("()", "T, how many frames were sampled", "len(picks)"),
        layout.VIDEO_NAME: KeyGuide("text", "the video's own name", "the name of its file"),
        annotation.CHANGE_POINTS: KeyGuide(
            "(S, 2)",
            "the shots, as first and last frame, the last one included (MR.HiSum: not included)",
            "sspvs data build --segmenter kts",
        ),
        annotation.N_FRAME_PER_SEG: KeyGuide("(S,)", "how many frames each shot has", "last - first + 1 of each shot"),
        annotation.USER_SUMMARY: KeyGuide(
            "(U, N)",
            "1 where an annotator's summary has the frame, one row an annotator",
            "SumMe: user_score > 0; TVSum: the knapsack of each annotator's ratings over the shots at 15 % of N",
        ),
        annotation.USER_SCORES: KeyGuide(
            "(U, N) or (U, T)",
            "how important each annotator found each frame (TVSum: ratings 1-5)",
            "sspvs data build tvsum --annotations ydata-tvsum50.mat",
        ),
        annotation.GTSCORE: KeyGuide(
            "(T,)",
            "the mean annotator at the picks, what most methods are trained on",
            "SumMe: mean of user_summary at the picks; TVSum: (mean rating - 1) / 4 at the picks; MR.HiSum: how often "
            "each second was replayed on YouTube",
        ),
        annotation.GTSUMMARY: KeyGuide("(T,)", "key frames of undocumented origin: nothing is evaluated on it"),
        annotation.GT_SUMMARY: KeyGuide("(T,)", "MR.HiSum's summary: the knapsack of gtscore over the shots at 15 %"),
        annotation.TITLE: KeyGuide("text", "the video's title"),
        annotation.CATEGORY: KeyGuide("text", "the video's category"),
        annotation.FPS: KeyGuide("()", "frames per second"),
        layout.FRAME_SECONDS: KeyGuide("(N,)", "when each frame is shown, in seconds from the first one"),
        layout.END_SECONDS: KeyGuide("()", "when the last frame ends, in seconds"),
        layout.FRAME_CHANGE: KeyGuide("(N,)", "how much each frame differs from the one before (mean luma, 0-255)"),
        score_file.SCORES: KeyGuide("(T,)", "a method's importance at the picks", "sspvs score F.h5 --out S.h5"),
        PEER_SCORE: KeyGuide("(T,)", "a method's importance at the picks"),
        MACHINE_SUMMARY: KeyGuide("(N,)", "1 where a method's summary has the frame"),
        F_MEASURE: KeyGuide("()", "the F1 that the method's authors recorded"),
        "precision": KeyGuide("()", "the precision that the method's authors recorded"),
        "recall": KeyGuide("()", "the recall that the method's authors recorded"),
        FRAME_BYTES: KeyGuide("(T, 1024) uint8", "YouTube-8M frame features, quantised, one a second"),
        AUDIO_BYTES: KeyGuide("(T, 128) uint8", "YouTube-8M sound features, quantised, one a second"),
    }
)

TOKEN_GUIDE: Mapping[str, KeyGuide] = MappingProxyType(
    {
        "cat": KeyGuide("(L,)", "the video's category as BERT token ids"),
        "query": KeyGuide("(L,)", "the search query that found the video, as BERT token ids"),
        "title": KeyGuide("(L,)", "the video's title as BERT token ids"),
        "description": KeyGuide("(L,)", "the video's description as BERT token ids"),
    }
)

UNKNOWN = KeyGuide("", "no key that we know; it is left alone")
