"""A video of the world, with its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sspvs.data.synthetic.composition import VideoPlan
from sspvs.data.text import TextFields
from sspvs.types import Annotations, FloatArray, FrameFeatures, IntArray


@dataclass(frozen=True)
class SyntheticVideo:
    """A video of the world.

    Attributes:
        name: Unique in the world: `train_00007`, `val_00000`, or `video_3` of the annotated ones.
        part: Which clips it is made of: `train`, `val`, or `fold_2` for what fold 2 tests.
        plan: The truth: its clips, and what matters.
        importance: (S,) importance of each segment by the rules.
        texts: Its texts, or those of another video where the settings shuffle them.
        features: (T, D) features at the picks.
        annotations: What people said; None for videos to pretrain on.
    """

    name: str
    part: str
    plan: VideoPlan
    importance: FloatArray
    texts: TextFields
    features: FrameFeatures
    annotations: Annotations | None = None

    @property
    def importance_at_picks(self) -> FloatArray:
        """(T,) importance by the rules."""
        at_picks: FloatArray = np.repeat(self.importance, [segment.length for segment in self.plan.segments])
        return at_picks

    @property
    def concepts_at_picks(self) -> IntArray:
        """(T,) the concept on screen, as an index into the source's concepts."""
        segments = self.plan.segments
        at_picks: IntArray = np.repeat([segment.concept for segment in segments], [one.length for one in segments])
        return at_picks
