"""The row of ridge regression: each fold's videos scored by what a linear model learns from the features of the others.

Beside it stands a control: the same fit to labels that were shuffled in time within each training video, many times.

Axis letters: T picks, D width of the rows, U references, R shuffles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sspvs.annotations.video_names import VideoRef
from sspvs.data.folds import Stores, split_of
from sspvs.errors import DatasetError, SspvsError
from sspvs.evaluation.baselines import figures_of_draws
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.rank_correlation import RankReference
from sspvs.evaluation.results import METRICS, PRECISION, MethodResult, mean_over_kinds, mean_result

if TYPE_CHECKING:
    from torch import Tensor

    from sspvs.annotations.splits import Splits
    from sspvs.benchmark.rows import Judge
    from sspvs.table import VideoTable
    from sspvs.tasks.summarize import SummarizeTask

RIDGE = "ridge"
SHUFFLES = 20
MOST_ROWS = 50_000  # of all videos; more would take minutes and gigabytes


class RidgeFold(NamedTuple):
    """Videos as `dataset/key`."""

    train: tuple[str, ...]
    test: tuple[str, ...]


class RidgeVideo(NamedTuple):
    """What ridge regression takes of a video, and what its strength is chosen by."""

    rows: Tensor  # (T, D) float32
    target: Tensor  # (T,) float32 mean importance, standardised
    reference: RankReference  # users' scores at the picks, or their mean where single ones are not there


def ridge_folds(stores: Stores, split: Splits | None) -> list[RidgeFold]:
    """The folds of a resolved split, each trained on those of its videos that are there; drawn ones without a split."""
    drawn = split_of(stores, None, setting="canonical", seed=0) if split is None else split
    own, folds = stores.tested.name, []
    for fold in drawn.folds:
        found = [[stores.find(ref) for ref in part] for part in ((*fold.train, *fold.val), fold.test)]
        train, test = ([str(ref) for ref in dict.fromkeys(part) if ref is not None] for part in found)
        folds.append(RidgeFold(tuple(train), tuple(one for one in test if VideoRef.parse(one).dataset == own)))
    return folds


def add_ridge(
    judge: Judge,
    stores: Stores,
    split: Splits | None,
    *,
    streams: Sequence[str] | None = None,
    beside: bool = False,
) -> None:
    """Put ridge regression into a judge's table: in a method's place, or beside the methods.

    Importance is the mean of the users', standardised within each video; features are normalised stream by stream
    (`ridge_steps`). The strength is chosen fold by fold from `STRENGTHS`: training videos are left out one at a time,
    and the mean tau with their users decides. Tested videos take no part in it.

    Args:
        judge: Of the tested dataset.
        stores: The datasets, the tested one first.
        split: Its folds; a video that several test counts once, with its mean. None: five that are drawn.
        streams: Names of the streams of features; None: all that there are.
        beside: Put the row among the baselines; where the dataset does not allow it, a warning says why.

    Raises:
        DatasetError: Videos have no features, a fold has fewer than two training videos, or there are too many rows.
    """
    try:
        folds = ridge_folds(stores, split)
        called = f"{len(folds)} folds{' that were drawn' if split is None else ''}"
        _add_row(judge, stores, folds, streams, {"folds": called}, beside=beside)
    except SspvsError as error:
        if not beside:
            raise
        judge.warnings.append(f"no {RIDGE} row: {error}")


def _add_row(
    judge: Judge,
    stores: Stores,
    every: Sequence[RidgeFold],
    streams: Sequence[str] | None,
    made_by: Mapping[str, Any],
    *,
    beside: bool,
) -> None:
    from sspvs.data.fold_data import survey_fold

    prefix = f"{stores.tested.name}/"
    folds = [one for one in every if {prefix + key for key in judge.videos} & set(one.test)]
    if missing := [key for key in judge.videos if not any(prefix + key in one.test for one in folds)]:
        raise DatasetError(f"no fold tests {len(missing)} of {len(judge.videos)} videos, such as '{missing[0]}'")
    if few := next((one for one in folds if len(one.train) < 2), None):
        raise DatasetError(
            f"ridge regression needs two training videos or more in each fold, the fold that tests {few.test[0]} has "
            f"{len(few.train)}; give more videos, or a split that trains on more of them"
        )
    used = list(dict.fromkeys(name for one in folds for name in (*one.train, *one.test)))
    table = survey_fold(used, stores, None, streams=streams)
    if (count := sum(table[name].n_picks for name in used)) > MOST_ROWS:
        raise DatasetError(f"ridge regression is for {MOST_ROWS:,} rows of features at most, these are {count:,}")
    videos, steps = _ridge_videos(table, stores, used)
    seed = judge.settings.seed
    runs: list[dict[str, MethodResult]] = []
    shuffled: dict[str, dict[str, list[Any]]] = {}  # protocol -> key -> (2, R) tau and rho, or (1, R) precision
    scores: dict[str, list[Any]] = {}
    strengths: list[float] = []
    protocols = [one for one in judge.protocols if one.name not in judge.unavailable]
    for number, fold in enumerate(folds):
        weights, strength = fit_ridge([videos[name] for name in fold.train], np.random.default_rng([seed, number]))
        strengths.append(strength)
        found = {}
        for key, video in judge.videos.items():
            if prefix + key in fold.test:
                drawn = (videos[prefix + key].rows @ weights).T.double().numpy()  # (1 + R, T)
                found[key] = Prediction.of(drawn[0], video)
                scores.setdefault(key, []).append(found[key].at_picks)
                for name, each in figures_of_draws(video, protocols, judge.rule, drawn[1:]).items():
                    shuffled.setdefault(name, {}).setdefault(key, []).append(np.stack(each))
        runs.append(judge.results_of(RIDGE, found))
    order = list(judge.videos)
    results = {name: mean_result(RIDGE, [run[name] for run in runs], order) for name in runs[0]}
    results = {
        name: MethodResult(RIDGE, name, one.videos, {**one.settings, "labels_shuffled": _control(shuffled[name], one)})
        for name, one in results.items()
    }
    predictions = {key: Prediction.of(np.mean(scores[key], axis=0), judge.videos[key]) for key in order}
    made_by = {**made_by, "normalise": steps, "strengths": strengths, "checkpoint_rule": "val"}
    judge.add_results(RIDGE, results, predictions, made_by, beside=beside)


def ridge_summarizer(stores: Stores) -> SummarizeTask:
    """Ridge regression fitted to all videos of a dataset, as a summarizer with a linear head.

    Its checkpoint (`save_pretrained`) scores videos as that of any other summarizer does. Scores are the logistic of
    the predicted importance, which is in standard deviations of a video.
    """
    import torch

    from sspvs.data.fold_data import survey_fold
    from sspvs.models.settings import VideoEncoderSettings
    from sspvs.models.summarizer import SummarizerSettings
    from sspvs.tasks.summarize import SummarizeTask

    names = [f"{stores.tested.name}/{key}" for key in stores.tested]
    table = survey_fold(names, stores, None)
    videos, steps = _ridge_videos(table, stores, names)
    weights = fit_ridge(list(videos.values()), np.random.default_rng(0))[0][:, :1]
    widths = table.stream_widths
    tower = VideoEncoderSettings(
        sum(widths), len(weights), num_heads=1, num_layers=0, feedforward_dim=1, stream_widths=widths, normalise=steps
    )
    made = None if table.fingerprint is None else table.fingerprint.as_dict()
    task = SummarizeTask(tower, SummarizerSettings(head="linear"), feature_fingerprint=made)
    with torch.no_grad():
        for place, values in zip(task.model.head.stages.parameters(), (weights.T, torch.zeros(1)), strict=True):
            place.copy_(values)
    return task.eval()


def fit_ridge(videos: Sequence[RidgeVideo], generator: np.random.Generator) -> tuple[Tensor, float]:
    """(D, 1 + R) weights fitted to the importance and to R shuffles of it, at the strength that predicts it best.

    A strength predicts as well as the mean tau of each video's left-out prediction with the video's users.
    """
    import torch

    from sspvs.models.ridge import RidgePath
    from sspvs.tasks.ridge import best_strength

    path = RidgePath([video.rows for video in videos])
    best = best_strength(path, [video.target for video in videos], [video.reference for video in videos])
    targets = torch.cat([video.target for video in videos])[:, None]
    columns = [video.target[_permutations(len(video.target), generator)] for video in videos]
    return path.weights(torch.cat([targets, torch.cat(columns)], dim=1), best), best


def _permutations(count: int, generator: np.random.Generator) -> Any:
    """(T, R) places of a video's labels, shuffled in time."""
    return np.stack([generator.permutation(count) for _ in range(SHUFFLES)], axis=1)


def _ridge_videos(table: VideoTable, stores: Stores, names: Sequence[str]) -> tuple[dict[str, RidgeVideo], str]:
    """What is fitted and scored, and how the streams are normalised: square roots of those without negative numbers."""
    import torch

    from sspvs.models.ridge import ridge_rows, ridge_steps

    features = {name: torch.from_numpy(np.array(table.features(table[name]))) for name in names}
    widths = table.stream_widths
    least = torch.stack(
        [torch.stack([part.min() for part in torch.split(one, list(widths), 1)]) for one in features.values()]
    )
    steps = ridge_steps((least.amin(dim=0) >= 0).tolist())
    videos = {}
    for name, raw in features.items():
        ref, importance = VideoRef.parse(name), np.asarray(table[name].target, np.float64)
        users = stores[ref.dataset][ref.key].user_scores_at_picks
        away = importance - importance.mean()
        target = torch.from_numpy(away / (away.std() or 1.0)).float()
        reference = RankReference(importance[None] if users is None else users)
        videos[name] = RidgeVideo(ridge_rows(raw, widths, steps), target, reference)
    table.close()
    return videos, steps


def _control(by_key: Mapping[str, Sequence[Any]], result: MethodResult) -> dict[str, Any]:
    """Mean and 95 % of the runs with shuffled labels, by metric; of each run the mean over videos."""
    metrics, kinds = ((PRECISION,), result.kinds) if PRECISION in result.metrics else (METRICS[:2], ())
    runs = np.stack([np.mean(by_key[video.key], axis=0) for video in result.videos])  # (V, metrics, R)
    out: dict[str, Any] = {"runs": runs.shape[-1]}
    for metric, values in zip(metrics, runs.swapaxes(0, 1), strict=True):
        means = np.array([mean_over_kinds(one, kinds) for one in values.T])
        low, high = np.percentile(means, [2.5, 97.5])
        out[metric] = {"mean": float(means.mean()), "ci95": [float(low), float(high)]}
    return out
