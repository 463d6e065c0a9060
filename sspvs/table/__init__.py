"""The table of videos, and feature, score and dataset files in the community layout.

Videos and their features (`Video`, `VideoTable`), whatever files they are in, and all that a file has of a video
(`LoadedVideo`); our own and the community's h5 files.
The names of groups, datasets and attributes are used in this folder alone.
"""

from sspvs.table.dataset_file import DatasetStore, natural_order, read_dataset, write_dataset
from sspvs.table.feature_file import (
    FeatureStore,
    add_stream,
    is_h5,
    merge_files,
    pack_video,
    read_features,
    write_features,
)
from sspvs.table.layout import SourceStamp
from sspvs.table.reader import StreamReader
from sspvs.table.score_file import ScoreFileFacts, VideoScores, read_score_facts, read_scores, write_scores
from sspvs.table.table import FeatureMemory, VideoTable, check_features, join
from sspvs.table.video import FeatureKind, FeatureStream, LoadedVideo, Video

__all__ = [
    "DatasetStore",
    "FeatureKind",
    "FeatureMemory",
    "FeatureStore",
    "FeatureStream",
    "LoadedVideo",
    "ScoreFileFacts",
    "SourceStamp",
    "StreamReader",
    "Video",
    "VideoScores",
    "VideoTable",
    "add_stream",
    "check_features",
    "is_h5",
    "join",
    "merge_files",
    "natural_order",
    "pack_video",
    "read_dataset",
    "read_features",
    "read_score_facts",
    "read_scores",
    "write_dataset",
    "write_features",
    "write_scores",
]
