"""Importance by the rules (named in the title, rare, on topic, not repeated), and people who annotate by it."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from sspvs.evaluation.summary_rule import SummaryRule
from sspvs.types import Annotations, BoolArray, FloatArray, IntArray, Shots
from sspvs.world.settings import AnnotatorSettings, RuleSettings

_STEPS = np.array([-0.9, -0.1, 0.6, 1.3])  # what a person feels at least, to give 2, 3, 4, 5
_SHIFT, _STRETCH = 0.4, 0.2  # how people differ in where and how far apart these are


def segment_importance(
    concepts: Sequence[int],
    seconds: Sequence[float],
    named: Collection[int],
    on_topic: Collection[int],
    rules: RuleSettings,
) -> FloatArray:
    """(S,) importance of each segment of a video, 0 or more, from its S concepts and lengths.

    (title [the concept is named] + rare * rarity + topic [it is on topic]) * repeat^(other showings of the concept),
    where rarity is 1 - (seconds of the concept) / (seconds of the concept that is seen longest). Earlier and later
    showings count alike, so that position carries no information.
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


def annotate(
    video: Annotations,
    shots: Shots,
    importance: FloatArray,
    concepts: IntArray,
    unit_frames: int,
    settings: AnnotatorSettings,
    generator: np.random.Generator,
) -> Annotations:
    """Let people annotate a video, from the (T,) importance and concept at its picks.

    A person feels, about each unit, `sqrt(agreement) z + sqrt(1 - agreement) (sqrt(taste) t + sqrt(1 - taste) e)`: z is
    the importance by the rules (mean 0, variance 1 over the video), t the person's liking of the concept seen, e noise.
    Ratings are 1 to 5, and their summaries the best shots within 15 % of the frames (exact knapsack, which takes none
    where none fits); `gtscore` is (mean rating - 1) / 4, or the share of people who chose.
    """
    n_frames, picks = video.n_frames, video.picks
    pick_of_frame = np.searchsorted(picks, np.arange(n_frames), side="right") - 1
    starts = np.arange(0, n_frames, unit_frames)
    lengths = np.diff(np.append(starts, n_frames))
    seen = pick_of_frame[starts + lengths // 2]  # the pick on screen in the middle of each unit
    felt = _felt(importance[seen], concepts[seen], settings, generator)  # (U, V)
    if settings.kind == "ratings":
        scores = np.repeat(_ratings(felt, generator), lengths, axis=1)
        chosen = SummaryRule().choose(scores.astype(np.float64), shots)
        summaries = np.repeat(chosen, shots.lengths, axis=1)
        mean = (scores[:, picks].mean(axis=0) - 1) / 4
    else:
        summaries = np.repeat(_choices(felt, lengths, settings, generator), lengths, axis=1)
        scores = summaries.astype(np.float32)
        mean = scores[:, picks].mean(axis=0)
    gtscore = mean.astype(np.float32)
    return replace(video, shots=shots, user_scores=scores, user_summaries=summaries, gtscore=gtscore)


def _felt(
    importance: FloatArray, concepts: IntArray, settings: AnnotatorSettings, generator: np.random.Generator
) -> FloatArray:
    """(U, V) what each person feels about each unit."""
    spread = importance.std()
    common = (importance - importance.mean()) / spread if spread > 1e-12 else np.zeros(len(importance))
    known, index = np.unique(concepts, return_inverse=True)
    taste = generator.standard_normal((settings.people, len(known)))[:, index]
    noise = generator.standard_normal((settings.people, len(importance)))
    own = np.sqrt(settings.taste) * taste + np.sqrt(1 - settings.taste) * noise
    felt: FloatArray = np.sqrt(settings.agreement) * common + np.sqrt(1 - settings.agreement) * own
    return felt


def _ratings(felt: FloatArray, generator: np.random.Generator) -> FloatArray:
    """(U, V) float32 whole numbers from 1 to 5; each person has a scale of their own."""
    n_people = len(felt)
    shift = _SHIFT * generator.standard_normal((n_people, 1))
    stretch = np.exp(_STRETCH * generator.standard_normal((n_people, 1)))
    steps = stretch * _STEPS + shift  # (U, 4)
    ratings: FloatArray = 1 + (felt[:, :, None] > steps[:, None, :]).sum(axis=2).astype(np.float32)
    return ratings


def _choices(
    felt: FloatArray, lengths: IntArray, settings: AnnotatorSettings, generator: np.random.Generator
) -> BoolArray:
    """(U, V) bool: what each person feels most about, as much of the video as the person chooses, at least a unit."""
    shares = generator.uniform(*settings.summary_share, size=len(felt))
    chosen = np.zeros(felt.shape, dtype=np.bool_)
    for person, share in enumerate(shares):
        order = np.argsort(-felt[person], kind="stable")
        frames = np.cumsum(lengths[order])
        count = int(np.abs(frames - share * lengths.sum()).argmin()) + 1
        chosen[person, order[:count]] = True
    return chosen
