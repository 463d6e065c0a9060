"""YouTube Highlights with I3D frames: mean average precision per kind of video, row by row, one table.

    python tools/real/highlights.py --real DIR --annotations ydata-tvsum50.mat --out OUT
    python tools/real/highlights.py --real DIR --out OUT --rows ridge,contrastive --seeds 5

DIR holds `youtube_highlights/features.h5` and `labels.json` (video -> kind and [first frame, last frame, label] of each
clip), and `tvsum/features.h5`, both in the community's layout. Each seed draws five folds of each kind; every video is
tested once, by what the other folds teach. Average precision is that of `sspvs evaluate --protocol highlight-map`; a
video's figure is its mean over the seeds, and the interval is a bootstrap over videos within kinds. OUT/table.json is
`{row: {KIND: map, mean, ci95, seeds}}`.

A row is a function of the material and a seed that gives each video's average precision; `@row("name")` adds one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import torch

from sspvs.annotations.official import read_tvsum
from sspvs.annotations.record import FrameRatings
from sspvs.evaluation.average_precision import average_precisions
from sspvs.evaluation.rank_correlation import mean_of_defined, rank_correlations
from sspvs.evaluation.results import Spread, paired_bootstrap
from sspvs.importance.contrastive import contrastive_importance
from sspvs.models.ridge import STRENGTHS, Ridge, frames_only
from sspvs.table import write_dataset
from sspvs.types import Annotations, FrameFeatures

Array = npt.NDArray[np.float32]
Figures = Mapping[str, float]  # video -> average precision
FOLDS, DRAWS = 5, 100
LABELS = {-1: 0.0, 0: 0.5, 1: 1.0}  # no highlight, borderline, highlight
CONFIG = Path(__file__).parents[2] / "configs" / "finetune" / "own.yaml"
EPOCHS = 15
PUBLISHED = {"UMT": {"dog": 0.6593, "gymnastics": 0.7520, "parkour": 0.8164, "skating": 0.7181}}
"""Liu et al., CVPR 2022 (its model zoo): I3D rgb and flow with PANN sound, its own training and test videos."""


@dataclass(frozen=True, eq=False)
class Video:
    """One video: (T, D) features, and (T,) importance (of TVSum (20, T) ratings beside it)."""

    id: str
    kind: str
    features: Array
    picks: npt.NDArray[np.int64]
    n_frames: int
    target: Array
    ratings: Array | None = None


@dataclass(frozen=True)
class Material:
    """The videos, and where things are kept."""

    videos: Mapping[str, Video]
    rated: Sequence[Video] = field(repr=False)  # TVSum; empty without its annotations
    out: Path

    @property
    def kinds(self) -> list[str]:
        """Of the videos, sorted."""
        return sorted({video.kind for video in self.videos.values()})

    def of(self, kind: str) -> list[Video]:
        """The videos of a kind."""
        return [video for video in self.videos.values() if video.kind == kind]

    def folds(self, kind: str, seed: int) -> list[tuple[list[Video], list[Video]]]:
        """Training and test videos of each fold of a kind; every video is tested once."""
        videos = self.of(kind)
        order = np.random.default_rng([seed, len(kind)]).permutation(len(videos))
        fold = dict(zip(order.tolist(), np.arange(len(videos)) % FOLDS, strict=True))
        return [
            ([v for n, v in enumerate(videos) if fold[n] != k], [v for n, v in enumerate(videos) if fold[n] == k])
            for k in range(FOLDS)
        ]


ROWS: dict[str, Callable[[Material, int], Figures]] = {}


def row(name: str) -> Callable[[Callable[[Material, int], Figures]], Callable[[Material, int], Figures]]:
    """Add a row of the table."""

    def add(make: Callable[[Material, int], Figures]) -> Callable[[Material, int], Figures]:
        ROWS[name] = make
        return make

    return add


def precision(video: Video, scores: Array) -> float:
    """Average precision of (T,) or (D, T) scores, the mean over D."""
    return float(average_precisions(np.atleast_2d(scores), video.target[None] == 1).mean())


@row("random")
def random(material: Material, seed: int) -> Figures:
    """Mean of many draws."""
    generator = np.random.default_rng(seed)
    return {key: precision(v, generator.random((DRAWS, len(v.target)))) for key, v in material.videos.items()}


@row("contrastive")
def contrastive(material: Material, seed: int) -> Figures:  # noqa: ARG001
    """Local dissimilarity times global consistency, without training."""
    scores = {key: contrastive_importance(video.features).scores for key, video in material.videos.items()}
    return {key: precision(material.videos[key], found) for key, found in scores.items()}


@row("norm")
def norm(material: Material, seed: int) -> Figures:  # noqa: ARG001
    """The length of each clip's features, without training: how much is going on for I3D's detectors."""
    return {key: precision(video, np.linalg.norm(video.features, axis=1)) for key, video in material.videos.items()}


@row("ridge")
def ridge(material: Material, seed: int) -> Figures:
    """A ridge regression a kind."""
    found: dict[str, float] = {}
    for kind in material.kinds:
        for train, test in material.folds(kind, seed):
            weights = fitted(train, precision)
            found |= {video.id: precision(video, rows_of(video) @ weights) for video in test}
    return found


@row("ridge-all")
def ridge_of_all(material: Material, seed: int) -> Figures:
    """One ridge regression of the training videos of all kinds."""
    found: dict[str, float] = {}
    for folds in zip(*(material.folds(kind, seed) for kind in material.kinds), strict=True):
        weights = fitted([video for train, _ in folds for video in train], precision)
        found |= {video.id: precision(video, rows_of(video) @ weights) for _, test in folds for video in test}
    return found


@row("zero-shot")
def zero_shot(material: Material, seed: int) -> Figures:  # noqa: ARG001
    """A ridge regression of TVSum's 50 videos: rows of 2 s, where the clips here have 100 frames every 50."""
    if not material.rated:
        raise ValueError("needs TVSum's ratings: --annotations ydata-tvsum50.mat")
    weights = fitted(material.rated, tau)
    return {key: precision(video, rows_of(video) @ weights) for key, video in material.videos.items()}


@row("scratch")
def scratch(material: Material, seed: int) -> Figures:
    """The progressive summarizer alone, trained from scratch a kind."""
    return cross_validated(material, seed, "scratch", "--model.ridge.share=0")


@row("ours")
def ours(material: Material, seed: int) -> Figures:
    """The same as shipped: with ridge regression beside it."""
    return cross_validated(material, seed, "ours")


def cross_validated(material: Material, seed: int, name: str, *words: str) -> Figures:
    """`sspvs crossval` with configs/finetune/own.yaml, a kind at a time."""
    found: dict[str, float] = {}
    for kind in material.kinds:
        folder = material.out / name / f"{kind}_{seed}"
        folder.parent.mkdir(exist_ok=True)
        splits = folder.with_suffix(".json")
        folds = material.folds(kind, seed)
        keys = [{"train_keys": [v.id for v in train], "test_keys": [v.id for v in test]} for train, test in folds]
        splits.write_text(json.dumps(keys), encoding="utf-8")
        command = [sys.executable, "-m", "sspvs", "crossval", "--config", str(CONFIG), "--out", str(folder)]
        command += ["--protocol", "highlight-map", "--seeds", "1", "--keep", "none", "--quiet", "--jobs", "2"]
        command += [f"--data.dataset={material.out / kind}.h5", f"--data.splits={splits}"]
        command += [f"--trainer.max_epochs={EPOCHS}", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        found |= {video["key"]: video["average_precision"] for video in result["videos"].values()}
    return found


@cache
def ridge_of(width: int) -> Ridge:
    """Ridge regression of one stream of features of that width."""
    return Ridge([width], frames_only([True]))


@cache
def rows_of(video: Video) -> Array:
    """(T, F) rows that ridge regression takes of the features."""
    features = torch.from_numpy(video.features)[None]
    mask = torch.ones(features.shape[:2], dtype=torch.bool)
    rows: Array = ridge_of(features.shape[2]).rows(features, mask)[0].numpy()
    return rows


def fitted(videos: Sequence[Video], quality: Callable[[Video, Array], float]) -> Array:
    """(F,) weights, of the strength with the best mean quality where each of these videos is left out in turn."""
    rows = [torch.from_numpy(rows_of(video)) for video in videos]
    path, scales = ridge_of(videos[0].features.shape[1]).path(rows)
    target = torch.cat([torch.from_numpy(video.target - video.target.mean()) for video in videos])[:, None]
    sizes = [len(video.target) for video in videos]
    means = []
    for strength in STRENGTHS:
        left_out = path.left_out(target, strength)[:, 0].split(sizes)
        means.append(np.mean([quality(video, one.numpy()) for video, one in zip(videos, left_out, strict=True)]))
    weights: Array = (scales * path.weights(target, STRENGTHS[int(np.argmax(means))])[:, 0]).numpy()
    return weights


def tau(video: Video, scores: Array) -> float:
    """Mean `per-user` tau of a video of TVSum."""
    assert video.ratings is not None
    return mean_of_defined(rank_correlations(scores, video.ratings).kendall_tau)


def read(real: Path, annotations: Path | None, out: Path) -> Material:
    """The material of a folder, and the dataset files that trainings read, a kind each."""
    labels = json.loads((real / "youtube_highlights" / "labels.json").read_text(encoding="utf-8"))
    videos = {}
    with h5py.File(real / "youtube_highlights" / "features.h5") as file:
        for key, group in file.items():
            entry = labels[key]
            # clips behind the last frame have no row of their own
            target = np.array([LABELS[label] for _, _, label in entry["clips"]][: len(group["picks"])], np.float32)
            facts = (group["features"][()], group["picks"][()], int(group["n_frames"][()]))
            videos[key] = Video(key, entry["domain"], *facts, target)
    rated = []
    if annotations is not None:
        ratings = {video.key: video for video in read_tvsum(annotations).videos}
        with h5py.File(real / "tvsum" / "features.h5") as file:
            for key, group in file.items():
                opinions, picks = ratings[key].opinions, group["picks"][()]
                assert isinstance(opinions, FrameRatings)
                at_rows = opinions.ratings[:, picks]
                mean = (at_rows.mean(axis=0) - 1) / 4
                facts = (group["features"][()], picks, int(group["n_frames"][()]))
                rated.append(Video(key, ratings[key].category, *facts, mean.astype(np.float32), at_rows))
    material = Material(videos, rated, out)
    out.mkdir(parents=True, exist_ok=True)
    for kind in material.kinds:
        write_dataset(out / f"{kind}.h5", map(annotated, material.of(kind)), name=kind, made_by={"tool": "highlights"})
    return material


def annotated(video: Video) -> tuple[Annotations, FrameFeatures]:
    """A video as a dataset file has it."""
    scores = {"user_scores": video.target[None], "gtscore": video.target, "category": video.kind}
    return (
        Annotations(video.id, video.id, video.n_frames, video.picks, **scores),
        FrameFeatures(video.id, video.features, video.picks, video.n_frames),
    )


def in_table(material: Material, figures: Sequence[Figures]) -> tuple[dict[str, object], list[float]]:
    """A row of table.json from the figures of its seeds, and each video's mean over them."""
    each = [float(np.mean([one[key] for one in figures])) for key in material.videos]
    kinds = [video.kind for video in material.videos.values()]
    found = Spread.over(np.array(each), kinds)
    means = {k: float(np.mean([v for v, kind in zip(each, kinds, strict=True) if kind == k])) for k in material.kinds}
    return {**means, "mean": found.mean, "ci95": list(found.ci95), "seeds": len(figures)}, each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", required=True, type=Path, metavar="DIR", help="frame features and labels")
    parser.add_argument("--annotations", type=Path, metavar="MAT", help="ydata-tvsum50.mat, for the zero-shot row")
    parser.add_argument("--out", required=True, type=Path, help="folder of the table and the trainings")
    parser.add_argument("--rows", type=lambda text: text.split(","), default=list(ROWS), help="names, with commas")
    parser.add_argument("--seeds", type=int, default=3, help="drawings of the folds (default: 3)")
    args = parser.parse_args()
    if unknown := [name for name in args.rows if name not in ROWS]:
        parser.error(f"--rows: no row '{unknown[0]}'; there are {', '.join(ROWS)}")
    material = read(args.real, args.annotations, args.out.resolve())
    kinds = [video.kind for video in material.videos.values()]
    table, videos = dict[str, dict[str, object]](), dict[str, list[float]]()
    for name in args.rows:
        started = time.monotonic()
        figures = [ROWS[name](material, seed) for seed in range(args.seeds)]
        table[name], videos[name] = in_table(material, figures)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    (args.out / "table.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"| mAP | {' | '.join(material.kinds)} | mean | 95 % interval | against ridge |")
    print("|---" * (len(material.kinds) + 4) + "|")
    for name, figures in table.items():
        low, high = figures["ci95"]
        cells = [name, *(f"{figures[kind]:.3f}" for kind in (*material.kinds, "mean")), f"[{low:.3f}, {high:.3f}]", ""]
        if "ridge" in videos and name != "ridge":
            found = paired_bootstrap(videos[name], videos["ridge"], kinds=kinds)
            cells[-1] = f"{found.difference:+.3f} [{found.ci95[0]:+.3f}, {found.ci95[1]:+.3f}]"
        print(f"| {' | '.join(cells)} |")
    for name, known in PUBLISHED.items():
        cells = [f"{name}, published", *(f"{known[kind]:.3f}" for kind in known), "", "", ""]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
