"""The settings of the synthetic world, with their ranges; `README.md` in this folder explains each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args, get_origin

from sspvs.parsing import parse_json
from sspvs.schema import Range, Settings, mistakes, parameters, refuse

DRAWN = "drawn"


@dataclass(frozen=True)
class InOrder:
    """Pairs of numbers in order, each within a range."""

    limits: Range

    def __repr__(self) -> str:
        return f"two numbers in order, {self.limits!r}"

    def __contains__(self, pair: tuple[float, float]) -> bool:
        return pair[0] <= pair[1] and all(number in self.limits for number in pair)


Chance = Annotated[float, Range(least=0, most=1)]
Strength = Annotated[float, Range(least=0, most=1e6)]
Count = Annotated[int, Range(least=1)]
Videos = Annotated[int, Range(least=0)]
Counts = Annotated[tuple[int, int], InOrder(Range(least=1))]
Lengths = Annotated[tuple[float, float], InOrder(Range(least=0.1))]  # in seconds


@dataclass(frozen=True)
class DrawnSettings:
    """Clips that are drawn: concept vectors, what hides them, and how a clip varies."""

    feature_dim: Count = 128
    """D, width of the features."""
    categories: Count = 8
    """Categories; beyond the ten that have words, words are made up."""
    concepts_per_category: Annotated[int, Range(least=1, most=300)] = 6
    """Concepts in each; beyond the eight that have words, words are made up."""
    clips_per_concept: Count = 60
    """Different clips of each concept, over all parts of the world."""
    clip_seconds: Lengths = (15.0, 45.0)
    """Shortest and longest clip."""
    rate_hz: Annotated[float, Range(least=0.01, most=100)] = 2.0
    """Picks per second."""
    signal_dim: Count = 24
    """Directions that concepts differ in."""
    category_share: Chance = 0.5
    """Share of a concept's vector (in variance) that is its category's, 0 to 1: more is harder."""
    clip_spread: Strength = 0.7
    """How far clips of a concept are from it, against the length 1 of concept vectors."""
    caption_synonyms: Chance = 0.7
    """Chance that a clip's caption calls the concept by another name than its first."""
    drift: Strength = 0.4
    """How far a clip wanders from itself, likewise: an AR(1) walk."""
    drift_memory: Annotated[float, Range(least=0, most=0.9999)] = 0.9
    """How much of the walk's place is left at the next pick, 0 (white) to below 1."""
    nuisance_dim: Count = 6
    """Directions of nuisance (lighting, camera, the video's style) that say nothing about concepts."""
    nuisance: Strength = 2.0
    """Strength of nuisance, against the length 1 of concept vectors; 0 for none."""
    nuisance_style: Chance = 0.2
    """Share of nuisance (in variance) that is constant in a video."""
    nuisance_camera: Chance = 0.3
    """Share that is constant in a clip; the rest (lighting) changes within it as an AR(1) walk."""
    noise: Strength = 0.5
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
    on_topic: Chance = 0.65
    """Chance that a concept of a video is of the video's category."""
    repetition: Annotated[float, Range(least=0, most=100)] = 1.0
    """How unevenly concepts share a video: concept r of it is shown again with weight 1 / r^repetition."""
    segment_seconds: Lengths = (2.0, 8.0)
    """Shortest and longest showing of a clip; a shorter clip is shown whole."""
    crossfade_share: Chance = 0.3
    """Share of the boundaries that are cross-fades; the others are abrupt."""
    crossfade_seconds: Annotated[float, Range(least=0, most=100)] = 1.0
    """Length of a cross-fade, across the boundary."""


@dataclass(frozen=True)
class WordingSettings:
    """How the texts are made."""

    title_concepts: Counts = (1, 2)
    """Fewest and most concepts that a title names: what matters in the video."""
    title_vague: Chance = 0.1
    """Chance that the words of a title name nothing; what matters stays what it was."""
    title_distractors: Chance = 0.15
    """Chance that a title also names a concept that the video does not show."""
    synonyms: Chance = 0.7
    """Chance that a title or query calls a concept by another name than its first."""
    description_dropped: Chance = 0.25
    """Share of the concepts seen that the description leaves out."""
    description_distractors: Chance = 0.1
    """Chance, for each phrase of a description, that a phrase about a concept not shown follows."""
    query_names: Chance = 0.5
    """Chance that the query names a concept of the title; otherwise it names the category."""
    salience: Annotated[float, Range(least=0, most=5)] = 1.5
    """How unequally concepts get into titles: standard deviation of a log weight, the same in the whole world; 0: what
    matters in a video cannot be guessed from what is in it."""
    topic_weight: Annotated[float, Range(least=1e-6, most=1e6)] = 3.0
    """How much likelier a title names a concept of the video's own category than another one it shows."""
    shuffled: Literal["none", "pretrain", "all"] = "none"
    """Give each video another one's texts: in pretraining, or everywhere. For ablations: text then says nothing."""


@dataclass(frozen=True)
class RuleSettings:
    """Importance of a segment: (title [concept named] + rare * rarity + topic [on topic]) * repeat^(other showings)."""

    title: Strength = 1.0
    """What a concept gets that the title names."""
    rare: Strength = 0.7
    """What the rarest concept gets: rarity is 1 - (seconds of the concept) / (seconds of the longest seen one)."""
    topic: Strength = 0.25
    """What a concept of the video's own category gets."""
    repeat: Chance = 0.85
    """What is left of a concept for each other showing of it in the video, 0 to 1."""


@dataclass(frozen=True)
class AnnotatorSettings:
    """The people who annotate."""

    people: Count = 20
    """U, annotators of each video."""
    kind: Literal["ratings", "summaries"] = "ratings"
    """`ratings`: 1 to 5, constant over `unit_seconds` (TVSum); `summaries`: chosen or not (SumMe)."""
    agreement: Chance = 0.28
    """Share of what a person feels (in variance) that comes from the rules, 0 to 1; the rest is taste and noise."""
    taste: Chance = 0.5
    """Share of that rest that is the person's liking of each concept; what is left is noise by unit."""
    unit_seconds: Annotated[float, Range(least=0.1)] = 2.0
    """Length of what one opinion is about."""
    summary_share: Annotated[tuple[float, float], InOrder(Range(least=0, most=1))] = (0.08, 0.2)
    """Shares of the video that people choose, for summaries."""


@dataclass(frozen=True)
class WorldSettings(Settings):
    """A world of videos with text; it checks its groups too, so that all mistakes are in one message."""

    group = "world settings"

    clips: str = DRAWN
    """`drawn`, or a file or folder of captioned real clips."""
    pretrain_train: Videos = 500
    """Videos to pretrain on."""
    pretrain_val: Videos = 100
    """Videos to validate pretraining on."""
    annotated: Videos = 60
    """Videos with annotators, for the summarizer."""
    folds: Annotated[int, Range(least=2)] = 5
    """Folds of the annotated videos; each tests clips that no other fold tests."""
    train_share: Chance = 0.52
    """Share of the clips that pretraining videos are made of."""
    val_share: Chance = 0.18
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
        refuse(self.group, mistakes(WorldSettings, asdict(self)) or self.conflicts())

    def conflicts(self) -> list[str]:
        """Shares that are more than all, and annotated videos that are too few for the folds."""
        found = []
        if 0 < self.annotated < self.folds:
            found.append(f"annotated must be 0 or at least folds ({self.folds}), got {self.annotated}")
        if self.train_share + self.val_share > 1 + 1e-9:
            found.append("train_share and val_share together must be at most 1")
        if self.drawn.nuisance_style + self.drawn.nuisance_camera > 1 + 1e-9:
            found.append("drawn.nuisance_style and drawn.nuisance_camera together must be at most 1")
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON and config files."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "WorldSettings":
        """Settings from plain types, such as those of `as_dict` or a YAML file; what is left out is the default."""
        filled = _filled(asdict(cls()), values, "")
        refuse(cls.group, mistakes(cls, filled))
        return cast("WorldSettings", _made(cls, filled))


class Knob(NamedTuple):
    """One setting."""

    name: str  # with its group, such as `rules.title`
    default: str  # as JSON writes it
    doc: str  # what it does


def knobs() -> list[Knob]:
    """Every setting of the world, with its docstring."""
    from docstring_parser import parse_from_object

    found: list[Knob] = []
    world = WorldSettings()
    groups = {"": world, **{f"{item.name}.": getattr(world, item.name) for item in fields(world)}}
    for prefix, group in groups.items():
        if isinstance(group, str | int | float):
            continue
        docs = {one.arg_name: one.description or "" for one in parse_from_object(type(group)).params}
        for name, value in asdict(group).items():
            if not isinstance(value, dict):
                found.append(Knob(f"{prefix}{name}", json.dumps(value), " ".join(docs[name].split())))
    return found


def settings_values(changes: Sequence[str]) -> dict[str, Any]:
    """Plain values for `WorldSettings.from_dict` from words such as `rules.title=2` or `composition.segments=[4,6]`."""
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
        try:
            place[name] = parse_json(text.strip())  # a number, pair, true or false
        except ValueError:
            place[name] = text.strip()
    return values


def _filled(defaults: Mapping[str, Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The defaults with values put in, group by group."""
    for name in values:
        if name not in defaults:
            raise ValueError(f"unknown world setting '{where}{name}'; expected one of: {', '.join(defaults)}")
    filled = {**defaults, **values}
    groups = [name for name, default in defaults.items() if isinstance(default, dict)]
    inner = {name: filled[name] for name in groups if isinstance(filled[name], Mapping)}
    return filled | {name: _filled(defaults[name], one, f"{where}{name}.") for name, one in inner.items()}


def _made(hint: Any, value: Any) -> Any:
    """A plain value as its hint has it: groups from mappings, tuples from lists, fractions from whole numbers."""
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if is_dataclass(plain):
        make = cast("type", plain)
        return make(**{name: _made(hint, value[name]) for name, hint in parameters(make).items()})
    if get_origin(plain) is tuple:
        return tuple(_made(part, one) for part, one in zip(get_args(plain), value, strict=True))
    return float(value) if plain is float else value
