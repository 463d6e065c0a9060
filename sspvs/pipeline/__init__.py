"""From a video file to its summary, once through the house: reader, features, scores, shots, summary.

`summarize` computes, `VideoSummary.save` writes. Both together are `sspvs summarize`.
"""

from sspvs.pipeline.settings import SEGMENTERS, Combine, Post, Segmenter, SummarySettings
from sspvs.pipeline.summarizing import VideoSummary, summarize, summarize_with
from sspvs.pipeline.tools import Tools, load_tools

__all__ = [
    "SEGMENTERS",
    "Combine",
    "Post",
    "Segmenter",
    "SummarySettings",
    "Tools",
    "VideoSummary",
    "load_tools",
    "summarize",
    "summarize_with",
]
