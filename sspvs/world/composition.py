"""Long videos made of clips: which clips, how long, in which order, their features put together, and their texts.

Axis letters: S segments of a video, T its picks, D feature width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeVar

import numpy as np

from sspvs.table.text import TextFields
from sspvs.types import Annotations, FloatArray, FrameFeatures, IntArray
from sspvs.world.clips import ClipSource, Concept, Pool
from sspvs.world.settings import CompositionSettings, WordingSettings, WorldSettings

T = TypeVar("T")
_TITLES = ("{}", "best of {}", "watch {}", "{} up close", "my {} video", "{} moments", "all about {}", "{} today")
_JOINTS = (" and ", " with ", " meets ", ", ")
_VAGUE = ("my {} video", "{} highlights", "a day of {}", "best {} moments", "{} compilation")
_QUERIES = ("{}", "{} video", "best {}", "{} clip")
_OPENINGS = ("", "", "in this video ", "today ", "featuring ")
_PHRASE_JOINTS = (", ", ". ", ", then ", " and ")


@dataclass(frozen=True)
class Segment:
    """One showing of a clip."""

    clip: int  # index of the clip in the source
    concept: int  # index of its concept
    start: int  # first pick of the clip that is shown
    length: int  # picks that are shown
    fade: int = 0  # picks on either side of the boundary to the next segment that are cross-faded; 0 for an abrupt one


@dataclass(frozen=True)
class VideoPlan:
    """A video before it has features."""

    category: str  # what it is about
    segments: tuple[Segment, ...]  # S showings, in order
    named: tuple[int, ...]  # concepts that its title names: those that matter

    @property
    def n_picks(self) -> int:
        """T."""
        return sum(segment.length for segment in self.segments)

    @property
    def starts(self) -> list[int]:
        """The first pick of each segment in the video."""
        return list(accumulate((segment.length for segment in self.segments[:-1]), initial=0))

    @property
    def seen(self) -> tuple[int, ...]:
        """The concepts in the order in which they are first seen."""
        return tuple(dict.fromkeys(segment.concept for segment in self.segments))


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
        annotations: Of the annotators; None for videos to pretrain on.
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
        return np.repeat(self.importance, [segment.length for segment in self.plan.segments])

    @property
    def concepts_at_picks(self) -> IntArray:
        """(T,) the concept on screen, as an index into the source's concepts."""
        segments = self.plan.segments
        return np.repeat([segment.concept for segment in segments], [one.length for one in segments])


def plan_video(
    source: ClipSource, pool: Pool, settings: WorldSettings, salience: FloatArray, generator: np.random.Generator
) -> VideoPlan:
    """Draw a video of the clips of a pool; `salience` weighs the concepts that matter in it."""
    composition, wording = settings.composition, settings.wording
    n_segments = int(generator.integers(composition.segments[0], composition.segments[1] + 1))
    category, concepts = _draw_concepts(source, pool, composition, n_segments, generator)
    weights = 1.0 / np.arange(1, len(concepts) + 1) ** composition.repetition
    again = generator.choice(len(concepts), size=n_segments - len(concepts), p=weights / weights.sum())
    showings = np.bincount(np.append(np.arange(len(concepts)), again))  # each at least once
    order = [concepts[index] for index in _mixed(showings, generator)]
    segments = _draw_segments(source, pool, composition, order, generator)
    fewest, most = wording.title_concepts
    n_named = min(int(generator.integers(fewest, most + 1)), len(concepts))
    on_topic = [source.concepts[concept].category == category for concept in concepts]
    chances = salience[concepts] * np.where(on_topic, wording.topic_weight, 1.0)
    named = generator.choice(concepts, size=n_named, replace=False, p=chances / chances.sum())
    return VideoPlan(category, segments, tuple(int(concept) for concept in named))


def compose(plan: VideoPlan, source: ClipSource, generator: np.random.Generator) -> FloatArray:
    """(T, D) float32 features of a planned video."""
    style = source.draw_style(generator)
    parts = []
    for segment in plan.segments:
        stop = segment.start + segment.length
        parts.append(source.window(source.clips[segment.clip], segment.start, stop, style, generator))
    features = np.concatenate(parts)
    for boundary, segment in zip(plan.starts[1:], plan.segments, strict=False):
        left, right = features[boundary - 1].copy(), features[boundary].copy()
        for step in range(2 * segment.fade):  # mixed with the nearest pick of the other side
            pick, share = boundary - segment.fade + step, np.float32((step + 0.5) / (2 * segment.fade))  # of the right
            other, weight = (right, share) if pick < boundary else (left, 1 - share)
            features[pick] = (1 - weight) * features[pick] + weight * other
    return features


def _draw_concepts(
    source: ClipSource, pool: Pool, settings: CompositionSettings, most: int, generator: np.random.Generator
) -> tuple[str, list[int]]:
    """The video's category and its concepts, in no particular order."""
    known = list(pool)
    category = source.concepts[int(generator.choice(known))].category
    wanted = int(generator.integers(settings.concepts[0], settings.concepts[1] + 1))
    own = [concept for concept in known if source.concepts[concept].category == category]
    others = [concept for concept in known if source.concepts[concept].category != category]
    chosen: list[int] = []
    while len(chosen) < min(wanted, most, len(known)):
        # The first one is on topic: the video shows something of its category.
        from_own = bool(own) and (not others or not chosen or generator.random() < settings.on_topic)
        rest = own if from_own else others
        chosen.append(rest.pop(int(generator.integers(len(rest)))))
    return category, [chosen[index] for index in generator.permutation(len(chosen))]


def _mixed(showings: IntArray, generator: np.random.Generator) -> list[int]:
    """An order in which nothing is shown twice in a row, as far as that can be."""
    left = showings.astype(np.float64)
    order: list[int] = []
    while left.sum() > 0:
        free = left.copy()
        if order:
            free[order[-1]] = 0
        # What more than half of the rest is of must come now, or it will come twice in a row.
        urgent = free * (2 * left > left.sum())
        chances = urgent if urgent.any() else free if free.any() else left
        order.append(int(generator.choice(len(left), p=chances / chances.sum())))
        left[order[-1]] -= 1
    # What is shown most often is what is left at the end; either way round, so that position carries no information.
    return order[::-1] if generator.random() < 0.5 else order


def _draw_segments(
    source: ClipSource, pool: Pool, settings: CompositionSettings, order: list[int], generator: np.random.Generator
) -> tuple[Segment, ...]:
    """A clip and a stretch of it for each showing, another clip each time as long as there are any."""
    unused: dict[int, list[int]] = {}
    shortest, longest = (np.log(seconds) for seconds in settings.segment_seconds)
    drawn = []
    for concept in order:
        rest = unused.get(concept) or list(pool[concept])
        clip = rest.pop(int(generator.integers(len(rest))))
        unused[concept] = rest
        seconds = float(np.exp(generator.uniform(shortest, longest)))
        available = source.clips[clip].n_picks
        length = min(max(round(seconds * source.rate_hz), 1), available)
        drawn.append(Segment(clip, concept, int(generator.integers(available - length + 1)), length))

    def fade(first: Segment, second: Segment) -> int:
        if generator.random() >= settings.crossfade_share:
            return 0
        return min(round(settings.crossfade_seconds * source.rate_hz / 2), first.length // 2, second.length // 2)

    fades = [fade(first, second) for first, second in pairwise(drawn)]
    return tuple(replace(segment, fade=width) for segment, width in zip(drawn, [*fades, 0], strict=True))


class TextWriter(NamedTuple):
    """Writes the texts of a planned video; what is named and not shown is of the pool."""

    plan: VideoPlan
    source: ClipSource
    pool: Pool
    settings: WordingSettings
    generator: np.random.Generator

    def texts(self) -> TextFields:
        """The title, the description, the category's own name, and a query of a concept or of the category."""
        plan, concepts = self.plan, self.source.concepts
        named = [concepts[concept] for concept in plan.named]
        absent = [concept for concept in self.pool if concept not in plan.seen]
        category = next(concept.category_names for concept in concepts if concept.category == plan.category)
        title = self._title(named, [concepts[index] for index in absent], category)
        description = self._description([self.pool[concept] for concept in absent])
        by_concept = self._chance(self.settings.query_names)
        query = self._called(self._one_of(named)) if by_concept else self._one_of(category)
        return TextFields(plan.category, self._one_of(_QUERIES).format(query), title, description)

    def _title(self, named: Sequence[Concept], absent: Sequence[Concept], category: Sequence[str]) -> str:
        """The concepts that matter, by names that vary; at times with one that is not shown, at times none."""
        if self._chance(self.settings.title_vague):
            return self._one_of(_VAGUE).format(self._one_of(category))
        names = [self._called(concept) for concept in named]
        if absent and self._chance(self.settings.title_distractors):
            distractor = self._one_of(absent)
            names.insert(int(self.generator.integers(len(names) + 1)), self._called(distractor))
        return self._one_of(_TITLES).format(self._one_of(_JOINTS).join(names))

    def _description(self, absent: Sequence[tuple[int, ...]]) -> str:
        """Captions of the clips in which most concepts are first seen, in that order."""
        first_clips: dict[int, int] = {}
        for segment in self.plan.segments:
            first_clips.setdefault(segment.concept, segment.clip)
        clips: list[int] = []
        for clip in first_clips.values():
            if not self._chance(self.settings.description_dropped):
                clips.append(clip)
            if absent and self._chance(self.settings.description_distractors):
                clips.append(self._one_of(self._one_of(absent)))
        text = self._one_of(_OPENINGS) if clips else ""
        for number, clip in enumerate(clips):
            text += (self._one_of(_PHRASE_JOINTS) if number else "") + _uncapped(self.source.clips[clip].caption)
        return text

    def _called(self, concept: Concept) -> str:
        other = len(concept.names) > 1 and self._chance(self.settings.synonyms)
        return self._one_of(concept.names[1:]) if other else concept.name

    def _chance(self, chance: float) -> bool:
        return self.generator.random() < chance

    def _one_of(self, choices: Sequence[T]) -> T:
        return choices[int(self.generator.integers(len(choices)))]


def _uncapped(caption: str) -> str:
    """A caption inside a longer text: no capital at its start, unless it starts with a word all in capitals."""
    first = caption.split()[0] if caption.split() else ""
    return caption if len(first) > 1 and first.isupper() else caption[:1].lower() + caption[1:]
