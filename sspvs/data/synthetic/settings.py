"""The knobs of the video-text world: what a config says about it; `README.md` in this folder explains each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, cast

from sspvs.data.synthetic.ranges import problems

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
