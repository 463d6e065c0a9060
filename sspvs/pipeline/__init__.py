"""From a video file to its summary, once through the house: reader, features, scores, shots, summary.

`summarize` computes, `VideoSummary.save` writes. Both together are `sspvs summarize`.
"""

from sspvs.importance.contrastive import Combine
from sspvs.pipeline.settings import SEGMENTERS, Post, Segmenter, SummarySettings
from sspvs.pipeline.summarizing import VideoSummary, is_summarized, summarize, summarize_with
from sspvs.pipeline.tools import Tools, load_tools

__all__ = [
    "SEGMENTERS",
    "Combine",
    "Post",
    "Segmenter",
    "SummarySettings",
    "Tools",
    "VideoSummary",
    "is_summarized",
    "load_tools",
    "summarize",
    "summarize_with",
]
