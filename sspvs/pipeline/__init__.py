"""From a video file to its summary, once through the house: reader, features, scores, shots, summary.

`summarize` computes, `VideoSummary.save` writes. Both together are `sspvs summarize`. `summarize_many` makes one film
from many videos, a `FilmSummary`.
"""

from sspvs.importance.contrastive import Post
from sspvs.importance.terms import Combine
from sspvs.pipeline.film import FilmSummary
from sspvs.pipeline.look import ClipLook
from sspvs.pipeline.settings import SEGMENTERS, Segmenter, SummarySettings, Tools, load_tools
from sspvs.pipeline.summarizing import VideoSummary, is_summarized, summarize, summarize_with
from sspvs.pipeline.summarizing_many import summarize_many

__all__ = [
    "SEGMENTERS",
    "ClipLook",
    "Combine",
    "FilmSummary",
    "Post",
    "Segmenter",
    "SummarySettings",
    "Tools",
    "VideoSummary",
    "is_summarized",
    "load_tools",
    "summarize",
    "summarize_many",
    "summarize_with",
]
