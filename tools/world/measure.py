"""What the synthetic world holds: how far people agree in it, and how far rules, features and texts go.

    python tools/world/measure.py                                 # the default world, seeds 0 to 4
    python tools/world/measure.py --set rules.title=0 --seeds 3
    python tools/world/measure.py --clips ../shared/data/footage/footage.h5 --set pretrain_train=200

All figures are Kendall tau under `per-user`, the mean over the annotated videos; then mean and standard deviation over
seeds. Linear models stand for what can be learned; those of the package should do better.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from sspvs.evaluation.baselines import evaluate_baseline
from sspvs.evaluation.evaluate import evaluate
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.importance.contrastive import contrastive_importance
from sspvs.world import SyntheticVideo, World, WorldSettings
from sspvs.world.settings import DRAWN, settings_values
from sspvs.world.world import segment_importance

PROTOCOL = PROTOCOLS["per-user"]
Scores = Mapping[str, np.ndarray]


def words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 2}


def tau(videos: list[SyntheticVideo], score: Callable[[SyntheticVideo], np.ndarray]) -> float:
    dataset = {video.name: video.annotations for video in videos if video.annotations is not None}
    predictions = {video.name: Prediction.of(score(video), dataset[video.name]) for video in videos}
    result = evaluate(dataset, predictions, method="", protocols=[PROTOCOL])[PROTOCOL.name]
    return float(np.nanmean([row.kendall_tau for row in result.videos]))


def without_title(world: World) -> Callable[[SyntheticVideo], np.ndarray]:
    """The rules for one who cannot read: nothing is named."""

    def score(video: SyntheticVideo) -> np.ndarray:
        segments = video.plan.segments
        on_topic = [c for c in video.plan.seen if world.source.concepts[c].category == video.plan.category]
        lengths = [segment.length for segment in segments]
        values = segment_importance(
            [segment.concept for segment in segments], lengths, (), on_topic, world.settings.rules
        )
        return np.repeat(values, lengths)

    return score


def nuisance_removed(world: World) -> Callable[[SyntheticVideo], np.ndarray]:
    """Local dissimilarity of features without the directions of nuisance, which are in the world alone."""
    directions, _ = np.linalg.qr(world.source._nuisance_map.T)  # type: ignore[attr-defined]

    def score(video: SyntheticVideo) -> np.ndarray:
        features = video.features.features
        return contrastive_importance(features - (features @ directions) @ directions.T, combine="a").scores

    return score


class LinearWords:
    """Ridge regression from each frame to the words of its video's texts; a frame's score is its title's words.

    Weak supervision, as in pretraining: there is no label for which frame a word is about.
    """

    def __init__(self, world: World) -> None:
        counts: Counter[str] = Counter()
        for video in world.pretraining_videos():
            counts.update(words(f"{video.texts.title} {video.texts.description}"))
        total = world.settings.pretrain_train
        known = sorted(word for word, count in counts.items() if 3 <= count <= 0.3 * total)
        self.index = {word: number for number, word in enumerate(known)}
        self.rarity = np.log(total / np.array([counts[word] for word in known]))
        width = world.source.feature_dim
        gram, cross = np.zeros((width + 1, width + 1)), np.zeros((width + 1, len(known)))
        for video in world.pretraining_videos():
            features = self._with_one(video.features.features)
            gram += features.T @ features
            cross += np.outer(features.sum(axis=0), self._target(f"{video.texts.title} {video.texts.description}"))
        self.weights = np.linalg.solve(gram + 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram)), cross)

    def __call__(self, video: SyntheticVideo) -> np.ndarray:
        return self._with_one(video.features.features) @ self.weights @ (self._target(video.texts.title) * self.rarity)

    def _target(self, text: str) -> np.ndarray:
        present = np.zeros(len(self.index))
        present[[self.index[word] for word in words(text) if word in self.index]] = 1
        return present

    @staticmethod
    def _with_one(features: np.ndarray) -> np.ndarray:
        return np.hstack([features, np.ones((len(features), 1))]).astype(np.float64)


def linear_supervised(
    world: World, videos: list[SyntheticVideo], describe: Callable[[SyntheticVideo], np.ndarray]
) -> Scores:
    """Ridge regression to `gtscore` from what `describe` gives; each video is scored by the fold that tests it."""
    inputs = {video.name: describe(video) for video in videos}
    people = {video.name: video.annotations.gtscore for video in videos if video.annotations is not None}
    scores = {}
    for fold in world.splits().folds:
        keys = [ref.key for ref in fold.train]
        known = np.concatenate([inputs[key] for key in keys])
        mean, spread = known.mean(axis=0), known.std(axis=0) + 1e-6
        known = (known - mean) / spread
        targets = np.concatenate([people[key] - people[key].mean() for key in keys])
        gram = known.T @ known + 0.1 * len(known) * np.eye(known.shape[1])
        weights = np.linalg.solve(gram, known.T @ targets)
        scores |= {ref.key: (inputs[ref.key] - mean) / spread @ weights for ref in fold.test}
    return scores


def in_context(features: np.ndarray) -> np.ndarray:
    """(T, 5) how each frame relates to the rest of its video: what attention could find out."""
    centred = features - features.mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    cosines = unit @ unit.T
    places = np.arange(len(unit))
    elsewhere = np.where(np.abs(places[:, None] - places) > 12, cosines, -1.0)
    shares = [(cosines > limit).mean(axis=1) for limit in (0.3, 0.5)]
    return np.stack([*shares, cosines.mean(axis=1), elsewhere.max(axis=1), (elsewhere > 0.5).mean(axis=1)], axis=1)


def figures(settings: WorldSettings, seed: int) -> dict[str, float]:
    world = World(settings, seed)
    videos = list(world.annotated_videos())
    dataset = {video.name: video.annotations for video in videos}
    found = {}
    for name in ("human", "random", "consensus"):
        result = evaluate_baseline(dataset, name, protocols=[PROTOCOL], draws=20)[PROTOCOL.name]
        found[name] = float(np.nanmean([row.kendall_tau for row in result.videos]))
    found["position (early first)"] = tau(videos, lambda video: -np.arange(video.plan.n_picks))
    found["rules"] = tau(videos, lambda video: video.importance_at_picks)
    found["rules, title unread"] = tau(videos, without_title(world))
    found["contrastive A*G"] = tau(videos, lambda video: contrastive_importance(video.features.features).scores)
    found["contrastive A"] = tau(videos, lambda v: contrastive_importance(v.features.features, combine="a").scores)
    if settings.clips == DRAWN:
        found["contrastive A, nuisance removed"] = tau(videos, nuisance_removed(world))
    learnable = {
        "frames alone": lambda video: video.features.features,
        "frames in context": lambda video: in_context(video.features.features),
        "true concepts in context": lambda video: in_context(
            np.eye(len(world.source.concepts))[video.concepts_at_picks]
        ),
    }
    for name, describe in learnable.items():
        learned = linear_supervised(world, videos, describe)
        found[f"linear, labels, {name}"] = tau(videos, lambda video, learned=learned: learned[video.name])
    found["linear words (title against frames), no label"] = tau(videos, LinearWords(world))
    values = settings.as_dict()
    values["wording"]["shuffled"] = "pretrain"
    shuffled = LinearWords(World(WorldSettings.from_dict(values), seed))
    found["linear words, texts shuffled"] = tau(videos, shuffled)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--clips", default=DRAWN)
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KNOB=VALUE")
    args = parser.parse_args()
    settings = WorldSettings.from_dict({**settings_values(args.changes), "clips": args.clips})
    rows = [figures(settings, seed) for seed in range(args.seeds)]
    print(f"| tau per-user, {args.seeds} seeds, {settings.annotated} videos | mean | std |\n|---|---|---|")
    for name in rows[0]:
        drawn = np.array([row[name] for row in rows])
        print(f"| {name} | {drawn.mean():.3f} | {drawn.std(ddof=min(1, len(drawn) - 1)):.3f} |")


if __name__ == "__main__":
    main()
