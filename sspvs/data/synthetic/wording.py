"""Texts of composed videos: a title that names what matters, a description of most of what is seen, category, query."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sspvs.data.synthetic.clip_source import ClipSource, Concept
from sspvs.data.synthetic.composition import VideoPlan
from sspvs.data.synthetic.pools import Pool
from sspvs.data.synthetic.settings import WordingSettings
from sspvs.data.text import TextFields

_TITLES = ("{}", "best of {}", "watch {}", "{} up close", "my {} video", "{} moments", "all about {}", "{} today")
_JOINTS = (" and ", " with ", " meets ", ", ")
_VAGUE = ("my {} video", "{} highlights", "a day of {}", "best {} moments", "{} compilation")
_QUERIES = ("{}", "{} video", "best {}", "{} clip")
_OPENINGS = ("", "", "in this video ", "today ", "featuring ")
_PHRASE_JOINTS = (", ", ". ", ", then ", " and ")


def write_texts(
    plan: VideoPlan, source: ClipSource, pool: Pool, settings: WordingSettings, generator: np.random.Generator
) -> TextFields:
    """The texts of a planned video.

    Args:
        plan: The video.
        source: Its clips, with the words of their concepts.
        pool: The clips of its part of the world; what is named and not shown is of these.
        settings: How texts are made.
        generator: Draws.

    Returns:
        `title`: the concepts that matter, by names that vary; at times a concept that is not shown, at times none.
        `description`: captions of most of what is seen, in order. `category`: the category's own name. `query`: a
        concept of the title, or a name of the category.
    """
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
        category=plan.category,
        query=_one_of(_QUERIES, generator).format(query),
        title=title,
        description=description,
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
    plan: VideoPlan,
    source: ClipSource,
    absent: Pool,
    settings: WordingSettings,
    generator: np.random.Generator,
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
