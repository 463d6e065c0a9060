"""Annotation files as their makers publish them, read into one form.

    summe     the official GT folder of MATLAB v5 files, one a video
    tvsum     the official ydata-tvsum50.mat (MATLAB v7.3), and its .tsv
    custom    one's own: intervals in seconds, or one score per second, as JSON or CSV

Each reader gives an `AnnotationSet`; `dataset.py` makes a dataset file of it.
"""

from sspvs.annotations.custom import read_custom
from sspvs.annotations.record import (
    AnnotatedVideo,
    AnnotationSet,
    FrameChoices,
    FrameRatings,
    SecondScores,
    TimeIntervals,
)
from sspvs.annotations.summe import read_summe
from sspvs.annotations.tvsum import read_tvsum

__all__ = [
    "AnnotatedVideo",
    "AnnotationSet",
    "FrameChoices",
    "FrameRatings",
    "SecondScores",
    "TimeIntervals",
    "read_custom",
    "read_summe",
    "read_tvsum",
]
