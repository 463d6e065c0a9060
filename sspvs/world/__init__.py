"""A video-text world to learn on, try things with and fail on: long videos of clips, with text and annotators.

settings          the knobs (ranges: what they may be; knobs: as a list, and from words)
clip_source       concepts and clips: the interface of
  drawn             clips that are drawn (words: vocabulary)
  captioned         real clips with captions, from h5 and npz files
pools             which clips are for which part; no clip is in two
composition       long videos of clips: plan, features
wording           title, description, category and query of a plan
rules             what matters in a video
annotators        people who see it so, more or less
world             all of it, in memory, video by video
writing           all of it, as files

`README.md` in this folder: every knob, what the world cannot tell, measured figures.
"""

from sspvs.world.clips import Clip, ClipSource, Concept
from sspvs.world.composition import Segment, SyntheticVideo, VideoPlan
from sspvs.world.settings import (
    AnnotatorSettings,
    CompositionSettings,
    DrawnSettings,
    RuleSettings,
    WordingSettings,
    WorldSettings,
)
from sspvs.world.world import World
from sspvs.world.writing import write_world

__all__ = [
    "AnnotatorSettings",
    "Clip",
    "ClipSource",
    "CompositionSettings",
    "Concept",
    "DrawnSettings",
    "RuleSettings",
    "Segment",
    "SyntheticVideo",
    "VideoPlan",
    "WordingSettings",
    "World",
    "WorldSettings",
    "write_world",
]
