"""What the world's settings may be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sspvs.data.synthetic.settings import (
        AnnotatorSettings,
        CompositionSettings,
        DrawnSettings,
        RuleSettings,
        WordingSettings,
        WorldSettings,
    )

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
