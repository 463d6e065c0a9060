"""Split files: which videos train, which choose the checkpoint, which test; every style of the field, read and made.

references.py    `summe/video_3`: a video as split and score files name it; datasets' loose names
folds.py         Fold, Splits: checked folds, their setting and how much of a dataset they test
reading.py       JSON and YAML files of every style -> Splits
making.py        seeded folds that test every video once
"""

from sspvs.data.splits.folds import Coverage, Fold, Setting, Splits
from sspvs.data.splits.making import make_splits, write_splits
from sspvs.data.splits.reading import read_splits
from sspvs.data.splits.references import VideoRef, short_name

__all__ = [
    "Coverage",
    "Fold",
    "Setting",
    "Splits",
    "VideoRef",
    "make_splits",
    "read_splits",
    "short_name",
    "write_splits",
]
