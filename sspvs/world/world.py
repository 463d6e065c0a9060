"""The world in memory: videos with text, features and truth, each made when it is needed, always the same.

Importance follows rules (named in the title, rare, on topic, not repeated), and drawn people annotate by it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.annotations.splits import Fold, Splits
from sspvs.annotations.video_names import VideoRef
from sspvs.evaluation.summary_rule import SummaryRule
from sspvs.selection import kts, shots_from_picks
from sspvs.table.text import TextFields
from sspvs.types import Annotations, BoolArray, FloatArray, FrameFeatures, IntArray, Shots
from sspvs.world.captioned import CaptionedClips
from sspvs.world.clips import TRAIN, VAL, ClipSource, fold_part, split_clips
from sspvs.world.composition import SyntheticVideo, TextWriter, VideoPlan, compose, plan_video
from sspvs.world.drawn import DrawnClips
from sspvs.world.settings import DRAWN, AnnotatorSettings, RuleSettings, WorldSettings

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


PICK_FRAMES = 15  # every 15th frame is a pick, as in the community's files
ANNOTATED = "annotated"
_PLAN, _TEXT, _FEATURES, _PEOPLE, _SALIENCE, _SHUFFLE = 31, 32, 33, 34, 35, 36  # what a generator is for
_KINDS = {TRAIN: 0, VAL: 1, ANNOTATED: 2}
_FORMAT = 1  # changes when the same settings and seed give another world


class World:
    """A world of videos with text.

    Each video has generators of its own, so that it is the same whichever others are made, in any order.

    Args:
        settings: Of the world.
        seed: Another seed is another world, with drawn clips of other concepts.

    Attributes:
        settings: As given.
        seed: As given.
        source: The clips.
        pools: Part -> the clips that its videos are made of; no clip is in two.
        salience: (concepts,) weights with which concepts of a video get into its title.

    Raises:
        ValueError: When the clips are too few for the parts, or the seed is negative.
        DatasetError: When captioned clips cannot be read.
    """

    def __init__(self, settings: WorldSettings | None = None, seed: int = 0) -> None:
        if seed < 0:
            raise ValueError(f"seed must be 0 or more, got {seed}")
        self.settings = WorldSettings() if settings is None else settings
        self.seed = seed
        self.source: ClipSource = (
            DrawnClips(self.settings.drawn, seed)
            if self.settings.clips == DRAWN
            else CaptionedClips(Path(self.settings.clips))
        )
        self.pools = split_clips(self.source, self.settings, seed)
        spread = self.settings.wording.salience * self._generator(_SALIENCE).standard_normal(len(self.source.concepts))
        self.salience: FloatArray = np.exp(spread)

    @property
    def digest(self) -> str:
        """SHA-256 of everything that the world follows from: settings, seed, and the clips."""
        made_by = {**self.facts, "seed": self.seed, "format": _FORMAT}
        return hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()

    @property
    def facts(self) -> dict[str, Any]:
        """The settings and the clips as plain types, without the machine's paths."""
        return {
            "settings": {**self.settings.as_dict(), "clips": self.source.description.get("file", DRAWN)},
            "clips": self.source.description,
        }

    def pretraining_videos(self, n: int | None = None, part: str = TRAIN) -> Iterator[SyntheticVideo]:
        """Videos with text and without annotators, made one at a time.

        Args:
            n: How many; as many as in the settings when None.
            part: `train` or `val`.

        Raises:
            ValueError: When the part is another, or the settings gave it no clips.
        """
        if part not in (TRAIN, VAL):
            raise ValueError(f"part must be {TRAIN} or {VAL}, got {part!r}")
        planned = self.settings.pretrain_train if part == TRAIN else self.settings.pretrain_val
        if n and part not in self.pools:
            raise ValueError(f"the settings have no {part} videos, so no clips for them; set pretrain_{part}")
        total = planned if n is None else n
        for index in range(total):
            yield self._video(part, index, total)

    def annotated_videos(self, n: int | None = None) -> Iterator[SyntheticVideo]:
        """Videos with text and annotators, made one at a time: `video_1`, `video_2`, ...

        Args:
            n: How many; as many as in the settings when None.

        Raises:
            ValueError: When the settings have none, so that there are no clips for them.
        """
        if n and not self.settings.annotated:
            raise ValueError("the settings have no annotated videos, so no clips for them; set annotated")
        total = self.settings.annotated if n is None else n
        for index in range(total):
            yield self._video(ANNOTATED, index, total)

    def splits(self) -> Splits:
        """Five folds (or as many as in the settings) that test every annotated video once, clip by clip.

        Fold k tests the videos made of its own clips, chooses the checkpoint on those of fold k + 1, and trains on the
        rest: no clip is in two parts of a fold. With two folds there is nothing to choose the checkpoint on.

        Raises:
            ValueError: When the settings have no annotated videos.
        """
        if not self.settings.annotated:
            raise ValueError("the settings have no annotated videos to split; set annotated")
        count = self.settings.folds
        videos = [VideoRef("", f"video_{index + 1}") for index in range(self.settings.annotated)]
        groups = [tuple(videos[number::count]) for number in range(count)]
        folds = []
        for number, test in enumerate(groups):
            val = groups[(number + 1) % count] if count > 2 else ()
            train = tuple(video for group in groups if group not in (test, val) for video in group)
            folds.append(Fold(train, test, val))
        made_by = {"tool": "sspvs data world", "split": "by clip", "seed": self.seed, "world": self.digest}
        return Splits(tuple(folds), made_by=made_by)

    def shared_concepts(self, part: str, other: str) -> int:
        """How many concepts two parts have in common; their clips differ all the same."""
        return len(set(self.pools.get(part, {})) & set(self.pools.get(other, {})))

    def _video(self, kind: str, index: int, total: int) -> SyntheticVideo:
        part = self._part(kind, index)
        plan = self._plan(kind, index)
        generator = self._generator(_FEATURES, _KINDS[kind], index)
        name = f"video_{index + 1}" if kind == ANNOTATED else f"{kind}_{index:05d}"
        features = FrameFeatures(
            name=name,
            features=compose(plan, self.source, generator),
            picks=PICK_FRAMES * np.arange(plan.n_picks, dtype=np.int64),
            n_frames=PICK_FRAMES * plan.n_picks,
            fingerprint=self.source.fingerprint,
        )
        importance = segment_importance(
            [segment.concept for segment in plan.segments],
            [segment.length / self.source.rate_hz for segment in plan.segments],
            plan.named,
            [concept for concept in plan.seen if self.source.concepts[concept].category == plan.category],
            self.settings.rules,
        )
        texts = self._texts(kind, self._text_owner(kind, index, total))
        video = SyntheticVideo(name, part, plan, importance, texts, features)
        return replace(video, annotations=self._annotations(video, index)) if kind == ANNOTATED else video

    def _annotations(self, video: SyntheticVideo, index: int) -> Annotations:
        features, fps = video.features, PICK_FRAMES * self.source.rate_hz
        starts: IntArray = PICK_FRAMES * np.array(video.plan.starts, dtype=np.int64)
        shots = Shots.from_starts(starts, features.n_frames)
        if self.settings.shots == "kts":
            shots = shots_from_picks(kts(features.features), features.picks, features.n_frames)
        plain = Annotations(
            key=video.name,
            video_name=f"{video.plan.category}_{index + 1}",
            n_frames=features.n_frames,
            picks=features.picks,
            title=video.texts.title,
            category=video.texts.category,
            fps=fps,
        )
        return annotate(
            plain,
            shots,
            video.importance_at_picks,
            video.concepts_at_picks,
            max(round(self.settings.annotators.unit_seconds * fps), 1),
            self.settings.annotators,
            self._generator(_PEOPLE, index),
        )

    def _part(self, kind: str, index: int) -> str:
        return fold_part(index % self.settings.folds) if kind == ANNOTATED else kind

    def _plan(self, kind: str, index: int) -> VideoPlan:
        pool, generator = self.pools[self._part(kind, index)], self._generator(_PLAN, _KINDS[kind], index)
        return plan_video(self.source, pool, self.settings, self.salience, generator)

    def _texts(self, kind: str, index: int) -> TextFields:
        pool = self.pools[self._part(kind, index)]
        generator = self._generator(_TEXT, _KINDS[kind], index)
        return TextWriter(self._plan(kind, index), self.source, pool, self.settings.wording, generator).texts()

    def _text_owner(self, kind: str, index: int, total: int) -> int:
        """The video whose texts a video has: its own, or where texts are shuffled another one's."""
        shuffled = self.settings.wording.shuffled
        if shuffled == "none" or (shuffled == "pretrain" and kind == ANNOTATED) or total < 2:
            return index
        return (index + int(self._generator(_SHUFFLE, _KINDS[kind], total).integers(1, total))) % total

    def _generator(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose])
