"""The knobs of the video-text world: what a config says about it; `README.md` in this folder explains each."""

from __future__ import annotations

import ast
import inspect
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, NamedTuple, cast

from sspvs.parsing import parse_json

Range = tuple[float, float]
Counts = tuple[int, int]

DRAWN = "drawn"


@dataclass(frozen=True)
class DrawnSettings:
    """Clips that are drawn: concept vectors, what hides them, and how a clip varies."""

    feature_dim: int = 128
    """D, width of the features."""
    categories: int = 8
    """Categories; beyond the ten that have words, words are made up."""
    concepts_per_category: int = 6
    """Concepts in each; beyond the eight that have words, words are made up."""
    clips_per_concept: int = 60
    """Different clips of each concept, over all parts of the world."""
    clip_seconds: Range = (15.0, 45.0)
    """Shortest and longest clip."""
    rate_hz: float = 2.0
    """Picks per second."""
    signal_dim: int = 24
    """Directions that concepts differ in."""
    category_share: float = 0.5
    """Share of a concept's vector (in variance) that is its category's, 0 to 1: more is harder."""
    clip_spread: float = 0.7
    """How far clips of a concept are from it, against the length 1 of concept vectors."""
    caption_synonyms: float = 0.7
    """Chance that a clip's caption calls the concept by another name than its first."""
    drift: float = 0.4
    """How far a clip wanders from itself, likewise: an AR(1) walk."""
    drift_memory: float = 0.9
    """How much of the walk's place is left at the next pick, 0 (white) to below 1."""
    nuisance_dim: int = 6
    """Directions of nuisance (lighting, camera, the video's style) that say nothing about concepts."""
    nuisance: float = 2.0
    """Strength of nuisance, against the length 1 of concept vectors; 0 for none."""
    nuisance_style: float = 0.2
    """Share of nuisance (in variance) that is constant in a video."""
    nuisance_camera: float = 0.3
    """Share that is constant in a clip; the rest (lighting) changes within it as an AR(1) walk."""
    noise: float = 0.5
    """Noise of each feature at each pick, against an average feature's share of the concept."""
    nonnegative: bool = True
    """Cut below zero, as pooled features of a network with ReLU are."""


@dataclass(frozen=True)
class CompositionSettings:
    """How long videos are made from clips."""

    segments: Counts = (14, 22)
    """Fewest and most clips shown in a video."""
    concepts: Counts = (5, 8)
    """Fewest and most different concepts of a video, as far as there are as many."""
    on_topic: float = 0.65
    """Chance that a concept of a video is of the video's category."""
    repetition: float = 1.0
    """How unevenly concepts share a video: concept r of it is shown again with weight 1 / r^repetition."""
    segment_seconds: Range = (2.0, 8.0)
    """Shortest and longest showing of a clip; a shorter clip is shown whole."""
    crossfade_share: float = 0.3
    """Share of the boundaries that are cross-fades; the others are abrupt."""
    crossfade_seconds: float = 1.0
    """Length of a cross-fade, across the boundary."""


@dataclass(frozen=True)
class WordingSettings:
    """How the texts are made."""

    title_concepts: Counts = (1, 2)
    """Fewest and most concepts that a title names: what matters in the video."""
    title_vague: float = 0.1
    """Chance that the words of a title name nothing; what matters stays what it was."""
    title_distractors: float = 0.15
    """Chance that a title also names a concept that the video does not show."""
    synonyms: float = 0.7
    """Chance that a title or query calls a concept by another name than its first."""
    description_dropped: float = 0.25
    """Share of the concepts seen that the description leaves out."""
    description_distractors: float = 0.1
    """Chance, for each phrase of a description, that a phrase about a concept not shown follows."""
    query_names: float = 0.5
    """Chance that the query names a concept of the title; otherwise it names the category."""
    salience: float = 1.5
    """How unequally concepts get into titles: standard deviation of a log weight, the same in the whole world; 0: what
    matters in a video cannot be guessed from what is in it."""
    topic_weight: float = 3.0
    """How much likelier a title names a concept of the video's own category than another one it shows."""
    shuffled: Literal["none", "pretrain", "all"] = "none"
    """Give each video another one's texts: in pretraining, or everywhere. For ablations: text then says nothing."""


@dataclass(frozen=True)
class RuleSettings:
    """Importance of a segment: (title [concept named] + rare * rarity + topic [on topic]) * repeat^(other showings)."""

    title: float = 1.0
    """What a concept gets that the title names."""
    rare: float = 0.7
    """What the rarest concept gets: rarity is 1 - (seconds of the concept) / (seconds of the longest seen one)."""
    topic: float = 0.25
    """What a concept of the video's own category gets."""
    repeat: float = 0.85
    """What is left of a concept for each other showing of it in the video, 0 to 1."""


@dataclass(frozen=True)
class AnnotatorSettings:
    """The people who annotate."""

    people: int = 20
    """U, annotators of each video."""
    kind: Literal["ratings", "summaries"] = "ratings"
    """`ratings`: 1 to 5, constant over `unit_seconds` (TVSum); `summaries`: chosen or not (SumMe)."""
    agreement: float = 0.28
    """Share of what a person feels (in variance) that comes from the rules, 0 to 1; the rest is taste and noise."""
    taste: float = 0.5
    """Share of that rest that is the person's liking of each concept; what is left is noise by unit."""
    unit_seconds: float = 2.0
    """Length of what one opinion is about."""
    summary_share: Range = (0.08, 0.2)
    """Shares of the video that people choose, for summaries."""


@dataclass(frozen=True)
class WorldSettings:
    """A world of videos with text."""

    clips: str = DRAWN
    """`drawn`, or a file or folder of captioned real clips."""
    pretrain_train: int = 500
    """Videos to pretrain on."""
    pretrain_val: int = 100
    """Videos to validate pretraining on."""
    annotated: int = 60
    """Videos with annotators, for the summarizer."""
    folds: int = 5
    """Folds of the annotated videos; each tests clips that no other fold tests."""
    train_share: float = 0.52
    """Share of the clips that pretraining videos are made of."""
    val_share: float = 0.18
    """Share for the validation of pretraining; the rest is for annotated videos. Without these, the two share all."""
    shots: Literal["true", "kts"] = "true"
    """Shots of the annotated videos: where clips meet, or found by KTS in the features."""
    drawn: DrawnSettings = field(default_factory=DrawnSettings)
    """Of drawn clips."""
    composition: CompositionSettings = field(default_factory=CompositionSettings)
    """Of long videos."""
    wording: WordingSettings = field(default_factory=WordingSettings)
    """Of texts."""
    rules: RuleSettings = field(default_factory=RuleSettings)
    """Of importance."""
    annotators: AnnotatorSettings = field(default_factory=AnnotatorSettings)
    """Of people."""

    def __post_init__(self) -> None:
        if found := problems(self):
            raise ValueError(f"world settings: {'; '.join(found)}")

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON and config files."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WorldSettings:
        """Settings from plain types, such as those of `as_dict` or a YAML file; what is left out is the default.

        Raises:
            ValueError: When a name is unknown or a value out of its range.
        """
        return cast("WorldSettings", _changed(cls(), values, ""))


def _changed(settings: Any, values: Mapping[str, Any], where: str) -> Any:
    """A copy of a settings object with plain values put in; lists become tuples."""
    known = {item.name: getattr(settings, item.name) for item in fields(settings)}
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"unknown world setting '{where}{name}'; expected one of: {', '.join(known)}")
        default = known[name]
        if is_dataclass(default):
            if not isinstance(value, Mapping):
                raise ValueError(f"world setting '{where}{name}' is a group of settings, got {value!r}")
            changes[name] = _changed(default, value, f"{where}{name}.")
        else:
            changes[name] = _typed(value, default, f"{where}{name}")
    return replace(settings, **changes)


def _typed(value: Any, default: Any, name: str) -> Any:
    """A plain value as the kind of the default; complains where it is another."""
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or len(value) != len(default):
            raise ValueError(f"world setting '{name}' is a pair such as {list(default)}, got {value!r}")
        return tuple(_typed(part, like, name) for part, like in zip(value, default, strict=True))
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise ValueError(f"world setting '{name}' is {_KINDS[type(default)]} such as {default!r}, got {value!r}")
    return value


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


_CHANCE = (0.0, 1.0)
_LARGEST_WEIGHT = 1e6


def problems(settings: WorldSettings) -> list[str]:
    """Sentences about everything that is out of its range, at once."""
    return [
        *_of_world(settings),
        *_of_drawn(settings.drawn),
        *_of_composition(settings.composition),
        *_of_wording(settings.wording),
        *_of_rules(settings.rules),
        *_of_annotators(settings.annotators),
    ]


def _of_world(settings: WorldSettings) -> list[str]:
    found = _numbers(settings, "", "pretrain_train pretrain_val annotated", 0)
    found += _numbers(settings, "", "folds", 2)
    found += _numbers(settings, "", "train_share val_share", *_CHANCE)
    found += _one_of("shots", settings.shots, ("true", "kts"))
    if 0 < settings.annotated < settings.folds:
        found.append(f"annotated must be 0 or at least folds ({settings.folds}), got {settings.annotated}")
    if settings.train_share + settings.val_share > 1 + 1e-9:
        found.append("train_share and val_share together must be at most 1")
    return found


def _of_drawn(settings: DrawnSettings) -> list[str]:
    found = _numbers(settings, "drawn.", "feature_dim categories clips_per_concept signal_dim nuisance_dim", 1)
    found += _numbers(settings, "drawn.", "concepts_per_category", 1, 300)
    shares = "category_share nuisance_style nuisance_camera caption_synonyms"
    found += _numbers(settings, "drawn.", shares, *_CHANCE)
    found += _numbers(settings, "drawn.", "clip_spread drift nuisance noise", 0, _LARGEST_WEIGHT)
    found += _numbers(settings, "drawn.", "drift_memory", 0, 0.9999)
    found += _numbers(settings, "drawn.", "rate_hz", 0.01, 100)
    found += _pairs(settings, "drawn.", "clip_seconds", 0.1)
    if settings.nuisance_style + settings.nuisance_camera > 1 + 1e-9:
        found.append("drawn.nuisance_style and drawn.nuisance_camera together must be at most 1")
    return found


def _of_composition(settings: CompositionSettings) -> list[str]:
    found = _pairs(settings, "composition.", "segments concepts", 1)
    found += _pairs(settings, "composition.", "segment_seconds", 0.1)
    found += _numbers(settings, "composition.", "on_topic crossfade_share", *_CHANCE)
    return found + _numbers(settings, "composition.", "repetition crossfade_seconds", 0, 100)


def _of_wording(settings: WordingSettings) -> list[str]:
    chances = "title_vague title_distractors synonyms description_dropped description_distractors query_names"
    found = _pairs(settings, "wording.", "title_concepts", 1)
    found += _numbers(settings, "wording.", chances, *_CHANCE)
    found += _numbers(settings, "wording.", "salience", 0, 5)
    found += _numbers(settings, "wording.", "topic_weight", 1 / _LARGEST_WEIGHT, _LARGEST_WEIGHT)
    return found + _one_of("wording.shuffled", settings.shuffled, ("none", "pretrain", "all"))


def _of_rules(settings: RuleSettings) -> list[str]:
    found = _numbers(settings, "rules.", "title rare topic", 0, _LARGEST_WEIGHT)
    return found + _numbers(settings, "rules.", "repeat", *_CHANCE)


def _of_annotators(settings: AnnotatorSettings) -> list[str]:
    found = _numbers(settings, "annotators.", "people", 1)
    found += _numbers(settings, "annotators.", "agreement taste", *_CHANCE)
    found += _numbers(settings, "annotators.", "unit_seconds", 0.1)
    found += _pairs(settings, "annotators.", "summary_share", *_CHANCE)
    return found + _one_of("annotators.kind", settings.kind, ("ratings", "summaries"))


def _numbers(owner: object, prefix: str, names: str, low: float, high: float = math.inf) -> list[str]:
    values = {name: getattr(owner, name) for name in names.split()}
    return [
        f"{prefix}{name} must be {_range(low, high)}, got {value}"
        for name, value in values.items()
        if not (low <= value <= high and math.isfinite(value))
    ]


def _pairs(owner: object, prefix: str, names: str, low: float, high: float = math.inf) -> list[str]:
    values = {name: getattr(owner, name) for name in names.split()}
    return [
        f"{prefix}{name} must be two numbers in order, {_range(low, high)}, got {list(pair)}"
        for name, pair in values.items()
        if not (low <= pair[0] <= pair[1] <= high and math.isfinite(pair[1]))
    ]


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> list[str]:
    return [] if value in allowed else [f"{name} must be one of {', '.join(allowed)}, got {value!r}"]


def _range(low: float, high: float) -> str:
    return f"{low:g} or more" if high == math.inf else f"from {low:g} to {high:g}"


class Knob(NamedTuple):
    """One setting.

    Attributes:
        name: With its group, such as `rules.title`.
        default: As JSON writes it.
        doc: What it does.
    """

    name: str
    default: str
    doc: str


def knobs() -> list[Knob]:
    """Every setting of the world, with what the settings' own docstrings say about it."""
    return list(_knobs(WorldSettings(), ""))


def settings_values(changes: Sequence[str]) -> dict[str, Any]:
    """Plain values for `WorldSettings.from_dict`."""
    values: dict[str, Any] = {}
    for change in changes:
        path, equals, text = change.partition("=")
        *groups, name = path.strip().split(".")
        if not equals or not name or not all(groups):
            raise ValueError(f"expected KNOB=VALUE such as rules.title=2, got {change!r} (`--knobs` lists them)")
        place = values
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise ValueError(f"'{group}' in {change!r} is not a group of settings (`--knobs` lists them)")
        place[name] = _value(text.strip())
    return values


def _value(text: str) -> Any:
    """A number, pair, true or false, as JSON has it; else the word itself."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def _knobs(settings: Any, prefix: str) -> Iterator[Knob]:
    docs = _attribute_docs(type(settings))
    plain = asdict(settings)
    for item in fields(settings):
        value = getattr(settings, item.name)
        if is_dataclass(value):
            yield from _knobs(value, f"{prefix}{item.name}.")
        else:
            yield Knob(f"{prefix}{item.name}", json.dumps(plain[item.name]), docs[item.name])


def _attribute_docs(owner: type) -> dict[str, str]:
    """Field -> the docstring under it."""
    body = ast.parse(inspect.getsource(owner)).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for statement, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            assert isinstance(after, ast.Expr)
            assert isinstance(after.value, ast.Constant)
            docs[statement.target.id] = " ".join(str(after.value.value).split())
    return docs
