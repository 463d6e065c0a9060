"""Results of several runs on the same videos, as one: per video the mean over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.benchmark import Benchmark, EvaluationSettings
from sspvs.benchmark.result_file import coverage_facts, dataset_facts, repairs_of, versions
from sspvs.benchmark.rows import CONTRASTIVE_ALONE, Judge, refined_row
from sspvs.benchmark.settings import Post
from sspvs.crossval.fold_run import PACKAGES
from sspvs.crossval.folder import SCORES, CrossvalFolder, FoldRecord
from sspvs.crossval.plan import CrossvalSettings, Plan
from sspvs.crossval.results import CrossValidation
from sspvs.errors import DatasetError
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.published import benchmark_name
from sspvs.evaluation.rank_correlation import mean_of_defined
from sspvs.evaluation.results import METRICS, Evaluation, MethodResult, VideoResult
from sspvs.table import read_scores
from sspvs.tasks.checkpoint import SUMMARIZE
from sspvs.training.predictions import variant_path
from sspvs.types import Annotations, FloatArray


def mean_video(results: Sequence[VideoResult]) -> VideoResult:
    """One video's metrics, each the mean over the runs where it is defined; pairs are counted over all runs."""
    first = results[0]
    frames = {result.summary_frames for result in results}
    means = {metric: mean_of_defined([getattr(result, metric) for result in results]) for metric in METRICS}
    return VideoResult(
        key=first.key,
        name=first.name,
        **means,
        undefined_pairs=sum(result.undefined_pairs for result in results),
        n_pairs=sum(result.n_pairs for result in results),
        summary_frames=frames.pop() if len(frames) == 1 else None,
    )


def mean_result(method: str, runs: Sequence[MethodResult], order: Sequence[str]) -> MethodResult:
    """Runs under one protocol as one result.

    Args:
        method: What it is called.
        runs: At least one; a video is in as many of them as tested it.
        order: Keys of all the videos, as they shall stand.
    """
    by_key: dict[str, list[VideoResult]] = {}
    for run in runs:
        for video in run.videos:
            by_key.setdefault(video.key, []).append(video)
    settings = dict(runs[0].settings)
    empty = dict.fromkeys(name for run in runs for name in run.settings.get("empty_summaries", ()))
    settings.pop("empty_summaries", None)
    if empty:
        settings["empty_summaries"] = list(empty)
    videos = tuple(mean_video(by_key[key]) for key in order if key in by_key)
    return MethodResult(method, runs[0].protocol, videos, settings)


def over_seeds(by_seed: Mapping[int, MethodResult]) -> dict[str, Any]:
    """Each seed's means over the videos, and how far apart they are.

    Args:
        by_seed: Seed -> its result, under one protocol.

    Returns:
        `per_seed`: rows of `seed` and the metrics; `over_seeds`: metric -> `mean` and `std` of these rows (the
        sample's, n - 1), None where undefined.
    """
    rows = [{"seed": seed, **{m: mean_of_defined(run.values(m)) for m in METRICS}} for seed, run in by_seed.items()]
    spread = {}
    for metric in METRICS:
        known = np.array([row[metric] for row in rows])
        known = known[np.isfinite(known)]
        std = float(known.std(ddof=1)) if len(known) > 1 else None
        spread[metric] = {"mean": float(known.mean()) if len(known) else None, "std": std}
    return {"per_seed": rows, "over_seeds": spread}


def gather(
    plan: Plan,
    settings: CrossvalSettings,
    *,
    protocol: str,
    name: str,
    rule: str = "default",
    progress: bool = False,
) -> CrossValidation:
    """Figures of all folds and seeds, which must be finished.

    Args:
        plan: What was asked for.
        settings: Likewise.
        protocol: A name of `PROTOCOLS`, or `all`.
        name: What the method is called.
        rule: How scores become summaries, for F1: a name of `RULES`.
        progress: Show bars where it takes more than a few seconds.

    Raises:
        DatasetError: A file of a fold does not fit.
        ProtocolUnavailableError: The dataset does not have what the protocol needs.
    """
    how = EvaluationSettings(
        protocol=protocol, rule=rule, contrastive=True, post=_post(plan), checkpoint_rule=settings.rule
    )
    judge = _judge(plan, how, progress=progress)
    folder = CrossvalFolder(settings.out)
    records = [folder.record(seed, fold) for seed in settings.seeds for fold in range(plan.n_folds)]
    runs = _Runs(plan, folder, records, judge)
    made_by = _made_by(plan, settings, records)
    judge.add_results(name, *runs.row(name, SCORES), made_by)
    if plan.is_refined:
        _add_combinations(plan, judge, runs, name, made_by)
    judge.add_contrastive_beside(CONTRASTIVE_ALONE, "a")
    judge.add_rows_beside()
    evaluation = _evaluation(plan, judge, how, _told(plan, records))
    return CrossValidation(
        name,
        settings.out,
        Benchmark(evaluation, judge.videos, judge.predictions),
        tuple(records),
        plan.config,
        plan.digest,
    )


def check_protocols(plan: Plan, protocol: str) -> None:
    """See before anything is trained that the figures asked for can be computed.

    Args:
        plan: What was asked for.
        protocol: A name of `PROTOCOLS`, or `all`.

    Raises:
        ProtocolUnavailableError: The dataset does not have what the protocol needs.
    """
    _judge(plan, EvaluationSettings(protocol=protocol)).check_protocols()


def _judge(plan: Plan, how: EvaluationSettings, *, progress: bool = False) -> Judge:
    store = plan.data.stores.tested
    return Judge(store, {key: store[key] for key in plan.times_tested}, how, progress=progress)


class _Runs:
    """Score files of all folds and seeds to rows of the table."""

    def __init__(self, plan: Plan, folder: CrossvalFolder, records: Sequence[FoldRecord], judge: Judge) -> None:
        self.plan, self.folder, self.records, self.judge = plan, folder, records, judge

    def row(self, method: str, file: str) -> tuple[dict[str, MethodResult], dict[str, Prediction]]:
        """Results by protocol, over the folds of each seed and then over the seeds; each video's mean scores.

        Args:
            method: What the row is called.
            file: Name of the score file in each fold's folder.
        """
        videos = self.judge.videos
        runs: dict[int, list[dict[str, MethodResult]]] = {}
        scores: dict[str, list[FloatArray]] = {}
        for record in self.records:
            path = self.folder.fold(record.seed, record.fold) / file
            found = _scores_of(path, self.plan.tested[record.fold], videos)
            runs.setdefault(record.seed, []).append(self.judge.results_of(method, found))
            for key, prediction in found.items():
                scores.setdefault(key, []).append(prediction.at_picks)
        drawn = {key: Prediction.of(np.mean(scores[key], axis=0), videos[key]) for key in videos}
        protocols = next(iter(runs.values()))[0]
        return {protocol: _over_runs(method, protocol, runs, list(videos)) for protocol in protocols}, drawn


def _add_combinations(plan: Plan, judge: Judge, runs: _Runs, name: str, made_by: Mapping[str, Any]) -> None:
    """The other combinations of terms of refined features, beside the method."""
    own = plan.config["model"]["combine"]
    for variant in runs.records[0].variants:
        row = refined_row(variant)
        if row == refined_row(own):
            continue
        if row == name:
            raise ValueError(f"'{name}' is the name of another row here; call the method something else (--name)")
        made = {**{key: value for key, value in made_by.items() if key != "config"}, "combine": variant}
        judge.add_results_beside(row, *runs.row(row, variant_path(Path(SCORES), variant).name), made)


def _post(plan: Plan) -> Post:
    """What follows the product in training-free rows: as in the rows of refined features, or as the dataset has it."""
    if plan.is_refined:
        post: Post = plan.config["model"]["post"]
        return post
    return "tvsum" if benchmark_name(plan.data.stores.tested.name) == "tvsum" else "summe"


def _scores_of(path: Path, keys: Sequence[str], videos: Mapping[str, Annotations]) -> dict[str, Prediction]:
    found = read_scores(path)
    if set(found) != set(keys):
        raise DatasetError(
            f"{path}: expected scores of {len(keys)} tested videos, found {len(found)}; delete the folder "
            f"{path.parent}, and the fold is made again"
        )
    return {key: Prediction.of(found[key].scores, videos[key], picks=found[key].picks) for key in keys}


def _over_runs(
    method: str, protocol: str, runs: Mapping[int, Sequence[Mapping[str, MethodResult]]], order: Sequence[str]
) -> MethodResult:
    """Over the folds of each seed, then over the seeds."""
    by_seed = {seed: mean_result(method, [run[protocol] for run in folds], order) for seed, folds in runs.items()}
    result = mean_result(method, list(by_seed.values()), order)
    return replace(result, settings={**result.settings, **over_seeds(by_seed)})


def _made_by(plan: Plan, settings: CrossvalSettings, records: Sequence[FoldRecord]) -> dict[str, Any]:
    """What made the method's figures, for its row."""
    start = records[0].initialised_from
    model = plan.config["model"]
    return {
        **({"combine": model["combine"], "post": model["post"]} if plan.is_refined else {}),
        "checkpoint_rule": settings.rule,
        "seeds": list(settings.seeds),
        "folds_per_seed": plan.n_folds,
        "figures": "per video the mean over seeds" + (", and over the folds that test it" if _repeated(plan) else ""),
        "initialised_from": None if start is None else dict(start),
        "trained_on": sorted({record.device for record in records}),
        "feature_fingerprint": None if records[0].feature_fingerprint is None else dict(records[0].feature_fingerprint),
        "config": dict(plan.config),
    }


def _repeated(plan: Plan) -> int:
    """Videos that more than one fold tests."""
    return sum(count > 1 for count in plan.times_tested.values())


def _told(plan: Plan, records: Sequence[FoldRecord]) -> list[str]:
    """Sentences for whoever reads the table."""
    told = []
    store, tested = plan.data.stores.tested, plan.times_tested
    if len(tested) < len(store) or _repeated(plan):
        more = f", {_repeated(plan)} of them by more than one fold" if _repeated(plan) else ""
        told.append(f"the split tests {len(tested)} of {len(store)} videos{more}: each counts once, with its mean")
    starts = {start["source"]: start for record in records if (start := record.initialised_from) is not None}
    told += [
        f"training started from a fine-tuned summarizer, {source}: if it has learned from videos that are tested here, "
        "the figures say nothing"
        for source, start in starts.items()
        if start["kind"] == SUMMARIZE
    ]
    others = {name: {record.versions.get(name) for record in records} for name in records[0].versions}
    differing = [name for name, known in others.items() if len(known) > 1]
    if differing:
        told.append(f"not all folds were made with the same version of {', '.join(differing)}")
    undefined = sum(record.chosen.monitor is not None and record.chosen.value is None for record in records)
    if undefined:
        told.append(f"in {undefined} of {len(records)} folds nothing could choose the weights: the figure is undefined")
    return told


def _evaluation(plan: Plan, judge: Judge, how: EvaluationSettings, told: Sequence[str]) -> Evaluation:
    store, split = plan.data.stores.tested, plan.data.split
    coverage = coverage_facts(split, store, list(judge.videos))
    if _repeated(plan):
        coverage["tested_more_than_once"] = _repeated(plan)
    return Evaluation(
        dataset=store.name,
        protocols=tuple(protocol.name for protocol in judge.protocols),
        methods=judge.methods,
        baselines=judge.baselines,
        unavailable=judge.unavailable,
        coverage=coverage,
        folds=() if _repeated(plan) else plan.tested,
        settings={**dataset_facts(store), **how.stated},
        versions=versions(*PACKAGES),
        warnings=(*repairs_of(judge.videos), *split.repairs, *judge.warnings, *told),
    )
