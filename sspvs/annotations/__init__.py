"""Annotation files, and the dataset files, splits and folds made of them.

    record, custom, official    what people chose or rated, read from one's own files and from SumMe's and TVSum's
    clock, shots, dataset       that, with features and shots, as a dataset file in the community's layout
    splits, video_names         folds of a dataset's videos, and how files of the field name a video

Each reader gives an `AnnotationSet`, of which `build_dataset` makes a dataset file.
"""

from sspvs.annotations.custom import read_custom
from sspvs.annotations.official import read_summe, read_tvsum

__all__ = ["read_custom", "read_summe", "read_tvsum"]
