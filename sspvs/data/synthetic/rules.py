"""What matters in a video: named in the title, rare, on topic, and not shown again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from sspvs.data.synthetic.settings import RuleSettings
from sspvs.types import FloatArray


def segment_importance(
    concepts: Sequence[int],
    seconds: Sequence[float],
    named: Collection[int],
    on_topic: Collection[int],
    rules: RuleSettings,
) -> FloatArray:
    """Importance of each segment of one video, on a scale of its own.

    (title [the concept is named] + rare * rarity + topic [it is on topic]) * repeat^(other showings of the concept),
    where rarity is 1 - (seconds of the concept) / (seconds of the concept that is seen longest). Earlier and later
    showings count alike, so that early does not mean important: position says nothing.

    Args:
        concepts: S concepts in the order in which they are shown.
        seconds: S lengths.
        named: The concepts that matter: those of the title.
        on_topic: The concepts of the video's own category.
        rules: The weights.

    Returns:
        (S,) float64, 0 or more.
    """
    totals: dict[int, float] = {}
    for concept, length in zip(concepts, seconds, strict=True):
        totals[concept] = totals.get(concept, 0.0) + length
    longest = max(totals.values())
    showings = Counter(concepts)
    values = []
    for concept in concepts:
        rarity = 1 - totals[concept] / longest
        value = rules.title * (concept in named) + rules.rare * rarity + rules.topic * (concept in on_topic)
        values.append(value * rules.repeat ** (showings[concept] - 1))
    return np.array(values)
