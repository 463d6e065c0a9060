"""Where clips come from: one interface for drawn and for real ones.

Axis letters: T picks of a clip, D feature width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sspvs.types import Fingerprint, FloatArray


@dataclass(frozen=True)
class Concept:
    """What clips show, and its words.

    Attributes:
        name: Its own name; unique within its category.
        category: Its category's own name.
        names: Names it goes by in texts, its own first.
        category_names: Names its category goes by, its own first.
    """

    name: str
    category: str
    names: tuple[str, ...]
    category_names: tuple[str, ...]


@dataclass(frozen=True)
class Clip:
    """A stretch of video that shows one concept.

    Attributes:
        name: Unique in a source.
        concept: Index of its concept in the source.
        caption: A sentence or phrase about what is seen.
        n_picks: T.
    """

    name: str
    concept: int
    caption: str
    n_picks: int


class ClipSource(Protocol):
    """Clips of concepts, with features and captions; the same ones every time it is made."""

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """Everything that clips show, at least one."""

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Every clip, in an order that never changes."""

    @property
    def feature_dim(self) -> int:
        """D."""

    @property
    def rate_hz(self) -> float:
        """Picks per second."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What made the features; a backbone that starts with `synthetic` looked at no picture of these videos."""

    @property
    def description(self) -> dict[str, object]:
        """Plain facts about the source, for `world.json`."""

    def draw_style(self, generator: np.random.Generator) -> FloatArray:
        """What all features of one video have in common, for `window`; empty where a source knows no such thing."""

    def window(
        self, clip: Clip, start: int, stop: int, style: FloatArray, generator: np.random.Generator
    ) -> FloatArray:
        """(stop - start, D) float32 features of the picks [start, stop) of a clip, as a video of that style has them.

        Args:
            clip: One of `clips`.
            start: First pick, 0 or more.
            stop: After the last pick, at most `clip.n_picks`.
            style: From `draw_style`.
            generator: Draws what is different at each showing.
        """
