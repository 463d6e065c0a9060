"""What the world's settings may be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sspvs.data.synthetic.settings import WorldSettings


def problems(settings: WorldSettings) -> list[str]:
    """Sentences about everything that is out of its range, at once."""
    drawn, composition, wording = settings.drawn, settings.composition, settings.wording
    people, rules = settings.annotators, settings.rules
    found: list[str] = []
    prefixes = {id(drawn): "drawn.", id(composition): "composition.", id(wording): "wording."}
    prefixes |= {id(rules): "rules.", id(people): "annotators."}

    def require(holds: bool, sentence: str, value: object) -> None:
        if not holds:
            found.append(f"{sentence}, got {value}")

    def group(owner: object, names: str, sentence: str, low: float, high: float = math.inf) -> None:
        for name in names.split():
            value = getattr(owner, name)
            full = prefixes.get(id(owner), "") + name
            require(low <= value <= high and math.isfinite(value), f"{full} must be {sentence}", value)

    def pairs(owner: object, names: str, low: float, high: float = math.inf) -> None:
        for name in names.split():
            first, last = getattr(owner, name)
            require(
                low <= first <= last <= high and math.isfinite(last),
                f"{prefixes[id(owner)]}{name} must be two numbers from {low:g}{f' to {high:g}' if high < math.inf else ''} in order",
                (first, last),
            )

    group(settings, "pretrain_train pretrain_val annotated", "0 or more", 0)
    group(settings, "folds", "2 or more", 2)
    enough = settings.annotated == 0 or settings.annotated >= settings.folds
    require(enough, f"annotated must be 0 or at least folds ({settings.folds})", settings.annotated)
    group(settings, "train_share val_share", "from 0 to 1", 0, 1)
    require(settings.train_share + settings.val_share <= 1, "train_share + val_share must be at most 1", "more")
    require(settings.shots in ("true", "kts"), "shots must be true or kts", repr(settings.shots))
    whole = "feature_dim categories concepts_per_category clips_per_concept signal_dim nuisance_dim"
    group(drawn, whole, "1 or more", 1)
    group(drawn, "concepts_per_category", "at most 300", 1, 300)
    group(drawn, "category_share nuisance_style nuisance_camera caption_synonyms", "from 0 to 1", 0, 1)
    require(
        drawn.nuisance_style + drawn.nuisance_camera <= 1, "drawn.nuisance_style + nuisance_camera must be <= 1", "more"
    )
    group(drawn, "clip_spread drift nuisance noise", "0 or more", 0)
    group(drawn, "drift_memory", "from 0 to below 1", 0, 1 - 1e-9)
    require(0 < drawn.rate_hz <= 30, "drawn.rate_hz must be above 0 and at most 30", drawn.rate_hz)
    pairs(drawn, "clip_seconds", 0.1)
    pairs(composition, "segments concepts", 1)
    pairs(composition, "segment_seconds", 0.1)
    group(composition, "on_topic crossfade_share", "from 0 to 1", 0, 1)
    group(composition, "repetition crossfade_seconds", "0 or more", 0)
    pairs(wording, "title_concepts", 1)
    chances = "title_vague title_distractors synonyms description_dropped description_distractors query_names"
    group(wording, chances, "from 0 to 1", 0, 1)
    group(wording, "salience", "from 0 to 5", 0, 5)
    group(wording, "topic_weight", "above 0", 1e-6, 1e6)
    require(
        wording.shuffled in ("none", "pretrain", "all"),
        "wording.shuffled must be none, pretrain or all",
        wording.shuffled,
    )
    group(rules, "title rare topic", "0 or more", 0)
    group(rules, "repeat", "from 0 to 1", 0, 1)
    group(people, "people", "1 or more", 1)
    require(people.kind in ("ratings", "summaries"), "annotators.kind must be ratings or summaries", repr(people.kind))
    group(people, "agreement taste", "from 0 to 1", 0, 1)
    group(people, "unit_seconds", "0.1 or more", 0.1)
    pairs(people, "summary_share", 0, 1)
    return found
