"""Clips and concepts: one interface for drawn and for real ones, and their division among the parts of a world.

Axis letters: T picks of a clip, D feature width.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sspvs.types import Fingerprint, FloatArray
from sspvs.world.settings import WorldSettings

TRAIN, VAL = "train", "val"
_POOLS = 21  # what the generator is for, beside the seed
Pool = Mapping[int, tuple[int, ...]]  # concept -> its clips in a part, both as indices into the source


@dataclass(frozen=True)
class Concept:
    """What clips show, and its words."""

    name: str  # its own name; unique within its category
    category: str  # its category's own name
    names: tuple[str, ...]  # names it goes by in texts, its own first
    category_names: tuple[str, ...]  # names its category goes by, its own first


@dataclass(frozen=True)
class Clip:
    """A stretch of video that shows one concept."""

    name: str  # unique in a source
    concept: int  # index of its concept in the source
    caption: str  # a sentence or phrase about what is seen
    n_picks: int  # T


class ClipSource(ABC):
    """Clips of concepts, with features and captions; the same ones every time it is made."""

    concepts: tuple[Concept, ...]  # everything that clips show, at least one
    clips: tuple[Clip, ...]  # in an order that never changes
    feature_dim: int  # D
    rate_hz: float  # picks per second
    fingerprint: Fingerprint  # of the features; a backbone that starts with `synthetic` saw no picture of these videos
    description: dict[str, object]  # plain facts, for `world.json`

    @abstractmethod
    def draw_style(self, generator: np.random.Generator, /) -> FloatArray:
        """What all features of one video have in common, for `window`; empty where a source has no such thing."""

    @abstractmethod
    def window(
        self, clip: Clip, start: int, stop: int, style: FloatArray, generator: np.random.Generator, /
    ) -> FloatArray:
        """(stop - start, D) float32 features of a clip's picks in a style; the generator varies each showing."""


def fold_part(number: int) -> str:
    """The part that fold `number` tests."""
    return f"fold_{number}"


def split_clips(source: ClipSource, settings: WorldSettings, seed: int) -> dict[str, Pool]:
    """Divide the clips among the parts that have videos, evenly over categories and concepts, in drawn order."""
    generator = np.random.default_rng([seed, _POOLS])
    folds = [fold_part(number) for number in range(settings.folds)]
    videos = {TRAIN: settings.pretrain_train, VAL: settings.pretrain_val, **dict.fromkeys(folds, settings.annotated)}
    left = max(1 - settings.train_share - settings.val_share, 0.0)
    wanted = {TRAIN: settings.train_share, VAL: settings.val_share, **dict.fromkeys(folds, left / settings.folds)}
    wanted = {part: share for part, share in wanted.items() if share > 0 and videos[part] > 0}
    if not wanted:
        raise ValueError(
            "a world without videos, or without clips for them: set pretrain_train, pretrain_val or annotated, and "
            "shares above 0 for what is set"
        )
    total = sum(wanted.values())
    shares = {part: share / total for part, share in wanted.items()}
    pools: dict[str, dict[int, list[int]]] = {part: {} for part in shares}
    counts = dict.fromkeys(shares, 0)
    for taken, number in enumerate(_drawn_order(source, generator), start=1):
        part = max(shares, key=lambda name: shares[name] * taken - counts[name])
        counts[part] += 1
        pools[part].setdefault(source.clips[number].concept, []).append(number)
    if without := [part for part, planned in videos.items() if planned and not counts.get(part)]:
        raise ValueError(
            f"{len(source.clips)} clips with train_share {settings.train_share:g} and val_share "
            f"{settings.val_share:g} leave none for {', '.join(without)}; give more clips, other shares, fewer folds, "
            "or no videos of that part"
        )
    return {
        part: {concept: tuple(sorted(clips)) for concept, clips in sorted(pool.items())} for part, pool in pools.items()
    }


def _drawn_order(source: ClipSource, generator: np.random.Generator) -> list[int]:
    """Clips by category, then concept, then clip; the last two in drawn order."""
    rank_of_concept = generator.permutation(len(source.concepts))
    rank_of_clip = generator.permutation(len(source.clips))

    def place(number: int) -> tuple[str, int, int]:
        concept = source.clips[number].concept
        return source.concepts[concept].category, int(rank_of_concept[concept]), int(rank_of_clip[number])

    return sorted(range(len(source.clips)), key=place)
