"""The row of ridge regression: each fold's videos scored by what a linear model learns from the features of the others.

Beside it stands a control: the same fit to labels that were shuffled in time within each training video, many times.

Axis letters: T picks, D width of the rows, U references, R shuffles, N rows of all videos.
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
from sspvs.evaluation.results import METRICS, PRECISION, MethodResult, mean_over_kinds, mean_result

if TYPE_CHECKING:
    from torch import Tensor

    from sspvs.annotations.splits import Splits
    from sspvs.benchmark.rows import Judge
    from sspvs.models.ridge import Ridge, RidgeSettings
    from sspvs.table import VideoTable
    from sspvs.tasks.ridge import RidgeVideo
    from sspvs.tasks.summarize import SummarizeTask

RIDGE = "ridge"
SHUFFLES = 20
MOST_ROWS = 50_000  # of all videos; more would take minutes and gigabytes


class RidgeFold(NamedTuple):
    """Videos as `dataset/key`."""

    train: tuple[str, ...]
    test: tuple[str, ...]


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
    (`frames_only`). The strength is chosen fold by fold from `STRENGTHS`: training videos are left out one at a time,
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
    from sspvs.tasks.ridge import fit_ridge

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
    ridge, videos, settings = _ridge_videos(table, stores, used)
    seed = judge.settings.seed
    runs: list[dict[str, MethodResult]] = []
    shuffled: dict[str, dict[str, list[Any]]] = {}  # protocol -> key -> (2, R) tau and rho, or (1, R) precision
    scores: dict[str, list[Any]] = {}
    strengths: list[float] = []
    protocols = [one for one in judge.protocols if one.name not in judge.unavailable]
    for number, fold in enumerate(folds):
        own = [videos[name] for name in fold.train]
        weights, strength = fit_ridge(ridge, own, _shuffled(own, np.random.default_rng([seed, number])))
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
    made_by = {**made_by, "normalise": settings.normalise, "strengths": strengths, "checkpoint_rule": "val"}
    judge.add_results(RIDGE, results, predictions, made_by, beside=beside)


def ridge_summarizer(stores: Stores) -> SummarizeTask:
    """Ridge regression fitted to all videos of a dataset, as a summarizer of nothing else.

    Its checkpoint (`save_pretrained`) scores videos as that of any other summarizer does.
    """
    from sspvs.data.fold_data import survey_fold
    from sspvs.models.settings import VideoEncoderSettings
    from sspvs.models.summarizer import SummarizerSettings
    from sspvs.tasks.ridge import fit_ridge
    from sspvs.tasks.summarize import SummarizeTask

    names = [f"{stores.tested.name}/{key}" for key in stores.tested]
    table = survey_fold(names, stores, None)
    ridge, videos, settings = _ridge_videos(table, stores, names)
    widths = table.stream_widths
    tower = VideoEncoderSettings(
        sum(widths), num_heads=1, num_layers=0, embed_dim=2, feedforward_dim=1, stream_widths=widths
    )
    made = None if table.fingerprint is None else table.fingerprint.as_dict()
    task = SummarizeTask(tower, SummarizerSettings(head="linear"), ridge=settings, feature_fingerprint=made)
    assert task.model.ridge is not None
    task.model.ridge.weight.copy_(fit_ridge(ridge, list(videos.values()))[0][:, 0])
    return task.eval()


def _shuffled(videos: Sequence[RidgeVideo], generator: np.random.Generator) -> Tensor:
    """(N, R) the labels of videos, shuffled in time within each."""
    import torch

    drawn = []
    for video in videos:
        places = np.stack([generator.permutation(len(video.target)) for _ in range(SHUFFLES)], axis=1)
        drawn.append(video.target[places])
    return torch.cat(drawn)


def _ridge_videos(
    table: VideoTable, stores: Stores, names: Sequence[str]
) -> tuple[Ridge, dict[str, RidgeVideo], RidgeSettings]:
    """Ridge regression of the streams that videos have, and what of the videos it is fitted to and scores."""
    import torch

    from sspvs.models.ridge import Ridge, frames_only
    from sspvs.tasks.ridge import RidgeVideo

    features = {name: torch.from_numpy(np.array(table.features(table[name]))) for name in names}
    widths = table.stream_widths
    least = torch.stack(
        [torch.stack([part.min() for part in torch.split(one, list(widths), 1)]) for one in features.values()]
    )
    settings = frames_only((least.amin(dim=0) >= 0).tolist())
    ridge, videos = Ridge(widths, settings), {}
    for name, raw in features.items():
        ref = VideoRef.parse(name)
        rows = ridge.rows(raw[None], torch.ones(1, len(raw), dtype=torch.bool))[0]
        users = stores[ref.dataset][ref.key].user_scores_at_picks
        videos[name] = RidgeVideo.of(rows, np.asarray(table[name].target), users)
    table.close()
    return ridge, videos, settings


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
