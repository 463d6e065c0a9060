"""A synthetic video-text world to learn on, try things with and fail on: videos of clips, with text and annotators.

settings       what can be set, with ranges
clips          concepts and clips: the interface of `drawn` (clips drawn by a seed) and `captioned` (real ones, from
               h5 and npz files), and which clips are for which part; no clip is in two
composition    long videos of clips: plan, features, title, description, category and query
annotators     importance by rules, and people who annotate by it, more or less
world          all of it, in memory, video by video
writing        all of it, as files, made once where a config names a world
painted, things, canvas    clips of painted things, for the features of real backbones
film           a short film by formula, for the quick demo and tests

`README.md` in this folder: every setting, the limits of the world, measured figures.
"""

from sspvs.world.composition import SyntheticVideo
from sspvs.world.settings import CompositionSettings, DrawnSettings, WorldSettings
from sspvs.world.world import World
from sspvs.world.writing import write_world

__all__ = ["CompositionSettings", "DrawnSettings", "SyntheticVideo", "World", "WorldSettings", "write_world"]
