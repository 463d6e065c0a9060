"""Long videos made of clips: which clips, how long, in which order, and their features put together.

Axis letters: S segments of a video, T its picks, D feature width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from sspvs.table.text import TextFields
from sspvs.types import Annotations, FloatArray, FrameFeatures, IntArray
from sspvs.world.clips import ClipSource, Concept, Pool
from sspvs.world.settings import CompositionSettings, WordingSettings


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


def plan_video(
    source: ClipSource,
    pool: Pool,
    settings: CompositionSettings,
    naming: WordingSettings,
    salience: FloatArray,
    generator: np.random.Generator,
) -> VideoPlan:
    """Draw a video."""
    n_segments = int(generator.integers(settings.segments[0], settings.segments[1] + 1))
    category, concepts = _draw_concepts(source, pool, settings, n_segments, generator)
    weights = 1.0 / np.arange(1, len(concepts) + 1) ** settings.repetition
    again = generator.choice(len(concepts), size=n_segments - len(concepts), p=weights / weights.sum())
    showings = np.bincount(np.append(np.arange(len(concepts)), again))  # each at least once
    order = [concepts[index] for index in _mixed(showings, generator)]
    segments = _draw_segments(source, pool, settings, order, generator)
    fewest, most = naming.title_concepts
    n_named = min(int(generator.integers(fewest, most + 1)), len(concepts))
    on_topic = [source.concepts[concept].category == category for concept in concepts]
    chances = salience[concepts] * np.where(on_topic, naming.topic_weight, 1.0)
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
    for (start, end), segment in zip(pairwise([*plan.starts, plan.n_picks]), plan.segments, strict=True):
        assert end - start == segment.length
        if segment.fade:
            _crossfade(features, end, segment.fade)
    return features


def _crossfade(features: FloatArray, boundary: int, width: int) -> None:
    """Mix the picks around a boundary, `width` on either side, with the nearest one of the other side, in place."""
    left, right = features[boundary - 1].copy(), features[boundary].copy()
    for step in range(2 * width):
        pick, share = boundary - width + step, np.float32((step + 0.5) / (2 * width))  # of the right one
        other, weight = (right, share) if pick < boundary else (left, 1 - share)
        features[pick] = (1 - weight) * features[pick] + weight * other


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
    # What is shown most often is what is left at the end; either way round, so that position says nothing.
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
    fades = [_fade(first, second, settings, source.rate_hz, generator) for first, second in pairwise(drawn)]
    return tuple(
        Segment(segment.clip, segment.concept, segment.start, segment.length, fade)
        for segment, fade in zip(drawn, [*fades, 0], strict=True)
    )


def _fade(
    first: Segment, second: Segment, settings: CompositionSettings, rate_hz: float, generator: np.random.Generator
) -> int:
    """Picks on either side of a boundary that are cross-faded, at most half of each segment."""
    if generator.random() >= settings.crossfade_share:
        return 0
    return min(round(settings.crossfade_seconds * rate_hz / 2), first.length // 2, second.length // 2)


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


_TITLES = ("{}", "best of {}", "watch {}", "{} up close", "my {} video", "{} moments", "all about {}", "{} today")
_JOINTS = (" and ", " with ", " meets ", ", ")
_VAGUE = ("my {} video", "{} highlights", "a day of {}", "best {} moments", "{} compilation")
_QUERIES = ("{}", "{} video", "best {}", "{} clip")
_OPENINGS = ("", "", "in this video ", "today ", "featuring ")
_PHRASE_JOINTS = (", ", ". ", ", then ", " and ")


def write_texts(
    plan: VideoPlan, source: ClipSource, pool: Pool, settings: WordingSettings, generator: np.random.Generator
) -> TextFields:
    """The texts of a planned video."""
    concepts = source.concepts
    named = [concepts[concept] for concept in plan.named]
    absent = [concept for concept in pool if concept not in plan.seen]
    category = _category_names(plan, source)
    title = _title(named, [concepts[index] for index in absent], category, settings, generator)
    description = _description(plan, source, {concept: pool[concept] for concept in absent}, settings, generator)
    if generator.random() < settings.query_names:
        query = _called(named[int(generator.integers(len(named)))], settings, generator)
    else:
        query = _one_of(category, generator)
    return TextFields(
        category=plan.category, query=_one_of(_QUERIES, generator).format(query), title=title, description=description
    )


def _title(
    named: Sequence[Concept],
    absent: Sequence[Concept],
    category: Sequence[str],
    settings: WordingSettings,
    generator: np.random.Generator,
) -> str:
    if generator.random() < settings.title_vague:
        return _one_of(_VAGUE, generator).format(_one_of(category, generator))
    names = [_called(concept, settings, generator) for concept in named]
    if absent and generator.random() < settings.title_distractors:
        distractor = absent[int(generator.integers(len(absent)))]
        names.insert(int(generator.integers(len(names) + 1)), _called(distractor, settings, generator))
    return _one_of(_TITLES, generator).format(_one_of(_JOINTS, generator).join(names))


def _description(
    plan: VideoPlan, source: ClipSource, absent: Pool, settings: WordingSettings, generator: np.random.Generator
) -> str:
    """Captions of the clips in which most concepts are first seen, in that order."""
    first_clips: dict[int, int] = {}
    for segment in plan.segments:
        first_clips.setdefault(segment.concept, segment.clip)
    clips: list[int] = []
    for clip in first_clips.values():
        if generator.random() >= settings.description_dropped:
            clips.append(clip)
        if absent and generator.random() < settings.description_distractors:
            others = list(absent.values())[int(generator.integers(len(absent)))]
            clips.append(others[int(generator.integers(len(others)))])
    phrases = [_uncapped(source.clips[clip].caption) for clip in clips]
    text = _one_of(_OPENINGS, generator) if phrases else ""
    for number, phrase in enumerate(phrases):
        text += (_one_of(_PHRASE_JOINTS, generator) if number else "") + phrase
    return text


def _called(concept: Concept, settings: WordingSettings, generator: np.random.Generator) -> str:
    """One of a concept's names."""
    if len(concept.names) > 1 and generator.random() < settings.synonyms:
        return _one_of(concept.names[1:], generator)
    return concept.name


def _category_names(plan: VideoPlan, source: ClipSource) -> tuple[str, ...]:
    return next(concept.category_names for concept in source.concepts if concept.category == plan.category)


def _one_of(choices: Sequence[str], generator: np.random.Generator) -> str:
    return choices[int(generator.integers(len(choices)))]


def _uncapped(caption: str) -> str:
    """A caption inside a longer text: no capital at its start, unless it starts with a word all in capitals."""
    first = caption.split()[0] if caption.split() else ""
    return caption if len(first) > 1 and first.isupper() else caption[:1].lower() + caption[1:]
